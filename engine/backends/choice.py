"""Which runtime, device and precision a scan gets: what was asked for, or what measured best of what is there."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from semscan.engine.errors import DeviceError, UsageError

DEVICES = ("auto", "cpu")
BACKENDS = ("auto", "onnxruntime", "openvino")
PRECISIONS = ("auto", "fp32", "fp16", "int8")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a scan runs on.

    Attributes:
        device: ``cpu``.
        backend: ``onnxruntime`` or ``openvino``.
        precision: ``fp32``, ``fp16`` or ``int8``.
        why: one clause for people.
    """

    device: str
    backend: str
    precision: str
    why: str


def choose(device: str = "auto", backend: str = "auto", precision: str = "auto") -> Choice:
    """Resolve what was asked for; nothing that was asked for is replaced by something else.

    Args:
        device: one of :data:`DEVICES`.
        backend: one of :data:`BACKENDS`.
        precision: one of :data:`PRECISIONS`; ``auto`` is ``fp32``, which the calibration was computed in.

    Raises:
        UsageError: there is no such device, runtime or precision.
        DeviceError: it is not usable here.
    """
    if device.partition(":")[0] == "cuda":
        raise DeviceError("this version of semscan scores on the CPU only", "leave out --device, or use --device cpu")
    for name, value, known in (
        ("--device", device, DEVICES),
        ("--backend", backend, BACKENDS),
        ("--precision", precision, PRECISIONS),
    ):
        if value not in known:
            raise UsageError(f"{name} {value}: there is no such choice", f"use one of: {', '.join(known)}")
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
