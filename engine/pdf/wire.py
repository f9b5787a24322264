"""What a worker and its supervisor say to each other.

Messages are JSON, followed by the raw bytes of the tiles where a message announces some. Nothing is pickled: a worker
reads hostile files, and what it sends must not be able to run code in its parent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from semscan.engine.options import ScanOptions
from semscan.engine.records import ImageRecord, KindRecord, NoticeRecord, PanelRecord, to_jsonable
from semscan.engine.sources import Document


@dataclass(frozen=True, slots=True)
class Task:
    """One document to examine, and all that the worker must know to do it."""

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

    @classmethod
    def for_document(cls, document: Document, options: ScanOptions, tile_px: int, *, send_pixels: bool = False) -> Task:
        """The task for one document under these options."""
        return cls(
            path=str(document.path),
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
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """The document was opened."""

    doc_id: str
    pages: int


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A panel. With tiles, uint8 [n, 1, T, T], it waits for its score; without, its record is complete.

    ``pixels``, uint8 [h, w], is the panel itself, sent when the task asks for it.
    """

    record: PanelRecord
    stratum: str = ""
    smoothness: float = 0.0
    tiles: NDArray[np.uint8] | None = None
    pixels: NDArray[np.uint8] | None = None


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


Message: TypeAlias = Opened | Found | Noted | Done


def send_task(connection: Connection, task: Task) -> None:
    """Supervisor to worker."""
    connection.send_bytes(json.dumps(to_jsonable(task)).encode())


def receive_task(connection: Connection) -> Task:
    """Worker's side of :func:`send_task`.

    Raises:
        EOFError: the supervisor is gone.
    """
    return Task(**json.loads(connection.recv_bytes()))


def send(connection: Connection, message: Message) -> None:
    """Worker to supervisor."""
    arrays: list[NDArray[np.uint8] | None] = []
    body: dict[str, Any]
    if isinstance(message, Found):
        arrays = [message.tiles, message.pixels]
        body = {
            "record": to_jsonable(message.record),
            "stratum": message.stratum,
            "smoothness": message.smoothness,
            "shapes": [None if array is None else array.shape for array in arrays],
        }
    else:
        body = to_jsonable(message)
    connection.send_bytes(json.dumps({"kind": type(message).__name__, "body": body}).encode())
    for array in arrays:
        if array is not None:
            connection.send_bytes(np.ascontiguousarray(array).data.cast("B"))


def receive(connection: Connection) -> Message:
    """Supervisor's side of :func:`send`.

    Raises:
        EOFError, OSError: the worker is gone.
        KeyError, TypeError, ValueError: the worker sent nonsense.
    """
    head = json.loads(connection.recv_bytes())
    kind, body = head["kind"], head["body"]
    if kind == "Found":
        tiles, pixels = (
            None if shape is None else np.frombuffer(connection.recv_bytes(), np.uint8).reshape(shape)
            for shape in body["shapes"]
        )
        return Found(panel_from_json(body["record"]), body["stratum"], body["smoothness"], tiles, pixels)
    if kind == "Noted":
        return Noted(NoticeRecord(**_without_type(body["notice"])))
    if kind == "Opened":
        return Opened(**body)
    if kind == "Done":
        return Done(**body)
    raise ValueError(f"unknown message {kind!r}")


def panel_from_json(data: dict[str, Any]) -> PanelRecord:
    """The unscored record that :func:`semscan.engine.records.to_jsonable` turned into ``data``."""
    values = _without_type(data)
    if values["image"] is not None:
        values["image"] = ImageRecord(**_tuples(values["image"]))
    if values["kind"] is not None:
        values["kind"] = KindRecord(**values["kind"])
    return PanelRecord(**_tuples(values))


def _without_type(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "type"}


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
