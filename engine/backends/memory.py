"""A device that runs out of memory: the batch is halved once, which is said; a second time the run is refused.

Each runtime words it in its own way, and none has an exception of its own for it that Python could see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import DeviceError

if TYPE_CHECKING:
    from semscan.engine.backends import Backend

_SIGNS = (
    "out of memory",
    "failed to allocate memory",
    "alloc_failed",
    "allocation_failed",
    "bad_alloc",
    "bad allocation",
)
"""What CUDA, ONNX Runtime, cuBLAS and cuDNN, and the C++ library say, in lower case."""


class OutOfDeviceMemory(DeviceError):
    """The device has too little memory left for what was asked of it."""


def failure(error: Exception, runtime: str, device: str) -> DeviceError:
    """The refusal that an exception of a runtime means, raised while a batch was scored."""
    said = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(sign in said.lower() for sign in _SIGNS):
        return OutOfDeviceMemory(f"{device} is out of memory", "use a smaller --batch-size")
    return DeviceError(
        f"{runtime} fails on {device}: {said[:300]}", "semscan doctor checks the device; or --device cpu"
    )


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
