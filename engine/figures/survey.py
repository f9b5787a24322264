"""One decoded image: its panels, what each of them is, and the tiles of those to be scored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from semscan.engine.calibration import QUALITY_FLOOR, stratum_name
from semscan.engine.errors import Reason
from semscan.engine.figures.databar import trim_data_bar
from semscan.engine.figures.findings import Finding
from semscan.engine.figures.kind import Kind, KindGate
from semscan.engine.figures.lettering import LetterReader
from semscan.engine.figures.overlays import find_overlays
from semscan.engine.figures.panels import split_figure
from semscan.engine.figures.quality import is_coloured, quality_of
from semscan.engine.figures.recompression import LOSSLESS
from semscan.engine.geometry import Box
from semscan.engine.options import SMALLEST_PANEL_PX
from semscan.engine.pdf.wire import Task
from semscan.engine.raster import Colours, Raster
from semscan.engine.records import ImageRecord, KindRecord, PanelRecord
from semscan.engine.smoothness import smoothness
from semscan.engine.stats import Stopwatch
from semscan.engine.tiles import panel_tiles, placed_tiles

SMALLEST_FIGURE_PX = 48
"""Images with a shorter side than this are rules, bullets and icons; they are counted as ``tiny``."""

_LETTERED = frozenset({"sem", "uncertain", "tem"})
"""Letters are read where one of the panels is of these kinds: of other images nobody cites a panel here."""

_MARGIN_OF_SMALL = 0.5
"""The gate was made and measured on panels of 128 px and more: of smaller ones it alone does not say that they are SEM.
"""


@dataclass(frozen=True, slots=True)
class Survey:
    """Finds the panels of images. What it finds depends on the pixels and the rules only, not on where they are drawn.

    Attributes:
        task: the rules.
        gate: says what a panel is.
        reader: says what letters panels bear in their pixels.
        watch: counts the time.
    """

    task: Task
    gate: KindGate
    reader: LetterReader
    watch: Stopwatch

    def panels(self, raster: Raster, covered: tuple[Box, ...] = (), *, most_odds: float = 1.0) -> Iterator[Finding]:
        """Every panel of an image in reading order, each as soon as it is judged.

        Args:
            raster: the image.
            covered: parts of it that something else is drawn over, in its pixels; no tile touches them. They belong
                to one place where the image is drawn, so whoever remembers findings must tell such places apart.
            most_odds: what words may be worth for SEM; tiles of panels that they may make SEM are cut, too. Likewise.
        """
        height, width = raster.grey.shape
        whole = Box(0, 0, width, height)
        if whole.short_side < SMALLEST_FIGURE_PX:
            record = replace(_describe(raster, whole, 1, 1), kind=KindRecord("tiny", 1.0))
            yield _refused(record, Reason.TOO_SMALL, f"{width} x {height} px: an icon, a rule or a glyph")
            return
        with self.watch.stage("split"):
            boxes, scraps = split_figure(raster.grey)
        colour = _Colour(raster.load_colour)
        of = len(boxes) + len(scraps)
        with self.watch.stage("gate"):
            kinds = [self._kind(raster, box, colour) for box in boxes]
        letters: tuple[str | None, ...] = ()
        if len(boxes) > 1 and any(kind.label in _LETTERED for kind in kinds):
            with self.watch.stage("letters"):
                letters = self.reader.read(raster.grey, boxes)
        for index, (box, kind) in enumerate(zip(boxes, kinds, strict=True), 1):
            found = self._panel(_describe(raster, box, index, of), kind, raster, box, colour, covered, most_odds)
            yield replace(found, among=tuple(boxes), read=letters if any(letters) else ())
        for index, box in enumerate(scraps, len(boxes) + 1):
            record = replace(_describe(raster, box, index, of), kind=KindRecord("tiny", 1.0))
            yield _refused(record, Reason.TOO_SMALL, f"{box.width} x {box.height} px: too small for a panel")

    def pixels(self, raster: Raster) -> NDArray[np.uint8]:
        """The pixels of an image as they are asked for: in its colours, uint8 [h, w, 3], or in grey, uint8 [h, w]."""
        return self._shown(raster, _Colour(raster.load_colour))

    def _shown(self, raster: Raster, colour: _Colour) -> NDArray[np.uint8]:
        whole = colour.whole if self.task.send_colour else None
        return raster.grey if whole is None else whole

    def _panel(
        self,
        record: PanelRecord,
        kind: Kind,
        raster: Raster,
        box: Box,
        colour: _Colour,
        covered: tuple[Box, ...],
        most_odds: float,
    ) -> Finding:
        if kind.label == "sem" and box.short_side < SMALLEST_PANEL_PX:
            kind = replace(kind, label="uncertain", margin=_MARGIN_OF_SMALL)
        told = KindRecord(kind.label, round(kind.p, 4))
        found = self._judged(replace(record, kind=told), kind, raster, box, colour, covered)
        if not kind.margin:
            return found
        found = replace(found, margin=kind.margin)
        if kind.label == "sem" or kind.margin * most_odds < 1:
            return found
        told = KindRecord("sem", round(kind.p_sem, 4), "caption")
        by_caption = replace(kind, label="sem", p=kind.p_sem)
        return replace(found, if_sem=self._judged(replace(record, kind=told), by_caption, raster, box, colour, covered))

    def _judged(
        self, record: PanelRecord, kind: Kind, raster: Raster, box: Box, colour: _Colour, covered: tuple[Box, ...]
    ) -> Finding:
        """A panel of this kind: why it is not assessed, or its tiles."""
        pixels = _crop(self._shown(raster, colour), box) if self.task.send_pixels else None
        stratum = stratum_name(raster.encoding, raster.jpeg_q)
        if refusal := self._refusal(kind, box, raster, stratum, colour):
            return _refused(record, *refusal, pixels)
        with self.watch.stage("tile"):
            content = trim_data_bar(raster.grey, box)
            sizes = self.task.tile_px, self.task.max_tiles
            covers = [*covered, *find_overlays(raster.grey, content, colour.value)]
            tiles, origins = placed_tiles(raster.grey, content, *sizes, covers)
            quality = quality_of(
                raster.grey, content, tiles, covers, LOSSLESS if stratum == "lossless" else raster.luma_steps
            )
            if not len(tiles):
                reason, detail = Reason.TOO_SMALL, f"no textured square of {self.task.tile_px} px beside the data bar"
                if covers and len(panel_tiles(raster.grey, content, *sizes)):
                    reason = Reason.HEAVILY_ANNOTATED
                    detail = f"no square of {self.task.tile_px} px is free of letters, arrows and lines"
                return _refused(replace(record, quality=quality), reason, detail, pixels)
            smooth = smoothness(_crop(raster.grey, content))
        record = replace(record, quality=quality, status="assessed", tiles=len(tiles))
        places = tuple([(x - box.x0, y - box.y0) for x, y in origins])
        return Finding(record, stratum or "", smooth, tiles, pixels, places=places)

    def _refusal(
        self, kind: Kind, box: Box, raster: Raster, stratum: str | None, colour: _Colour
    ) -> tuple[Reason, str] | None:
        """Why a panel cannot be assessed, if so."""
        least = self.task.min_panel_px
        if not self.task.all_images and self._is_false_colour(kind, raster, box, colour):
            return Reason.FALSE_COLOUR, "like an SEM micrograph in grey, but coloured over more than half of it"
        if kind.label == "uncertain" and not self.task.all_images and box.short_side >= least:
            return Reason.UNCERTAIN_KIND, "it may or may not be an SEM micrograph"
        if kind.label not in ("sem", "uncertain") and not self.task.all_images:
            return Reason.NOT_SEM, f"taken for: {kind.label}"
        if box.short_side < least:
            return Reason.TOO_SMALL, f"short side {box.short_side} px < {least} px"
        if stratum is not None:
            return None
        if raster.encoding == "jpeg" and raster.jpeg_q is None:
            return Reason.BELOW_QUALITY_FLOOR, "JPEG compression of unknown quality"
        if raster.encoding == "jpeg":
            return Reason.BELOW_QUALITY_FLOOR, f"JPEG quality {raster.jpeg_q} is below the floor of {QUALITY_FLOOR}"
        return Reason.BELOW_QUALITY_FLOOR, f"no genuine reference panels stored as {raster.encoding}"

    def _is_false_colour(self, kind: Kind, raster: Raster, box: Box, colour: _Colour) -> bool:
        """Whether a panel is coloured all over that would be an SEM micrograph without its colour."""
        if kind.label not in ("sem", "uncertain") or raster.bits == 1:
            return False
        view = _view(raster, box, colour.value)
        if view is None or not is_coloured(view):
            return False
        return self.gate.classify(_crop(raster.grey, box), lambda: None).label == "sem"

    def _kind(self, raster: Raster, box: Box, colour: _Colour) -> Kind:
        if raster.bits == 1:
            return Kind("graphic", 1.0)
        return self.gate.classify(_crop(raster.grey, box), lambda: _view(raster, box, colour.value))


class _Colour:
    """The colours of an image, loaded at most once; ``None`` if it has none."""

    def __init__(self, load: Colours | None) -> None:
        self._load = load

    @cached_property
    def value(self) -> NDArray[np.uint8] | None:
        """A small view."""
        return self._load() if self._load else None

    @cached_property
    def whole(self) -> NDArray[np.uint8] | None:
        """All of them."""
        return self._load(1) if self._load else None


def _view(raster: Raster, box: Box, whole: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    """What a small colour view of an image shows of a panel."""
    if whole is None:
        return None
    scale = max(1, round(raster.grey.shape[0] / whole.shape[0]))
    return whole[box.y0 // scale : -(-box.y1 // scale), box.x0 // scale : -(-box.x1 // scale)]


def _crop(grey: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    return grey[box.y0 : box.y1, box.x0 : box.x1]


def _refused(record: PanelRecord, reason: Reason, detail: str, pixels: NDArray[np.uint8] | None = None) -> Finding:
    return Finding(replace(record, reason=reason, detail=detail), pixels=pixels)


def _describe(raster: Raster, box: Box, index: int, of: int) -> PanelRecord:
    height, width = raster.grey.shape
    image = ImageRecord(
        sha256=raster.sha256,
        px=(width, height),
        bbox_px=(box.x0, box.y0, box.x1, box.y1),
        source="",
        encoding=raster.encoding,
        jpeg_q=raster.jpeg_q,
        subsampling=raster.subsampling,
        components=raster.components,
        bits=raster.bits,
        jpeg_tables=raster.jpeg_tables,
    )
    return PanelRecord(panel_id="", doc_id="", status="not_assessed", index=index, of=of, image=image, cues=raster.cues)
