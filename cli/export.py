"""``semscan export``: from a training run to the bundle that scans use."""

from __future__ import annotations

from pathlib import Path

import click

from semscan.cli.group import ExamplesGroup
from semscan.cli.optional import optional_packages
from semscan.engine.errors import OutputError

EXAMPLES = """\
semscan export onnx runs/detector -o sem-0.onnx
semscan export verify sem-0.onnx --checkpoint runs/detector/detector.pt"""


@click.group("export", cls=ExamplesGroup, examples=EXAMPLES, short_help="Turn a training run into a bundle.")
def command() -> None:
    """Turn a training run into a bundle, and prove that both give the same scores. Needs the `train` extra."""


@command.command("onnx", short_help="Write the bundle of a training run.")
@click.argument("run_dir", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="RUN")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The file to write."
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def onnx(run_dir: Path, output: Path, overwrite: bool) -> None:
    """Write a self-describing ONNX bundle: graph, calibration, golden tiles, card and provenance."""
    if output.exists() and not overwrite:
        raise OutputError(f"{output} exists already", "give another name, or --overwrite to replace it")
    with optional_packages("semscan export"):
        from semscan.export.to_onnx import export_onnx

        click.echo(export_onnx(run_dir, output))


@command.command("verify", short_help="Check a bundle against the network it came from.")
@click.argument("model", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE")
@click.option(
    "--checkpoint", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="The training checkpoint to compare with.",
)  # fmt: skip
def verify(model: Path, checkpoint: Path | None) -> None:
    """Check a bundle: metadata, golden scores, invariances and, with --checkpoint, agreement with torch."""
    with optional_packages("semscan export"):
        from semscan.export.verify import verify as check

        for line in check(model, checkpoint):
            click.echo(line)
