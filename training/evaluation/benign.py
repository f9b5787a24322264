"""T8: everyday processing of genuine panels, at the thresholds that the calibration froze."""

from __future__ import annotations

from typing import Any

import numpy as np

from semscan.training.evaluation.lab import Lab
from semscan.training.evaluation.operations import BENIGN
from semscan.training.evaluation.parts import Context, Part, Result, not_measured, verdict
from semscan.training.evaluation.ranking import percent, share
from semscan.training.metrics import rate_interval

NOMINAL = 0.05


def measure(context: Context) -> Result:
    """Share of genuine panels flagged after each operation."""
    lab = Lab(context)
    panels = lab.panels("genuine")
    if not panels:
        return not_measured("the test split holds no genuine panels")
    sources = np.array([panel.source for panel in panels])
    rows: list[dict[str, Any]] = []
    for name in ("png", *BENIGN):
        measured = lab.measured("genuine", name)
        used = measured.covered  # as in T4: a rate of assessed panels
        rows.append(
            {
                "operation": "nothing" if name == "png" else name,
                "at_five": share(measured.at_five[used]),
                "over_sources": rate_interval(measured.at_five[used], sources[used].tolist(), 500, context.recipe.seed),
                "flagged": share(measured.flagged[used]),
                "outside": int((~measured.covered).sum()),
                "shift": float(np.median(measured.score - lab.measured("genuine", "png").score)),
            }
        )
    worst = max(rows[1:], key=lambda row: row["at_five"]["rate"] or 0.0)
    above = [row for row in rows[1:] if (row["at_five"]["rate"] or 0.0) > 2 * NOMINAL]
    text = (
        f"worst: {worst['operation']}, {percent(worst['at_five'])} at the 5 % threshold, {percent(worst['flagged'])} "
        f"as shipped; {len(above)} of {len(BENIGN)} operations above 10 %, with nothing done "
        f"{percent(rows[0]['at_five'])}; of the assessed among {len(panels)} panels of {len(set(sources.tolist()))} "
        "sources"
    )
    # Twice nominal and ten per cent are the same bar at the 5 % threshold; the aim asks it of the shipped one, too.
    shipped = max(row["flagged"]["rate"] or 0.0 for row in rows[1:]) <= 2 * lab.judge.rate
    state = "missed" if above else ("aim" if shipped else "least")
    return {"rows": rows, "rate": lab.judge.rate, "verdict": verdict(text, state)}


def render(result: Result) -> list[str]:
    """One line for each operation."""
    if "not_measured" in result:
        return [f"Not measured: {result['not_measured']}."]
    lines = [
        "Genuine panels stored without loss after one operation (the screenshot as JPEG 85, 4:2:0); rates are of the "
        "panels that a scan then assesses. *Shift*: median "
        "change of the score, in logits.",
        "",
        f"| operation | tail at most 5 % | over sources | flagged at {result['rate']:g} | not assessed | shift |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        low, high = row["over_sources"]
        lines.append(
            f"| {row['operation']} | {percent(row['at_five'])} | [{100 * low:.1f}, {100 * high:.1f}] "
            f"| {percent(row['flagged'])} | {row['outside']} | {row['shift']:+.2f} |"
        )
    return lines


PART = Part(
    "T8",
    "T8: benign processing of genuine panels",
    measure,
    render,
    aim="no operation above 2 x nominal",
    least="none above 10 % at the 5 % threshold",
)
