"""What goes wrong in a runtime, as refusals: each words it in its own way, and few have an exception class for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import DeviceError, ModelError

_MOST_SAID = 300
"""Characters of a runtime's own words that are repeated."""
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


class Unusable(DeviceError):
    """A runtime or a device that cannot be used here, whatever it is asked for."""


def failure(error: Exception, runtime: str, device: str) -> DeviceError:
    """The refusal that an exception of a runtime means, raised while a batch was scored."""
    said = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(sign in said.lower() for sign in _SIGNS):
        return OutOfDeviceMemory(f"{device} is out of memory", "use a smaller --batch-size")
    return DeviceError(
        f"{runtime} fails on {device}: {said[:_MOST_SAID]}", "semscan doctor checks the device; or --device cpu"
    )


def unreadable(runtime: str, path: Path, error: Exception) -> ModelError:
    """The refusal that an exception of a runtime means, raised while it opened a graph."""
    said = " ".join(str(error).split())
    package = runtime.lower().replace(" ", "")
    upgrade = f"pip install --upgrade {package}" if "opset" in said.lower() else "semscan models verify checks a bundle"
    return ModelError(f"{runtime} refuses {path}: {said[:_MOST_SAID]}", upgrade)


def check_tiles(tiles: NDArray[np.uint8], shape: tuple[int, int, int]) -> None:
    """Refuse a batch that a runtime was not opened for.

    Args:
        tiles: to be scored.
        shape: of one of them, [1, T, T].

    Raises:
        ValueError: they are not uint8 [B, 1, T, T], or none.
    """
    if tiles.dtype != np.uint8 or tiles.shape[1:] != shape or not len(tiles):
        raise ValueError(f"tiles must be uint8 [B>0, {', '.join(map(str, shape))}], not {tiles.shape}")
