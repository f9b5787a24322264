"""The line between a worker and its supervisor.

Messages are JSON; tiles lie in the worker's slab. Nothing is pickled: a worker reads hostile files, and what it sends
must not be able to run code in its parent, nor hold a value that the parent does not expect. A worker sends many
messages at once, because waking the supervisor costs more than reading what it is woken for.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import fields
from itertools import chain
from multiprocessing.connection import Connection
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.pdf.packed import packing
from semscan.engine.pdf.plain import number, pairs, printable, typed, whole
from semscan.engine.pdf.slab import Ring
from semscan.engine.pdf.wire import (
    LONGEST_DOI,
    LONGEST_TITLE,
    Done,
    Found,
    Message,
    Named,
    Noted,
    Opened,
    Ready,
    Task,
    Whole,
)
from semscan.engine.records import NoticeRecord, PanelRecord

LONGEST_TOKEN = 100
"""Characters of a token: they are kept, so a worker must not be able to make them long."""

LONGEST_MESSAGE_BYTES = 1 << 20
"""A worker that was taken over may not make its supervisor run out of memory."""

MOST_BYTES = 1 << 28
"""All messages about one document together, apart from pixels: what is in them is kept until it is finished."""

MOST_STAGES = 32
"""Stages whose times a document may report."""

MOST_WAITING_BYTES, MOST_WAITING_S = 1 << 16, 1.0
"""Messages wait in the worker for others to go with them: up to so many bytes, and until a message finds that the first
one has waited so long. Those of a document's second try never wait, so that all that was found before a crash is told.
"""

_SCORED = attrgetter("score", "tail", "tail_ci95", "level", "reference", "smoothness", "siblings", "region")
_PANEL, _NOTICE = packing(PanelRecord), packing(NoticeRecord)
_TASK_VALUES = attrgetter(*(field.name for field in fields(Task)))


class WorkerEnd:
    """The worker's end of the line.

    Args:
        connection: to the supervisor.
        ring: the worker's slab.
    """

    def __init__(self, connection: Connection, ring: Ring) -> None:
        self._connection, self._ring = connection, ring
        self._waiting: list[str] = []
        self._waiting_bytes = self._waiting_tiles = 0
        self._first_at = 0.0
        self._at_once = False

    def receive_task(self) -> Task:
        """Wait for the next document.

        Raises:
            EOFError: the supervisor is gone.
        """
        while True:
            if task := self._receive():
                return task

    def send(self, message: Message) -> None:
        """Send a message, soon; waits while the slab has no room for its tiles."""
        pixels = message.pixels if isinstance(message, Found | Whole) else None
        text = json.dumps(self._packed(message), separators=(",", ":"))
        if not self._waiting:
            self._first_at = time.monotonic()
        self._waiting.append(text)
        self._waiting_bytes += len(text)
        if (
            self._at_once
            or pixels is not None
            or not isinstance(message, Opened | Named | Found | Noted)
            or self._waiting_bytes >= MOST_WAITING_BYTES
            or self._waiting_tiles >= len(self._ring) // 4
            or time.monotonic() - self._first_at >= MOST_WAITING_S
        ):
            self._flush()
        if pixels is not None:
            self._connection.send_bytes(np.ascontiguousarray(pixels).data.cast("B"))

    def _packed(self, message: Message) -> list[Any]:
        """A message as JSON holds it: its kind and its values."""
        kind = type(message).__name__
        if isinstance(message, Found):
            tiles = None if message.tiles is None else self._place(message.tiles)
            shape = None if message.pixels is None else message.pixels.shape
            record = _PANEL.pack(message.record)
            places = list(chain.from_iterable(message.places))
            return [kind, record, message.stratum, message.smoothness, tiles, shape, message.token, places]
        if isinstance(message, Whole):
            return [kind, _PANEL.pack(message.record), message.pixels.shape]
        if isinstance(message, Named):
            return [kind, message.doi, message.title]
        if isinstance(message, Noted):
            return [kind, _NOTICE.pack(message.notice)]
        if isinstance(message, Opened):
            return [kind, message.doc_id, message.pages]
        if isinstance(message, Done):
            return [kind, message.images, message.figures, message.seconds]
        return [kind]

    def _place(self, tiles: NDArray[np.uint8]) -> tuple[int, int]:
        if self._ring.free < len(tiles):
            self._flush()  # the supervisor gives back only what it was told of
        while self._ring.free < len(tiles):
            self._receive()
        self._waiting_tiles += len(tiles)
        return self._ring.write(tiles), len(tiles)

    def _flush(self) -> None:
        if not self._waiting:
            return
        text = f"[{','.join(self._waiting)}]"
        self._waiting.clear()
        self._waiting_bytes = self._waiting_tiles = 0
        self._connection.send_bytes(text.encode())

    def _receive(self) -> Task | None:
        """The next task, or ``None`` when the supervisor gave tiles of the slab back."""
        body = json.loads(self._connection.recv_bytes())
        if "free" in body:
            self._ring.free += body["free"]
            return None
        self._at_once = body["at_once"]
        return Task(*body["task"])


class SupervisorEnd:
    """The supervisor's end of the line.

    Args:
        connection: to the worker.
        ring: the worker's slab.
    """

    def __init__(self, connection: Connection, ring: Ring) -> None:
        self.connection, self._ring = connection, ring
        self._to_release = 0
        self._bytes_left, self._most_pixels = MOST_BYTES, 0
        self._bands: tuple[tuple[int, ...], ...] = ((),)

    def send_task(self, task: Task, *, at_once: bool = False) -> None:
        """Hand a document to the worker; ``at_once``: its messages are not to wait for each other."""
        self._bytes_left = MOST_BYTES
        self._most_pixels = task.max_pixels if task.send_pixels or task.send_figures else 0
        self._bands = ((), (3,)) if task.send_colour else ((),)
        body = {"task": _TASK_VALUES(task), "at_once": at_once}
        self.connection.send_bytes(json.dumps(body).encode())

    def receive(self) -> list[Message]:
        """The next messages, one at least. Tiles lie in the slab: they are valid until :meth:`release`.

        Only the last one can be :class:`Ready` or :class:`Done`, or come with pixels.

        Raises:
            EOFError, OSError: the worker is gone.
            KeyError, TypeError, ValueError, RecursionError: the worker sent nonsense.
        """
        data = self.connection.recv_bytes(LONGEST_MESSAGE_BYTES)
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise ValueError("more messages than a document may have")
        rows = typed(json.loads(data.decode()), list)
        if not rows:
            raise ValueError("no message")
        last = len(rows) - 1
        return [self._message(row, is_last=at == last) for at, row in enumerate(rows)]

    def _message(self, row: Any, *, is_last: bool) -> Message:
        kind, *values = typed(row, list)
        if kind == "Found":
            return self._found(values, is_last)
        if kind == "Noted":
            (notice,) = values
            return Noted(_NOTICE.unpack(notice))
        if kind == "Opened":
            doc_id, pages = values
            return Opened(typed(doc_id, str), whole(pages))
        if kind == "Named":
            doi, title = values
            return Named(printable(doi, LONGEST_DOI), printable(title, LONGEST_TITLE))
        if not is_last:
            raise ValueError("messages after the last one")
        if kind == "Whole":
            record, shape = values
            return Whole(_PANEL.unpack(record), self._pixels(shape))
        if kind == "Done":
            images, figures, seconds = values
            if len(typed(seconds, dict)) > MOST_STAGES:
                raise ValueError("too many stages")
            times = {stage: number(value) for stage, value in seconds.items()}
            return Done(whole(images), whole(figures), times)
        if kind == "Ready":
            return Ready()
        raise ValueError(f"unknown message {kind!r:.40}")

    def _found(self, values: list[Any], is_last: bool) -> Found:
        packed, stratum, smoothness, placed, shape, token, places = values
        record = _PANEL.unpack(packed)
        if token is not None and len(typed(token, str)) > LONGEST_TOKEN:
            raise ValueError("the token is too long")
        tiles = None if placed is None else self._ring.read(*map(whole, placed))
        if (record.status == "assessed") != (tiles is not None):
            raise ValueError("a panel is assessed by its tiles")
        if any(value is not None for value in _SCORED(record)):
            raise ValueError("a worker does not score")
        if tiles is not None:
            self._to_release += len(tiles)
            if self._to_release > len(self._ring):
                raise ValueError("more tiles than the slab holds")
        pixels = None
        if shape is not None:
            if not is_last:
                raise ValueError("pixels before the last message")
            pixels = self._pixels(shape)
        origins = pairs(places)
        if origins and (tiles is None or len(origins) != len(tiles)):
            raise ValueError("one place for each tile")
        return Found(record, typed(stratum, str), number(smoothness), tiles, pixels, token, origins)

    def _pixels(self, shape: Any) -> NDArray[np.uint8]:
        height, width, *bands = map(whole, shape)
        if not 0 < height * width <= self._most_pixels or tuple(bands) not in self._bands:
            raise ValueError("other pixels than were asked for")
        size = height * width * math.prod(bands)
        return np.frombuffer(self.connection.recv_bytes(size), np.uint8).reshape(height, width, *bands)

    def release(self) -> None:
        """Give the tiles received so far back to the worker, many at a time."""
        if self._to_release >= len(self._ring) // 4:
            self.connection.send_bytes(json.dumps({"free": self._to_release}).encode())
            self._to_release = 0
