"""A device that runs out of memory: the batch is halved once, which is said; a second time the run is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends.failures import OutOfDeviceMemory, failure

if TYPE_CHECKING:
    from semscan.engine.backends import Backend


class HalvingBackend:
    """A backend that goes on with half the batch when its device runs out of memory.

    From then on every batch is scored in two of the smaller shape, the second padded with zero tiles, just as a scan
    with that batch size would score them.

    Args:
        backend: the runtime.
        tell: called once with a sentence for the user, from the thread that calls :meth:`infer`.
    """

    def __init__(self, backend: Backend, tell: Callable[[str], None]) -> None:
        self._backend, self._tell = backend, tell
        self._half = 0
        self.name, self.device, self.precision = backend.name, backend.device, backend.precision
        self.how = backend.how

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits of a batch.

        Args:
            tiles: uint8 [B, 1, T, T].

        Returns:
            float32 [B].

        Raises:
            OutOfDeviceMemory: half the batch does not fit either.
        """
        if not self._half:
            try:
                return self._backend.infer(tiles)
            except (OutOfDeviceMemory, MemoryError) as error:
                if len(tiles) < 2:
                    raise failure(error, self.name, self.device) from error
                self._half = -(-len(tiles) // 2)
            self._tell(
                f"{self.device} is out of memory with batches of {len(tiles)} tiles; "
                f"it goes on with {self._half} at a time"
            )
        try:
            return self._in_halves(tiles)
        except (OutOfDeviceMemory, MemoryError) as error:
            raise OutOfDeviceMemory(
                f"{self.device} is out of memory with batches of {self._half} tiles, too",
                f"use --batch-size {max(1, self._half // 4)}, free its memory, or use --device cpu",
            ) from error

    def _in_halves(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        logits = np.empty(len(tiles), np.float32)
        for start in range(0, len(tiles), self._half):
            part = tiles[start : start + self._half]
            if len(part) < self._half:
                part = np.concatenate([part, np.zeros((self._half - len(part), *tiles.shape[1:]), np.uint8)])
            logits[start : start + self._half] = self._backend.infer(part)[: len(tiles) - start]
        return logits
