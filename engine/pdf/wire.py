"""What a worker and its supervisor say to each other; how it travels is in :mod:`semscan.engine.pdf.line`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from semscan.engine.document import Document
from semscan.engine.options import ScanOptions
from semscan.engine.records import NoticeRecord, PanelRecord

LONGEST_DOI, LONGEST_TITLE = 200, 500
"""Characters; what is longer is none."""


@dataclass(frozen=True, slots=True)
class Task:
    """One document to examine, and all that the worker must know to do it.

    ``path`` is what notices call it; ``file`` holds its bytes if it is no file of that name.
    """

    path: str
    media_type: str
    tile_px: int
    max_tiles: int
    min_panel_px: int
    max_pixels: int
    max_pages: int
    all_images: bool
    timeout_s: float
    send_pixels: bool = False
    password: str | None = None
    file: str | None = None
    send_figures: bool = False
    send_colour: bool = False

    @classmethod
    def for_document(
        cls,
        document: Document,
        options: ScanOptions,
        tile_px: int,
        *,
        send_pixels: bool = False,
        send_figures: bool = False,
        send_colour: bool = False,
    ) -> Task:
        """The task for one document under these options."""
        return cls(
            path=document.label,
            media_type=document.media_type,
            tile_px=tile_px,
            max_tiles=options.max_tiles_per_panel,
            min_panel_px=options.min_panel_px,
            max_pixels=options.max_pixels,
            max_pages=options.max_pages,
            all_images=options.all_images,
            timeout_s=options.timeout_s,
            send_pixels=send_pixels,
            password=options.password,
            file=str(document.opened),
            send_figures=send_figures,
            send_colour=send_colour,
        )


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has started: from here on what happens to it is a document's doing."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The document was opened."""

    doc_id: str
    pages: int


@dataclass(frozen=True, slots=True)
class Named:
    """What the document calls itself, as far as that is known: printable, see :data:`LONGEST_TITLE`.

    It may be told again, once more is known.
    """

    doi: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A panel. With tiles, uint8 [n, 1, T, T], it waits for its score; without, its record is complete.

    ``pixels``, uint8 [h, w] or in colour [h, w, 3], is the panel itself, sent when the task asks for it. ``token`` is
    the same for tiles of this worker that are the same; ``None`` if that is not known. ``places`` are the origins
    ``(x, y)`` of the tiles in pixels from the top left of the panel; empty if they are not known.
    """

    record: PanelRecord
    stratum: str = ""
    smoothness: float = 0.0
    tiles: NDArray[np.uint8] | None = None
    pixels: NDArray[np.uint8] | None = None
    token: str | None = None
    places: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """A figure, put together from its strips, after the last of its panels; sent when the task asks for it.

    ``record`` says where it is: its ``panel_id`` is what those of its panels begin with, ``of`` their number, its
    ``status`` empty. ``pixels``, uint8 [h, w] or [h, w, 3], is what is seen of it.
    """

    record: PanelRecord
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Noted:
    """Something the user must know, the document goes on (``severity`` warning) or has failed (error)."""

    notice: NoticeRecord


@dataclass(frozen=True, slots=True)
class Done:
    """The document is finished. ``seconds`` by stage, see :class:`semscan.engine.stats.ScanStats`."""

    images: int = 0
    figures: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


Message: TypeAlias = Ready | Opened | Named | Found | Whole | Noted | Done
