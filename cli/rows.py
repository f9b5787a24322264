"""The text view for a pipe: one row per panel, tab-separated, no colour, no prose.

Columns: path, page, figure, panel, pixels, source, what is to be said of the panel, level. The level is ``LOOK``,
``note`` or ``-`` for an assessed panel, ``NOT ASSESSED`` or, for a whole document, ``NOT READ``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from semscan.cli import wording
from semscan.cli.terminal import printable
from semscan.engine.records import DocumentRecord, NoticeRecord, PanelRecord, Record

LEVELS = {"look": "LOOK", "note": "note", "none": "-"}


class Show(StrEnum):
    """Which panels the text view lists."""

    FLAGGED = "flagged"
    ALL = "all"
    UNASSESSED = "unassessed"
    BRIEF = "brief"
    """Flagged and not assessed: what one person wants to see of one document."""

    def lists(self, panel: PanelRecord) -> bool:
        """Whether the panel gets a row."""
        flagged = panel.level == "look"
        unassessed = panel.status != "assessed" and not wording.left_alone(panel)
        return {
            Show.FLAGGED: flagged,
            Show.ALL: True,
            Show.UNASSESSED: unassessed,
            Show.BRIEF: flagged or unassessed,
        }[self]


class PlainRows:
    """Sink of the text view when standard output is no terminal."""

    def __init__(self, write: Callable[[str], None], show: Show) -> None:
        self._write, self._show = write, show
        self._path = "-"

    def write(self, record: Record) -> None:
        """See :class:`semscan.engine.sinks.Sink`."""
        if isinstance(record, DocumentRecord):
            self._path = wording.name(record)
        elif isinstance(record, PanelRecord) and self._show.lists(record):
            self._row(self._path, *cells(record))
        elif isinstance(record, NoticeRecord) and record.severity == "error":
            self._row(record.path, str(record.page or "-"), "-", "-", "-", "-", record.message, "NOT READ")

    def close(self) -> None:
        """Nothing is held back."""

    def _row(self, *texts: str) -> None:
        self._write("\t".join(map(printable, texts)) + "\n")


def cells(panel: PanelRecord) -> tuple[str, ...]:
    """A panel as the texts of a row: page, figure, panel, pixels, source, what to say of it, level."""
    head = (*wording.where(panel), wording.pixels(panel.image), wording.source(panel.image))
    if panel.status == "assessed":
        return (*head, wording.rarity(panel) + wording.other_kind(panel), LEVELS.get(panel.level or "none", "-"))
    return (*head, wording.why_not(panel), "NOT ASSESSED")
