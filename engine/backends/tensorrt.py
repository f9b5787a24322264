"""TensorRT on an NVIDIA device, versions 8.6 to 11: a plan built by ``semscan export tensorrt``, run as CUDA graphs.

The lean and the dispatch runtime, which cannot build, run version-compatible plans where no whole TensorRT is there.

A batch is halved between two lanes. Each has a stream, an execution context, page-locked host memory and memory of the
device, so the second half is copied while the first is computed. Copies and computation of a lane are recorded once
per batch size and replayed afterwards.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends.cudart import Cuda
from semscan.engine.backends.failures import OutOfDeviceMemory, Unusable, check_tiles
from semscan.engine.backends.plan import PlanKey, read_key, require_same
from semscan.engine.bundle import Bundle
from semscan.engine.errors import DeviceError, ModelError

LANES = 2
PACKAGES = ("tensorrt", "tensorrt_lean", "tensorrt_dispatch")
"""The whole of it, then those that only run version-compatible plans."""


class TensorRtBackend:
    """Runs the plan of a bundle's artefact.

    Args:
        bundle: the artefact that the plan was built from.
        plan: the plan.
        index: which device.

    Raises:
        DeviceError: TensorRT or the device is not there.
        ModelError: the plan is missing, belongs to something else, or TensorRT refuses it.
    """

    name = "tensorrt"

    def __init__(self, bundle: Bundle, plan: Path, index: int = 0) -> None:
        import_tensorrt(*PACKAGES)
        cuda = Cuda(index)
        key = read_key(plan)
        trt = import_tensorrt(*(PACKAGES if "version_compatible" in key.flags else PACKAGES[:1]))
        require_same(plan, key, key_here(trt, cuda, bundle, key.batches, key.flags))
        logger = trt.Logger(trt.Logger.ERROR)
        runtime = trt.Runtime(logger)
        if "version_compatible" in key.flags:
            runtime.engine_host_code_allowed = True  # the plan was built here or by somebody the user trusts
        engine = runtime.deserialize_cuda_engine(plan.read_bytes())
        if engine is None:
            raise ModelError(
                f"TensorRT {trt.__version__} refuses the plan {plan}", "semscan export tensorrt builds it again"
            )
        require_io(trt, engine, bundle)
        self.precision, self.device = bundle.precision, f"cuda:{index}"
        self.how = f"{trt.__name__} {trt.__version__}"
        self._shape, self._largest = (1, bundle.tile_px, bundle.tile_px), key.batches[2]
        self._cuda, self._keep = cuda, (logger, runtime, engine)  # contexts do not keep them alive
        self._lanes = [_Lane(cuda, self._context(engine), self._shape) for _ in range(LANES)]

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits of a batch; to be called from one thread at a time.

        Args:
            tiles: uint8 [B, 1, T, T].

        Returns:
            float32 [B], larger where more unlike genuine panels.

        Raises:
            OutOfDeviceMemory: the device has too little memory for this batch.
            DeviceError: it fails.
        """
        check_tiles(tiles, self._shape)
        self._cuda.use()  # the thread that scores is not the one that opened the device
        logits = np.empty(len(tiles), np.float32)
        share = min(-(-len(tiles) // LANES), self._largest)
        waiting: list[tuple[_Lane, int, int]] = []
        try:
            for number, start in enumerate(range(0, len(tiles), share)):
                lane = self._lanes[number % LANES]
                if len(waiting) == LANES:
                    _collect(waiting.pop(0), logits)
                part = tiles[start : start + share]
                lane.begin(part, share)
                waiting.append((lane, start, len(part)))
        except OutOfDeviceMemory:
            for lane in self._lanes:
                lane.forget()  # a smaller batch needs what one lane already has
            raise
        for item in waiting:
            _collect(item, logits)
        return logits

    def resident(self, size: int) -> Callable[[], None]:
        """What scores a batch of that size that the device already has, and waits for it; for benchmarks."""
        self.infer(np.zeros((size, *self._shape), np.uint8))
        share = min(-(-size // LANES), self._largest)
        turns = [self._lanes[number % LANES] for number in range(-(-size // share))]
        replays = {id(lane): lane.computing(share) for lane in turns}

        def compute() -> None:
            self._cuda.use()
            for lane in turns:
                replays[id(lane)]()
            for lane in turns:
                self._cuda.synchronize(lane.stream)

        return compute

    def _context(self, engine: Any) -> Any:
        context = engine.create_execution_context()
        if context is None:  # it takes the memory of the largest batch of the plan
            raise OutOfDeviceMemory(
                f"{self.device} has too little memory for the plan", "nvidia-smi shows who uses it; or --device cpu"
            )
        return context


@dataclass(slots=True)
class _Lane:
    """A stream with all that it needs; buffers and recordings by batch size."""

    cuda: Cuda
    context: Any
    shape: tuple[int, int, int]
    stream: Any = None
    buckets: dict[int, _Bucket] = field(default_factory=dict)
    current: _Bucket | None = None

    def __post_init__(self) -> None:
        self.stream = self.cuda.stream()

    def begin(self, tiles: NDArray[np.uint8], size: int) -> None:
        """Start scoring up to ``size`` tiles, the rest of the bucket padded with zeros."""
        if size not in self.buckets:
            self.buckets[size] = _record(self, size)
        self.current = self.buckets[size]
        self.current.tiles[: len(tiles)] = tiles
        self.current.tiles[len(tiles) :] = 0
        self.current.replay()

    def computing(self, size: int) -> Callable[[], None]:
        """A recording of the computation alone, without copies, of a batch size that was recorded already."""
        self.buckets[size].compute()  # not recorded: the context may have had another shape last
        self.cuda.synchronize(self.stream)
        with self.cuda.captured(self.stream) as replay:
            self.buckets[size].compute()
        return replay

    def forget(self) -> None:
        """Give the memory back that the recordings hold."""
        self.cuda.synchronize(self.stream)
        for bucket in self.buckets.values():
            bucket.give_back()
        self.buckets.clear()
        self.current = None


@dataclass(frozen=True, slots=True, eq=False)
class _Bucket:
    """Page-locked tiles and logits of one batch size, and the recording that turns the ones into the others."""

    tiles: NDArray[np.uint8]
    logits: NDArray[np.float32]
    replay: Callable[[], None]
    compute: Callable[[], None]
    """Starts the network on tiles that the device already has."""
    give_back: Callable[[], None]
    """Gives back all memory of both sides."""


def _record(lane: _Lane, size: int) -> _Bucket:
    cuda, context, stream = lane.cuda, lane.context, lane.stream
    with ExitStack() as taken:  # of which all is given back if anything fails, for a smaller batch to use

        def memory(size_bytes: int) -> ctypes.c_void_p:
            pointer = cuda.device_memory(size_bytes)
            taken.callback(cuda.free, pointer)
            return pointer

        def pinned(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
            array = cuda.pinned(shape, dtype)
            taken.callback(cuda.unpin, array)
            return array

        shape = (size, *lane.shape)
        context.set_input_shape("tiles", shape)
        inputs, outputs = memory(size * math.prod(lane.shape)), memory(4 * size)
        evidence = memory(4 * math.prod(context.get_tensor_shape("evidence")))
        tiles, logits = pinned(shape, np.uint8), pinned((size,), np.float32)

        def enqueue() -> None:
            cuda.copy_in(inputs, tiles, stream)
            compute()
            cuda.copy_out(logits, outputs, stream)

        def compute() -> None:
            context.set_input_shape("tiles", shape)
            for name, where in (("tiles", inputs), ("logit", outputs), ("evidence", evidence)):
                context.set_tensor_address(name, where.value)
            if not context.execute_async_v3(stream.value):
                raise DeviceError("TensorRT fails to start the network on the device", "semscan doctor")

        tiles[:] = 0
        enqueue()  # TensorRT sets itself up at the first call with a shape, which must not be recorded
        cuda.synchronize(stream)
        with cuda.captured(stream) as replay:
            enqueue()
        return _Bucket(tiles, logits, replay, compute, taken.pop_all().close)


def _collect(item: tuple[_Lane, int, int], logits: NDArray[np.float32]) -> None:
    lane, start, count = item
    lane.cuda.synchronize(lane.stream)
    assert lane.current is not None
    logits[start : start + count] = lane.current.logits[:count]


def import_tensorrt(*packages: str) -> Any:
    """The first of some packages of TensorRT that can be loaded; the whole one if none is named.

    Raises:
        Unusable: none is installed, or their libraries cannot be loaded.
    """
    wanted, said = packages or PACKAGES[:1], ""
    for name in wanted:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:
            said = said or str(error)
    remedy = "pip install 'semscan[tensorrt]'"
    if len(wanted) == 1 and any(importlib.util.find_spec(name) for name in PACKAGES[1:]):
        remedy += ", or build the plan with --version-compatible, which the lean runtime that is installed can run"
    raise Unusable(f"TensorRT is not usable here: {said}", remedy)


def key_here(trt: Any, cuda: Cuda, bundle: Bundle, batches: tuple[int, int, int], flags: tuple[str, ...]) -> PlanKey:
    """The key of a plan that would be built here."""
    return PlanKey(bundle.sha256, trt.__version__, cuda.capability, cuda.driver // 1000, batches, flags)


def require_io(trt: Any, engine: Any, bundle: Bundle) -> None:
    """Check names, types and directions of the tensors of an engine.

    Raises:
        ModelError: they are not those of a semscan network.
    """
    found = {}
    for number in range(engine.num_io_tensors):
        name = engine.get_tensor_name(number)
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        found[name] = (is_input, engine.get_tensor_dtype(name))
    expected = {
        "tiles": (True, trt.DataType.UINT8),
        "logit": (False, trt.DataType.FLOAT),
        "evidence": (False, trt.DataType.FLOAT),
    }
    if found != expected:
        raise ModelError(f"the plan's tensors {sorted(found)} are not those of {bundle.id}", "build it again")
