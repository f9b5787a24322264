"""What a worker and its supervisor say to each other.

Messages are JSON; tiles lie in the worker's slab. Nothing is pickled: a worker reads hostile files, and what it sends
must not be able to run code in its parent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from semscan.engine.document import Document
from semscan.engine.options import ScanOptions
from semscan.engine.parse import build
from semscan.engine.pdf.slab import Ring
from semscan.engine.records import NoticeRecord, PanelRecord, to_jsonable

LONGEST_TOKEN = 100
"""Characters of a token: they are kept, so a worker must not be able to make them long."""


Kind = TypeVar("Kind")

LONGEST_MESSAGE_BYTES = 1 << 20
"""A worker that was taken over may not make its supervisor run out of memory."""


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

    @classmethod
    def for_document(cls, document: Document, options: ScanOptions, tile_px: int, *, send_pixels: bool = False) -> Task:
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
        )


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has started: from here on what happens to it is a document's doing."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The document was opened."""

    doc_id: str
    pages: int


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A panel. With tiles, uint8 [n, 1, T, T], it waits for its score; without, its record is complete.

    ``pixels``, uint8 [h, w], is the panel itself, sent when the task asks for it. ``token`` is the same for tiles of
    this worker that are the same; ``None`` if that is not known.
    """

    record: PanelRecord
    stratum: str = ""
    smoothness: float = 0.0
    tiles: NDArray[np.uint8] | None = None
    pixels: NDArray[np.uint8] | None = None
    token: str | None = None


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


Message: TypeAlias = Ready | Opened | Found | Noted | Done


class WorkerEnd:
    """The worker's end of the line.

    Args:
        connection: to the supervisor.
        ring: the worker's slab.
    """

    def __init__(self, connection: Connection, ring: Ring) -> None:
        self._connection, self._ring = connection, ring

    def receive_task(self) -> Task:
        """Wait for the next document.

        Raises:
            EOFError: the supervisor is gone.
        """
        while True:
            if task := self._receive():
                return task

    def send(self, message: Message) -> None:
        """Send a message; waits while the slab has no room for its tiles."""
        pixels = None
        body: dict[str, Any]
        if isinstance(message, Found):
            pixels = message.pixels
            body = {
                "record": to_jsonable(message.record),
                "stratum": message.stratum,
                "smoothness": message.smoothness,
                "tiles": None if message.tiles is None else self._place(message.tiles),
                "pixels": None if pixels is None else pixels.shape,
                "token": message.token,
            }
        else:
            body = to_jsonable(message)
        self._connection.send_bytes(json.dumps({"kind": type(message).__name__, "body": body}).encode())
        if pixels is not None:
            self._connection.send_bytes(np.ascontiguousarray(pixels).data.cast("B"))

    def _place(self, tiles: NDArray[np.uint8]) -> tuple[int, int]:
        while self._ring.free < len(tiles):
            self._receive()
        return self._ring.write(tiles), len(tiles)

    def _receive(self) -> Task | None:
        """The next task, or ``None`` when the supervisor gave tiles of the slab back."""
        body = json.loads(self._connection.recv_bytes())
        if "free" in body:
            self._ring.free += body["free"]
            return None
        return Task(**body)


class SupervisorEnd:
    """The supervisor's end of the line.

    Args:
        connection: to the worker.
        ring: the worker's slab.
    """

    def __init__(self, connection: Connection, ring: Ring) -> None:
        self.connection, self._ring = connection, ring
        self._to_release = 0

    def send_task(self, task: Task) -> None:
        """Hand a document to the worker."""
        self.connection.send_bytes(json.dumps(to_jsonable(task)).encode())

    def receive(self) -> Message:
        """The next message. Its tiles lie in the slab: they are valid until :meth:`release`.

        Raises:
            EOFError, OSError: the worker is gone.
            KeyError, TypeError, ValueError, RecursionError: the worker sent nonsense.
        """
        head = json.loads(self.connection.recv_bytes(LONGEST_MESSAGE_BYTES))
        kind, body = head["kind"], head["body"]
        if kind == "Found":
            return self._found(body)
        if kind == "Noted":
            return Noted(build(NoticeRecord, body["notice"]))
        if kind == "Opened":
            return Opened(_typed(body["doc_id"], str), _typed(body["pages"], int))
        if kind == "Done":
            seconds = {_typed(stage, str): float(value) for stage, value in _typed(body["seconds"], dict).items()}
            return Done(_typed(body["images"], int), _typed(body["figures"], int), seconds)
        if kind == "Ready":
            return Ready()
        raise ValueError(f"unknown message {kind!r:.40}")

    def _found(self, body: dict[str, Any]) -> Found:
        record, token = build(PanelRecord, body["record"]), body["token"]
        for text in (record.panel_id, record.doc_id, record.status):
            _typed(text, str)
        if token is not None and len(_typed(token, str)) > LONGEST_TOKEN:
            raise ValueError("the token is too long")
        tiles = None if body["tiles"] is None else self._ring.read(*body["tiles"])
        if (record.status == "assessed") != (tiles is not None):
            raise ValueError("a panel is assessed by its tiles")
        if any(value is not None for value in (record.score, record.tail, record.level, record.reference)):
            raise ValueError("a worker does not score")
        pixels = None
        if body["pixels"] is not None:
            height, width = body["pixels"]
            data = self.connection.recv_bytes(int(height) * int(width))
            pixels = np.frombuffer(data, np.uint8).reshape(height, width)
        self._to_release += 0 if tiles is None else len(tiles)
        stratum, smoothness = _typed(body["stratum"], str), float(body["smoothness"])
        return Found(record, stratum, smoothness, tiles, pixels, token)

    def release(self) -> None:
        """Give the tiles received so far back to the worker, many at a time."""
        if self._to_release >= len(self._ring) // 4:
            self.connection.send_bytes(json.dumps({"free": self._to_release}).encode())
            self._to_release = 0


def _typed(value: Any, kind: type[Kind]) -> Kind:
    """A value of the type that it must have.

    Raises:
        TypeError: it has another one.
    """
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{kind.__name__} expected")
    return value
