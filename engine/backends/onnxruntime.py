"""ONNX Runtime on the CPU."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semscan.engine.bundle import Bundle
from semscan.engine.errors import DeviceError, ModelError

if TYPE_CHECKING:
    import onnxruntime

DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")


def installed_runtimes() -> list[str]:
    """Installed distributions that own the package ``onnxruntime``; more than one is a conflict."""
    found = []
    for name in DISTRIBUTIONS:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found.append(name)
    return found


class OnnxRuntimeBackend:
    """Runs a bundle with ONNX Runtime on one CPU thread; sessions are cheap to call from several threads.

    Args:
        bundle: the model.

    Raises:
        DeviceError: ONNX Runtime is missing, or two distributions of it overwrite each other.
        ModelError: the runtime refuses the graph.
    """

    name = "onnxruntime"
    device = "cpu"

    def __init__(self, bundle: Bundle) -> None:
        self.precision = bundle.precision
        self._session = _open(bundle)
        self._shape = (1, bundle.tile_px, bundle.tile_px)

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits of a batch.

        Args:
            tiles: uint8 [B, 1, T, T].

        Returns:
            float32 [B], larger where more unlike genuine panels.
        """
        if tiles.dtype != np.uint8 or tiles.shape[1:] != self._shape or not len(tiles):
            raise ValueError(f"tiles must be uint8 [B>0, {', '.join(map(str, self._shape))}], not {tiles.shape}")
        (logits,) = self._session.run(["logit"], {"tiles": tiles})
        return np.asarray(logits, np.float32)


def _open(bundle: Bundle) -> onnxruntime.InferenceSession:
    runtimes = installed_runtimes()
    if len(runtimes) > 1:
        raise DeviceError(
            f"{' and '.join(runtimes)} are installed together and overwrite each other's files",
            f"pip uninstall -y {' '.join(runtimes)} && pip install --no-cache-dir {runtimes[0]}",
        )
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError(
            "no inference runtime is installed", "pip install 'semscan[cpu]'   (for a CUDA device: 'semscan[gpu]')"
        ) from error
    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(bundle.path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions share no narrower base class
        raise ModelError(
            f"ONNX Runtime refuses {bundle.path}: {error}", "semscan models verify checks a bundle"
        ) from error
