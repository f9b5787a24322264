"""How far a training is, on standard error: a bar that redraws itself on a terminal, nothing in a log file.

In a log file the lines of statistics say the same.
"""

from __future__ import annotations

import shutil
import sys
import time

_COLUMNS = 24
_PERIOD_S = 0.2


class Meter:
    """One bar.

    Args:
        label: printed in front.
        total: steps of the whole run.
        first: steps that an earlier process already did.

    Attributes:
        is_bar: whether a bar is shown at all.
    """

    def __init__(self, label: str, total: int, first: int = 0) -> None:
        self.is_bar = sys.stderr.isatty()
        self._label, self._total, self._first = label, total, first
        self._began_s = time.monotonic()
        self._next_s = 0.0

    def update(self, done: int) -> None:
        """Show that ``done`` steps are done, unless the last state was shown a moment ago."""
        now = time.monotonic()
        if not self.is_bar or (now < self._next_s and done < self._total):
            return
        self._next_s = now + _PERIOD_S
        line = bar_line(self._label, done, self._total, (now - self._began_s) / max(1, done - self._first))
        sys.stderr.write("\r" + line[: shutil.get_terminal_size().columns - 1].ljust(_COLUMNS))
        sys.stderr.flush()

    def close(self) -> None:
        """Leave the last state and start a new line."""
        if self.is_bar:
            sys.stderr.write("\n")


def bar_line(label: str, done: int, total: int, s_per_step: float) -> str:
    """The text of a bar.

    >>> bar_line("dcgan_64", 500, 1000, 0.6)
    '[############------------] dcgan_64  500/1000  0.60 s/step  5 min left'
    """
    filled = _COLUMNS * done // max(1, total)
    minutes = round((total - done) * s_per_step / 60)
    left = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
    bar = "#" * filled + "-" * (_COLUMNS - filled)
    return f"[{bar}] {label}  {done}/{total}  {s_per_step:.2f} s/step  {left} left"
