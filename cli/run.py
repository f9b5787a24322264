"""Running a scan on the command line: one stream of records, several outputs, one exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import click

from semscan.cli.exitcode import final_exit_code
from semscan.cli.interrupts import Interrupts
from semscan.cli.progress import ProgressLine
from semscan.cli.rows import PlainRows, Show
from semscan.cli.stdout import data_stream
from semscan.cli.terminal import printable, style_for
from semscan.cli.text import TextView, totals
from semscan.engine.errors import ExitCode, UsageError
from semscan.engine.journal import Journal
from semscan.engine.options import ScanOptions
from semscan.engine.records import DocumentRecord, NoticeRecord, Record, SummaryRecord
from semscan.engine.sinks import FORMATS, Sink, open_sink
from semscan.engine.sinks.output import StreamOutput
from semscan.engine.sinks.sqlite import SqliteSink


@dataclass(frozen=True, slots=True)
class View:
    """What goes to standard output and standard error.

    Attributes:
        form: ``text``, ``jsonl``, ``json``, ``csv`` or ``none``.
        show: panels listed in the text view.
        progress: see :class:`ProgressLine`.
        quiet: nothing on standard error but refusals.
        no_colour: plain text even on a terminal.
    """

    form: str = "text"
    show: Show = Show.BRIEF
    progress: str = "auto"
    quiet: bool = False
    no_colour: bool = False


def run_scan(
    paths: Iterable[str],
    options: ScanOptions,
    view: View,
    outputs: Sequence[Path],
    overwrite: bool,
    resume: bool,
    conditions: frozenset[str],
    argv: Sequence[str],
) -> ExitCode:
    """Scan, write every record to every output, and say how it ended.

    With ``resume`` the documents that a ``.sqlite`` output holds are not scanned again, but told again like the others.

    Raises:
        SemscanError: the scan or an output was refused.
    """
    from semscan.engine.pipeline import scan

    line = ProgressLine("none" if sys.stderr is None else view.progress, sys.stderr)
    with ExitStack() as stack:
        sinks: list[Sink] = [open_sink(path, overwrite, resume) for path in _distinct(outputs)]
        journal = _journal(sinks) if resume else None
        stream = stack.enter_context(data_stream())
        person = view.form == "text" and stream.isatty()
        if view.form != "none":
            sinks.append(_stdout_sink(stream, view, line))
        for sink in sinks:
            stack.callback(sink.close)
        stack.callback(line.clear)
        ending = _Ending(conditions)
        interrupts = stack.enter_context(Interrupts(line.say))
        records = scan(paths, options, argv=argv, progress=line.update, journal=journal, stop=interrupts.asked)
        if isinstance(records, Generator):  # ends the workers now, not when the garbage collector gets to it
            stack.callback(records.close)
        for record in records:
            record = ending.note(record)
            for sink in sinks:
                sink.write(record)
            if not person and not view.quiet:
                _tell(record, line)
    return ending.code


def listen(records: Iterator[Record], take: Callable[[Record], None], line: ProgressLine, *, quiet: bool) -> int:
    """Hand every record of a scan on, and tell a person what could not be read; returns the exit code of the scan."""
    code = int(ExitCode.OK)
    with ExitStack() as stack:
        stack.callback(line.clear)
        if isinstance(records, Generator):  # ends the workers now, not when the garbage collector gets to it
            stack.callback(records.close)
        for record in records:
            take(record)
            if isinstance(record, SummaryRecord):
                code = record.exit_code
            elif not quiet:
                _tell(record, line)
    return code


class _Ending:
    """Works out the exit code while the records go by; one record of one document at a time."""

    def __init__(self, conditions: frozenset[str]) -> None:
        self._conditions = conditions
        self._unassessed_documents = 0
        self.code = ExitCode.INTERNAL

    def note(self, record: Record) -> Record:
        """The record as it is to be written: the summary carries the exit code that the process ends with."""
        if isinstance(record, DocumentRecord):
            self._unassessed_documents += record.status == "not_assessed"
        elif isinstance(record, SummaryRecord):
            self.code = final_exit_code(record, self._conditions, self._unassessed_documents)
            return replace(record, exit_code=int(self.code))
        return record


def _journal(sinks: Sequence[Sink]) -> Journal:
    for sink in sinks:
        if isinstance(sink, SqliteSink):
            return Journal(sink)
    raise UsageError("--resume needs an output that keeps what was done", "add -o run.sqlite")


def _stdout_sink(stream: BinaryIO, view: View, line: ProgressLine) -> Sink:
    output = StreamOutput(stream)
    if view.form != "text":
        return FORMATS[view.form](output)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"

    def write(text: str) -> None:
        line.clear()
        output.write(text.encode(encoding, "replace"))

    if stream.isatty():
        return TextView(write, style_for(True, view.no_colour), view.show)
    return PlainRows(write, view.show)


def _tell(record: Record, line: ProgressLine) -> None:
    """What a person at the terminal must know when the records themselves go elsewhere."""
    if isinstance(record, NoticeRecord):
        line.clear()
        page = f", page {record.page}" if record.page else ""
        click.echo(f"semscan: {record.severity}: {printable(record.path)}{page}: {printable(record.message)}", err=True)
    elif isinstance(record, SummaryRecord):
        line.clear()
        for text in totals(record):
            click.echo(text, err=True)


def _distinct(outputs: Sequence[Path]) -> Sequence[Path]:
    seen = set()
    for path in outputs:
        if path.resolve() in seen:
            raise UsageError(f"-o {path} is given twice", "each output needs its own file")
        seen.add(path.resolve())
    return outputs
