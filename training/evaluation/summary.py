"""What a bundle and its model card carry of an evaluation: the rows on reconstructions, the false flags, the aims."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from semscan.training.evaluation.judge import Judge
from semscan.training.evaluation.parts import Context, Result, load_part
from semscan.training.evaluation.seen import CHANNELS
from semscan.training.evaluation.sets import is_named, load_set


def summarise(context: Context, judge: Judge, about: dict[str, Any], results: dict[str, Result]) -> dict[str, Any]:
    """The content of ``results.json``.

    Args:
        context: of the evaluation.
        judge: what was evaluated.
        about: model, revision, sizes.
        results: of the parts; T1 and T4 must be there.
    """
    genuine, made = load_set(context, "genuine"), load_set(context, "reconstructed")
    recipe, calibration = context.recipe, judge.calibration
    names = sorted({panel.decoder for panel in made})
    partners = {panel.seed: panel.grey.astype(np.float64) for panel in genuine}
    fidelity: dict[str, list[float]] = {}
    for panel in made:
        error = float(np.mean((partners[panel.seed] - panel.grey) ** 2))
        fidelity.setdefault(panel.decoder, []).append(10 * np.log10(255**2 / max(error, 1e-3)))
    channels = results["T4"].get("channels", {})
    return {
        "model": recipe.model_id,
        "git_revision": about["revision"],
        "rate": judge.rate,
        "smallest_bound": calibration.smallest_bound(),
        "calibration": {s.name: {"panels": s.panels, "sources": s.sources} for s in calibration.strata.values()},
        "test": {
            "genuine_panels": len(genuine),
            "sources": dict(sorted(Counter(panel.source for panel in genuine).items())),
            "reconstructions": dict(sorted(Counter(panel.decoder for panel in made).items())),
            "psnr_db": {name: round(float(np.median(fidelity[name])), 2) for name in names},
            "sizes": about["sizes"],
        },
        "held_out": [name for name in names if is_named(name, recipe.held_out)],
        "faithful": [name for name in names if is_named(name, recipe.faithful)],
        "conditions": {
            channel: {
                **{
                    row["group"]: _told(row)
                    for row in results["T1"].get("rows", [])
                    if row["kind"] == "reconstructed" and row["channel"] == channel
                },
                "generated": [
                    {"group": row["group"], **_told(row)}
                    for row in results["T1"].get("rows", [])
                    if row["kind"] == "packs" and row["channel"] == channel
                ],
                "false_flags": _flags(channels[channel], results["T4"]),
            }
            for channel in CHANNELS
            if channel in channels
        },
        "benign": {name: _flags(row, results["T4"]) for name, row in channels.items() if name not in CHANNELS},
        "swap": {
            key: value
            for swap in results["T1"].get("swap", [])
            if swap["kind"] == "reconstructed"
            for key, value in swap.items()
            if key.startswith("genuine_")
        },
        "makers": results["T1"].get("makers", []),
        "never_seen": results.get("T3", {}).get("rows", []),
        "targets": {
            key: {"aim": part.aim, "least": part.least, **result["verdict"]}
            for key, result in results.items()
            if (part := load_part(key)) and part.aim and "verdict" in result
        },
    }


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "n": row["n"],
        "auc": row["auc"],
        "auc_ci95": row["auc_ci95"],
        "auc_without_line": row["auc_logit"],
        "auc_smoothness_alone": row["auc_smoothness"],
        "partial_auc": row["partial_auc"],
        "tpr_at_5pct_fpr": row["tpr_at"]["0.05"],
        "tpr_at_1pct_fpr": row["tpr_at"]["0.01"],
        "tpr_at_shipped_threshold": row["flagged"]["rate"],
        "outside_smoothness_range": row["outside"] / row["n"],
    }


def _flags(row: dict[str, Any], part: Result) -> dict[str, Any]:
    return {
        "panels": part["panels"],
        "sources": part["sources"],
        "flagged": row["flagged"],
        "tail_5pct": row["at_five"],
        "outside_smoothness_range": row["outside"],
        "by_source": {
            name: {"panels": one["panels"], "flagged": one["flagged"], "tail_5pct": one["at_five"]}
            for name, one in row["by_source"].items()
        },
    }
