"""One JSON document with all records of a run."""

from __future__ import annotations

import json

from semscan.engine.records import SCHEMA, Record
from semscan.engine.sinks.jsonl import encode
from semscan.engine.sinks.output import Output


class JsonSink:
    """Writes ``{"schema": "semscan/1", "records": [...]}``, one record per line."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._before = f'{{"schema":{json.dumps(SCHEMA)},"records":[\n'.encode()
        self._open = False

    def write(self, record: Record) -> None:
        """See :class:`semscan.engine.sinks.Sink`."""
        self._output.write(self._before + encode(record))
        self._before, self._open = b",\n", True

    def close(self) -> None:
        """See :class:`semscan.engine.sinks.Sink`."""
        if self._open:
            self._open = False
            self._output.write(b"\n]}\n")
        self._output.close()
