"""ONNX Runtime on an NVIDIA device, through CUDA or through TensorRT, with proof that all of it runs there."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends.cudart import CUDNN, LIBRARIES, find_library
from semscan.engine.backends.failures import Unusable, check_tiles, failure
from semscan.engine.backends.onnxruntime import import_runtime, session_options
from semscan.engine.backends.onnxsettings import cuda_settings, tensorrt_settings
from semscan.engine.backends.ways import Way
from semscan.engine.bundle import Bundle
from semscan.engine.errors import DeviceError

if TYPE_CHECKING:
    import onnxruntime

Result = TypeVar("Result")
CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
PROVIDERS = {"onnxruntime": CUDA, "onnxruntime-tensorrt": TENSORRT}
"""By name of the backend."""
NOT_RECORDED = -1
"""Number of a CUDA graph that tells ONNX Runtime to record and replay nothing in a run."""


class OnnxDeviceBackend:
    """Runs a bundle with ONNX Runtime on a CUDA device.

    Args:
        bundle: the model.
        name: ``onnxruntime`` for its own kernels, ``onnxruntime-tensorrt`` for an engine that TensorRT builds.
        index: number of the device.
        way: how to use the device.

    Raises:
        DeviceError: ONNX Runtime, a library or the device is not usable, or the runtime refuses the way.
    """

    def __init__(self, bundle: Bundle, name: str, index: int, way: Way) -> None:
        self.name, self.precision, self.device = name, bundle.precision, f"cuda:{index}"
        self.how = way.words
        self._index, self._way = index, way
        self._shape = (1, bundle.tile_px, bundle.tile_px)
        self._bound: dict[int, BoundBatch] = {}
        self._session = open_on_device(import_runtime(), bundle, session_options(), PROVIDERS[name], index, way)
        # A graph belongs to the thread that recorded it, and nothing else may use a device while one is recorded. So
        # one thread scores all batches, and records while the golden tiles are scored, before the scan begins.
        self._thread = ThreadPoolExecutor(1, "semscan-graph") if way.graph else None

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
        check_tiles(tiles, self._shape)
        return self._do(lambda: self._batch(len(tiles)).infer(tiles))

    def resident(self, size: int) -> Callable[[], None]:
        """What scores a batch of that size that the device already has, and waits for it; for benchmarks."""
        self.infer(np.zeros((size, *self._shape), np.uint8))
        return lambda: self._do(self._bound[size].compute)

    def _do(self, work: Callable[[], Result]) -> Result:
        try:
            return work() if self._thread is None else self._thread.submit(work).result()
        except Exception as error:  # the runtime's exceptions share no narrower base class
            self._bound.clear()  # a smaller batch needs what a larger one holds
            self._way = replace(self._way, graph=False)  # what was recorded reads the memory just given back
            raise failure(error, "ONNX Runtime", self.device) from error

    def _batch(self, size: int) -> BoundBatch:
        if size not in self._bound:
            recorded = self._way.graph and size == self._way.batch_size
            graph = size if recorded else NOT_RECORDED
            self._bound[size] = BoundBatch(self._session, (size, *self._shape), "cuda", self._index, graph)
        return self._bound[size]


class BoundBatch:
    """Memory of a device for the tiles and logits of one batch size, taken once.

    Only these two are copied: the evidence, which nobody asks for here, stays where it is.

    Args:
        session: the open network.
        shape: of the batch, [B, 1, T, T].
        device: as ONNX Runtime calls it, ``cuda`` or ``cpu``.
        index: number of the device.
        graph: number of the CUDA graph that a session which keeps such graphs records at the first run and replays
            afterwards; it reads and writes this memory.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        shape: tuple[int, ...],
        device: str,
        index: int,
        graph: int = NOT_RECORDED,
    ) -> None:
        from onnxruntime import OrtValue, RunOptions

        self._session, self._binding, self._options = session, session.io_binding(), RunOptions()
        self._options.add_run_config_entry("gpu_graph_id", str(graph))
        self._tiles = OrtValue.ortvalue_from_numpy(np.zeros(shape, np.uint8), device, index)
        self._logits = OrtValue.ortvalue_from_shape_and_type([shape[0]], np.float32, device, index)
        self._binding.bind_ortvalue_input("tiles", self._tiles)
        self._binding.bind_ortvalue_output("logit", self._logits)

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits of a batch of that size, float32 [B]."""
        self._tiles.update_inplace(np.ascontiguousarray(tiles))
        self.compute()
        return np.array(self._logits.numpy(), np.float32)  # a copy: the next batch is written to the same memory

    def compute(self) -> None:
        """Score the tiles that the device already has; the logits stay there."""
        self._session.run_with_iobinding(self._binding, self._options)


def open_on_device(
    runtime: Any, bundle: Bundle, options: onnxruntime.SessionOptions, provider: str, index: int, way: Way
) -> onnxruntime.InferenceSession:
    """A session in which every layer runs on the device.

    Args:
        runtime: the package ``onnxruntime``.
        bundle: the model.
        options: of the session; more are added.
        provider: :data:`CUDA` or :data:`TENSORRT`.
        index: number of the device.
        way: how to use it.

    Raises:
        Unusable: the provider or a library that it needs is not there.
        DeviceError: it refuses the graph or the way.
    """
    if provider not in runtime.get_available_providers():
        raise Unusable(
            f"the installed ONNX Runtime cannot use {'CUDA' if provider == CUDA else 'TensorRT'}",
            "pip uninstall -y onnxruntime && pip install 'semscan[gpu]'; or use --device cpu",
        )
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find, where records may be printed
        runtime.preload_dlls()  # CUDA and cuDNN from pip's packages
    if way.words:
        options.log_severity_level = 4  # what it refuses is said by us; its log would look as if the run had failed
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if provider == CUDA:
        return _open(runtime, bundle.path, options, provider, index, cuda_settings(index, way))
    folder, settings = tensorrt_settings(runtime, bundle, index, way)
    kept = any(folder.iterdir())
    try:
        return _open(runtime, bundle.path, options, provider, index, settings)
    except Unusable:
        raise
    except DeviceError:
        if not kept:
            raise
        # An engine that a run was killed over, or that another version wrote, is built again.
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        return _open(runtime, bundle.path, options, provider, index, settings)


def _open(
    runtime: Any, path: Path, options: onnxruntime.SessionOptions, provider: str, index: int, settings: dict[str, str]
) -> onnxruntime.InferenceSession:
    try:
        # Left to itself it goes on without the provider, and prints so where records may be printed.
        session = runtime.InferenceSession(str(path), options, providers=[(provider, settings)], enable_fallback=0)
    except Exception as error:  # the runtime's exceptions share no narrower base class
        raise _cannot(index, " ".join(str(error).split())[:300]) from error
    if (session.get_providers() or [""])[0] != provider:
        raise _cannot(index, f"it took {', '.join(session.get_providers())} instead")
    require_all_on(session, provider, index)
    return session


def require_all_on(session: Any, provider: str, index: int) -> None:
    """Prove that a provider computes every layer, as far as the runtime tells, which it does from version 1.24 on.

    Raises:
        DeviceError: it does not.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return
    told = session.get_provider_graph_assignment_info()
    elsewhere = sorted({part.ep_name for part in told} - {provider})
    if elsewhere or not told:
        raise DeviceError(
            f"ONNX Runtime leaves layers to {', '.join(elsewhere) or 'nobody'} that {provider} was to compute on "
            f"cuda:{index}",
            "use another --backend, or --device cpu",
        )


def _cannot(index: int, said: str) -> DeviceError:
    """Why ONNX Runtime cannot use a device: mostly a library that is not there, which it only says in its log."""
    for what, names in (("CUDA", LIBRARIES), ("cuDNN", CUDNN)):
        if find_library(names) is None:
            return Unusable(
                f"ONNX Runtime cannot use cuda:{index}: {what} is not installed ({names[0]})",
                "pip install 'semscan[gpu]' brings it; or use --device cpu",
            )
    return DeviceError(f"ONNX Runtime cannot use cuda:{index}: {said}", "semscan doctor; or use --device cpu")
