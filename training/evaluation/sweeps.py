"""Sweeps: one disturbance from none to severe, at the frozen threshold, for genuine and for made panels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semscan.training.evaluation.lab import Lab, send
from semscan.training.evaluation.operations import SWEEPS
from semscan.training.evaluation.parts import Context, Part, Result, not_measured
from semscan.training.evaluation.sets import SMALL_PX
from semscan.training.metrics import auc
from semscan.training.panels import SMALLEST_PX, Panel

MOST = 60
"""Panels of each side: a curve is a shape, and every step costs as much as a whole table row."""

LEAST = 20
"""A step with fewer panels on one side is left out."""


def measure(context: Context) -> Result:
    """AUC and shares with a tail of at most 5 % at every step of every curve; made panels as they mix in training."""
    lab = Lab(context)
    # Reconstructions are cut to the size of the generated crops, so that all scores rest on as many tiles.
    rebuilt = [replace(p, grey=np.ascontiguousarray(p.grey[:SMALL_PX, :SMALL_PX])) for p in lab.panels("reconstructed")]
    chosen = {
        "genuine": _some(lab.panels("genuine_small"), MOST),
        "made": _some(lab.panels("packs_test"), MOST // 2) + _some(rebuilt, MOST // 2),
    }
    if not all(chosen.values()):
        return not_measured("there are no made panels or no genuine ones")
    curves = {}
    for curve, steps in SWEEPS.items():
        points = []
        for step, (place, _) in steps.items():
            used = _large(lab, place) if curve.startswith("resized") and place < 1 else chosen
            if min(map(len, used.values())) < LEAST:
                continue
            genuine, made = (
                lab.judge.measure(send(panel, step) for panel in used[name]) for name in ("genuine", "made")
            )
            points.append(
                {
                    "step": step,
                    "place": place,
                    "n": [len(used["genuine"]), len(used["made"])],
                    "auc": auc(genuine.score, made.score),
                    "genuine_flagged": float(genuine.at_five.mean()),
                    "made_flagged": float(made.at_five.mean()),
                    "not_assessed": float((~np.concatenate([genuine.covered, made.covered])).mean()),
                }
            )
        if points:
            curves[curve] = points
    return {"curves": curves, "n": {name: len(panels) for name, panels in chosen.items()}}


def _large(lab: Lab, factor: float) -> dict[str, list[Panel]]:
    """Genuine panels and reconstructions that hold a tile after being shrunk; generated crops would not."""
    side = int(np.ceil(SMALLEST_PX / factor))
    sets = {"genuine": lab.panels("genuine"), "made": lab.panels("reconstructed")}
    return {
        name: _some(
            [replace(p, grey=np.ascontiguousarray(p.grey[:side, :side])) for p in panels if min(p.grey.shape) >= side],
            MOST,
        )
        for name, panels in sets.items()
    }


def _some(panels: list[Panel], most: int) -> list[Panel]:
    return [panels[i] for i in np.unique(np.linspace(0, len(panels) - 1, min(most, len(panels))).astype(int))]


def render(result: Result) -> list[str]:
    """The plot and a table of the steps."""
    if "not_measured" in result:
        return [f"Not measured: {result['not_measured']}."]
    lines = [
        f"{result['n']['genuine']} genuine and {result['n']['made']} made crops. Shares: a tail of at most 5 % by the "
        "frozen tables of the stratum that the stored file falls into. A scan flags fewer, by the upper bound of the "
        "tail, and below quality 60 it assesses nothing. "
        "Shrunk rows use larger crops, of genuine panels and reconstructions, because generated ones are too small to "
        "be shrunk; steps for which too few are large enough are left out.",
        "",
        "![degradation curves](detector/sweeps.svg)",
        "",
        "| disturbance | n genuine, made | AUC | genuine, tail at most 5 % | made, tail at most 5 % | not assessed |",
        "|---|---|---|---|---|---|",
    ]
    for points in result["curves"].values():
        for p in points:
            cells = [f"{100 * p[key]:.0f} %" for key in ("genuine_flagged", "made_flagged", "not_assessed")]
            lines.append(f"| {p['step']} | {p['n'][0]}, {p['n'][1]} | {p['auc']:.3f} | {' | '.join(cells)} |")
    return lines


PART = Part("sweeps", "Sweeps", measure, render)
