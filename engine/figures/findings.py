"""What was found in an image, and where the image is drawn: apart, because one image may be drawn in many places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import Reason
from semscan.engine.figures.kind import caption_says
from semscan.engine.geometry import Box
from semscan.engine.pdf.affine import Rect
from semscan.engine.pdf.letters import MOST_PANELS
from semscan.engine.pdf.methods import Methods
from semscan.engine.pdf.methodwords import GRAPH, MAP, SEM
from semscan.engine.pdf.wire import Found, Whole
from semscan.engine.records import ImageRecord, PanelRecord
from semscan.engine.remade import replace

_RECORD_BYTES = 2048
_CONTRADICTED = "like an SEM micrograph, but the caption speaks of another method: {}"
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
        places: origins of the tiles in pixels from the top left of the panel.
        open: whether a caption that speaks of other methods casts doubt on it.
        if_sem: what it is where the caption speaks of SEM only, if that makes a difference.
    """

    record: PanelRecord
    stratum: str = ""
    smoothness: float = 0.0
    tiles: NDArray[np.uint8] | None = None
    pixels: NDArray[np.uint8] | None = None
    among: tuple[Box, ...] = ()
    places: tuple[tuple[int, int], ...] = ()
    open: bool = False
    if_sem: Finding | None = None

    @property
    def size_bytes(self) -> int:
        """What keeping it takes, roughly."""
        also = 0 if self.if_sem is None else self.if_sem.size_bytes
        return _RECORD_BYTES + (0 if self.tiles is None else self.tiles.nbytes) + also

    def changed(self, change: Callable[[PanelRecord], PanelRecord]) -> Finding:
        """The same with another record, whatever a caption says."""
        also = None if self.if_sem is None else self.if_sem.changed(change)
        return replace(self, record=change(self.record), if_sem=also)

    def told(self, methods: Methods, letter: str | None) -> Finding:
        """What it is in a figure with a caption.

        Args:
            methods: that the caption names.
            letter: of the panel, if known.
        """
        named, own = methods.of(letter)
        kind = self.record.kind
        if not named or kind is None:
            return self
        said, listed = caption_says(named, own), tuple(sorted(named))
        if said == "sem" and self.if_sem is not None:
            found = replace(self.if_sem, among=self.among)
            by = found.record.kind or kind
            return replace(found, record=replace(found.record, kind=replace(by, caption=listed)))
        if said == "other" and self.open:
            kind = replace(kind, label="uncertain", by="caption", caption=listed)
            detail = _CONTRADICTED.format(" and ".join(sorted(named - {GRAPH, MAP}) or listed))
            return self.refused(replace(self.record, kind=kind), Reason.UNCERTAIN_KIND, detail)
        return replace(self, record=replace(self.record, kind=replace(kind, caption=listed)))

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
        methods: that the caption names; ``None`` if it is not to be asked.
    """

    record: PanelRecord
    source: str
    object: str | None
    ppi: Callable[[int, int], int | None]
    box_on_page: Callable[[Box, int, int], tuple[float, float, float, float] | None]
    parts: int = 1
    scan: str = "no"
    letters: Callable[[tuple[Rect, ...]], tuple[str | None, ...]] | None = None
    methods: Methods | None = None

    @property
    def may_settle(self) -> bool:
        """Whether the caption makes SEM of panels in doubt, or of some of them, by their letters."""
        if self.methods is None or SEM not in self.methods.all:
            return False
        own = self.methods.letters.values()
        return caption_says(self.methods.all, own=False) == "sem" or any(
            caption_says(m, own=True) == "sem" for m in own
        )

    def differs(self, twin: PanelRecord, letter: str | None) -> bool:
        """Whether a panel that was refused where its image was drawn before may be assessed here.

        Args:
            twin: what was told of it there.
            letter: of the panel here, if known.
        """
        if twin.reason == Reason.PAGE_SCAN:
            return self.scan != "yes"  # what fills one page like a scan may be a figure on another
        if twin.reason != Reason.UNCERTAIN_KIND or twin.kind is None:
            return False
        said = None if self.methods is None else caption_says(*self.methods.of(letter))
        if twin.kind.by == "caption":  # as a caption there had it
            return said != "other"
        return said == "sem" and caption_says(frozenset(twin.kind.caption), own=True) != "sem"

    def found(self, finding: Finding, token: str | None = None, *, paper: bool = False) -> Found:
        """The message for a panel of the image drawn here.

        Args:
            finding: the panel.
            token: names the image, see :class:`Found`.
            paper: whether the image is bright like a page.
        """
        letter = self._letter(finding, finding.record.image) if finding.record.image is not None else None
        if self.methods is not None:
            finding = finding.told(self.methods, letter)
        if finding.tiles is not None and (self.scan == "yes" or (self.scan == "perhaps" and paper)):
            finding = finding.refused(finding.record, Reason.PAGE_SCAN, _SCANNED)
        seen, image = finding.record, finding.record.image
        drawn: dict[str, Any] = {}
        if image is not None:
            drawn["bbox_pt"] = self.box_on_page(Box(*image.bbox_px), *image.px)
            drawn["image"] = self._here(image)
            drawn["panel"] = letter
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

    def lettered(self, boxes: Sequence[Rect | None]) -> tuple[str | None, ...]:
        """The letters of all panels of the image, from their boxes in page points."""
        known = tuple(box for box in boxes if box is not None)
        if self.letters is None or len(known) < len(boxes):
            return (None,) * len(boxes)
        return self.letters(known)

    def _letter(self, finding: Finding, image: ImageRecord) -> str | None:
        index = finding.record.index
        if self.letters is None or index is None or not 0 < index <= len(finding.among) <= MOST_PANELS:
            return None  # told before boxes are moved, which every panel does with those of all others
        # The boxes are those of the part of the image that is seen, the panel's own is in the whole image.
        own, here = finding.among[index - 1], image.bbox_px
        moved = (box.shifted(here[0] - own.x0, here[1] - own.y0) for box in finding.among)
        return self.lettered([self.box_on_page(box, *image.px) for box in moved])[index - 1]

    def _here(self, image: ImageRecord) -> ImageRecord:
        return replace(image, source=self.source, object=self.object, ppi=self.ppi(*image.px), parts=self.parts)
