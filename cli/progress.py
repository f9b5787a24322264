"""Progress on standard error: a bar that redraws itself, or plain lines for a log file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from semscan.engine.flow import Progress

BAR_COLUMNS = 24
BAR_PERIOD_S = 0.1
PLAIN_PERIOD_S = 10.0


class ProgressLine:
    """Shows how far a scan is.

    Args:
        mode: ``auto`` (a bar on a terminal, else nothing), ``bar``, ``plain`` or ``none``.
        stream: standard error.
        clock: seconds, monotonic.
        columns: width of the terminal, asked each time because windows change their size.
    """

    def __init__(
        self,
        mode: str,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        self._mode = ("bar" if stream.isatty() else "none") if mode == "auto" else mode
        self._stream, self._clock, self._columns = stream, clock, columns
        self._next_s = float("-inf")
        self._shown = ""

    def update(self, progress: Progress) -> None:
        """Show the state, unless the last one was shown a moment ago."""
        if self._mode == "none" or self._clock() < self._next_s:
            return
        self._next_s = self._clock() + (BAR_PERIOD_S if self._mode == "bar" else PLAIN_PERIOD_S)
        if self._mode == "plain":
            click.echo(describe(progress), file=self._stream)
            return
        self.clear()
        # A line that wraps could not be redrawn: the bar gives way first.
        most = self._columns() - 1
        line = f"{_bar(progress)}{describe(progress)}"
        self._shown = line if len(line) <= most else describe(progress)[:most]
        self._stream.write(self._shown)
        self._stream.flush()

    def clear(self) -> None:
        """Take the bar away before something else is printed."""
        if self._shown:
            self._stream.write("\r" + " " * len(self._shown) + "\r")
            self._stream.flush()
            self._shown = ""


def describe(progress: Progress) -> str:
    """One line about the state of a scan."""
    total = "" if progress.documents_total is None else f"/{progress.documents_total:,}"
    line = f"{progress.documents_done:,}{total} documents   {progress.panels:,} panels   {progress.flagged:,} flagged"
    return f"{line}   {progress.failed:,} failed" if progress.failed else line


def _bar(progress: Progress) -> str:
    if not progress.documents_total:
        return ""
    filled = BAR_COLUMNS * progress.documents_done // progress.documents_total
    return f"[{'#' * filled}{'-' * (BAR_COLUMNS - filled)}] "
