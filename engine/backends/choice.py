"""Which runtime, device and precision a scan gets: what was asked for, or what measured best of what is there."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from semscan.engine.errors import DeviceError, UsageError

BACKENDS = ("auto", "onnxruntime", "openvino", "tensorrt")
PRECISIONS = ("auto", "fp32", "fp16", "int8")

_ON_CUDA = ("onnxruntime", "tensorrt")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a scan runs on.

    Attributes:
        device: ``cpu`` or ``cuda:N``.
        backend: ``onnxruntime``, ``openvino`` or ``tensorrt``.
        precision: ``fp32``, ``fp16`` or ``int8``.
        why: one clause for people.
    """

    device: str
    backend: str
    precision: str
    why: str

    @property
    def index(self) -> int | None:
        """Number of the CUDA device; ``None`` on the CPU."""
        return int(self.device.partition(":")[2]) if self.device.startswith("cuda") else None


def choose(device: str = "auto", backend: str = "auto", precision: str = "auto") -> Choice:
    """Resolve what was asked for; nothing that was asked for is replaced by something else.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` is the CPU unless TensorRT was asked for.
        backend: one of :data:`BACKENDS`.
        precision: one of :data:`PRECISIONS`; ``auto`` is ``fp32``, which the calibration was computed in, and ``fp16``
            with TensorRT, whose plans are built in it.

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
    if backend == "tensorrt":
        raise UsageError("TensorRT does not run on the CPU", "leave out --device, or use --device cuda")
    precision = "fp32" if precision == "auto" else precision
    if backend != "auto":
        return Choice("cpu", backend, precision, "as asked for")
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
    """``cpu`` or ``cuda:N``."""
    if device == "auto":
        return "cuda:0" if backend == "tensorrt" else "cpu"
    name, colon, number = device.partition(":")
    if device == "cpu" or (name == "cuda" and (number.isdecimal() or not colon)):
        return device if colon or device == "cpu" else "cuda:0"
    raise UsageError(f"--device {device}: there is no such choice", "use auto, cpu, cuda or cuda:N")


def _on_cuda(device: str, backend: str, precision: str) -> Choice:
    backend = "onnxruntime" if backend == "auto" else backend
    if backend not in _ON_CUDA:
        raise UsageError(f"{backend} does not run on {device}", f"use one of: {', '.join(_ON_CUDA)}")
    usual = "fp16" if backend == "tensorrt" else "fp32"
    precision = usual if precision == "auto" else precision
    if precision == "int8" or (backend == "tensorrt" and precision != "fp16"):
        raise UsageError(f"{backend} on {device} does not run {precision}", f"use --precision {usual}")
    return Choice(device, backend, precision, "as asked for")
