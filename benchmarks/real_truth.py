"""What is annotated in the real papers: reading it, and pairing it with what the engine found on a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.matching import Corners, iou, match
from semscan.engine.pdf.wire import Named

ANNOTATED = Path(__file__).parent.parent / "tests" / "truth" / "papers.json"

NOT_A_PICTURE = frozenset({"graphic", "tiny", None})
"""Kinds that are not said to be a micrograph or a photograph."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One annotated picture, as ``tests/truth/README.md`` describes it."""

    page: int
    figure: str | None
    panel: str | None
    kind: str
    box_pt: tuple[float, float, float, float]
    role: str = "panel"
    false_colour: bool = False
    disputed: bool = False
    note: str = ""

    @property
    def sem(self) -> bool:
        """Whether it is an SEM panel that must be found and taken for one."""
        return self.kind == "sem" and self.role == "panel" and not (self.disputed or self.false_colour)


@dataclass(frozen=True, slots=True)
class Paper:
    """One annotated paper: ``figures`` maps the label of each caption to its page."""

    name: str
    doi: str
    title: str
    figures: dict[str, int]
    panels: tuple[Truth, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One panel as the engine reported it; ``by`` says whether pixels, caption or text decided on its kind."""

    page: int
    figure: str | None
    panel: str | None
    kind: str | None
    status: str
    reason: str | None
    box_pt: tuple[float, float, float, float]
    by: str = "pixels"

    def without(self, *words: str) -> Seen:
        """The same as it is where these words, ``caption`` or ``text``, are not read."""
        return replace(self, kind="uncertain" if self.kind == "sem" else "sem") if self.by in words else self

    @classmethod
    def of(cls, record: Any) -> Seen | None:
        """From a panel record; ``None`` for one without a place on a page or without pixels."""
        if record.page is None or record.bbox_pt is None or record.image is None:
            return None
        kind, by = (record.kind.label, record.kind.by) if record.kind else (None, "pixels")
        return cls(record.page, record.figure, record.panel, kind, record.status, record.reason, record.bbox_pt, by)


def read_papers(path: Path = ANNOTATED) -> list[Paper]:
    """All annotated papers, by name."""
    papers = []
    for name, entry in json.loads(path.read_text("utf-8")).items():
        panels = tuple(Truth(**{**panel, "box_pt": tuple(panel["box_pt"])}) for panel in entry["panels"])
        papers.append(Paper(name, entry["doi"], entry["title"], entry["figures"], panels))
    return sorted(papers, key=lambda paper: paper.name)


def pairs(seen: Sequence[Seen], true: Sequence[Truth], least_iou: float) -> list[tuple[Seen, Truth]]:
    """What was found and what is there, page by page, each used once and the best overlaps first."""
    found = []
    for page in sorted({item.page for item in true}):
        here, there = [s for s in seen if s.page == page], [t for t in true if t.page == page]
        matched = match([s.box_pt for s in here], [t.box_pt for t in there], least_iou)
        found += [(here[i], there[j]) for i, j in matched]
    return found


def on_panels(seen: Sequence[Seen], true: Sequence[Truth]) -> list[Seen]:
    """What counts when boxes are judged: found panels that lie on annotated ones, or take one in.

    A plot beside a micrograph is neither right nor wrong here. What matches an inset, which need not be found, is left
    out, too.
    """
    panels = [t for t in true if t.role == "panel"]
    insets = {id(s) for s, _ in pairs(seen, [t for t in true if t.role != "panel"], 0.5)}
    insets -= {id(s) for s, _ in pairs(seen, panels, 0.5)}
    return [s for s in seen if id(s) not in insets and any(_meet(s, t) for t in panels)]


def elsewhere(seen: Sequence[Seen], true: Sequence[Truth]) -> list[Seen]:
    """What is taken for a micrograph or a photograph where none is annotated: plots, drawings, logos."""
    return [s for s in seen if s.kind not in NOT_A_PICTURE and not any(_meet(s, t) for t in true)]


def _meet(item: Seen, panel: Truth) -> bool:
    return item.page == panel.page and max(_shares(item.box_pt, panel.box_pt)) > 0.5


def _shares(box: Corners, other: Corners) -> tuple[float, float]:
    """How much of each of two boxes lies in the other one."""
    overlap = iou(box, other)
    own, theirs = ((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
    shared = overlap * (own + theirs) / (1 + overlap)
    return shared / own if own else 0.0, shared / theirs if theirs else 0.0


def names_right(named: Sequence[tuple[Named, Paper]]) -> dict[str, tuple[int, int]]:
    """How many of how many papers bear the DOI and the title that are printed on them.

    Upper and lower case, punctuation and spaces do not count: publishers differ in them from page to file.
    """
    counts = {}
    for name in ("doi", "title"):
        both = [(_letters(getattr(found, name)), _letters(getattr(paper, name))) for found, paper in named]
        given = [found == true for found, true in both if found]
        counts[f"{name} right, of those given"] = sum(given), len(given)
        counts[f"{name} right, of all papers"] = sum(given), len(both)
    return counts


def _letters(text: str | None) -> str:
    return "".join(char for char in (text or "").casefold() if char.isalnum())
