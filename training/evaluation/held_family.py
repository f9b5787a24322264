"""T3: a detector that never saw a family of generators, on that family; related decoders are held out together.

Each such detector is a file ``lofo/<name>.pt`` among the weights, where ``<name>`` is the beginning of the makers'
names that were left out, with ``--`` for a slash: ``gan.pt``, ``gan--fastgan_64.pt``. It has no calibration of its own,
so it is ranked by its bare logits. Beside it stands the detector that is evaluated, on the same panels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from semscan.training.evaluation.lab import Lab, send
from semscan.training.evaluation.parts import Context, Part, Result, not_measured, verdict
from semscan.training.evaluation.seen import CHANNELS
from semscan.training.evaluation.sets import family_of, is_named
from semscan.training.evaluation.torchnets import Network, cut
from semscan.training.makers import FAMILIES
from semscan.training.metrics import auc, auc_interval, supports, tpr_at

SIDES = (("genuine_small", ("packs_test", "packs_train", "remade")), ("genuine", ("reconstructed",)))
"""Genuine sets and the made ones of the same size."""


KIN = {
    "gan": "translation is adversarial, too, and stays in training; so do untrained decoders with the same up-samplers",
    "vae": "transplants by the same decoders are left out as well; latent diffusion, which ends in such a decoder, and "
    "untrained decoders with the same up-samplers stay in",
    "diffusion": "regions filled by diffusion are left out as well; decoders like that of latent diffusion stay in",
    "translation": "other adversarial generators stay in",
    "inpaint": "what fills the regions, decoders and diffusion, stays in",
    "untrained": "trained decoders and generators with the same up-samplers stay in",
}
"""What of a family's relatives a detector that never saw it was, and was not, kept from."""


def held_detectors(context: Context) -> dict[str, Path]:
    """Detectors by the makers' name that they never saw."""
    return {path.stem.replace("--", "/"): path for path in sorted((context.weights / "lofo").glob("*.pt"))}


def measure_held(context: Context, held: dict[str, Path]) -> list[dict[str, Any]]:
    """Rank what was held out: by the detector that never saw it, and by the one that is evaluated."""
    lab = Lab(context)
    faithful = context.recipe.faithful  # apart in T1, too: nobody trains on them, and little is left to find in them
    rows = []
    for name, path in held.items():
        net = Network(path, lab.judge.tile_px)
        for genuine_name, made_names in SIDES:
            made = [
                (panel, made_name, index)
                for made_name in made_names
                for index, panel in enumerate(lab.panels(made_name))
                if is_named(panel.decoder, (name,)) and not is_named(panel.decoder, faithful)
            ]
            genuine = lab.panels(genuine_name)
            if not made or not genuine:
                continue
            row: dict[str, Any] = {
                "held": name,
                "network": net.name,
                "n": len(made),
                "genuine": len(genuine),
                "makers": sorted({panel.decoder for panel, _, _ in made}),
            }
            for channel in CHANNELS:
                genuine_cut, made_cut = (
                    cut((send(panel, channel)[0] for panel in panels), lab.judge.tile_px)
                    for panels in (genuine, [panel for panel, _, _ in made])
                )
                unseen = net.logits(genuine_cut), net.logits(made_cut)
                shipped = lab.measured(genuine_name, channel).score
                of_made = np.array([lab.measured(made_name, channel).score[index] for _, made_name, index in made])
                sources = [p.source for p in genuine], [p.source for p, _, _ in made]
                rough = (
                    lab.measured(genuine_name, channel).smoothness,
                    np.array([lab.measured(made_name, channel).smoothness[index] for _, made_name, index in made]),
                )
                row[channel] = {
                    "auc": auc(*unseen),
                    "auc_ci95": auc_interval(
                        unseen[0], sources[0], unseen[1], sources[1],
                        context.recipe.evaluation.resamples, context.recipe.seed,
                    ),
                    "tpr_at_5pct_fpr": tpr_at(unseen[0], unseen[1], 0.05),
                    "tpr_at_1pct_fpr": tpr_at(unseen[0], unseen[1], 0.01) if supports(len(genuine), 0.01) else None,
                    "auc_shipped": auc(shipped, of_made),
                    "auc_smoothness": max(auc(*rough), 1 - auc(*rough)),
                }  # fmt: skip
            rows.append(row)
    return rows


def measure(context: Context) -> Result:
    """Every detector that never saw a whole family."""
    held = {name: path for name, path in held_detectors(context).items() if name == family_of(name)}
    rows = measure_held(context, held) if held else []
    if not rows:
        return not_measured("there are no weights of detectors trained without a family")
    worst = min(rows, key=lambda row: row["in_pdf"]["auc"])
    every = [row["in_pdf"]["auc"] for row in rows]
    missing = sorted(set(FAMILIES) - {row["held"] for row in rows})
    text = (
        f"AUC in PDF: {', '.join(told(row, 'in_pdf') for row in rows)}; worst family {worst['held']}; not measured: "
        f"{', '.join(missing) or 'none'}"
    )
    return {"rows": rows, "verdict": verdict(text, "aim" if min(every) >= 0.9 and not missing else "least")}


def told(row: dict[str, Any], channel: str) -> str:
    """One held-out group in words."""
    low, high = row[channel]["auc_ci95"]
    return f"{row['held']} {row[channel]['auc']:.3f} [{low:.3f}, {high:.3f}] (n = {row['n']})"


def render(result: Result) -> list[str]:
    """One line for each held-out group and channel."""
    if "not_measured" in result:
        return [f"Not measured: {result['not_measured']}."]
    lines = [
        "| never seen | network | channel | n made, genuine | AUC [95 %] | TPR at 5 / 1 % FPR | AUC of the shipped one "
        "| smoothness alone |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        for channel, label in CHANNELS.items():
            cell = row[channel]
            low, high = cell["auc_ci95"]
            one = "-" if cell["tpr_at_1pct_fpr"] is None else f"{cell['tpr_at_1pct_fpr']:.2f}"
            lines.append(
                f"| {row['held']} | {row['network']} | {label} | {row['n']}, {row['genuine']} "
                f"| {cell['auc']:.3f} [{low:.3f}, {high:.3f}] | {cell['tpr_at_5pct_fpr']:.2f} / {one} "
                f"| {cell['auc_shipped']:.3f} | {cell['auc_smoothness']:.3f} |"
            )
    lines += [
        "",
        "Bare logits, four tiles of a panel; the thresholds of the TPR are of these same genuine panels, smoothness is "
        "told in its better direction, and intervals draw sources and made crops, not generators, of which there are "
        "few. The shipped detector may have been trained on what it ranks here.",
    ]
    for row in result["rows"]:
        kin = f"; {KIN[row['held']]}" if row["held"] in KIN else ""
        lines.append(f"* {row['held']}: {', '.join(row['makers'])}{kin}")
    return lines


PART = Part(
    "T3",
    "T3: leave one family out",
    measure,
    render,
    aim="AUC >= .90",
    least="measured per family, worst one named",
    uses=("lofo/*.pt",),
)
