"""ONNX Runtime: the package, and a backend for the CPU; ``onnxdevice`` has the one for NVIDIA devices."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends.failures import Unusable, check_tiles, failure, unreadable
from semscan.engine.bundle import Bundle

if TYPE_CHECKING:
    import onnxruntime

_AT_ONCE = 4
"""Tiles that go through the network together on the CPU: what lies between its layers stays in the cache of a core."""

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
    """Runs a bundle with ONNX Runtime on one CPU thread; to be called from any thread.

    Args:
        bundle: the model.

    Raises:
        DeviceError: ONNX Runtime is missing, or two distributions of it overwrite each other.
        ModelError: the runtime refuses the graph.
    """

    name = "onnxruntime"
    device = "cpu"
    how = ""

    def __init__(self, bundle: Bundle) -> None:
        self.precision = bundle.precision
        self._session = open_session(bundle.path)
        self._shape = (1, bundle.tile_px, bundle.tile_px)

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits of a batch.

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
        try:
            for start in range(0, len(tiles), _AT_ONCE):
                part = {"tiles": tiles[start : start + _AT_ONCE]}
                (logits[start : start + _AT_ONCE],) = self._session.run(["logit"], part)
        except Exception as error:  # the runtime's exceptions share no narrower base class
            raise failure(error, "ONNX Runtime", self.device) from error
        return logits


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Open a graph on one CPU thread.

    Args:
        path: the ``.onnx`` file.

    Raises:
        DeviceError: ONNX Runtime is missing, or two distributions of it overwrite each other.
        ModelError: the runtime refuses the graph.
    """
    runtime = import_runtime()
    try:
        return runtime.InferenceSession(str(path), session_options(), providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions share no narrower base class
        raise unreadable("ONNX Runtime", path, error) from error


def import_runtime() -> Any:
    """The package ``onnxruntime``.

    Raises:
        Unusable: it is missing, or two distributions of it overwrite each other.
    """
    runtimes = installed_runtimes()
    if len(runtimes) > 1:
        raise Unusable(
            f"{' and '.join(runtimes)} are installed together and overwrite each other's files",
            f"pip uninstall -y {' '.join(runtimes)} && pip install --no-cache-dir {runtimes[0]}",
        )
    try:
        import onnxruntime
    except ImportError as error:
        raise Unusable(
            "no inference runtime is installed", "pip install 'semscan[cpu]'   (for a CUDA device: 'semscan[gpu]')"
        ) from error
    onnxruntime.set_default_logger_severity(3)
    return onnxruntime


def session_options() -> onnxruntime.SessionOptions:
    """Options of every session: one thread that never spins, for the workers use the cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
