"""Where records go: one module per file format, all behind :class:`Sink`.

The modules ``json_`` and ``csv_`` end in an underscore so that they never hide the standard library's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from semscan.engine.errors import UsageError
from semscan.engine.records import Record
from semscan.engine.sinks.csv_ import CsvSink
from semscan.engine.sinks.json_ import JsonSink
from semscan.engine.sinks.jsonl import JsonlSink
from semscan.engine.sinks.output import FileOutput, Output
from semscan.engine.sinks.sqlite import SqliteSink


class Sink(Protocol):
    """Takes the records of one run in the order in which the pipeline yields them."""

    def write(self, record: Record) -> None:
        """Add one record.

        Raises:
            OutputError: it cannot be written.
        """
        ...

    def close(self) -> None:
        """Finish the output; what was written so far is valid even if the run did not end. May be called twice."""
        ...


FORMATS: dict[str, Callable[[Output], Sink]] = {"jsonl": JsonlSink, "json": JsonSink, "csv": CsvSink}


SUFFIXES = (*(f".{name}" for name in FORMATS), ".sqlite")


def open_sink(path: str | os.PathLike[str], overwrite: bool = False, resume: bool = False) -> Sink:
    """A sink for a file, in the format that its suffix names.

    Nothing is created before the first record: a run that is refused leaves no empty file behind.

    Args:
        path: ends in one of :data:`SUFFIXES`.
        overwrite: replace an existing file.
        resume: continue an existing ``.sqlite`` file; other files are written anew.

    Raises:
        UsageError: no format has this suffix.
        OutputError: the file exists and must not be overwritten, or its folder cannot be written to.
    """
    target = Path(path)
    name = target.suffix.lower().removeprefix(".")
    if name == "sqlite":
        return SqliteSink(target, overwrite=overwrite, resume=resume)
    if name not in FORMATS:
        raise UsageError(f"no output format ends in {target.suffix!r}: {target}", f"use one of {' '.join(SUFFIXES)}")
    # Lines and rows go straight into the file, a killed run leaves what it had; one JSON document is whole or absent.
    return FORMATS[name](FileOutput(target, overwrite=overwrite or resume, atomic=name == "json"))
