"""``semscan synthesize``: pictures from a trained generator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from semscan.cli.group import ExamplesFirst
from semscan.cli.optional import optional_packages
from semscan.cli.train import find_recipe

EXAMPLES = """\
semscan synthesize runs/fastgan_64/checkpoint.pt -n 2000 -o made
semscan synthesize runs/fastgan_64/checkpoint.pt -n 200 --size 160 -o wide
semscan synthesize runs/cyclegan_64/checkpoint.pt -n 200 -o made --data DIR --split train
semscan synthesize inpaint_64 -n 200 -o made --data DIR --set restore=false"""


def _find_source(ctx: click.Context, parameter: click.Parameter, value: str) -> Path:
    path = Path(value)
    return path if path.suffix == ".pt" and path.is_file() else find_recipe(ctx, parameter, value)


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for decorate in (
        click.option(
            "--set", "overrides", multiple=True, metavar="KEY=VALUE",
            help="Change one entry of an inpaint recipe; repeatable.",
        ),
        click.option(
            "--split", type=click.Choice(["train", "calibrate", "test"]),
            help="Which genuine pictures to change; by default those that the generator was trained on.",
        ),
        click.option(
            "--data", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
            help="Folder with genuine pictures, for generators that change some.",
        ),
        click.option(
            "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="N",
            help="The same seed makes the same pictures.",
        ),
        click.option(
            "--size", "size_px", type=click.IntRange(1), metavar="PX",
            help="Side of the pictures; by default that of the training, 128 for autoencoders.",
        ),
        click.option(
            "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR",
            help="New folder for the pictures and manifest.json, or a new .npz file that packs both.",
        ),
        click.option(
            "-n", "--count", type=click.IntRange(1, 1_000_000), default=100, show_default=True, metavar="N",
            help="How many pictures.",
        ),
    ):  # fmt: skip
        function = decorate(function)
    return function


@click.command("synthesize", cls=ExamplesFirst, examples=EXAMPLES, short_help="Make pictures with a trained generator.")
@_options
@click.argument("source", metavar="CHECKPOINT", callback=_find_source)
def command(
    source: Path,
    count: int,
    output: Path,
    size_px: int | None,
    seed: int,
    data: Path | None,
    split: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Make pictures with a trained generator: 8-bit PNG and a manifest with generator, recipe, step and seed.

    CHECKPOINT is a .pt file that `semscan train` wrote, or an inpaint recipe. CycleGAN, autoencoders and inpainting
    change genuine pictures of the data folder; inpainting also writes its masks. Needs the `train` extra.
    """
    with optional_packages("semscan synthesize"):
        from semscan.training.packs import write_pack
        from semscan.training.synthesize import open_maker, synthesize

        write = write_pack if output.suffix == ".npz" else synthesize
        click.echo(write(open_maker(source, seed, data, split or "", list(overrides), size_px), count, output))
