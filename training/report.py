"""Tables of a model card from an evaluation's numbers: ranking, false flags, aims, families tested and not tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CONDITION_NAMES = {
    "png": "stored without loss",
    "q90": "JPEG 90",
    "q75": "JPEG 75",
    "in_pdf": "as in a PDF",
    "x2": "enlarged x 2 (bicubic)",
    "x2_q85": "enlarged x 2, JPEG 85",
}
GROUP_NAMES = {
    "seen": "reconstructions, decoders seen in training",
    "held_out": "reconstructions, held-out decoders",
    "faithful": "reconstructions, faithful decoders, not trained on",
}
FAMILY_NAMES = {
    "gan": "GANs",
    "vae": "autoencoders",
    "diffusion": "diffusion models",
    "translation": "image-to-image translation",
    "inpaint": "inpainted regions",
    "untrained": "untrained decoders",
}
"""What the first part of a maker's name stands for."""

NEVER_TESTED = (
    "text-to-image systems and other services that are sold or run on the web",
    "models that were trained by others, unless the table of tests names them",
    "retouching and copy-move without a network",
    "photographed prints and screens, physically simulated micrographs",
)
"""What no number of ours speaks of."""


def ranking_table(results: dict[str, Any]) -> list[str]:
    """AUC and true-positive rates by channel, for reconstructions and for generated crops."""
    lines = [
        "| made by | channel | n | AUC [95 %] | TPR at 5 % FPR | TPR at 1 % FPR | TPR shipped | smoothness alone |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for group, label in GROUP_NAMES.items():
        for condition, name in CONDITION_NAMES.items():
            row = results["conditions"].get(condition, {}).get(group)
            if row:
                lines.append(_ranking_row(label, name, row))
    for condition, name in CONDITION_NAMES.items():
        for row in results["conditions"].get(condition, {}).get("generated", []):
            kinds = "kinds held out" if row["group"] == "held_out" else "kinds seen in training"
            lines.append(_ranking_row(f"generators trained on test sources, {kinds}", name, row))
    return lines


def _ranking_row(label: str, channel: str, row: dict[str, Any]) -> str:
    low, high = row["auc_ci95"]
    baseline = max(row["auc_smoothness_alone"], 1 - row["auc_smoothness_alone"])
    return (
        f"| {label} | {channel} | {row['n']} | {row['auc']:.3f} [{low:.3f}, {high:.3f}] | "
        f"{' | '.join('-' if row[k] is None else f'{row[k]:.2f}' for k in ('tpr_at_5pct_fpr', 'tpr_at_1pct_fpr'))} | "
        f"{row['tpr_at_shipped_threshold']:.2f} | {baseline:.3f} |"
    )


def false_flag_table(results: dict[str, Any]) -> list[str]:
    """Genuine panels flagged, by channel."""
    lines = [
        f"| channel | shipped threshold (rate {results['rate']:g}) | tail at most 5 % | outside the smoothness range |",
        "|---|---|---|---|",
    ]
    rows = {name: row["false_flags"] for name, row in results["conditions"].items()} | results["benign"]
    for condition, row in rows.items():
        cells = [_rate(row[key]) for key in ("flagged", "tail_5pct")]
        outside, name = row["outside_smoothness_range"], CONDITION_NAMES.get(condition, condition)
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {outside} of {row['panels']} |")
    return lines


def targets_table(results: dict[str, Any]) -> list[str]:
    """What was aimed at in each test, and what was measured."""
    lines = ["| test | aim | measured | |", "|---|---|---|---|"]
    for key, row in results.get("targets", {}).items():
        lines.append(f"| {key} | {row['aim']} | {row['measured']} | {row['state']} |")
    return lines if len(lines) > 2 else ["No aims were measured."]


def family_table(makers: Sequence[str], results: dict[str, Any]) -> list[str]:
    """Which families of generators a detector learned from and was tested on, with n; the others say so.

    Args:
        makers: names ``family/generator`` of what it was trained on.
        results: of the evaluation; ``makers`` are the rows of T1, ``never_seen`` those of T3.
    """
    lines = [
        "| family | trained on | tested on (made panels) | AUC as in a PDF | flagged, shipped | AUC when never seen |",
        "|---|---|---|---|---|---|",
    ]
    for family, label in FAMILY_NAMES.items():
        learned = sorted(name.partition("/")[2] for name in makers if _is_of(name, family))
        rows = [row for row in results.get("makers", []) if _is_of(row["maker"], family)]
        unseen = [row["in_pdf"]["auc"] for row in results.get("never_seen", []) if row["held"] == family]
        never = ", ".join(f"{value:.3f}" for value in unseen) or "not measured"
        cells = [label, _named(learned) or "none", *_tested(rows), never]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def tested_families(results: dict[str, Any]) -> list[str]:
    """Families of which made panels were judged."""
    return [family for family in FAMILY_NAMES if any(_is_of(row["maker"], family) for row in results.get("makers", []))]


def _tested(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["**not tested**", "-", "-"]
    total = sum(row["n"] for row in rows)
    aucs = [row["in_pdf"]["auc"] for row in rows]
    flagged = sum(row["n"] * row["in_pdf"]["flagged"] for row in rows) / total
    spread = f"{min(aucs):.3f} to {max(aucs):.3f}" if len(aucs) > 1 else f"{aucs[0]:.3f}"
    return [f"{len(rows)} makers, n = {total}", spread, f"{100 * flagged:.0f} %"]


def _is_of(maker: str, family: str) -> bool:
    return maker.startswith(f"{family}/")


def _named(names: list[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _rate(cell: dict[str, Any]) -> str:
    if not cell["n"]:
        return "none assessed"
    low, high = cell["ci95"]
    return f"{cell['k']} of {cell['n']} = {100 * cell['rate']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
