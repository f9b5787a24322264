"""Which runtime, device and precision a scan gets: what was asked for, or what measured best of what is there."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from semscan.engine.errors import DeviceError, UsageError

BACKENDS = ("auto", "onnxruntime", "onnxruntime-tensorrt", "openvino", "tensorrt")
PRECISIONS = ("auto", "fp32", "fp16", "int8")

ALL = "cuda:all"
"""Every CUDA device there is; how many, is asked when they are opened."""

_TENSORRT = ("onnxruntime-tensorrt", "tensorrt")
_ON_CUDA = ("onnxruntime", *_TENSORRT)
_one_cuda = re.compile(r"cuda(?::([0-9]{1,4}))?")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a scan runs on.

    Attributes:
        device: ``cpu``, ``cuda:N``, several of these such as ``cuda:0,cuda:1``, or ``cuda:all``.
        backend: one of :data:`BACKENDS` but ``auto``.
        precision: ``fp32``, ``fp16`` or ``int8``.
        why: one clause for people, where something was left open.
    """

    device: str
    backend: str
    precision: str
    why: str | None = None

    @property
    def index(self) -> int | None:
        """Number of the one CUDA device; ``None`` on the CPU."""
        return int(self.device.partition(":")[2]) if self.device.startswith("cuda") else None

    def each(self, count: Callable[[], int]) -> list[Choice]:
        """The same choice for every single device; ``count`` says how many there are, if all are wanted."""
        if self.device == ALL:
            return [replace(self, device=f"cuda:{number}") for number in range(count())]
        return [replace(self, device=device) for device in self.device.split(",")]


def choose(device: str = "auto", backend: str = "auto", precision: str = "auto") -> Choice:
    """Resolve what was asked for; nothing that was asked for is replaced by something else.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N``, ``cuda:0,cuda:1`` or ``cuda:all``; ``auto`` is the CPU unless
            TensorRT was asked for.
        backend: one of :data:`BACKENDS`.
        precision: one of :data:`PRECISIONS`; ``auto`` is ``fp32``, which the calibration was computed in, and ``fp16``
            with TensorRT, whose engines are built in it.

    Raises:
        UsageError: there is no such device, runtime or precision, or not together.
        DeviceError: no runtime is installed.
    """
    for name, value, known in (("--backend", backend, BACKENDS), ("--precision", precision, PRECISIONS)):
        if value not in known:
            raise UsageError(f"{name} {value}: there is no such choice", f"use one of: {', '.join(known)}")
    where = _device(device, backend)
    if where != "cpu":
        return _on_cuda(where, backend, precision)
    if backend in _TENSORRT:
        raise UsageError("TensorRT does not run on the CPU", "leave out --device, or use --device cuda")
    precision = "fp32" if precision == "auto" else precision
    if backend != "auto":
        return Choice("cpu", backend, precision)
    here = [name for name in ("onnxruntime", "openvino") if importlib.util.find_spec(name)]
    if not here:
        raise DeviceError("no inference runtime is installed", "pip install 'semscan[cpu]'")
    # Measured, see docs/results/export.md: OpenVINO gains little in fp32 and takes longer to start, but it is the only
    # one that is faster with less precision.
    wanted = "onnxruntime" if precision == "fp32" else "openvino"
    if wanted in here:
        return Choice("cpu", wanted, precision, "starts fastest" if precision == "fp32" else f"fastest in {precision}")
    return Choice("cpu", here[0], precision, f"{wanted}, which would be preferred, is not installed")


def _device(device: str, backend: str) -> str:
    """``cpu`` or one or several CUDA devices, written in full."""
    if device == "auto":
        return "cuda:0" if backend in _TENSORRT else "cpu"
    if device in ("cpu", ALL):
        return device
    found = [_one_cuda.fullmatch(name) for name in device.split(",")]
    if not all(found):
        raise UsageError(
            f"--device {device}: there is no such choice", f"use auto, cpu, cuda, cuda:N, cuda:0,cuda:1 or {ALL}"
        )
    numbers = [int(match[1] or 0) for match in found if match]
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"--device {device} names a device twice", "name each device once")
    return ",".join(f"cuda:{number}" for number in numbers)


def _on_cuda(device: str, backend: str, precision: str) -> Choice:
    why = "needs no plan that is built before" if backend == "auto" else None
    backend = "onnxruntime" if backend == "auto" else backend
    if backend not in _ON_CUDA:
        raise UsageError(f"{backend} does not run on {device}", f"use one of: {', '.join(_ON_CUDA)}")
    usual = "fp16" if backend in _TENSORRT else "fp32"
    precision = usual if precision == "auto" else precision
    if precision == "int8" or (backend in _TENSORRT and precision != "fp16"):
        raise UsageError(f"{backend} on {device} does not run {precision}", f"use --precision {usual}")
    return Choice(device, backend, precision, why)
