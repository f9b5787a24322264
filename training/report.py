"""Tables for people from an evaluation's numbers: the results page and the model card."""

from __future__ import annotations

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
    "seen": "decoders seen in training",
    "held_out": "held-out decoders",
    "faithful": "faithful decoders, not trained on",
}


def results_markdown(results: dict[str, Any]) -> str:
    """The results page of one evaluation."""
    test, rate = results["test"], results["rate"]
    lines = [
        f"# Measured: {results['model']}",
        "",
        f"{test['genuine_panels']} genuine panels from {len(test['sources'])} sources that took no part in training or "
        f"calibration, and {sum(test['reconstructions'].values())} reconstructions of them by the autoencoders. "
        f"Code revision {results['git_revision']}.",
        "",
        *ranking_table(results),
        "",
        "AUC intervals: bootstrap over sources. TPR at 5 % and 1 % FPR: threshold from these same genuine panels "
        "(a ranking figure, not what a scan does). *Shipped*: threshold of the calibration tables at the rate "
        f"{rate:g}, that is, the one-sided 95 % bound of the tail is at most {rate:g}. *Smoothness alone*: the AUC of "
        "the one-number baseline in its better direction: made panels are the rougher ones.",
        "",
        "As in a PDF: 30 % a first JPEG at 80-95, 75 % a resampling to 0.5-1.3, then JPEG 61-95.",
        "",
        "## Genuine panels flagged",
        "",
        *false_flag_table(results),
        "",
        f"Intervals are two-sided 95 % Clopper-Pearson over panels; panels of one source are alike, so with "
        f"{len(test['sources'])} sources the truth is less certain than they say.",
        "",
        "By source: panels flagged at the shipped threshold with the interval of the rate in per cent, then panels "
        "with a tail of at most 5 %.",
        "",
        *_by_source(results),
        "",
        "## Swap test",
        "",
        "A detector that reads the file format instead of the picture ranks these two differently from the rows above, "
        "where both sides have the same format.",
        "",
        "| genuine | made | AUC |",
        "|---|---|---|",
        f"| stored without loss | JPEG 75 | {results['swap']['genuine_png_made_q75']:.3f} |",
        f"| JPEG 75 | stored without loss | {results['swap']['genuine_q75_made_png']:.3f} |",
        "",
        "## By decoder",
        "",
        "Median PSNR of the reconstructions before the channel; AUC / TPR at 5 % FPR"
        + (f"; held out of training: {', '.join(results['held_out'])}" if results["held_out"] else ""),
        "",
        *_decoder_table(results),
        "",
        "## Smoothness line",
        "",
        _line(results),
        "",
        "## To repeat this",
        "",
        "Same machine type, same data, about two hours on two idle cores:",
        "",
        "```",
        "semscan train autoencoders autoencoders && semscan train autoencoders autoencoders_more",
        "semscan train detector detector && semscan calibrate detector && semscan evaluate detector",
        f"semscan export onnx runs/detector -o {results['model']}.onnx",
        "```",
    ]
    return "\n".join(lines) + "\n"


def ranking_table(results: dict[str, Any]) -> list[str]:
    """AUC and true-positive rates by channel, for seen and held-out decoders."""
    lines = [
        "| made by | channel | n | AUC [95 %] | TPR at 5 % FPR | TPR at 1 % FPR | TPR shipped | smoothness alone |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for group, label in GROUP_NAMES.items():
        for condition, name in CONDITION_NAMES.items():
            row = results["conditions"].get(condition, {}).get(group)
            if row:
                low, high = row["auc_ci95"]
                baseline = max(row["auc_smoothness_alone"], 1 - row["auc_smoothness_alone"])
                lines.append(
                    f"| {label} | {name} | {row['n']} | {row['auc']:.3f} [{low:.3f}, {high:.3f}] | "
                    f"{row['tpr_at_5pct_fpr']:.2f} | {row['tpr_at_1pct_fpr']:.2f} | "
                    f"{row['tpr_at_shipped_threshold']:.2f} | {baseline:.3f} |"
                )
    return lines


def false_flag_table(results: dict[str, Any]) -> list[str]:
    """Genuine panels flagged, by channel."""
    lines = [
        f"| channel | shipped threshold (rate {results['rate']:g}) | tail at most 5 % | outside the smoothness range |",
        "|---|---|---|---|",
    ]
    rows = {name: row["false_flags"] for name, row in results["conditions"].items()} | results["benign"]
    for condition, row in rows.items():
        cells = [_rate(row[key], row["panels"]) for key in ("flagged", "tail_5pct")]
        outside = row["outside_smoothness_range"]
        lines.append(f"| {CONDITION_NAMES[condition]} | {cells[0]} | {cells[1]} | {outside} of {row['panels']} |")
    return lines


def _line(results: dict[str, Any]) -> str:
    report = results["smoothness_line"]
    without, lined = (sum(report[key].values()) / len(report[key]) for key in ("auc_without", "auc_with"))
    return (
        f"Fitted on genuine calibration panels: {report['fitted_slope']:.3f} logits per unit. Mean AUC over the strata "
        f"of the calibrate split {without:.3f} without it and {lined:.3f} with it, so it is "
        f"{'subtracted' if report['kept'] else 'not used'}."
    )


def _rate(cell: dict[str, Any], count: int) -> str:
    low, high = cell["ci95"]
    return f"{cell['k']} of {count} = {100 * cell['rate']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _by_source(results: dict[str, Any]) -> list[str]:
    rows = {name: row["false_flags"]["by_source"] for name, row in results["conditions"].items()}
    lines = ["| source | n | " + " | ".join(CONDITION_NAMES[c] for c in rows) + " |", "|---|---|" + "---|" * len(rows)]
    for source, first in next(iter(rows.values())).items():
        cells = []
        for row in rows.values():
            low, high = row[source]["flagged"]["ci95"]
            flagged, five = row[source]["flagged"]["k"], row[source]["tail_5pct"]["k"]
            cells.append(f"{flagged} [{100 * low:.0f}, {100 * high:.0f}] / {five}")
        lines.append(f"| {source} | {first['panels']} | {' | '.join(cells)} |")
    return lines


def _decoder_table(results: dict[str, Any]) -> list[str]:
    conditions, fidelity = results["conditions"], results["test"]["psnr_db"]
    names = " | ".join(CONDITION_NAMES[c] for c in conditions)
    lines = [f"| decoder | n | PSNR dB | {names} |", "|---|---|---|" + "---|" * len(conditions)]
    for decoder, first in next(iter(conditions.values()))["by_decoder"].items():
        rows = [condition["by_decoder"][decoder] for condition in conditions.values()]
        cells = " | ".join(f"{row['auc']:.3f} / {row['tpr_at_5pct_fpr']:.2f}" for row in rows)
        lines.append(f"| {decoder} | {first['n']} | {fidelity[decoder]:.1f} | {cells} |")
    return lines
