"""The images of a document that are to be examined: where each is drawn and how it is read, before it is decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from semscan.engine.errors import DocumentUnusable, NoticeCode
from semscan.engine.figures.evidence import Words
from semscan.engine.figures.findings import Place
from semscan.engine.figures.seen import WHOLE, Seen
from semscan.engine.pdf.bodytext import Body
from semscan.engine.pdf.reader import PdfReader, PlacedImage
from semscan.engine.pdf.wire import Task
from semscan.engine.raster import Raster
from semscan.engine.records import PanelRecord
from semscan.engine.stats import Stopwatch

ID_CHARACTERS = 12
"""Panel ids start with this much of the document's digest."""

SAMPLED_EVERY_PX = 7

_PAPER_GREY, _PAPER_SHARE = 160, 0.7


class Stored(Protocol):
    """An image, read but not decoded; ``identity`` is that of all images which decode to the same raster."""

    @property
    def identity(self) -> str | None:
        """Names the raster, if that is known before it is decoded."""

    def decode(self) -> Raster:
        """The raster."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image and the place where it is drawn.

    Attributes:
        key: shared by all places of the same stored image.
        place: where it is drawn.
        open: reads it.
        seen: what is seen of it there.
        apart: its parts as images of their own, if it turns out that they do not belong together.
    """

    key: str
    place: Place
    open: Callable[[], Stored]
    seen: Seen = WHOLE
    apart: Callable[[], list[Image]] = list


@dataclass(frozen=True, slots=True)
class Frame:
    """An image of an image file."""

    identity: str | None
    decode: Callable[[], Raster]

    def itself(self) -> Frame:
        """There is nothing to be read."""
        return self


def placed_image(reader: PdfReader, image: PlacedImage, doc_id: str, task: Task, watch: Stopwatch) -> Image:
    """An image on a page of a PDF.

    Args:
        reader: of the PDF.
        image: where it is drawn.
        doc_id: of the document.
        task: the rules.
        watch: counts the time that reading the document's text takes.
    """
    placement = image.placement
    prefix = panel_prefix(doc_id, placement.page, placement.order + 1)
    record = PanelRecord(
        panel_id=prefix,
        doc_id=doc_id,
        status="not_assessed",
        page=placement.page,
        page_label=image.page_label,
        figure=image.figure,
        bbox_pt=placement.bbox_pt,
    )
    place = Place(
        record=record,
        source="embedded" if placement.xref else "inline",
        object=f"{placement.xref} 0" if placement.xref else None,
        ppi=image.ppi,
        box_on_page=image.box_on_page,
        parts=len(image.parts),
        scan="no" if task.all_images else image.scan,
        letters=image.letters.of if image.letters else None,
        words=None if task.all_images else _words(image, reader, watch),
    )
    return Image(
        # Not the bare prefix, which is that of its first part as well, should the parts turn out to be no figure.
        key=image.name if all(part.xref for part in image.parts) else f"{prefix} {len(image.parts)}",
        place=place,
        open=partial(reader.open_image, image, task.max_pixels, keeps_colour=task.send_colour),
        seen=Seen(placement.part, image.covered),
        apart=lambda: [placed_image(reader, part, doc_id, task, watch) for part in image.apart()],
    )


def _words(image: PlacedImage, reader: PdfReader, watch: Stopwatch) -> Words:
    def body() -> Body:
        with watch.stage("place"):
            return reader.body()

    return Words(image.figure, image.methods, body, image.turn, image.pictures)


def read_document(path: str) -> bytes:
    """The bytes of a document.

    Raises:
        DocumentUnusable: there are none, or they cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DocumentUnusable(NoticeCode.UNREADABLE, f"the file cannot be read: {error.strerror}") from error
    if not data:
        raise DocumentUnusable(NoticeCode.EMPTY_FILE, "the file is empty (0 bytes)")
    return data


def panel_prefix(doc_id: str, page: int, order: int) -> str:
    """What the ids of the panels of an image begin with: document, page, place in the drawing order."""
    return f"{doc_id.removeprefix('sha256:')[:ID_CHARACTERS]}:{page}.{order}"


def fingerprint(raster: Raster) -> str:
    """The same for the same stored bytes decoded to the same pixels: one stream may be drawn with two palettes."""
    sample = raster.grey[::SAMPLED_EVERY_PX, ::SAMPLED_EVERY_PX]
    return f"{raster.sha256} {raster.grey.shape} {hashlib.sha256(sample.tobytes()).hexdigest()}"


def like_paper(raster: Raster) -> bool:
    """Whether an image is bright like a printed page, however yellow."""
    sample = raster.grey[::SAMPLED_EVERY_PX, ::SAMPLED_EVERY_PX]
    return int(np.count_nonzero(sample >= _PAPER_GREY)) / sample.size >= _PAPER_SHARE
