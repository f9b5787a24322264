"""T1: generators of the kinds trained on, sources that nobody trained on; lossless, JPEG 75 and as in a PDF.

Kinds of made panels are kept apart because they are compared with genuine ones of different size: pictures by
generators that were themselves trained on test sources only, reconstructions of the test panels, and crops of them that
were translated. The verdict goes by the worst of these three. Crops put through untrained decoders, or mostly replaced
by another picture's latents, are told beside them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from semscan.training.evaluation.judge import Measured
from semscan.training.evaluation.lab import Lab
from semscan.training.evaluation.parts import Context, Part, Result, not_measured, verdict
from semscan.training.evaluation.ranking import HEAD, RULE, line, ranking
from semscan.training.evaluation.sets import family_of, is_named
from semscan.training.evaluation.sheets import contact_sheet
from semscan.training.metrics import auc, roc, tpr_at
from semscan.training.panels import Panel

CHANNELS = {"png": "stored without loss", "q75": "JPEG 75", "in_pdf": "as in a PDF"}
AIM = {"png": 0.995, "q75": 0.97, "in_pdf": 0.95}
LEAST = {"png": 0.95, "q75": 0.90, "in_pdf": 0.88}
_KINDS = {
    "packs": ("genuine_small", "packs_test", ""),
    "reconstructed": ("genuine", "reconstructed", ""),
    "translated": ("genuine_small", "remade", "translation"),
    "untrained": ("genuine_small", "remade", "untrained"),
    "transplanted": ("genuine_small", "remade", "inpaint"),
}
"""Genuine set, made set and the family to take of it, all when empty."""

_COUNTED = ("packs", "reconstructed", "translated")
_LABELS = {
    "packs": "generators trained on test sources",
    "reconstructed": "reconstructions",
    "translated": "translations",
    "untrained": "untrained decoders",
    "transplanted": "40 to 90 % replaced, latents of another picture",
}
_GROUPS = {
    "seen": "seen in training",
    "held_out": "held out",
    "faithful": "faithful decoders, not trained on",
}
_WORST = 24
_POINTS = 200


def group_masks(context: Context, panels: list[Panel]) -> dict[str, Any]:
    """Masks over made panels: kinds seen in training, held out, and too faithful to be trained on."""
    recipe = context.recipe
    held = np.array([is_named(p.decoder, recipe.held_out) for p in panels], bool)
    faithful = np.array([is_named(p.decoder, recipe.faithful) for p in panels], bool)
    return {"seen": ~held & ~faithful, "held_out": held & ~faithful, "faithful": faithful}


def measure(context: Context) -> Result:
    """Rank every group in every channel."""
    lab = Lab(context)
    settings = context.recipe.evaluation
    rows, curves, makers, swap = [], {}, [], []
    for kind, (genuine_name, made_name, family) in _KINDS.items():
        genuine, every = lab.panels(genuine_name), lab.panels(made_name)
        chosen = np.array([family in ("", family_of(p.decoder)) for p in every], bool)
        made = [p for p, used in zip(every, chosen, strict=True) if used]
        if not genuine or not made:
            continue
        sources = [p.source for p in genuine]
        masks = group_masks(context, made)
        both = {c: (lab.measured(genuine_name, c), lab.measured(made_name, c).where(chosen)) for c in CHANNELS}
        for group, mask in masks.items():
            owners = [p.source for p, used in zip(made, mask, strict=True) if used]
            for channel, (on_genuine, on_made) in both.items():
                if not mask.any():
                    continue
                row = ranking(on_genuine, sources, on_made.where(mask), owners, settings.resamples, context.recipe.seed)
                rows.append({"kind": kind, "group": group, "channel": channel, **row})
                if group == "seen" and kind in _COUNTED:
                    curves[f"{kind}, {CHANNELS[channel]}"] = _curve(on_genuine, on_made.where(mask))
        makers += _by_maker(kind, made, both)
        png, q75 = both["png"], both["q75"]
        used = masks["seen"] if masks["seen"].any() else np.ones(len(made), bool)
        swap.append(
            {
                "kind": kind,
                "genuine_png_made_q75": auc(png[0].score, q75[1].score[used]),
                "genuine_q75_made_png": auc(q75[0].score, png[1].score[used]),
                "both_png": auc(png[0].score, png[1].score[used]),
                "both_q75": auc(q75[0].score, q75[1].score[used]),
            }
        )
    if not rows:
        return not_measured("there are neither packs of test generators nor autoencoders")
    result: Result = {"rows": rows, "makers": makers, "swap": swap, "curves": curves, "model": lab.judge.label}
    result["verdict"] = _verdict(rows)
    result["sheet"] = _sheet(context, lab)
    return result


def _curve(genuine: Measured, made: Measured) -> dict[str, list[float]]:
    fpr, tpr = roc(genuine.score, made.score)
    kept = np.unique(np.linspace(0, len(fpr) - 1, _POINTS).astype(int))
    return {"fpr": np.round(fpr[kept], 5).tolist(), "tpr": np.round(tpr[kept], 5).tolist()}


def _by_maker(kind: str, made: list[Panel], both: dict[str, tuple[Measured, Measured]]) -> list[dict[str, Any]]:
    names = np.array([panel.decoder for panel in made])
    return [
        {
            "kind": kind,
            "maker": str(name),
            "n": int((names == name).sum()),
            **{
                channel: {
                    "auc": auc(on_genuine.score, on_made.score[names == name]),
                    "tpr_at_5pct_fpr": tpr_at(on_genuine.score, on_made.score[names == name], 0.05),
                    "flagged": float(on_made.flagged[names == name].mean()),
                }
                for channel, (on_genuine, on_made) in both.items()
            },
        }
        for name in sorted(set(names.tolist()))
    ]


def _verdict(rows: list[dict[str, Any]]) -> Result:
    worst = {}
    for channel in CHANNELS:
        counted = [row for row in rows if row["channel"] == channel and row["kind"] in _COUNTED]
        seen = [row for row in counted if row["group"] == "seen"]
        if seen:
            worst[channel] = min(seen, key=lambda row: row["auc"])
    if not worst:
        return verdict("no made panels of kinds seen in training", "not measured")
    words = [
        f"{row['auc']:.3f} [{row['auc_ci95'][0]:.3f}, {row['auc_ci95'][1]:.3f}] {CHANNELS[channel]} ({row['kind']})"
        for channel, row in worst.items()
    ]
    first = next(iter(worst.values()))
    state = "missed"
    for name, floor in (("least", LEAST), ("aim", AIM)):
        if all(row["auc"] >= floor[channel] for channel, row in worst.items()):
            state = name
    text = (
        "AUC " + "; ".join(words) + f"; n = {first['n']} made, {first['genuine']} genuine of {first['sources']} sources"
    )
    return verdict(text, state)


def _sheet(context: Context, lab: Lab) -> str:
    """The made crops that look most genuine to the detector, worst first; no reconstructions, they are near copies."""
    made = lab.panels("packs_test")
    if not made:
        return ""
    order = np.argsort(lab.measured("packs_test", "png").score)[:_WORST]
    contact_sheet([made[i].grey for i in order], context.plots / "worst_made.png", 8)
    names = [f"{made[i].decoder}" for i in order]
    return "Worst first, row by row: " + ", ".join(names) + "."


def render(result: Result) -> list[str]:
    """Tables, swap test, makers, the contact sheet."""
    if "not_measured" in result:
        return [f"Not measured: {result['not_measured']}."]
    lines = [HEAD, RULE]
    for row in result["rows"]:
        lines.append(line(f"{_LABELS[row['kind']]}, {_GROUPS[row['group']]}", CHANNELS[row["channel"]], row))
    lines += [
        "",
        "AUC intervals: bootstrap over sources; generated crops are drawn one by one. TPR at a false-positive rate: "
        "threshold from these same genuine panels, a ranking figure; a dash where so few panels cannot tell the rate. "
        "*Shipped*: flagged as a scan would. pAUC: standardised, chance is .5. *Smoothness alone*: AUC of that one "
        "number in its better direction, and how the made panels differ.",
        "",
        "Swap test: a detector that reads the file format ranks these differently from one column to the next.",
        "",
        "| made by | both lossless | genuine lossless, made JPEG 75 | genuine JPEG 75, made lossless | both JPEG 75 |",
        "|---|---|---|---|---|",
    ]
    keys = ("both_png", "genuine_png_made_q75", "genuine_q75_made_png", "both_q75")
    lines += [f"| {s['kind']} | " + " | ".join(f"{s[key]:.3f}" for key in keys) + " |" for s in result["swap"]]
    lines += ["", "By maker: AUC / TPR at 5 % FPR / share flagged as shipped.", ""]
    lines += ["| maker | n | " + " | ".join(CHANNELS.values()) + " |", "|---|---|---|---|---|"]
    for row in result["makers"]:
        cells = [f"{row[c]['auc']:.3f} / {row[c]['tpr_at_5pct_fpr']:.2f} / {row[c]['flagged']:.2f}" for c in CHANNELS]
        lines.append(f"| {row['maker']} | {row['n']} | {' | '.join(cells)} |")
    if result["sheet"]:
        lines += ["", "Generated crops that score lowest, lossless. " + result["sheet"], ""]
        lines += ["![generated crops with the lowest scores](detector/worst_made.png)"]
    return lines


PART = Part(
    "T1",
    "T1: kinds of generators seen in training, sources unseen",
    measure,
    render,
    aim="AUC >= .995 lossless, .97 JPEG 75, .95 in PDF",
    least="AUC >= .95 / .90 / .88",
)
