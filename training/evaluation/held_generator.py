"""T2: generators that the detector never saw, while others of their family were in its training.

The recipe's ``held_out`` names some for the shipped detector; detectors in files ``lofo/<family>--<generator>.pt`` add
others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from semscan.training.evaluation.held_family import SIDES, held_detectors, measure_held
from semscan.training.evaluation.held_family import render as render_held
from semscan.training.evaluation.lab import Lab
from semscan.training.evaluation.parts import Context, Part, Result, not_measured, verdict
from semscan.training.evaluation.ranking import HEAD, RULE, line, ranking
from semscan.training.evaluation.seen import CHANNELS
from semscan.training.evaluation.sets import family_of, is_named


def measure(context: Context) -> Result:
    """Held-out makers of the shipped detector, then the detectors that each leave one out."""
    lab = Lab(context)
    rows = []
    settings = context.recipe.evaluation
    for prefix in context.recipe.held_out:
        for genuine_name, made_names in SIDES:
            for made_name in made_names:
                made, genuine = lab.panels(made_name), lab.panels(genuine_name)
                mask = np.array([is_named(p.decoder, (prefix,)) for p in made], bool)
                if not mask.any() or not genuine:
                    continue
                sources = [p.source for p in genuine]
                owners = [p.source for p, used in zip(made, mask, strict=True) if used]
                for channel in CHANNELS:
                    found = lab.measured(genuine_name, channel), lab.measured(made_name, channel).where(mask)
                    row = ranking(found[0], sources, found[1], owners, settings.resamples, context.recipe.seed)
                    rows.append({"held": prefix, "set": made_name, "channel": channel, **row})
    apart = {name: path for name, path in held_detectors(context).items() if name != family_of(name)}
    others = measure_held(context, apart) if apart else []
    if not rows and not others:
        return not_measured("the recipe holds out no generator that there are panels of, and there are no such weights")
    return {"rows": rows, "others": others, "verdict": _verdict(rows, others)}


def _verdict(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> Result:
    found = [
        (row["held"], row["auc"], row["tpr_at"]["0.01"], row["n"], row["auc_ci95"])
        for row in rows
        if row["channel"] == "in_pdf"
    ]
    found += [
        (r["held"], r["in_pdf"]["auc"], r["in_pdf"]["tpr_at_1pct_fpr"], r["n"], r["in_pdf"]["auc_ci95"]) for r in others
    ]
    words = [
        f"{name} AUC {value:.3f} [{span[0]:.3f}, {span[1]:.3f}], TPR at 1 % "
        f"{'-' if tpr is None else format(tpr, '.2f')} (n = {n})"
        for name, value, tpr, n, span in found
    ]
    state = "missed"
    if all(value >= 0.85 for _, value, _, _, _ in found):
        state = "aim" if all(tpr is not None and tpr >= 0.85 for _, _, tpr, _, _ in found) else "least"
    return verdict("in PDF: " + "; ".join(words), state)


def render(result: Result) -> list[str]:
    """The shipped detector's held-out makers, then the others."""
    if "not_measured" in result:
        return [f"Not measured: {result['not_measured']}."]
    lines = [HEAD, RULE] if result["rows"] else []
    lines += [line(f"{row['held']} ({row['set']})", CHANNELS[row["channel"]], row) for row in result["rows"]]
    return [*lines, "", *(render_held({"rows": result["others"]}) if result["others"] else [])]


PART = Part(
    "T2",
    "T2: leave one generator out",
    measure,
    render,
    aim="TPR at 1 % FPR >= 85 % in PDF",
    least="AUC >= .85 in PDF",
    uses=("lofo/*.pt",),
)
