"""Progress on standard error: a bar that redraws itself, or plain lines for a log file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from semscan.engine.opened import Progress

BAR_COLUMNS = 24
BAR_PERIOD_S = 0.1
PLAIN_PERIOD_S = 10.0
SHORTEST_MEASURE_S = 1.0
"""Before that a rate would be a guess."""


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
        self._began_s = clock()
        self._shown = ""

    def update(self, progress: Progress) -> None:
        """Show the state, unless the last one was shown a moment ago."""
        if self._mode == "none" or self._clock() < self._next_s:
            return
        state = describe(progress, self._clock() - self._began_s)
        self._next_s = self._clock() + (BAR_PERIOD_S if self._mode == "bar" else PLAIN_PERIOD_S)
        if self._mode == "plain":
            click.echo(state, file=self._stream)
            return
        self.clear()
        # A line that wraps could not be redrawn: the bar gives way first.
        most = self._columns() - 1
        line = f"{_bar(progress)}{state}"
        self._shown = line if len(line) <= most else state[:most]
        self._stream.write(self._shown)
        self._stream.flush()

    def say(self, text: str) -> None:
        """Print a line of its own, whatever the mode."""
        self.clear()
        click.echo(text, file=self._stream)

    def clear(self) -> None:
        """Take the bar away before something else is printed."""
        if self._shown:
            self._stream.write("\r" + " " * len(self._shown) + "\r")
            self._stream.flush()
            self._shown = ""


def describe(progress: Progress, seconds: float = 0.0) -> str:
    """One line about the state of a scan.

    Args:
        progress: the state.
        seconds: since the scan began; under a second the rate is left out.
    """
    done, total = progress.documents_done, progress.documents_total
    parts = [f"{done:,}{'' if total is None else f'/{total:,}'} documents", f"{progress.panels:,} panels"]
    flagged = f"{progress.flagged:,} flagged"
    parts.append(f"{flagged}, {progress.expected:.1f} expected" if progress.expected else flagged)
    if progress.failed:
        codes = ", ".join(f"{count:,} {code}" for code, count in sorted(progress.failures.items()))
        parts.append(f"{progress.failed:,} failed" + (f" ({codes})" if codes else ""))
    if seconds >= SHORTEST_MEASURE_S and done:
        parts.append(f"{done / seconds:.1f}/s")
        if total:
            parts.append(f"{_duration((total - done) * seconds / done)} left")
    return "   ".join(parts)


def _duration(seconds: float) -> str:
    """Whole seconds, minutes or hours, as far as they matter."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    return f"{minutes // 60} h {minutes % 60:02} min"


def _bar(progress: Progress) -> str:
    if not progress.documents_total:
        return ""
    filled = BAR_COLUMNS * progress.documents_done // progress.documents_total
    return f"[{'#' * filled}{'-' * (BAR_COLUMNS - filled)}] "
