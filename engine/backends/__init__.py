"""Inference runtimes behind one small protocol. The choice is strict: nothing falls back to something else."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends.choice import Choice
from semscan.engine.backends.ways import Way
from semscan.engine.bundle import Bundle

_USUAL = Way()


class Backend(Protocol):
    """What the pipeline needs of a runtime."""

    name: str
    device: str
    precision: str
    how: str
    """What else can be said of it, in words; empty if nothing can."""

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits, float32 [B], of tiles, uint8 [B, 1, T, T]; each depends on its own tile only."""
        ...


def open_backends(bundle: Bundle, choice: Choice, way: Way = _USUAL) -> list[Backend]:
    """One runtime for each device of a choice, in their order, all used the same way.

    Raises:
        DeviceError: a runtime, a device or the precision is not usable here.
        ModelError: the bundle has no such artefact, or the runtime refuses it.
    """
    from semscan.engine.backends.cudart import device_count

    return [open_backend(bundle, one, way) for one in choice.each(device_count)]


def open_backend(bundle: Bundle, choice: Choice, way: Way = _USUAL) -> Backend:
    """The runtime of a choice of one device, with the bundle or its artefact of that precision.

    Raises:
        DeviceError: the runtime or the precision is not usable here, or the runtime refuses the way.
        ModelError: the bundle has no such artefact, or the runtime refuses it.
    """
    model = bundle.at(choice.precision)
    if choice.backend == "tensorrt":
        from semscan.engine.backends.tensorrt import TensorRtBackend

        return TensorRtBackend(model, bundle.path.with_suffix(".plan"), choice.index or 0)
    if choice.backend == "openvino":
        from semscan.engine.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(model, way.batch_size)
    if choice.index is not None:
        from semscan.engine.backends.onnxdevice import OnnxDeviceBackend

        return OnnxDeviceBackend(model, choice.backend, choice.index, way)
    from semscan.engine.backends.onnxruntime import OnnxRuntimeBackend

    return OnnxRuntimeBackend(model)
