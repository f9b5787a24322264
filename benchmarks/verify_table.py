"""The checks of ``semscan export verify`` on every artefact of a bundle, as rows of a table."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from on_devices import CUDA

from semscan.engine.backends import Backend
from semscan.engine.backends.choice import choose
from semscan.engine.backends.onnxruntime import OnnxRuntimeBackend
from semscan.engine.bundle import Bundle, load_bundle
from semscan.engine.errors import SemscanError
from semscan.engine.selftest import open_proved
from semscan.export.reference import reference_logits
from semscan.export.to_tensorrt import export_tensorrt
from semscan.export.variants import export_fp16, export_int8, folded_of
from semscan.export.verify import BATCH, compare, remembered


def verified(bundle: Bundle, tiles: NDArray[np.uint8]) -> dict[str, list[dict[str, Any]]]:
    """All checks by precision, those of artefacts that do not ship too, then those on a device, where there is one.

    Args:
        bundle: in single precision.
        tiles: uint8 [n, 1, h, w], tried beside the made-up ones; they set the ranges in 8 bits.
    """
    folded = folded_of(bundle)
    reference = remembered(lambda batch: reference_logits(folded, batch))
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "model.onnx"
        half = export_fp16(str(bundle.path), own.with_suffix(".fp16.onnx"))
        eight = export_int8(str(bundle.path), own.with_suffix(".int8.onnx"), tiles)
        own.write_bytes(bundle.path.read_bytes())
        files = {"fp32": own, "fp16": half, "int8": eight}
        models = {precision: load_bundle(str(path)) for precision, path in files.items()}
        opened: dict[str, tuple[Bundle, Backend]] = {}
        for precision, model in models.items():
            opened[precision] = model, OnnxRuntimeBackend(model)
        for runtime, precision in CUDA:
            with contextlib.suppress(SemscanError):  # why not is told where speeds are measured
                if runtime == "tensorrt":
                    export_tensorrt(str(own), own.with_suffix(".plan"))
                proved = open_proved(models["fp32"], choose("cuda", runtime, precision), BATCH)
                opened[f"{runtime} {precision} on CUDA"] = models[precision], proved.backends[0]
        return {
            name: [
                {"what": check.what, "found": check.found, "allowed": check.allowed, "passed": check.passed}
                for check in compare(model, backend, reference, tiles)
            ]
            for name, (model, backend) in opened.items()
        }


def verify_table(checks: dict[str, list[dict[str, Any]]]) -> list[str]:
    """One row per check, one column per precision; what fails is in bold."""
    lines = [
        "| `semscan export verify` | " + " | ".join(checks) + " |",
        "|---" * (len(checks) + 1) + "|",
    ]
    for row in zip(*checks.values(), strict=True):
        cells = [f"{c['found']:.2g}" if c["passed"] else f"**{c['found']:.2g}**" for c in row]
        what = row[0]["what"].replace("|", "\\|")
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    lines.append("| at most, per logit | " + " | ".join(f"{rows[0]['allowed']:g}" for rows in checks.values()) + " |")
    return lines
