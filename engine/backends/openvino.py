"""OpenVINO on the CPU: the faster runtime where it is installed, and the only one that gains from half precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends.failures import check_tiles, failure, unreadable
from semscan.engine.bundle import Bundle
from semscan.engine.errors import DeviceError, ModelError

if TYPE_CHECKING:
    import openvino

_AT_ONCE = 16
"""Tiles that go through the network together. For a fixed number OpenVINO makes faster code, with the same logits for
any number; more of them do not fit into the cache, and fewer are called too often."""
_HINTS = {"fp32": "f32", "fp16": "f16", "int8": "f32"}
"""What floating-point layers compute in; left to itself OpenVINO takes bfloat16 where it can, which moves logits."""


class OpenVinoBackend:
    """Runs a bundle or an artefact of it with OpenVINO on one CPU thread.

    Args:
        bundle: the model.
        batch_size: tiles in the batches that will come.

    Raises:
        DeviceError: OpenVINO is missing, or this CPU does not compute in the precision of the artefact.
        ModelError: the runtime refuses the graph.
    """

    name = "openvino"
    device = "cpu"
    how = ""

    def __init__(self, bundle: Bundle, batch_size: int = _AT_ONCE) -> None:
        self.precision = bundle.precision
        self._shape = (1, bundle.tile_px, bundle.tile_px)
        self._tiles = np.zeros((min(batch_size, _AT_ONCE), *self._shape), np.uint8)
        self._request = _compile(bundle, self._tiles)

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
        check_tiles(tiles, self._shape)
        logits = np.empty(len(tiles), np.float32)
        at_once = len(self._tiles)
        try:
            for start in range(0, len(tiles), at_once):
                part = tiles[start : start + at_once]
                self._tiles[: len(part)] = part  # what is left of an earlier part changes no other tile's logit
                found = self._request.infer(share_outputs=True)
                logits[start : start + at_once] = found["logit"][: len(part)]
        except (RuntimeError, MemoryError) as error:
            raise failure(error, "OpenVINO", self.device) from error
        return logits


def _compile(bundle: Bundle, tiles: NDArray[np.uint8]) -> openvino.InferRequest:
    """What scores the tiles that lie in an array, again whenever it is asked."""
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
        model = core.read_model(bundle.path)
        model.reshape(list(tiles.shape))
        if tuple(model.output("logit").shape) != tiles.shape[:1]:
            # Operators change their meaning from opset to opset, and it takes any for one that it knows.
            raise ModelError(
                f"{bundle.id} on OpenVINO does not give each tile a logit: it takes the operators of its opset for "
                "something else",
                "pip install --upgrade openvino",
            )
        request = core.compile_model(model, "CPU", settings).create_infer_request()
        request.set_input_tensor(0, openvino.Tensor(tiles, shared_memory=True))
        return request
    except RuntimeError as error:
        raise unreadable("OpenVINO", bundle.path, error) from error
