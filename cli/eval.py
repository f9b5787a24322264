"""``semscan eval``: how a model does on files whose origin the user knows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from semscan.cli import shared
from semscan.cli.group import ExamplesFirst
from semscan.cli.terminal import printable
from semscan.engine.options import ScanOptions

DEFAULTS = ScanOptions()

ALIKE = 0.5
"""Below this overlap of the strata of both labels, people are warned."""

EXAMPLES = """\
semscan eval manifest.csv                      columns file,label,source; labels genuine and generated
semscan eval manifest.csv -o results.json      all numbers for other programs
semscan eval manifest.csv --calibration ours.json --fpr 0.05"""


@click.command(
    "eval",
    cls=ExamplesFirst,
    examples=EXAMPLES,
    no_args_is_help=True,
    short_help="Measure rates and AUC on labelled files.",
)
@click.argument("manifest", type=click.Path(path_type=Path), metavar="MANIFEST.csv")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Also write the numbers as JSON.")
@click.option("--fpr", type=float, metavar="RATE", help="As for scan.  [default: the smallest supported rate]")
@shared.model
@click.option("--calibration", metavar="FILE", help="A genuine reference of your own.")
@click.option(
    "--min-panel", type=int, metavar="PX", default=DEFAULTS.min_panel_px, show_default=True,
    help="Panels with a shorter side below this are not assessed.",
)  # fmt: skip
@shared.all_images
@shared.jobs
@shared.timeout
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
@shared.quiet
def command(manifest: Path, output: Path | None, overwrite: bool, quiet: bool, **settings: Any) -> int:
    """Scan the files that a manifest lists and compare what was flagged with their labels.

    Rates are those at the threshold that a scan uses, with exact intervals over panels and bootstrap intervals over
    sources; panels that are not assessed are counted apart. The labels are yours, nothing checks them.
    """
    from semscan.cli.progress import ProgressLine
    from semscan.cli.run import listen
    from semscan.engine.labelled import Trial
    from semscan.engine.manifest import read_manifest
    from semscan.engine.pipeline import scan
    from semscan.engine.sinks.output import FileOutput

    options = ScanOptions(
        min_panel_px=settings.pop("min_panel"),
        timeout_s=settings.pop("timeout"),
        **settings,  # the others have the names of the options that they set
    )
    file = FileOutput(output, overwrite=overwrite, atomic=True) if output else None
    trial = Trial(read_manifest(manifest))
    line = ProgressLine("none" if quiet or sys.stderr is None else "auto", sys.stderr)
    records = scan([row.path for row in trial.rows], options, progress=line.update)
    code = listen(records, trial.add, line, quiet=quiet)
    results = trial.results()
    if file is not None:
        file.write((json.dumps(results, indent=1) + "\n").encode())
        file.close()
    for text in report(results, str(manifest)):
        click.echo(printable(text))
    return code


def report(results: dict[str, Any], manifest: str) -> list[str]:
    """The measurements for people."""
    from semscan.cli.wording import one_in, reason_words, smallest_rate

    model, labels = results["model"], results["labels"]
    lines = [
        f"{manifest}   model {model['id']} (sha256 {model['sha256'][:8]})   "
        f"calibration {results['calibration']['id']}   rate {one_in(results['rate'])}",
        "",
        "  LABEL      FILES  SOURCES  ASSESSED  NOT ASSESSED  FLAGGED, 95 % BY PANEL, 95 % BY SOURCE",
    ]
    for label, held in labels.items():
        counts = f"{held['files']:5,}  {held['sources']:7,}  {held['assessed']:8,}  {_unassessed(held):12,}"
        lines.append(f"  {label:9}  {counts}  {_rate(held)}")
    lines += ["", f"AUC of the score: {_auc(results['auc'])}", "", "  STRATUM    LABEL      ASSESSED  FLAGGED"]
    for name, row in results["strata"].items():
        for label in labels:
            lines.append(f"  {name:9}  {label:9}  {row[label]['assessed']:8,}  {_rate(row[label])}")
        lines.append(f"  {name:9}  AUC {_auc(row['auc'])}")
    lines.append("")
    if results["storage_overlap"] < ALIKE:
        lines.append(
            "The labels differ in how their panels are stored. The AUC over all strata may tell file formats apart "
            "instead of origins: look at the strata, or store both alike."
        )
    for label, held in labels.items():
        if held["not_assessed"]:
            why = ", ".join(f"{reason_words(reason)} {number:,}" for reason, number in held["not_assessed"].items())
            lines.append(f"Not assessed, labelled {label}: {why}.")
    if results["not_read"]:
        lines.append(f"Not read, or not to the end: {len(results['not_read']):,} documents.")
    if results["same_file_again"]:
        lines.append(f"{results['same_file_again']:,} files are copies of others and were counted once.")
    sources = labels["genuine"]["assessed_sources"]
    return [
        *lines,
        f"{sources:,} genuine sources without a flag would bound the false-flag rate at "
        f"{100 * smallest_rate(sources):.2g} %. These numbers hold for files like these, and say nothing of other "
        "generators or other journals.",
    ]


def _unassessed(held: dict[str, Any]) -> int:
    return sum(held["not_assessed"].values())


def _rate(cell: dict[str, Any]) -> str:
    if not cell["assessed"]:
        return "-"
    by_source = cell["ci95_by_source"]
    spread = "-" if by_source is None else _percents(by_source)
    return f"{cell['flagged']:,} = {100 * cell['rate']:.3g} %  {_percents(cell['ci95'])}  {spread}"


def _percents(ends: list[float]) -> str:
    return f"[{100 * ends[0]:.3g}, {100 * ends[1]:.3g}]"


def _auc(found: dict[str, Any] | None) -> str:
    if found is None:
        return "panels of one label only"
    ends = found["ci95_by_source"]
    spread = "too few sources for an interval" if ends is None else f"[{ends[0]:.3f}, {ends[1]:.3f}] by source"
    return f"{found['value']:.3f} {spread}"
