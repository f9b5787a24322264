"""Tiles of many panels in batches of one fixed shape, scored by a thread per device while the next batch is filled.

Every batch has the same shape, padded with zero tiles, so that a tile's logit does not depend on how many others
happened to share its batch. Several devices take turns; results come back in the order in which batches were sent, so
that with devices of one kind it shows nowhere which of them scored a batch.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends import Backend

Key = TypeVar("Key")

BATCHES = 2
"""For each device one that waits and one that is scored; one more is being filled."""

OLDEST_S = 0.5
"""A batch that is not full is scored when its first tile has waited this long."""


@dataclass(slots=True)
class _Open:
    """Logits of a panel that are still coming in."""

    logits: NDArray[np.float32]
    missing: int


@dataclass(frozen=True, slots=True)
class _Run(Generic[Key]):
    """Tiles of one panel that lie side by side in a batch: those from ``first`` on, ``count`` of them."""

    key: Key
    first: int
    count: int


@dataclass(slots=True)
class _Sent(Generic[Key]):
    """A batch that an inference thread has."""

    runs: list[_Run[Key]]
    tiles: NDArray[np.uint8]
    inference: _Inference


class Batcher(Generic[Key]):
    """Collects tiles, has full batches scored, and hands back each panel whose last tile was scored.

    Args:
        backends: score batches in turns, one for each device; each is called from one thread only.
        batch_size: tiles in a batch.
        tile_px: side of a tile in pixels.
    """

    def __init__(self, backends: Sequence[Backend], batch_size: int, tile_px: int) -> None:
        self._threads = [_Inference(backend) for backend in backends]
        self._turns = cycle(self._threads)
        count = BATCHES * len(backends) + 1
        self._spare = [np.zeros((batch_size, 1, tile_px, tile_px), np.uint8) for _ in range(count)]
        self._batch = self._spare.pop()
        self._runs: list[_Run[Key]] = []
        self._filled = 0
        self._first_at = 0.0
        self._sent: deque[_Sent[Key]] = deque()
        self._open: dict[Key, _Open] = {}

    def add(self, key: Key, tiles: NDArray[np.uint8]) -> list[tuple[Key, NDArray[np.float32]]]:
        """Take in the tiles of one panel; they are copied.

        Args:
            key: names the panel, unused so far.
            tiles: uint8 [n, 1, T, T], n >= 1.

        Returns:
            Panels completed by now with their logits, float32 [n] in the order of their tiles.
        """
        self._open[key] = _Open(np.empty(len(tiles), np.float32), len(tiles))
        done: list[tuple[Key, NDArray[np.float32]]] = []
        first = 0
        while first < len(tiles):
            if not self._filled:
                self._first_at = time.monotonic()
            count = min(len(self._batch) - self._filled, len(tiles) - first)
            self._batch[self._filled : self._filled + count] = tiles[first : first + count]
            self._runs.append(_Run(key, first, count))
            self._filled += count
            first += count
            if self._filled == len(self._batch):
                done += self._send()
        return done + self._collect(wait=False)

    def poll(self) -> list[tuple[Key, NDArray[np.float32]]]:
        """Panels completed by now; a batch that has waited too long is sent as it is."""
        done = []
        if self._filled and time.monotonic() - self._first_at > OLDEST_S:
            done = self._send()
        return done + self._collect(wait=False)

    def flush(self) -> list[tuple[Key, NDArray[np.float32]]]:
        """Score all that is there; returns the panels completed by it."""
        done = self._send() if self._filled else []
        return done + self._collect(wait=True)

    def close(self) -> None:
        """End the inference threads."""
        for thread in self._threads:
            thread.close()

    def _send(self) -> list[tuple[Key, NDArray[np.float32]]]:
        self._batch[self._filled :] = 0
        inference = next(self._turns)
        inference.submit(self._batch)
        self._sent.append(_Sent(self._runs, self._batch, inference))
        self._runs, self._filled = [], 0
        done = [] if self._spare else self._completed_by(self._sent.popleft())
        self._batch = self._spare.pop()
        return done

    def _collect(self, *, wait: bool) -> list[tuple[Key, NDArray[np.float32]]]:
        done = []
        while self._sent and (wait or self._sent[0].inference.has_result()):
            done += self._completed_by(self._sent.popleft())
        return done

    def _completed_by(self, batch: _Sent[Key]) -> list[tuple[Key, NDArray[np.float32]]]:
        return list(self._fill_in(batch, batch.inference.result()))

    def _fill_in(self, batch: _Sent[Key], logits: NDArray[np.float32]) -> Iterator[tuple[Key, NDArray[np.float32]]]:
        self._spare.append(batch.tiles)
        position = 0
        for run in batch.runs:
            panel = self._open[run.key]
            panel.logits[run.first : run.first + run.count] = logits[position : position + run.count]
            position += run.count
            panel.missing -= run.count
            if not panel.missing:
                yield run.key, panel.logits
                del self._open[run.key]


class _Inference:
    """One thread that scores batches in the order in which they come; leaner than an executor with its futures.

    Args:
        backend: called from that thread only.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._batches: SimpleQueue[NDArray[np.uint8] | None] = SimpleQueue()
        self._results: SimpleQueue[NDArray[np.float32] | BaseException] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="semscan-inference", daemon=True)
        self._thread.start()

    def submit(self, batch: NDArray[np.uint8]) -> None:
        """Have a batch scored."""
        self._batches.put(batch)

    def has_result(self) -> bool:
        """Whether a batch was scored whose result was not taken yet."""
        return not self._results.empty()

    def result(self) -> NDArray[np.float32]:
        """Logits of the next batch, when they are there; raises what the backend raised."""
        result = self._results.get()
        if isinstance(result, BaseException):
            raise result
        return result

    def close(self) -> None:
        """End the thread after the batch that it is at."""
        with contextlib.suppress(Empty):
            while True:
                self._batches.get_nowait()
        self._batches.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                self._results.put(self._backend.infer(batch))
            except BaseException as error:  # told by the thread that asks for the result
                self._results.put(error)
