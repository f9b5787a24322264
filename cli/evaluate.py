"""``semscan evaluate``: how well a trained detector does on sources it never saw."""

from __future__ import annotations

from pathlib import Path

import click

from semscan.cli.group import ExamplesFirst
from semscan.cli.optional import optional_packages
from semscan.cli.train import recipe_arguments

EXAMPLES = "semscan evaluate detector --data DIR --run-dir runs/detector"


@click.command("evaluate", cls=ExamplesFirst, examples=EXAMPLES, short_help="Measure a trained detector.")
@recipe_arguments
def command(recipe: Path, overrides: tuple[str, ...], data: Path | None, run_dir: Path | None) -> None:
    """Measure AUC, detection at fixed false-flag rates and false flags per source; print the report's path."""
    with optional_packages("semscan evaluate"):
        from semscan.training.evaluate import evaluate

        click.echo(evaluate(recipe, list(overrides), data, run_dir))
