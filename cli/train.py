"""``semscan train``: the autoencoders whose reconstructions are learned from, and the detector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from semscan.cli.group import ExamplesGroup
from semscan.cli.optional import optional_packages
from semscan.engine.errors import UsageError

EXAMPLES = """\
semscan train autoencoders autoencoders --data DIR          a recipe that is shipped
semscan train detector my.toml --data DIR --set training.steps=200
semscan train detector detector --data DIR --run-dir runs/detector --resume"""

_SHIPPED = Path(__file__).parent.parent / "training" / "recipes"


def find_recipe(ctx: click.Context, parameter: click.Parameter, value: str) -> Path:
    """A recipe given by the path of a TOML file or by the name of one that is shipped."""
    if Path(value).is_file():
        return Path(value)
    shipped = {path.stem: path for path in sorted(_SHIPPED.glob("*.toml"))}
    if value in shipped:
        return shipped[value]
    raise UsageError(f"there is no recipe {value!r}", f"give a .toml file or one of: {', '.join(shipped)}")


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


def _resumable(function: Callable[..., Any]) -> Callable[..., Any]:
    for decorate in (
        click.option("--dry-run", is_flag=True, help="Read the recipe and the data, train nothing."),
        click.option("--resume", is_flag=True, help="Go on with the run in --run-dir."),
    ):
        function = decorate(function)
    return function


@click.group("train", cls=ExamplesGroup, examples=EXAMPLES, short_help="Train autoencoders or the detector.")
def command() -> None:
    """Train from a recipe. Needs the `train` extra; the detector needs the autoencoders' run."""


@command.command("autoencoders", short_help="Train the autoencoders that make the fakes to learn from.")
@recipe_arguments
@_resumable
def autoencoders(
    recipe: Path, overrides: tuple[str, ...], data: Path | None, run_dir: Path | None, resume: bool, dry_run: bool
) -> None:
    """Train the autoencoder families whose reconstructions of genuine tiles the detector learns from."""
    with optional_packages("semscan train"):
        from semscan.training.autoencoders import train_autoencoders

        click.echo(train_autoencoders(recipe, list(overrides), data, run_dir, resume, dry_run))


@command.command("detector", short_help="Train the detector.")
@recipe_arguments
@_resumable
def detector(
    recipe: Path, overrides: tuple[str, ...], data: Path | None, run_dir: Path | None, resume: bool, dry_run: bool
) -> None:
    """Train the detector on genuine tiles and their reconstructions."""
    with optional_packages("semscan train"):
        from semscan.training.detector import train_detector

        click.echo(train_detector(recipe, list(overrides), data, run_dir, resume, dry_run))
