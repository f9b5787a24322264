"""Options of a scan for every runtime on an NVIDIA device that is usable here, and why the others are not."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from semscan.engine.backends.choice import choose
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import SemscanError
from semscan.engine.selftest import open_proved

BATCH = 256
CUDA = (("onnxruntime", "fp32"), ("onnxruntime", "fp16"), ("onnxruntime-tensorrt", "fp16"), ("tensorrt", "fp16"))
"""Runtime and precision."""


def usable_devices(folder: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What is usable, proved by the golden scores.

    Args:
        folder: for the default model with its artefact, and the plan that is built for it.

    Returns:
        Options by name, and a line for each of the others.
    """
    shipped = load_bundle()
    model = folder / shipped.path.name
    model.write_bytes(shipped.path.read_bytes())
    half = shipped.path.with_suffix(".fp16.onnx")
    model.with_suffix(".fp16.onnx").write_bytes(half.read_bytes())
    bundle = load_bundle(str(model))
    found: dict[str, dict[str, Any]] = {}
    absent = []
    for runtime, precision in CUDA:
        name = f"{runtime} {precision} on CUDA"
        try:
            if runtime == "tensorrt":
                _build_plan(model)
            open_proved(bundle, choose("cuda", runtime, precision), BATCH)
        except SemscanError as error:
            absent.append(f"{name}: not measured, {error.message}")
            continue
        options = {"model": str(model), "device": "cuda", "backend": runtime, "precision": precision}
        found[name] = options | {"batch_size": BATCH}
    return found, absent


def _build_plan(model: Path) -> None:
    """The plan beside a model; building needs what exporting needs."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("onnx") is None:
        raise SemscanError("to build the plan PyTorch and ONNX are needed", "pip install 'semscan[train]'")
    from semscan.export.to_tensorrt import export_tensorrt

    export_tensorrt(str(model), model.with_suffix(".plan"))
