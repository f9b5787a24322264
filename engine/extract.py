"""Panels and figures with their pixels, unscored: what would be assessed, what would not, and why."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semscan.engine.document import Document
from semscan.engine.options import SMALLEST_PANEL_PX, ScanOptions
from semscan.engine.pdf import wire
from semscan.engine.pdf.pool import Pool
from semscan.engine.records import NoticeRecord, PanelRecord
from semscan.engine.sources import Intake

HELD_BYTES = 32 << 20
"""Pixels of a document that wait in memory until it is finished; what is more waits in a file without a name."""


@dataclass(frozen=True, slots=True, eq=False)
class ExtractedPanel:
    """One panel of one document, or one whole figure.

    Attributes:
        path: the file it is in, with the archives around it.
        record: what a scan would report, without a score; ``status`` says whether it would be assessed. Of a figure,
            what is known of the image: ``of`` is its number of panels, whose ids begin with its ``panel_id``.
        pixels: uint8 [h, w], the luminance of the stored pixels; or, where colours were asked for and the image has
            any, uint8 [h, w, 3] in RGB; ``None`` when the image could not be decoded.
        is_figure: whether it is a whole figure; it follows its panels.
    """

    path: str
    record: PanelRecord
    pixels: NDArray[np.uint8] | None
    is_figure: bool = False


def extract_panels(
    paths: Iterable[str | os.PathLike[str]],
    options: ScanOptions | None = None,
    *,
    figures: bool = False,
    colour: bool = False,
) -> Iterator[ExtractedPanel | NoticeRecord]:
    """Panels of files and folders, in the order of each document; needs no model.

    Args:
        paths: PDFs, images and folders.
        options: see :class:`ScanOptions`.
        figures: also each figure as a whole, put together from its strips, once however often it is drawn.
        colour: pixels in the stored colours, where there are any, instead of the grey levels that a scan looks at.

    Yields:
        Panels, and a notice for whatever cannot be examined.
    """
    options = options or ScanOptions()
    documents: list[Document] = []
    refused: list[NoticeRecord] = []

    def tasks() -> Iterator[tuple[int, wire.Task]]:
        for source in intake.documents(paths):
            if isinstance(source, NoticeRecord):
                refused.append(source)
                continue
            documents.append(source)
            task = wire.Task.for_document(
                source, options, SMALLEST_PANEL_PX, send_pixels=True, send_figures=figures, send_colour=colour
            )
            yield len(documents) - 1, task

    held: dict[int, _Held] = {}
    attempts: dict[int, int] = {}
    with (
        _all_closed(held),
        Intake(options) as intake,
        Pool(options.worker_count(), options.memory_mib, options.timeout_s, SMALLEST_PANEL_PX) as pool,
    ):
        for progressed in filter(None, pool.run(tasks())):
            key = progressed.key
            if attempts.setdefault(key, progressed.attempt) != progressed.attempt:
                held.pop(key).close()
                attempts[key] = progressed.attempt
            if key not in held:
                held[key] = _Held()
            label = documents[key].label
            for message in progressed.messages:
                if isinstance(message, wire.Found):
                    held[key].add(ExtractedPanel(label, message.record, message.pixels))
                elif isinstance(message, wire.Whole):
                    held[key].add(ExtractedPanel(label, message.record, message.pixels, is_figure=True))
                elif isinstance(message, wire.Noted):
                    held[key].add(message.notice)
                elif isinstance(message, wire.Done):
                    intake.release(documents[key])
                    yield from held[key].items()
                    held.pop(key).close()
    yield from refused


@contextmanager
def _all_closed(held: dict[int, _Held]) -> Iterator[None]:
    """Whoever stops reading early leaves no file open."""
    try:
        yield
    finally:
        for one in held.values():
            one.close()


class _Held:
    """What was found in a document that is not finished: if its worker dies, all of it is found again."""

    def __init__(self) -> None:
        self._items: list[tuple[ExtractedPanel | NoticeRecord, tuple[int, ...] | None]] = []
        self._pixels = tempfile.SpooledTemporaryFile(HELD_BYTES)  # noqa: SIM115 (closed by close)

    def add(self, item: ExtractedPanel | NoticeRecord) -> None:
        """Keep one thing; pixels are kept apart."""
        shape = None
        if isinstance(item, ExtractedPanel) and item.pixels is not None:
            shape = item.pixels.shape
            self._pixels.write(np.ascontiguousarray(item.pixels).data)
            item = replace(item, pixels=None)
        self._items.append((item, shape))

    def items(self) -> Iterator[ExtractedPanel | NoticeRecord]:
        """Everything in its order, the pixels of one thing at a time in memory."""
        self._pixels.seek(0)
        for item, shape in self._items:
            if shape is None or isinstance(item, NoticeRecord):
                yield item
            else:
                pixels = np.frombuffer(self._pixels.read(math.prod(shape)), np.uint8).reshape(shape)
                yield replace(item, pixels=pixels)

    def close(self) -> None:
        """Forget it."""
        self._pixels.close()
