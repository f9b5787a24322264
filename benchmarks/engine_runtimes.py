"""Every way to score tiles that can be timed here, and why the others cannot."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from on_devices import CUDA

from semscan.engine.backends import open_backend
from semscan.engine.backends.choice import Choice, choose
from semscan.engine.backends.ways import Way, ways
from semscan.engine.bundle import Bundle, load_bundle
from semscan.engine.errors import SemscanError
from semscan.engine.selftest import golden_self_test
from semscan.export.to_tensorrt import export_tensorrt
from semscan.export.variants import export_fp16, export_int8

CPU_BATCH, CUDA_BATCH = 32, 1024
"""Tiles at once in the rounds that alternate between the runtimes."""
CPU = tuple((runtime, precision) for runtime in ("onnxruntime", "openvino") for precision in ("fp32", "fp16", "int8"))
"""Runtime and precision."""

Infer = Callable[[NDArray[np.uint8]], Any]


@dataclass(frozen=True, slots=True)
class Runner:
    """One way to score tiles.

    Attributes:
        at: what scores batches of a size; on a device it may be prepared for that size alone.
        batch: tiles at once in the rounds.
        ours: whether its logits are those of the model, not of fresh weights.
        resident: on a device, what scores a batch of a size that lies there already.
    """

    at: Callable[[int], Infer]
    batch: int = CPU_BATCH
    ours: bool = True
    resident: Callable[[int], Callable[[], None]] | None = None


@dataclass(slots=True)
class Runtimes:
    """What can be timed here by name, plain PyTorch first, and why something cannot."""

    found: dict[str, Runner] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)

    def not_measured(self, name: str, why: str) -> None:
        """Note the reason."""
        self.absent.append(f"{name}: not measured, {why}")


def find_runtimes(
    bundle: Bundle, network: torch.nn.Module, tiles: NDArray[np.uint8], folder: Path, *, compiled: bool
) -> Runtimes:
    """Open all that is usable here.

    Args:
        bundle: the model in single precision.
        network: the same network in PyTorch, with any weights.
        tiles: uint8 [n, 1, T, T], which set the ranges in 8 bits.
        folder: for artefacts, as long as the runtimes are used.
        compiled: whether ``torch.compile`` is among them.
    """
    torch.set_num_threads(1)
    runtimes = Runtimes()
    _add_pytorch(runtimes, network.eval(), tiles, compiled=compiled)
    own = folder / "model.onnx"
    own.write_bytes(bundle.path.read_bytes())
    export_fp16(str(own), own.with_suffix(".fp16.onnx"))
    export_int8(str(own), own.with_suffix(".int8.onnx"), tiles)
    model = load_bundle(str(own))
    for runtime, precision in CPU:
        try:
            opened = cache(partial(_open_for, model, choose("cpu", runtime, precision), Way()))
            opened(CPU_BATCH)
            runtimes.found[f"{runtime} {precision}"] = Runner(lambda size, opened=opened: opened(size).infer)
        except SemscanError as error:
            runtimes.not_measured(f"{runtime} {precision}", error.message)
    for runtime, precision in CUDA:
        _add_on_cuda(runtimes, model, choose("cuda", runtime, precision))
    return runtimes


def _add_pytorch(runtimes: Runtimes, network: torch.nn.Module, tiles: NDArray[np.uint8], *, compiled: bool) -> None:
    def eager(model: Any, device: str = "cpu") -> Infer:
        def infer(batch: NDArray[np.uint8]) -> Any:
            with torch.inference_mode():
                return model(torch.from_numpy(batch).to(device).float()).cpu()

        return infer

    plain = eager(network)
    runtimes.found["PyTorch eager fp32"] = Runner(lambda size: plain, ours=False)
    try:
        if compiled:
            faster = eager(torch.compile(network))
            faster(tiles[:CPU_BATCH])
            runtimes.found["torch.compile fp32"] = Runner(lambda size: faster, ours=False)
        else:
            runtimes.not_measured("torch.compile", "left out by --quick")
    except Exception as error:  # it needs a C++ compiler, and says so in many ways
        runtimes.not_measured("torch.compile", type(error).__name__)
    if torch.cuda.is_available():
        torch.backends.cudnn.allow_tf32 = False
        moved = eager(copy.deepcopy(network).to("cuda"), "cuda")
        runtimes.found["PyTorch eager fp32 on CUDA"] = Runner(lambda size: moved, CUDA_BATCH, ours=False)
    else:
        runtimes.not_measured("PyTorch eager fp32 on CUDA", "PyTorch finds no device")


def _add_on_cuda(runtimes: Runtimes, model: Bundle, choice: Choice) -> None:
    """A runtime on the first device, in every way that gives the golden scores; ``model`` lies in a folder of ours."""
    name = f"{choice.backend} {choice.precision} on CUDA"
    every = ways(choice, CUDA_BATCH)
    try:
        if choice.backend == "tensorrt":
            export_tensorrt(str(model.path), model.path.with_suffix(".plan"))
        golden_self_test(model, open_backend(model, choice, every[-1]), CUDA_BATCH)
    except SemscanError as error:
        runtimes.not_measured(name, error.message)
        return
    for way in every:
        parts = ["NHWC"] * way.nhwc + ["CUDA graph"] * way.graph or ["plain"]
        own = f"{name}, {' and '.join(parts)}" if len(every) > 1 else name
        opened = cache(partial(_open_for, model, choice, way))
        try:
            golden_self_test(model, opened(CUDA_BATCH), CUDA_BATCH)
        except SemscanError as error:
            runtimes.not_measured(own, error.message)
            continue
        runtimes.found[own] = Runner(
            lambda size, opened=opened: opened(size).infer,
            CUDA_BATCH,
            resident=lambda size, opened=opened: opened(size).resident(size),
        )


def _open_for(model: Bundle, choice: Choice, way: Way, size: int) -> Any:
    return open_backend(model, choice, replace(way, batch_size=size))
