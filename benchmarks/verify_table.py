"""The checks of ``semscan export verify`` on every artefact of a bundle, as rows of a table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends.onnxruntime import OnnxRuntimeBackend
from semscan.engine.bundle import Bundle, load_bundle
from semscan.export.reference import reference_logits
from semscan.export.variants import export_fp16, export_int8, folded_of
from semscan.export.verify import TOLERANCES, compare, remembered


def verified(bundle: Bundle, tiles: NDArray[np.uint8]) -> dict[str, list[dict[str, Any]]]:
    """All checks by precision, those of artefacts that do not ship too.

    Args:
        bundle: in single precision.
        tiles: uint8 [n, 1, h, w], tried beside the made-up ones; they set the ranges in 8 bits.
    """
    folded = folded_of(bundle)
    reference = remembered(lambda batch: reference_logits(folded, batch))
    with tempfile.TemporaryDirectory() as folder:
        half = export_fp16(str(bundle.path), Path(folder) / "model.fp16.onnx")
        eight = export_int8(str(bundle.path), Path(folder) / "model.int8.onnx", tiles)
        files = {"fp32": bundle.path, "fp16": half, "int8": eight}
        models = {precision: load_bundle(str(path)) for precision, path in files.items()}
        return {
            precision: [
                {"what": check.what, "found": check.found, "allowed": check.allowed, "passed": check.passed}
                for check in compare(model, OnnxRuntimeBackend(model), reference, tiles)
            ]
            for precision, model in models.items()
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
    lines.append("| at most, per logit | " + " | ".join(f"{TOLERANCES[name]:g}" for name in checks) + " |")
    return lines
