"""How well made panels are told from genuine ones: the same numbers in every part, with what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from semscan.training.evaluation.judge import Measured
from semscan.training.metrics import (
    auc,
    auc_interval,
    average_precision,
    clopper_pearson,
    partial_auc,
    supports,
    tpr_at,
)

FPRS = (0.05, 0.01, 0.001)
HEAD = (
    "| made by | channel | n | AUC [95 %] | pAUC, FPR <= 1 % | AP | TPR at 5 / 1 / 0.1 % FPR | TPR shipped "
    "| smoothness alone |"
)
RULE = "|---|---|---|---|---|---|---|---|---|"


def ranking(
    genuine: Measured,
    genuine_sources: Sequence[str],
    made: Measured,
    made_sources: Sequence[str],
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Ranking of made panels against genuine ones, and the made ones flagged at the shipped threshold.

    ``tpr_at`` is ``None`` where so few genuine panels cannot tell the rate. ``auc_smoothness`` is that of the
    one-number baseline in its better direction.
    """
    raw = auc(-genuine.smoothness, -made.smoothness)
    return {
        "n": len(made.score),
        "genuine": len(genuine.score),
        "sources": len(set(genuine_sources)),
        "auc": auc(genuine.score, made.score),
        "auc_ci95": auc_interval(genuine.score, genuine_sources, made.score, made_sources, resamples, seed),
        "auc_logit": auc(genuine.logit, made.logit),
        "auc_smoothness": max(raw, 1 - raw),
        "made_are": "rougher" if raw < 0.5 else "smoother",
        "partial_auc": partial_auc(genuine.score, made.score),
        "average_precision": average_precision(genuine.score, made.score),
        "tpr_at": {
            f"{fpr:g}": tpr_at(genuine.score, made.score, fpr) if supports(len(genuine.score), fpr) else None
            for fpr in FPRS
        },
        "flagged": share(made.flagged),
        "outside": int((~made.covered).sum()),
    }


def share(hits: Any) -> dict[str, Any]:
    """Count, size, share and its Clopper-Pearson interval."""
    k, n = int(np.sum(hits)), len(hits)
    return {"k": k, "n": n, "rate": k / n if n else None, "ci95": clopper_pearson(k, n) if n else None}


def line(label: str, channel: str, row: dict[str, Any]) -> str:
    """One line of the table that :data:`HEAD` begins."""
    low, high = row["auc_ci95"]
    rates = " / ".join("-" if value is None else f"{value:.2f}" for value in row["tpr_at"].values())
    return (
        f"| {label} | {channel} | {row['n']} | {row['auc']:.3f} [{low:.3f}, {high:.3f}] | {row['partial_auc']:.3f} "
        f"| {row['average_precision']:.3f} | {rates} | {row['flagged']['rate']:.2f} "
        f"| {row['auc_smoothness']:.3f}, {row['made_are']} |"
    )


def percent(cell: dict[str, Any]) -> str:
    """``3 of 102 = 2.9 % [0.6, 8.4]``."""
    if not cell["n"]:
        return "none"
    low, high = cell["ci95"]
    return f"{cell['k']} of {cell['n']} = {100 * cell['rate']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
