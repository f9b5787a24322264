"""Inference runtimes behind one small protocol. The choice is strict: nothing falls back to something else."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends.choice import Choice
from semscan.engine.bundle import Bundle


class Backend(Protocol):
    """What the pipeline needs of a runtime."""

    name: str
    device: str
    precision: str

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits, float32 [B], of tiles, uint8 [B, 1, T, T]; each depends on its own tile only."""
        ...


def open_backends(bundle: Bundle, choice: Choice) -> list[Backend]:
    """One runtime for each device of a choice, in their order.

    Raises:
        DeviceError: a runtime, a device or the precision is not usable here.
        ModelError: the bundle has no such artefact, or the runtime refuses it.
    """
    from semscan.engine.backends.cudart import device_count

    return [open_backend(bundle, one) for one in choice.each(device_count)]


def open_backend(bundle: Bundle, choice: Choice) -> Backend:
    """The runtime of a choice of one device, with the bundle or its artefact of that precision.

    Raises:
        DeviceError: the runtime or the precision is not usable here.
        ModelError: the bundle has no such artefact, or the runtime refuses it.
    """
    model = bundle.at(choice.precision)
    if choice.backend == "tensorrt":
        from semscan.engine.backends.tensorrt import TensorRtBackend

        return TensorRtBackend(model, bundle.path.with_suffix(".plan"), choice.index or 0)
    if choice.backend == "openvino":
        from semscan.engine.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(model)
    from semscan.engine.backends.onnxruntime import OnnxRuntimeBackend

    return OnnxRuntimeBackend(model, choice.index)
