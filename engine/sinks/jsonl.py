"""JSON Lines: one record per line, the reference format."""

from __future__ import annotations

import json

from semscan.engine.records import Record, to_jsonable
from semscan.engine.sinks.output import Output


def encode(record: Record) -> bytes:
    """One record as JSON in UTF-8, without a line end; ``type`` comes first.

    File names that are no valid Unicode hold lone surrogates: those are written as JSON escapes.
    """
    text = json.dumps(to_jsonable(record), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


class JsonlSink:
    """Writes each record at once: a killed run leaves complete lines."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, record: Record) -> None:
        """See :class:`semscan.engine.sinks.Sink`."""
        self._output.write(encode(record) + b"\n")

    def close(self) -> None:
        """See :class:`semscan.engine.sinks.Sink`."""
        self._output.close()
