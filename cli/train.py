"""``semscan train``: generators of examples, the autoencoders, the detector; the recipe says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from semscan.cli.group import ExamplesFirst
from semscan.cli.optional import optional_packages
from semscan.engine.errors import UsageError

EXAMPLES = """\
semscan train fastgan_64 --data DIR                          a recipe that is shipped
semscan train my.toml --set training.steps=200 --dry-run     how large, how long?
semscan train detector --data DIR --run-dir runs/detector --resume"""

_SHIPPED = Path(__file__).parent.parent / "training" / "recipes"


def find_recipe(ctx: click.Context, parameter: click.Parameter, value: str) -> Path:
    """A recipe given by the path of a TOML file or by the name of one that is shipped."""
    if Path(value).is_file():
        return Path(value)
    shipped = {path.stem: path for path in sorted(_SHIPPED.glob("*.toml"))}
    if value in shipped:
        return shipped[value]
    raise UsageError(f"there is no recipe {value!r}", f"give a .toml file or one of: {', '.join(shipped)}")


def is_recipe(value: str) -> bool:
    """Whether a word stands for a recipe: a TOML file, or the name of a shipped one.

    Raises:
        UsageError: a file or folder has the name of a recipe.
    """
    if value.endswith(".toml"):
        return True
    if not (_SHIPPED / f"{value}.toml").is_file():
        return False
    if Path(value).exists():
        raise UsageError(f"{value} is a recipe, and here a file or folder, too", f"./{value} is the file or folder")
    return True


def recipe_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments that every command with a recipe takes."""
    for decorate in (
        click.option("--run-dir", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the run."),
        click.option(
            "--data", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
            help="Folder with the training data.",
        ),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one entry; repeatable."),
        click.argument("recipe", metavar="RECIPE", callback=find_recipe),
    ):  # fmt: skip
        function = decorate(function)
    return function


@click.command("train", cls=ExamplesFirst, examples=EXAMPLES, short_help="Train a generator or the detector.")
@recipe_arguments
@click.option("--resume", is_flag=True, help="Go on with the run in --run-dir.")
@click.option("--dry-run", is_flag=True, help="Print sizes and an estimate of the time, train nothing.")
def command(
    recipe: Path, overrides: tuple[str, ...], data: Path | None, run_dir: Path | None, resume: bool, dry_run: bool
) -> None:
    """Train what a recipe describes: a generator of examples, the autoencoders, or the detector.

    The recipe's key `system` says which. Prints the run's folder. Needs the `train` extra; a detector also needs the
    pool of pairs that `detector_pool` makes with the runs of others.
    """
    with optional_packages("semscan train"):
        from semscan.training.systems import train_recipe

        click.echo(train_recipe(recipe, list(overrides), data, run_dir, resume, dry_run))
