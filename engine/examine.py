"""From one document to its panels, inside a worker: open > placements > pixels > panels.

Failures become messages; a panel is either sent with tiles, to be scored, or sent complete with the reason why it was
not assessed. An image that is drawn again in its document is reported again, decoded and scored once. An image that an
earlier document held is not decoded again either, but its record does not say so: what a document's records hold must
not depend on what else the worker has read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from semscan.engine.candidates import (
    Frame,
    Image,
    Stored,
    fingerprint,
    like_paper,
    panel_prefix,
    placed_image,
    read_document,
)
from semscan.engine.errors import DocumentUnusable, ImageUnusable, NoticeCode, Reason
from semscan.engine.figures.findings import Finding, Place, is_tiny
from semscan.engine.figures.kind import KindGate
from semscan.engine.figures.lettering import LetterReader
from semscan.engine.figures.memory import ImageMemory, Remembered
from semscan.engine.figures.seen import WHOLE, Seen, in_image
from semscan.engine.figures.survey import Survey
from semscan.engine.geometry import Box
from semscan.engine.imagefile import decode_image_file
from semscan.engine.pdf.affine import Rect
from semscan.engine.pdf.masks import InvisibleError
from semscan.engine.pdf.reader import PdfReader
from semscan.engine.pdf.stitch import NotOneFigureError
from semscan.engine.pdf.wire import Done, Found, Message, Named, Noted, Opened, Task
from semscan.engine.raster import Raster
from semscan.engine.records import NoticeRecord, PanelRecord
from semscan.engine.stats import Stopwatch

_DEPENDS_ON_PLACE = frozenset({Reason.PAGE_SCAN, Reason.UNCERTAIN_KIND})
"""Why a panel that was refused at one place may be assessed at another."""


class Examiner:
    """Examines documents one after the other; loads what all of them need once."""

    def __init__(self) -> None:
        self._gate, self._reader = KindGate.load(), LetterReader.load()
        self._memory = ImageMemory()

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
        return _Examination(task, emit, (self._gate, self._reader), self._memory).run()


class _Examination:
    def __init__(
        self, task: Task, emit: Callable[[Message], None], models: tuple[KindGate, LetterReader], memory: ImageMemory
    ) -> None:
        self._task = task
        self._emit = emit
        self._watch = Stopwatch()
        self._survey = Survey(task, *models, self._watch)
        self._memory = memory
        self._rules = _rules(task)
        self._seen: dict[str, list[PanelRecord]] = {}
        self._apart: set[str] = set()
        self._last: tuple[str, Raster] | None = None
        self._images = self._figures = self._frames = 0

    def run(self) -> Done:
        with self._watch.stage("open"):
            data = read_document(self._task.file or self._task.path)
            doc_id = "sha256:" + hashlib.sha256(data).hexdigest()
        pdf = self._task.media_type == "application/pdf"
        for image in self._pdf_images(data, doc_id) if pdf else self._file_images(data, doc_id):
            self._examine(image)
        return Done(self._images, self._figures, self._watch.seconds)

    def _pdf_images(self, data: bytes, doc_id: str) -> Iterator[Image]:
        with self._watch.stage("open"):
            reader = PdfReader(data, self._task.password, self._task.max_pages)
            named = reader.declared()
        self._emit(Opened(doc_id, reader.pages))
        if named != Named():
            self._emit(named)
        damaged = set()
        for page in range(reader.pages):
            with self._watch.stage("place"):
                placed, problem = reader.page_images(page)
            if problem:
                damaged.add(page)
                notice = NoticeRecord("warning", NoticeCode.PAGE_DAMAGED, self._task.path, problem, page + 1)
                self._emit(Noted(notice))
            for image in placed:
                yield placed_image(reader, image, doc_id, self._task, self._watch)
        # Its text costs more than a document without figures, and very much more on a page that is a trap.
        if self._figures and 0 not in damaged and None in (named.doi, named.title):
            with self._watch.stage("open"):
                printed = reader.printed()
            self._emit(Named(named.doi or printed.doi, named.title or printed.title))

    def _file_images(self, data: bytes, doc_id: str) -> Iterator[Image]:
        self._frames = self._known_frames(doc_id)
        rasters = [] if self._frames else self._decode_file(data)
        self._frames = self._frames or len(rasters)
        self._emit(Opened(doc_id, self._frames))
        for page in range(1, self._frames + 1):
            prefix = panel_prefix(doc_id, page, 1)
            record = PanelRecord(panel_id=prefix, doc_id=doc_id, status="not_assessed", page=page)
            place = Place(record, "file", None, lambda width, height: None, lambda box, width, height: None)
            frame = Frame(_frame_identity(doc_id, page), partial(self._frame, rasters, data, page))
            yield Image(prefix, place, frame.itself)

    def _known_frames(self, doc_id: str) -> int:
        """How many images a file has, if all of them are remembered; otherwise 0."""
        first = self._remembered(_frame_identity(doc_id, 1))
        if first is None:
            return 0
        rest = range(2, first.frames + 1)
        return first.frames if all(self._remembered(_frame_identity(doc_id, page)) for page in rest) else 0

    def _decode_file(self, data: bytes) -> list[Raster]:
        with self._watch.stage("decode"):
            try:
                return decode_image_file(data, self._task.max_pixels)
            except ImageUnusable as error:
                raise DocumentUnusable(NoticeCode.CORRUPT, f"the image cannot be used: {error.detail}") from error

    def _frame(self, rasters: list[Raster], data: bytes, page: int) -> Raster:
        return (rasters or self._decode_file(data))[page - 1]

    def _examine(self, image: Image) -> None:
        key = image.key + image.seen.key
        if (twins := self._twins(key, image.place)) is not None:
            self._report_again(image.place, twins)
            return
        if key in self._apart:
            self._examine_apart(image)
            return
        try:
            with self._watch.stage("decode"):
                stored = image.open()
                name = self._name(stored.identity, image.seen, image.place.most_odds)
                known = self._memory.get(name) if name else None
                found = known or self._decoded(image.key, stored)
                del stored
        except NotOneFigureError:
            self._apart.add(key)
            self._examine_apart(image)
            return
        except InvisibleError:  # as good as not drawn
            self._seen[key] = []
            return
        except ImageUnusable as error:
            if error.reason != Reason.TOO_LARGE and len(image.apart()) > 1:  # a damaged part must not hide the others
                self._apart.add(key)
                self._examine_apart(image)
                return
            # Not remembered: the wording may name objects of this document.
            self._seen[key] = [self._skip(image.place.record, error.reason, error.detail)]
            return
        except MemoryError:
            detail = "decoding it needs more memory than a worker may use"
            self._seen[key] = [self._skip(image.place.record, Reason.TOO_LARGE, detail)]
            return
        self._images += 1
        content = found.content if isinstance(found, Remembered) else fingerprint(found) + image.seen.key
        twins = self._twins(content, image.place)
        if twins is not None and image.place.source != "file":
            self._report_again(image.place, twins)
            self._seen[key] = twins
            return
        if isinstance(found, Remembered):
            paper = found.paper
            panels = [self._send(image.place.found(finding, name, paper=paper)) for finding in found.findings]
        else:
            panels = self._survey_image(image, found, name, content)
        self._figures += _is_figure(panels)
        self._seen[key] = self._seen[content] = panels

    def _twins(self, name: str, place: Place) -> list[PanelRecord] | None:
        """What was told of the same image before, if it may be told again."""
        twins = self._seen.get(name)
        if not twins or not any(twin.reason in _DEPENDS_ON_PLACE for twin in twins):
            return twins
        letters = place.lettered_again(twins, _boxes(place, twins))
        return None if place.differs(twins, [letter for letter, _ in letters]) else twins

    def _examine_apart(self, image: Image) -> None:
        for part in image.apart():
            self._examine(part)

    def _decoded(self, key: str, stored: Stored) -> Raster:
        """The raster of an image; that of the last one is kept, for of one image several parts may be shown."""
        if self._last is None or self._last[0] != key:
            self._last = None
            self._last = key, stored.decode()
        return self._last[1]

    def _survey_image(self, image: Image, raster: Raster, name: str | None, content: str) -> list[PanelRecord]:
        """Find, send and remember the panels of an image that is not remembered."""
        panels: list[PanelRecord] = []
        kept: list[Finding] = []
        size = 0
        part, covered, box = image.seen.of(raster)
        paper = image.place.scan != "no" and like_paper(part)
        for seen in self._survey.panels(part, covered, most_odds=image.place.most_odds):
            finding = seen.changed(lambda record: in_image(record, box, raster.grey.shape[::-1]))
            panels.append(self._send(image.place.found(finding, name, paper=paper)))
            size += finding.size_bytes
            if name and size <= self._memory.largest_bytes:  # the tiles of very many panels are not held all at once
                kept.append(finding)
            else:
                kept.clear()
        if self._task.send_figures and _is_figure(panels) and (whole := panels[0].image):
            self._emit(image.place.whole(whole, box, self._survey.pixels(part), len(panels)))
        if name and kept:
            self._memory.put(name, Remembered(content, tuple(kept), self._frames, like_paper(part)))
        return panels

    def _name(self, identity: str | None, seen: Seen = WHOLE, most_odds: float = 1.0) -> str | None:
        """What an image is remembered by under these rules, with what is seen and may be told of it, if at all."""
        if identity is None or self._rules is None:
            return None
        return hashlib.sha256(f"{self._rules} {identity}{seen.key} {most_odds}".encode()).hexdigest()

    def _remembered(self, identity: str) -> Remembered | None:
        name = self._name(identity)
        return self._memory.get(name) if name else None

    def _send(self, found: Found) -> PanelRecord:
        self._emit(found)
        return found.record

    def _skip(self, record: PanelRecord, reason: Reason, detail: str) -> PanelRecord:
        return self._send(Found(replace(record, status="not_assessed", reason=reason, detail=detail)))

    def _report_again(self, place: Place, twins: list[PanelRecord]) -> None:
        boxes = _boxes(place, twins)
        letters = place.lettered_again(twins, boxes)
        for twin, box, (letter, by) in zip(twins, boxes, letters, strict=True):
            _, slash, index = twin.panel_id.partition("/")
            record = replace(
                place.record,
                panel_id=place.record.panel_id + slash + index,
                image=twin.image,
                kind=twin.kind,
                index=twin.index,
                of=twin.of,
                duplicate_of=twin.panel_id,
                panel=letter,
                panel_by=by,
                bbox_pt=box or place.record.bbox_pt,
            )
            self._skip(record, Reason.DUPLICATE_OF, f"the same image as panel {twin.panel_id}")


def _boxes(place: Place, twins: list[PanelRecord]) -> list[Rect | None]:
    """Where panels that were told before lie on this page, in points."""
    return [place.box_on_page(Box(*seen.bbox_px), *seen.px) if (seen := twin.image) else None for twin in twins]


def _is_figure(panels: list[PanelRecord]) -> bool:
    return any(panel.kind and not is_tiny(panel) for panel in panels)


def _rules(task: Task) -> str | None:
    """All that findings depend on beside the pixels; ``None`` if they are not to be remembered."""
    if task.send_pixels or task.send_figures:  # every pixel of every panel: it would be the decoded image that is kept
        return None
    # What belongs to one document is taken out, rather than the rules picked, so that no new rule can be forgotten.
    return repr(replace(task, path="", media_type="", max_pages=0, timeout_s=0.0, password=None, file=None))


def _frame_identity(doc_id: str, page: int) -> str:
    return f"{doc_id} {page}"
