"""``semscan models``: which detectors there are, what they are good for, and whether they work here."""

from __future__ import annotations

import json
from typing import Any

import click

from semscan.cli.group import ExamplesGroup
from semscan.engine.errors import ModelError
from semscan.engine.options import DEFAULT_MODEL

EXAMPLES = f"""\
semscan models                  the shipped models
semscan models info {DEFAULT_MODEL}       its card: what it was trained and tested on, and what it misses
semscan models verify           do they give the scores they were shipped with?"""


@click.group(
    "models", cls=ExamplesGroup, examples=EXAMPLES, invoke_without_command=True, short_help="List and check the models."
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List, describe and check the detectors."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_command)


@command.command("list", short_help="The shipped models, one per line.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def list_command(as_json: bool = False) -> None:
    """List the shipped models: name, SHA-256, tile size, calibration."""
    from semscan.engine.bundle import describe, list_models, load_bundle

    found = [describe(load_bundle(str(path))) for path in list_models()]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    if not found:
        raise ModelError("no model is shipped with this installation", "give the path of a .onnx file")
    for model in found:
        calibration = model["calibration"]
        about = f"tile {model['tile_px']} px\trate {_rate(calibration)}\t{calibration['id']}"
        click.echo(f"{model['id']}\tsha256 {model['sha256'][:16]}\t{about}")


@command.command("info", short_help="A model's card and identity.")
@click.argument("model", required=False, metavar="[NAME|FILE]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def info(model: str | None, as_json: bool) -> None:
    """Print what a model is, what it was trained and tested on, and what it misses."""
    from semscan.engine.bundle import describe, load_bundle

    bundle = load_bundle(model)
    facts = describe(bundle)
    if as_json:
        click.echo(json.dumps(facts | {"card": bundle.card}, indent=1, ensure_ascii=False))
        return
    calibration = facts["calibration"]
    click.echo(f"{bundle.id}   {bundle.path}\nsha256 {bundle.sha256}\ntile {bundle.tile_px} px")
    click.echo(f"calibration {calibration['id']}, supported rate {_rate(calibration)}")
    for name, stratum in calibration["strata"].items():
        click.echo(f"  {name:10} {stratum['panels']} genuine panels, worth {stratum['sources']} sources")
    click.echo(f"\n{bundle.card.strip()}")


@command.command("verify", short_help="Score the golden tiles of models.")
@click.argument("models", nargs=-1, metavar="[NAME|FILE]...")
def verify(models: tuple[str, ...]) -> None:
    """Check that models give the scores here that they were shipped with; without arguments all shipped ones."""
    from semscan.engine.backends import open_backend
    from semscan.engine.backends.choice import choose
    from semscan.engine.bundle import list_models, load_bundle
    from semscan.engine.selftest import TOLERANCES, golden_self_test

    names = models or tuple(str(path) for path in list_models())
    if not names:
        raise ModelError("no model is shipped with this installation", "give the path of a .onnx file")
    for name in names:
        bundle = load_bundle(name)
        backend = open_backend(bundle, choose(precision=bundle.precision))
        deviation = golden_self_test(bundle, backend)
        where = f"{backend.name} {backend.precision} on {backend.device}"
        allowed = f"(allowed {TOLERANCES[backend.precision]:g})"
        click.echo(f"{bundle.id}\tok\tlargest deviation {deviation:.1e} logits {allowed}\t{where}")


def _rate(calibration: dict[str, Any]) -> str:
    """The default rate, or that the sources are too few for one."""
    rate = calibration["supported_rate"]
    return "none: too few sources" if rate is None else f"{rate:g}"
