"""Tiles of many panels in batches of one fixed shape.

Every batch has the same shape, padded with zero tiles, so that a tile's logit does not depend on how many others
happened to share its batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends import Backend

Key = TypeVar("Key")


@dataclass(slots=True)
class _Open:
    """Logits of a panel that are still coming in."""

    logits: NDArray[np.float32]
    missing: int


class Batcher(Generic[Key]):
    """Collects tiles, scores full batches, and hands back each panel whose last tile was scored.

    Args:
        backend: scores a batch.
        batch_size: tiles in a batch.
        tile_px: side of a tile in pixels.
    """

    def __init__(self, backend: Backend, batch_size: int, tile_px: int) -> None:
        self._backend = backend
        self._batch = np.zeros((batch_size, 1, tile_px, tile_px), np.uint8)
        self._slots: list[tuple[Key, int]] = []
        self._open: dict[Key, _Open] = {}

    def add(self, key: Key, tiles: NDArray[np.uint8]) -> list[tuple[Key, NDArray[np.float32]]]:
        """Take in the tiles of one panel.

        Args:
            key: names the panel, unused so far.
            tiles: uint8 [n, 1, T, T], n >= 1.

        Returns:
            Panels completed by this call with their logits, float32 [n] in the order of their tiles.
        """
        self._open[key] = _Open(np.empty(len(tiles), np.float32), len(tiles))
        done = []
        for index, tile in enumerate(tiles):
            self._batch[len(self._slots)] = tile
            self._slots.append((key, index))
            if len(self._slots) == len(self._batch):
                done += self.flush()
        return done

    def flush(self) -> list[tuple[Key, NDArray[np.float32]]]:
        """Score what is there; returns the panels completed by it."""
        if not self._slots:
            return []
        self._batch[len(self._slots) :] = 0
        logits = self._backend.infer(self._batch)
        done = []
        for (key, index), logit in zip(self._slots, logits, strict=False):
            panel = self._open[key]
            panel.logits[index] = logit
            panel.missing -= 1
            if not panel.missing:
                done.append((key, panel.logits))
                del self._open[key]
        self._slots.clear()
        return done
