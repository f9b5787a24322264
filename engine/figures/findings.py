"""What was found in an image, and where the image is drawn: apart, because one image may be drawn in many places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import Reason
from semscan.engine.figures.evidence import Said, Words
from semscan.engine.figures.kind import caption_says
from semscan.engine.geometry import Box
from semscan.engine.pdf.affine import Rect
from semscan.engine.pdf.letters import MOST_PANELS
from semscan.engine.pdf.wire import Found, Whole
from semscan.engine.records import ImageRecord, PanelRecord

Lettered: TypeAlias = tuple[str | None, str | None]
"""The letter of a panel, and whether it is from ``text`` or ``pixels``."""

_RECORD_BYTES = 2048
_NEARLY_SEM, _JUST_SEM = 0.99, 1.0
_SCANNED = "part of a scanned page, which was resampled as a whole"


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A panel of an image, wherever that is drawn.

    Attributes:
        record: all that is known from the pixels alone; its ids, page and labels are empty.
        stratum: of the calibration, empty for a panel that is not to be scored.
        smoothness: of the panel, likewise 0.
        tiles: uint8 [n, 1, T, T] to be scored, or ``None``.
        pixels: uint8 [h, w] or [h, w, 3], the panel itself if the task asks for it.
        among: boxes of all panels of its image, in reading order, if known.
        read: the letters that these bear in their pixels, as far as they can be read; empty if none was looked for.
        places: origins of the tiles in pixels from the top left of the panel.
        margin: how open its kind is to words, see :class:`semscan.engine.figures.kind.Kind`.
        if_sem: what it is where words make SEM of it, if that makes a difference.
    """

    record: PanelRecord
    stratum: str = ""
    smoothness: float = 0.0
    tiles: NDArray[np.uint8] | None = None
    pixels: NDArray[np.uint8] | None = None
    among: tuple[Box, ...] = ()
    read: tuple[str | None, ...] = ()
    places: tuple[tuple[int, int], ...] = ()
    margin: float = 0.0
    if_sem: Finding | None = None

    @property
    def size_bytes(self) -> int:
        """What keeping it takes, roughly."""
        also = 0 if self.if_sem is None else self.if_sem.size_bytes
        return _RECORD_BYTES + (0 if self.tiles is None else self.tiles.nbytes) + also

    def changed(self, change: Callable[[PanelRecord], PanelRecord]) -> Finding:
        """The same with another record, whatever a caption says."""
        record, also = change(self.record), None if self.if_sem is None else self.if_sem.changed(change)
        if record is self.record and also is self.if_sem:  # nearly always: all of the image is seen
            return self
        return replace(self, record=record, if_sem=also)

    def told(self, said: Said) -> Finding:
        """What it is where words are said about it."""
        kind = self.record.kind
        if kind is None:
            return self
        words: dict[str, Any] = {"caption": said.caption, "text": said.text}
        like_sem = self.margin * said.odds >= 1
        if self.margin and like_sem and self.if_sem is not None and said.odds > 1:
            found = self.if_sem.record
            kind = replace(found.kind or kind, by=said.by, **words)
            return replace(self.if_sem, record=replace(found, kind=kind), among=self.among)
        if self.margin and not like_sem and kind.label == "sem":
            kind = replace(kind, label="uncertain", by=said.by, **words)
            detail = f"like an SEM micrograph, but {said.why}"
            return self.refused(replace(self.record, kind=kind), Reason.UNCERTAIN_KIND, detail)
        if not any(words.values()):
            return self
        return replace(self, record=replace(self.record, kind=replace(kind, **words)))

    def refused(self, record: PanelRecord, reason: Reason, detail: str) -> Finding:
        """The same, not assessed."""
        record = replace(record, status="not_assessed", reason=reason, detail=detail, tiles=None)
        return Finding(record, pixels=self.pixels, among=self.among)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image is drawn.

    Attributes:
        record: what is known before the image is decoded: page, labels, box of the whole image; ``panel_id`` is the
            prefix of its panels' ids.
        source: ``embedded``, ``inline`` or ``file``.
        object: the PDF object, ``"83 0"``.
        ppi: resolution as placed, from the image's width and height in pixels.
        box_on_page: page points of a pixel box, from the box and the image's width and height.
        parts: how many stored images it is made of.
        scan: whether it is a scanned page, of which nothing is assessed: ``yes``, ``perhaps`` if it is bright like
            paper, or ``no``.
        letters: the letters of panels, from the boxes of all panels of the image in page points.
        words: that are said of it; ``None`` if they are not to be asked.
    """

    record: PanelRecord
    source: str
    object: str | None
    ppi: Callable[[int, int], int | None]
    box_on_page: Callable[[Box, int, int], tuple[float, float, float, float] | None]
    parts: int = 1
    scan: str = "no"
    letters: Callable[[tuple[Rect, ...]], tuple[str | None, ...]] | None = None
    words: Words | None = None

    @property
    def most_odds(self) -> float:
        """What words may be worth for SEM, at most."""
        return 1.0 if self.words is None else self.words.most_odds

    def differs(self, twins: Sequence[PanelRecord], letters: Sequence[str | None]) -> bool:
        """Whether a panel that was refused where its image was drawn before may be assessed here.

        Args:
            twins: what was told of the panels there.
            letters: of the panels here, as far as they are known.
        """
        both = zip(twins, letters, strict=True)
        large = [(twin.image.bbox_px, letter) for twin, letter in both if twin.image and not is_tiny(twin)]
        panels, read = tuple(box for box, _ in large), [letter for _, letter in large]
        return any(self._differs(twin, letter, panels, read) for twin, letter in zip(twins, letters, strict=True))

    def _differs(
        self, twin: PanelRecord, letter: str | None, panels: tuple[Rect, ...], read: Sequence[str | None]
    ) -> bool:
        if twin.reason == Reason.PAGE_SCAN:
            return self.scan != "yes"  # what fills one page like a scan may be a figure on another
        if twin.reason != Reason.UNCERTAIN_KIND or twin.kind is None:
            return False
        by_words = twin.kind.by != "pixels"
        odds = self._said(letter, twin.index or 0, panels, read, _JUST_SEM if by_words else _NEARLY_SEM).odds
        if by_words:
            return odds >= 1
        heard = frozenset(twin.kind.caption), frozenset(twin.kind.text)
        return odds > 1 and not any(caption_says(named, own=True) == "sem" for named in heard)

    def _said(
        self, letter: str | None, index: int, panels: tuple[Rect, ...], read: Sequence[str | None], margin: float
    ) -> Said:
        if self.words is None:
            return Said()
        said = self.words.of(letter, index - 1, panels, read)
        return self.words.beyond(said, letter, len(panels), margin) if margin and said.odds == 1 else said

    def found(self, finding: Finding, token: str | None = None, *, paper: bool = False) -> Found:
        """The message for a panel of the image drawn here.

        Args:
            finding: the panel.
            token: names the image, see :class:`Found`.
            paper: whether the image is bright like a page.
        """
        letters, index = self._letters(finding), finding.record.index or 0
        letter, by = letters[index - 1] if 0 < index <= len(letters) else (None, None)
        if self.words is not None:
            read = [known for known, _ in letters]
            finding = finding.told(self._said(letter, index, finding.among, read, finding.margin))
        if finding.tiles is not None and (self.scan == "yes" or (self.scan == "perhaps" and paper)):
            finding = finding.refused(finding.record, Reason.PAGE_SCAN, _SCANNED)
        seen, image = finding.record, finding.record.image
        drawn: dict[str, Any] = {}
        if image is not None:
            drawn["bbox_pt"] = self.box_on_page(Box(*image.bbox_px), *image.px)
            drawn["image"] = self._here(image)
            drawn["panel"], drawn["panel_by"] = letter, by
        record = replace(
            self.record,
            panel_id=f"{self.record.panel_id}/{seen.index}",
            status=seen.status,
            index=seen.index,
            of=seen.of,
            kind=seen.kind,
            tiles=seen.tiles,
            reason=seen.reason,
            detail=seen.detail,
            quality=seen.quality,
            cues=seen.cues,
            **drawn,
        )
        named = None if token is None or finding.tiles is None else f"{token}/{seen.index}"
        scored = finding.stratum, finding.smoothness, finding.tiles
        return Found(record, *scored, finding.pixels, named, finding.places)

    def whole(self, image: ImageRecord, seen: Box, pixels: NDArray[np.uint8], panels: int) -> Whole:
        """The message for the image itself, drawn here.

        Args:
            image: what is known of it, from any of its panels.
            seen: the part of it that is.
            pixels: uint8 [h, w] or [h, w, 3] of that part.
            panels: how many were found in it.
        """
        here = self._here(replace(image, bbox_px=(seen.x0, seen.y0, seen.x1, seen.y1)))
        record = replace(self.record, status="", of=panels, image=here, bbox_pt=self.box_on_page(seen, *image.px))
        return Whole(record, pixels)

    def lettered_again(self, twins: Sequence[PanelRecord], boxes: Sequence[Rect | None]) -> list[Lettered]:
        """The letters of panels that were told before, here.

        Args:
            twins: what was told of them there; tiny parts have no letter here either.
            boxes: where they lie on this page, in points.
        """
        large = [not is_tiny(twin) for twin in twins]
        printed = iter(self._printed([box for box, is_large in zip(boxes, large, strict=True) if is_large]))
        found = [next(printed) if is_large else None for is_large in large]
        seen = [twin.panel if twin.panel_by == "pixels" else None for twin in twins]
        return _best(found, seen)

    def _printed(self, boxes: Sequence[Rect | None]) -> tuple[str | None, ...]:
        """The letters that the text of the page gives all panels of the image, from their boxes in page points."""
        known = tuple(box for box in boxes if box is not None)
        if self.letters is None or len(known) < len(boxes):
            return (None,) * len(boxes)
        return self.letters(known)

    def _letters(self, finding: Finding) -> list[Lettered]:
        """The letters of all panels of a finding's image, as far as they are known here."""
        image, index = finding.record.image, finding.record.index
        if self.letters is None or not image or not index or not index <= len(finding.among) <= MOST_PANELS:
            # Told before boxes are moved, which every panel does with those of all others.
            return _best((), finding.read)
        # The boxes are those of the part of the image that is seen, the panel's own is in the whole image.
        own, here = finding.among[index - 1], image.bbox_px
        moved = (box.shifted(here[0] - own.x0, here[1] - own.y0) for box in finding.among)
        return _best(self._printed([self.box_on_page(box, *image.px) for box in moved]), finding.read)

    def _here(self, image: ImageRecord) -> ImageRecord:
        return replace(image, source=self.source, object=self.object, ppi=self.ppi(*image.px), parts=self.parts)


def _best(printed: Sequence[str | None], seen: Sequence[str | None]) -> list[Lettered]:
    """The letters of an image's panels: as the text of the page has them, where it has any; else as the pixels do."""
    if any(printed):
        return [(letter, letter and "text") for letter in printed]
    return [(letter, letter and "pixels") for letter in seen]


def is_tiny(panel: PanelRecord) -> bool:
    """Whether it is too small for a panel: an icon, a rule, a leftover."""
    return panel.kind is not None and panel.kind.label == "tiny"
