"""OpenVINO on the CPU: the faster runtime where it is installed, and the only one that gains from half precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends.failures import failure, unreadable
from semscan.engine.bundle import Bundle
from semscan.engine.errors import DeviceError

if TYPE_CHECKING:
    import openvino

_HINTS = {"fp32": "f32", "fp16": "f16", "int8": "f32"}
"""What floating-point layers compute in; left to itself OpenVINO takes bfloat16 where it can, which moves logits."""


class OpenVinoBackend:
    """Runs a bundle or an artefact of it with OpenVINO on one CPU thread.

    Args:
        bundle: the model.

    Raises:
        DeviceError: OpenVINO is missing, or this CPU does not compute in the precision of the artefact.
        ModelError: the runtime refuses the graph.
    """

    name = "openvino"
    device = "cpu"
    how = ""

    def __init__(self, bundle: Bundle) -> None:
        self.precision = bundle.precision
        self._shape = (1, bundle.tile_px, bundle.tile_px)
        self._model = _compile(bundle)
        self._request = self._model.create_infer_request()

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits of a batch; to be called from one thread at a time.

        Args:
            tiles: uint8 [B, 1, T, T].

        Returns:
            float32 [B], larger where more unlike genuine panels.

        Raises:
            OutOfDeviceMemory: there is too little memory for this batch.
            DeviceError: the runtime fails.
        """
        if tiles.dtype != np.uint8 or tiles.shape[1:] != self._shape or not len(tiles):
            raise ValueError(f"tiles must be uint8 [B>0, {', '.join(map(str, self._shape))}], not {tiles.shape}")
        try:
            found = self._request.infer({"tiles": tiles}, share_inputs=True)
        except (RuntimeError, MemoryError) as error:
            raise failure(error, "OpenVINO", self.device) from error
        return np.array(found["logit"], np.float32)  # a copy: the request's memory is used again


def _compile(bundle: Bundle) -> openvino.CompiledModel:
    try:
        import openvino
    except ImportError as error:
        raise DeviceError("OpenVINO is not installed", "pip install 'semscan[openvino]'") from error
    core = openvino.Core()
    if bundle.precision == "fp16" and "FP16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise DeviceError("this CPU does not compute in half precision", "use --precision fp32")
    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": _HINTS[bundle.precision],
    }
    try:
        return core.compile_model(core.read_model(bundle.path), "CPU", settings)
    except RuntimeError as error:
        raise unreadable("OpenVINO", bundle.path, error) from error
