"""``semscan evaluate``: how well a trained detector does on sources it never saw."""

from __future__ import annotations

from pathlib import Path

import click

from semscan.cli.group import ExamplesFirst
from semscan.cli.optional import optional_packages
from semscan.cli.train import recipe_arguments
from semscan.engine.options import DEFAULT_MODEL

EXAMPLES = f"""\
semscan evaluate detector --data DIR                                 the page goes into the run's folder
semscan evaluate detector -o docs/results/detector.md
semscan evaluate detector --only T4,T8 --set model_id={DEFAULT_MODEL}"""


@click.command("evaluate", cls=ExamplesFirst, examples=EXAMPLES, short_help="Measure a trained detector.")
@recipe_arguments
@click.option("--only", default="", metavar="T1,T4,...", help="Measure these parts only.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Markdown file to write."
)
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    data: Path | None,
    run_dir: Path | None,
    only: str,
    output: Path | None,
) -> None:
    """Measure ranking, false flags, behaviour in PDFs and shortcuts of a detector; print the path of the page.

    The detector is the one trained and calibrated in the run's folder, or else the shipped model that the recipe
    names. What was measured before is kept until something that it depends on changes.
    """
    with optional_packages("semscan evaluate"):
        from semscan.training.evaluate import evaluate

        parts = [part.strip() for part in only.split(",") if part.strip()]
        click.echo(evaluate(recipe, list(overrides), data, run_dir, parts, output))
