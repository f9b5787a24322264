"""From one document to its panels, inside a worker: open > placements > pixels > panels.

Failures become messages; a panel is either sent with tiles, to be scored, or sent complete with the reason why it was
not assessed. An image that is drawn again is reported again, decoded and scored once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from semscan.engine.errors import DocumentUnusable, ImageUnusable, NoticeCode, Reason
from semscan.engine.figures.kind import KindGate
from semscan.engine.figures.survey import Place, Survey
from semscan.engine.geometry import Box
from semscan.engine.imagefile import decode_image_file
from semscan.engine.pdf.reader import PdfReader, PlacedImage
from semscan.engine.pdf.wire import Done, Message, Noted, Opened, Task
from semscan.engine.raster import Raster
from semscan.engine.records import NoticeRecord, PanelRecord
from semscan.engine.stats import Stopwatch

ID_CHARACTERS = 12
"""Panel ids start with this much of the document's digest."""


SAMPLED_EVERY_PX = 7


class Examiner:
    """Examines documents one after the other; loads what all of them need once."""

    def __init__(self) -> None:
        self._gate = KindGate.load()

    def examine(self, task: Task, emit: Callable[[Message], None]) -> Done:
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
    """An image and the place where it is drawn; ``key`` is shared by all places of the same stored image."""

    key: str
    place: Place
    decode: Callable[[], Raster]


class _Examination:
    def __init__(self, task: Task, emit: Callable[[Message], None], gate: KindGate) -> None:
        self._task = task
        self._emit = emit
        self._watch = Stopwatch()
        self._survey = Survey(task, gate, emit, self._watch)
        self._seen: dict[str, list[PanelRecord]] = {}
        self._images = self._figures = 0

    def run(self) -> Done:
        with self._watch.stage("open"):
            data = _read(self._task.file or self._task.path)
            doc_id = "sha256:" + hashlib.sha256(data).hexdigest()
        pdf = self._task.media_type == "application/pdf"
        for image in self._pdf_images(data, doc_id) if pdf else self._file_images(data, doc_id):
            self._examine(image)
        return Done(self._images, self._figures, self._watch.seconds)

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
            for order, image in enumerate(placed, 1):
                yield self._placed(reader, image, _prefix(doc_id, page + 1, order), doc_id)

    def _placed(self, reader: PdfReader, image: PlacedImage, prefix: str, doc_id: str) -> _Image:
        xref = image.placement.xref
        record = PanelRecord(
            panel_id=prefix,
            doc_id=doc_id,
            status="not_assessed",
            page=image.placement.page,
            page_label=image.page_label,
            figure=image.figure,
            bbox_pt=image.placement.bbox_pt,
        )
        place = Place(
            record=record,
            source="embedded" if xref else "inline",
            object=f"{xref} 0" if xref else None,
            ppi=image.ppi,
            box_on_page=image.box_on_page,
        )
        key = f"{xref} 0" if xref else prefix
        return _Image(key, place, partial(reader.decode, image.placement, self._task.max_pixels))

    def _file_images(self, data: bytes, doc_id: str) -> Iterator[_Image]:
        with self._watch.stage("decode"):
            try:
                rasters = decode_image_file(data, self._task.max_pixels)
            except ImageUnusable as error:
                raise DocumentUnusable(NoticeCode.CORRUPT, f"the image cannot be used: {error.detail}") from error
        self._emit(Opened(doc_id, len(rasters)))
        for page, raster in enumerate(rasters, 1):
            prefix = _prefix(doc_id, page, 1)
            record = PanelRecord(panel_id=prefix, doc_id=doc_id, status="not_assessed", page=page)
            place = Place(record, "file", None, lambda width, height: None, lambda box, width, height: None)
            yield _Image(prefix, place, partial(_same, raster))

    def _examine(self, image: _Image) -> None:
        if image.key in self._seen:
            self._report_again(image.place, self._seen[image.key])
            return
        try:
            with self._watch.stage("decode"):
                raster = image.decode()
        except ImageUnusable as error:
            self._seen[image.key] = [self._survey.skip(image.place.record, error.reason, error.detail)]
            return
        except MemoryError:
            detail = "decoding it needs more memory than a worker may use"
            self._seen[image.key] = [self._survey.skip(image.place.record, Reason.TOO_LARGE, detail)]
            return
        self._images += 1
        content = _fingerprint(raster)
        if content in self._seen and image.place.source != "file":
            self._report_again(image.place, self._seen[content])
            self._seen[image.key] = self._seen[content]
            return
        panels = self._survey.image(image.place, raster)
        self._figures += any(panel.kind and panel.kind.label != "tiny" for panel in panels)
        self._seen[image.key] = self._seen[content] = panels

    def _report_again(self, place: Place, twins: list[PanelRecord]) -> None:
        for twin in twins:
            _, slash, index = twin.panel_id.partition("/")
            record = replace(
                place.record,
                panel_id=place.record.panel_id + slash + index,
                image=twin.image,
                kind=twin.kind,
                index=twin.index,
                of=twin.of,
                duplicate_of=twin.panel_id,
            )
            if twin.image is not None:
                box, size = twin.image.bbox_px, twin.image.px
                record = replace(record, bbox_pt=place.box_on_page(Box(*box), *size))
            self._survey.skip(record, Reason.DUPLICATE_OF, f"the same image as panel {twin.panel_id}")


def _read(path: str) -> bytes:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DocumentUnusable(NoticeCode.UNREADABLE, f"the file cannot be read: {error.strerror}") from error
    if not data:
        raise DocumentUnusable(NoticeCode.EMPTY_FILE, "the file is empty (0 bytes)")
    return data


def _prefix(doc_id: str, page: int, order: int) -> str:
    return f"{doc_id.removeprefix('sha256:')[:ID_CHARACTERS]}:{page}.{order}"


def _fingerprint(raster: Raster) -> str:
    """The same for the same stored bytes decoded to the same pixels: one stream may be drawn with two palettes."""
    sample = raster.grey[::SAMPLED_EVERY_PX, ::SAMPLED_EVERY_PX]
    return f"{raster.sha256} {raster.grey.shape} {hashlib.sha256(sample.tobytes()).hexdigest()}"


def _same(raster: Raster) -> Raster:
    return raster
