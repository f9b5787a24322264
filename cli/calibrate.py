"""``semscan calibrate``: the genuine reference that a detector's scores are compared with."""

from __future__ import annotations

from pathlib import Path

import click

from semscan.cli.group import ExamplesFirst
from semscan.cli.optional import optional_packages
from semscan.cli.train import recipe_arguments

EXAMPLES = "semscan calibrate detector --data DIR --run-dir runs/detector"


@click.command("calibrate", cls=ExamplesFirst, examples=EXAMPLES, short_help="Build a detector's genuine reference.")
@recipe_arguments
def command(recipe: Path, overrides: tuple[str, ...], data: Path | None, run_dir: Path | None) -> None:
    """Score genuine panels in every channel and write the calibration table; print its path."""
    with optional_packages("semscan calibrate"):
        from semscan.training.calibrate import calibrate

        click.echo(calibrate(recipe, list(overrides), data, run_dir))
