"""From one document to its panels, inside a worker: open > placements > pixels > panels > kind > tiles.

Reads like section 3 of the architecture. Failures become messages; a panel is either sent with tiles, to be scored, or
sent complete with the reason why it was not assessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.engine.calibration import QUALITY_FLOOR, stratum_name
from semscan.engine.errors import DocumentUnusable, ImageUnusable, NoticeCode, Reason
from semscan.engine.figures.databar import trim_data_bar
from semscan.engine.figures.kind import Kind, KindGate, looks_like_micrograph
from semscan.engine.figures.panels import split_panels
from semscan.engine.geometry import Box
from semscan.engine.imagefile import decode_image_file
from semscan.engine.pdf.reader import PdfReader, PlacedImage
from semscan.engine.pdf.wire import Done, Found, Message, Noted, Opened, Task
from semscan.engine.raster import Raster
from semscan.engine.records import ImageRecord, KindRecord, NoticeRecord, PanelRecord
from semscan.engine.smoothness import smoothness
from semscan.engine.stats import Stopwatch
from semscan.engine.tiles import cut_tiles, tile_origins

SMALLEST_FIGURE_PX = 48
"""Images with a shorter side than this are rules, bullets and icons; they are counted as ``tiny``."""

FLATTEST_TILE = 2.0
"""Tiles whose grey levels spread less than this (standard deviation) hold no texture to assess."""

Emit = Callable[[Message], None]


class Examiner:
    """Examines documents one after the other; loads what all of them need once."""

    def __init__(self) -> None:
        self._gate = KindGate.load()

    def examine(self, task: Task, emit: Emit) -> Done:
        """Examine one document.

        Args:
            task: the document and the rules.
            emit: called with every message but the last.

        Returns:
            The last message.

        Raises:
            DocumentUnusable: the document as a whole cannot be examined.
            MemoryError: it needs more memory than the worker may use.
        """
        return _Examination(task, emit, self._gate).run()


@dataclass(frozen=True, slots=True)
class _Image:
    """One image where it is drawn. ``key`` is the same for every place where the same image is drawn."""

    key: str
    prefix: str
    place: PanelRecord
    source: str
    object: str | None
    decode: Callable[[], Raster]
    ppi: Callable[[int, int], int | None]
    box_on_page: Callable[[Box, int, int], tuple[float, float, float, float] | None]


class _Examination:
    def __init__(self, task: Task, emit: Emit, gate: KindGate) -> None:
        self._task = task
        self._emit = emit
        self._gate = gate
        self._watch = Stopwatch()
        self._seen: dict[str, list[PanelRecord]] = {}
        self._images = self._figures = 0

    def run(self) -> Done:
        data = self._read()
        doc_id = "sha256:" + hashlib.sha256(data).hexdigest()
        images = (
            self._pdf_images(data, doc_id)
            if self._task.media_type == "application/pdf"
            else self._file_images(data, doc_id)
        )
        for image in images:
            self._examine_image(image)
        return Done(self._images, self._figures, self._watch.seconds)

    def _read(self) -> bytes:
        with self._watch.stage("open"):
            try:
                data = Path(self._task.path).read_bytes()
            except OSError as error:
                raise DocumentUnusable(NoticeCode.UNREADABLE, f"the file cannot be read: {error.strerror}") from error
            if not data:
                raise DocumentUnusable(NoticeCode.EMPTY_FILE, "the file is empty (0 bytes)")
            return data

    def _pdf_images(self, data: bytes, doc_id: str) -> Iterator[_Image]:
        with self._watch.stage("open"):
            reader = PdfReader(data, self._task.password, self._task.max_pages)
        self._emit(Opened(doc_id, reader.pages))
        for page in range(reader.pages):
            with self._watch.stage("place"):
                placed, problem = reader.page_images(page)
            if problem:
                notice = NoticeRecord("warning", NoticeCode.PAGE_DAMAGED, self._task.path, problem, page + 1)
                self._emit(Noted(notice))
            for order, image in enumerate(placed):
                yield self._placed(reader, image, f"{doc_id[7:19]}:{page + 1}.{order + 1}", doc_id)

    def _placed(self, reader: PdfReader, image: PlacedImage, prefix: str, doc_id: str) -> _Image:
        place = PanelRecord(
            panel_id=prefix,
            doc_id=doc_id,
            status="not_assessed",
            page=image.placement.page,
            page_label=image.page_label,
            figure=image.figure,
            bbox_pt=image.placement.bbox_pt,
        )
        return _Image(
            key=f"{image.placement.xref} 0" if image.placement.xref else prefix,
            prefix=prefix,
            place=place,
            source="embedded" if image.placement.xref else "inline",
            object=f"{image.placement.xref} 0" if image.placement.xref else None,
            decode=lambda: reader.decode(image.placement, self._task.max_pixels),
            ppi=image.ppi,
            box_on_page=image.box_on_page,
        )

    def _file_images(self, data: bytes, doc_id: str) -> Iterator[_Image]:
        with self._watch.stage("decode"):
            try:
                rasters = decode_image_file(data, self._task.max_pixels)
            except ImageUnusable as error:
                raise DocumentUnusable(NoticeCode.CORRUPT, f"the image cannot be used: {error.detail}") from error
        self._emit(Opened(doc_id, len(rasters)))
        for page, raster in enumerate(rasters, 1):
            prefix = f"{doc_id[7:19]}:{page}.1"
            place = PanelRecord(panel_id=prefix, doc_id=doc_id, status="not_assessed", page=page)
            yield _Image(
                key=prefix,
                prefix=prefix,
                place=place,
                source="file",
                object=None,
                decode=lambda raster=raster: raster,  # type: ignore[misc]
                ppi=lambda width, height: None,
                box_on_page=lambda box, width, height: None,
            )

    def _examine_image(self, image: _Image) -> None:
        twins = self._seen.get(image.key)
        raster = None
        if twins is None:
            try:
                with self._watch.stage("decode"):
                    raster = image.decode()
            except ImageUnusable as error:
                self._seen[image.key] = [self._skip(image.place, error.reason, error.detail)]
                return
            except MemoryError:
                detail = "decoding it needs more memory than a worker may use"
                self._seen[image.key] = [self._skip(image.place, Reason.TOO_LARGE, detail)]
                return
            self._images += 1
            twins = self._seen.get(raster.sha256)
        if twins is not None or raster is None:
            self._report_again(image, twins or [])
            return
        self._seen[image.key] = self._seen[raster.sha256] = self._examine_raster(image, raster)

    def _report_again(self, image: _Image, twins: list[PanelRecord]) -> None:
        """The same image drawn once more: each of its panels is reported at the new place, and scored once."""
        for twin in twins:
            record = replace(
                twin,
                panel_id=twin.panel_id.replace(twin.panel_id.rpartition("/")[0], image.prefix),
                page=image.place.page,
                page_label=image.place.page_label,
                figure=image.place.figure,
                bbox_pt=image.place.bbox_pt,
                status="not_assessed",
                duplicate_of=twin.panel_id,
            )
            self._skip(record, Reason.DUPLICATE_OF, f"the same image as {twin.panel_id}")

    def _examine_raster(self, image: _Image, raster: Raster) -> list[PanelRecord]:
        height, width = raster.grey.shape
        whole = Box(0, 0, width, height)
        if whole.short_side < SMALLEST_FIGURE_PX:
            record = self._describe(image, raster, whole, 1, 1)
            detail = f"{width} x {height} px: an icon, a rule or a glyph"
            return [self._skip(replace(record, kind=KindRecord("tiny", 1.0)), Reason.TOO_SMALL, detail)]
        self._figures += 1
        with self._watch.stage("split"):
            boxes = split_panels(raster.grey)
        colour = _Once(raster.load_colour)
        return [
            self._examine_panel(self._describe(image, raster, box, index, len(boxes)), raster, box, colour)
            for index, box in enumerate(boxes, 1)
        ]

    def _describe(self, image: _Image, raster: Raster, box: Box, index: int, of: int) -> PanelRecord:
        height, width = raster.grey.shape
        return replace(
            image.place,
            panel_id=f"{image.prefix}/{index}",
            index=index,
            of=of,
            bbox_pt=image.box_on_page(box, width, height),
            image=ImageRecord(
                sha256=raster.sha256,
                px=(width, height),
                bbox_px=tuple(box),
                source=image.source,
                encoding=raster.encoding,
                object=image.object,
                jpeg_q=raster.jpeg_q,
                subsampling=raster.subsampling,
                components=raster.components,
                bits=raster.bits,
                ppi=image.ppi(width, height),
            ),
        )

    def _examine_panel(self, record: PanelRecord, raster: Raster, box: Box, colour: _Once) -> PanelRecord:
        with self._watch.stage("gate"):
            kind = self._kind(raster, box, colour)
        record = replace(record, kind=KindRecord(kind.label, round(kind.p, 4)))
        if not self._task.all_images:
            if kind.label == "uncertain":
                return self._skip(record, Reason.UNCERTAIN_KIND, "it may or may not be an SEM micrograph")
            if kind.label != "sem":
                return self._skip(record, Reason.NOT_SEM, f"taken for: {kind.label}")
        if box.short_side < self._task.min_panel_px:
            return self._skip(
                record, Reason.TOO_SMALL, f"short side {box.short_side} px < {self._task.min_panel_px} px"
            )
        stratum = stratum_name(raster.encoding, raster.jpeg_q)
        if stratum is None:
            return self._skip(record, Reason.BELOW_QUALITY_FLOOR, _floor(raster))
        with self._watch.stage("tile"):
            content = trim_data_bar(raster.grey, box)
            tiles = cut_tiles(
                raster.grey, tile_origins(content, self._task.tile_px, self._task.max_tiles), self._task.tile_px
            )
            tiles = tiles[tiles.std(axis=(1, 2, 3)) >= FLATTEST_TILE] if len(tiles) else tiles
        if not len(tiles):
            detail = f"no textured square of {self._task.tile_px} px beside the data bar"
            return self._skip(record, Reason.TOO_SMALL, detail)
        with self._watch.stage("tile"):
            smooth = smoothness(raster.grey[content.y0 : content.y1, content.x0 : content.x1])
        record = replace(record, status="assessed", tiles=len(tiles))
        self._emit(Found(record, stratum, smooth, tiles))
        return record

    def _kind(self, raster: Raster, box: Box, colour: _Once) -> Kind:
        grey = raster.grey[box.y0 : box.y1, box.x0 : box.x1]
        if raster.bits == 1 or not looks_like_micrograph(grey):
            return Kind("graphic", 1.0)
        view = colour.value
        if view is not None:
            scale = -(-raster.grey.shape[0] // view.shape[0])
            view = view[box.y0 // scale : -(-box.y1 // scale), box.x0 // scale : -(-box.x1 // scale)]
        return self._gate.classify(grey, view)

    def _skip(self, record: PanelRecord, reason: Reason, detail: str) -> PanelRecord:
        record = replace(record, status="not_assessed", reason=reason, detail=detail)
        self._emit(Found(record))
        return record


class _Once:
    """Calls a loader at most once."""

    def __init__(self, load: Callable[[], NDArray[np.uint8]] | None) -> None:
        self._load = load
        self._value: NDArray[np.uint8] | None = None

    @property
    def value(self) -> NDArray[np.uint8] | None:
        if self._load is not None:
            self._value, self._load = self._load(), None
        return self._value


def _floor(raster: Raster) -> str:
    if raster.encoding == "jpeg":
        return f"JPEG quality {raster.jpeg_q} is below the floor of {QUALITY_FLOOR}"
    return f"no genuine reference panels stored as {raster.encoding}"
