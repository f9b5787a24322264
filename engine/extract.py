"""Panels with their pixels, unscored: what would be assessed, what would not, and why."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semscan.engine.document import Document
from semscan.engine.options import SMALLEST_PANEL_PX, ScanOptions
from semscan.engine.pdf import wire
from semscan.engine.pdf.pool import Pool
from semscan.engine.records import NoticeRecord, PanelRecord
from semscan.engine.sources import Intake


@dataclass(frozen=True, slots=True, eq=False)
class ExtractedPanel:
    """One panel of one document.

    Attributes:
        path: the file it is in, with the archives around it.
        record: what a scan would report, without a score; ``status`` says whether it would be assessed.
        grey: uint8 [h, w], the luminance of the stored pixels; ``None`` when the image could not be decoded.
    """

    path: str
    record: PanelRecord
    grey: NDArray[np.uint8] | None


def extract_panels(
    paths: Iterable[str | os.PathLike[str]], options: ScanOptions | None = None
) -> Iterator[ExtractedPanel | NoticeRecord]:
    """Panels of files and folders, in the order of each document; needs no model.

    Args:
        paths: PDFs, images and folders.
        options: see :class:`ScanOptions`.

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
            yield (
                len(documents) - 1,
                wire.Task.for_document(source, options, SMALLEST_PANEL_PX, send_pixels=True),
            )

    found: dict[int, list[ExtractedPanel | NoticeRecord]] = {}
    attempts: dict[int, int] = {}
    with (
        Intake(options) as intake,
        Pool(options.worker_count(), options.memory_mib, options.timeout_s, SMALLEST_PANEL_PX) as pool,
    ):
        for progressed in filter(None, pool.run(tasks())):
            key = progressed.key
            if attempts.setdefault(key, progressed.attempt) != progressed.attempt:
                found[key] = []
                attempts[key] = progressed.attempt
            items = found.setdefault(key, [])
            for message in progressed.messages:
                if isinstance(message, wire.Found):
                    items.append(ExtractedPanel(documents[key].label, message.record, message.pixels))
                elif isinstance(message, wire.Noted):
                    items.append(message.notice)
                elif isinstance(message, wire.Done):
                    intake.release(documents[key])
                    yield from found.pop(key)
    yield from refused
