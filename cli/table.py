"""Tables of panels for a terminal, fitted to its width, and prose wrapped beside them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from semscan.cli.rows import cells
from semscan.cli.terminal import Style, printable
from semscan.engine.records import PanelRecord

_HEAD = ("PAGE", "FIGURE", "PANEL", "PIXELS", "SOURCE")
_SAID = "AMONG GENUINE PANELS LIKE IT"
_GAP = "  "
_TOGETHER = re.compile(r"\b(1) (in) (?=\d)|(?<=\d) (?=%)")
"""Spaces at which prose is not broken: inside ``1 in 20`` and ``13 %``."""


class PanelTable:
    """The panels of one document, in columns that line up over all of its tables.

    Args:
        panels: every panel that will get a row.
        style: colour and width.
    """

    def __init__(self, panels: Sequence[PanelRecord], style: Style) -> None:
        self._style = style
        rows = [cells(panel) for panel in panels]
        self._widths = [max(len(row[i]) for row in (_HEAD, *rows)) for i in range(len(_HEAD))]

    def assessed(self, panels: Sequence[PanelRecord]) -> list[str]:
        """Rows of assessed panels under a head; where the terminal is narrow, the rarity has a line of its own."""
        rows = [tuple(map(printable, cells(panel))) for panel in panels]
        said = max(len(text) for text in (_SAID, *(row[5] for row in rows)))
        start = sum(self._widths) + len(_GAP) * len(_HEAD)
        if len(_GAP) + start + said + len("   LOOK") <= self._style.width:
            lines = [_GAP + self._style.faint(f"{self._columns(_HEAD)}{_SAID}")]
            return lines + [f"{_GAP}{self._columns(row)}{row[5]:{said}}   {self._level(row[6])}" for row in rows]
        below = " " * (self._widths[0] + 2 * len(_GAP))
        lines = [_GAP + self._style.faint(self._columns(_HEAD).rstrip()), below + self._style.faint(_SAID)]
        for row in rows:
            lines += [f"{_GAP}{self._columns(row)} {self._level(row[6])}", below + row[5]]
        return lines

    def unassessed(self, panels: Sequence[PanelRecord]) -> list[str]:
        """Rows of panels that were not assessed, each with its reason."""
        lines = []
        for panel in panels:
            row = tuple(map(printable, cells(panel)))
            start = _GAP + "".join(f"{text:{width}}{_GAP}" for text, width in zip(row[:4], self._widths, strict=False))
            lines += wrapped(row[5], self._style, start, " " * len(start))
        return lines

    def _columns(self, row: Sequence[str]) -> str:
        return "".join(f"{text:{width}}{_GAP}" for text, width in zip(row, self._widths, strict=False))

    def _level(self, level: str) -> str:
        return self._style.warn(level) if level == "LOOK" else level


def wrapped(text: str, style: Style, indent: str = "  ", hanging: str | None = None) -> list[str]:
    """Lines of prose; a frequency or a percentage is never torn apart.

    Args:
        text: one paragraph.
        style: gives the width.
        indent: before the first line.
        hanging: before the lines that follow; ``None`` for the same as before the first.
    """
    bound = _TOGETHER.sub(lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    lines = textwrap.wrap(
        bound,
        style.width,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]
