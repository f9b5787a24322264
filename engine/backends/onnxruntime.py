"""ONNX Runtime, on the CPU or through CUDA; the provider is proved after the session is open."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends.cudart import CUDNN, LIBRARIES, find_library
from semscan.engine.backends.failures import failure, unreadable
from semscan.engine.bundle import Bundle
from semscan.engine.errors import DeviceError

if TYPE_CHECKING:
    import onnxruntime

_CUDA = "CUDAExecutionProvider"
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
    """Runs a bundle with ONNX Runtime, on one CPU thread or on a CUDA device; to be called from any thread.

    Args:
        bundle: the model.
        index: number of the CUDA device; ``None`` for the CPU.

    Raises:
        DeviceError: ONNX Runtime is missing, two distributions of it overwrite each other, or the device is not usable.
        ModelError: the runtime refuses the graph.
    """

    name = "onnxruntime"

    def __init__(self, bundle: Bundle, index: int | None = None) -> None:
        self.precision = bundle.precision
        self.device = "cpu" if index is None else f"cuda:{index}"
        self._index = index
        self._session = open_session(bundle.path, index)
        self._shape = (1, bundle.tile_px, bundle.tile_px)
        self._bound: dict[int, BoundBatch] = {}

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits of a batch.

        Args:
            tiles: uint8 [B, 1, T, T].

        Returns:
            float32 [B], larger where more unlike genuine panels.

        Raises:
            OutOfDeviceMemory: the device has too little memory for this batch.
            DeviceError: it fails.
        """
        if tiles.dtype != np.uint8 or tiles.shape[1:] != self._shape or not len(tiles):
            raise ValueError(f"tiles must be uint8 [B>0, {', '.join(map(str, self._shape))}], not {tiles.shape}")
        try:
            return self._on_cpu(tiles) if self._index is None else self._on_cuda(tiles, self._index)
        except Exception as error:  # the runtime's exceptions share no narrower base class
            self._bound.clear()  # a smaller batch needs what a larger one holds
            raise failure(error, "ONNX Runtime", self.device) from error

    def _on_cpu(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        logits = np.empty(len(tiles), np.float32)
        for start in range(0, len(tiles), _AT_ONCE):
            part = {"tiles": tiles[start : start + _AT_ONCE]}
            (logits[start : start + _AT_ONCE],) = self._session.run(["logit"], part)
        return logits

    def _on_cuda(self, tiles: NDArray[np.uint8], index: int) -> NDArray[np.float32]:
        if len(tiles) not in self._bound:
            self._bound[len(tiles)] = BoundBatch(self._session, tiles.shape, "cuda", index)
        return self._bound[len(tiles)].infer(tiles)


class BoundBatch:
    """Memory of a device for the tiles and logits of one batch size, taken once.

    Only these two are copied: the evidence, which nobody asks for here, stays where it is.

    Args:
        session: the open network.
        shape: of the batch, [B, 1, T, T].
        device: as ONNX Runtime calls it, ``cuda`` or ``cpu``.
        index: number of the device.
    """

    def __init__(self, session: onnxruntime.InferenceSession, shape: tuple[int, ...], device: str, index: int) -> None:
        from onnxruntime import OrtValue

        self._session, self._binding = session, session.io_binding()
        self._tiles = OrtValue.ortvalue_from_numpy(np.zeros(shape, np.uint8), device, index)
        self._logits = OrtValue.ortvalue_from_shape_and_type([shape[0]], np.float32, device, index)
        self._binding.bind_ortvalue_input("tiles", self._tiles)
        self._binding.bind_ortvalue_output("logit", self._logits)

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits of a batch of that size, float32 [B]."""
        self._tiles.update_inplace(np.ascontiguousarray(tiles))
        self._session.run_with_iobinding(self._binding)
        return np.array(self._logits.numpy(), np.float32)  # a copy: the next batch is written to the same memory


def open_session(path: Path, index: int | None = None) -> onnxruntime.InferenceSession:
    """Open a graph.

    Args:
        path: the ``.onnx`` file.
        index: number of the CUDA device; ``None`` for one CPU thread.

    Raises:
        DeviceError: ONNX Runtime is missing, two distributions of it overwrite each other, or the device is not usable.
        ModelError: the runtime refuses the graph.
    """
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
    if index is not None:
        return _open_on_cuda(onnxruntime, path, options, index)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions share no narrower base class
        raise unreadable("ONNX Runtime", path, error) from error


def _open_on_cuda(
    runtime: Any, path: Path, options: onnxruntime.SessionOptions, index: int
) -> onnxruntime.InferenceSession:
    """A session in which no layer may run on the CPU instead."""
    if _CUDA not in runtime.get_available_providers():
        raise DeviceError(
            "the installed ONNX Runtime cannot use CUDA",
            "pip uninstall -y onnxruntime && pip install 'semscan[gpu]'; or use --device cpu",
        )
    runtime.preload_dlls()  # CUDA and cuDNN from pip's packages
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    # Batches have one shape, so the exhaustive search for the best convolution is done once. What is called fp32 is
    # not to be rounded to the ten bits of TF32, which the runtime does unless it is told otherwise.
    settings = {"device_id": str(index), "cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": "0"}
    try:
        session = runtime.InferenceSession(str(path), options, providers=[(_CUDA, settings)])
    except Exception as error:  # the runtime's exceptions share no narrower base class
        raise _cannot(index, " ".join(str(error).split())[:300]) from error
    if (session.get_providers() or [""])[0] != _CUDA:
        raise _cannot(index, f"it took {', '.join(session.get_providers())} instead")
    return session


def _cannot(index: int, said: str) -> DeviceError:
    """Why ONNX Runtime cannot use a device: mostly a library that is not there, which it only says in its log."""
    for what, names in (("CUDA", LIBRARIES), ("cuDNN", CUDNN)):
        if find_library(names) is None:
            return DeviceError(
                f"ONNX Runtime cannot use cuda:{index}: {what} is not installed ({names[0]})",
                "pip install 'semscan[gpu]' brings it; or use --device cpu",
            )
    return DeviceError(f"ONNX Runtime cannot use cuda:{index}: {said}", "semscan doctor; or use --device cpu")
