"""All networks on the same panels, three seeds each: which one earns its cost."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from semscan.training.evaluation.lab import Lab, send
from semscan.training.evaluation.parts import Context, Part, Result, not_measured
from semscan.training.evaluation.seen import CHANNELS, group_masks
from semscan.training.evaluation.torchnets import Network, cut
from semscan.training.metrics import auc, tpr_at
from semscan.training.panels import Panel

MOST = 160
"""Panels of each set: three times twenty networks have to be done in minutes."""

_PAIRED = {"packs": ("genuine_small", "packs_test"), "reconstructed": ("genuine", "reconstructed")}


def measure(context: Context) -> Result:
    """AUC and TPR of every checkpoint ``detectors/<network>-<seed>.pt`` among the weights."""
    paths = sorted((context.weights / "detectors").glob("*.pt"))
    if not paths:
        return not_measured("there are no weights of several networks")
    lab = Lab(context)
    sent = {}
    for kind, (genuine_name, made_name) in _PAIRED.items():
        made = lab.panels(made_name)
        seen = [p for p, used in zip(made, group_masks(context, made)["seen"], strict=True) if used]
        for channel in CHANNELS:
            sent[kind, channel] = [
                cut((send(p, channel)[0] for p in _some(side)), lab.judge.tile_px)
                for side in (lab.panels(genuine_name), seen)
            ]
    sent = {key: both for key, both in sent.items() if all(both)}
    seeds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    parameters = {}
    for path in paths:
        net = Network(path, lab.judge.tile_px)
        parameters[net.name] = net.parameters
        row: dict[str, Any] = {"file": path.name}
        for (kind, channel), cuts in sent.items():
            scores = net.logits(cuts[0]), net.logits(cuts[1])
            row[f"{kind}/{channel}"] = {"auc": auc(*scores), "tpr_at_5pct_fpr": tpr_at(*scores, 0.05)}
        seeds[net.name].append(row)
    sizes = {f"{kind}/{channel}": [len(side) for side in both] for (kind, channel), both in sent.items()}
    return {"networks": dict(seeds), "parameters": parameters, "n": sizes}


def _some(panels: list[Panel]) -> list[Panel]:
    return [panels[i] for i in np.unique(np.linspace(0, len(panels) - 1, min(MOST, len(panels))).astype(int))]


def render(result: Result) -> list[str]:
    """One line for each network: mean over seeds, least and most."""
    if "not_measured" in result:
        return [f"Not measured: {result['not_measured']}."]
    keys = list(result["n"])
    heads = [f"{kind}, {CHANNELS[channel]}" for kind, channel in (key.split("/") for key in keys)]
    lines = [
        "Bare logits, four tiles of a panel, the same panels for all: mean AUC over the seeds (least to most) / mean "
        "TPR at 5 % FPR.",
        "",
        f"| network | parameters | seeds | {' | '.join(heads)} |",
        "|---|---|---|" + "---|" * len(keys),
    ]
    order = sorted(result["networks"], key=lambda name: -_mean(result["networks"][name], keys[-1]))
    for name in order:
        rows = result["networks"][name]
        cells = []
        for key in keys:
            values = [row[key]["auc"] for row in rows]
            tpr = float(np.mean([row[key]["tpr_at_5pct_fpr"] for row in rows]))
            span = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3f}{span} / {tpr:.2f}")
        lines.append(f"| {name} | {result['parameters'][name]:,} | {len(rows)} | {' | '.join(cells)} |")
    sizes = ", ".join(f"{kind} {n[0]} genuine, {n[1]} made" for kind, n in _sizes(result["n"]).items())
    return [*lines, "", f"Panels: {sizes}."]


def _mean(rows: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([row[key]["auc"] for row in rows]))


def _sizes(sizes: dict[str, list[int]]) -> dict[str, list[int]]:
    return {key.split("/")[0]: n for key, n in sizes.items()}


PART = Part(
    "networks", "All networks on the same panels", measure, render, depends_on_model=False, uses=("detectors/*.pt",)
)
