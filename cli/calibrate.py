"""``semscan calibrate``: the genuine reference that scores are compared with, one's own or that of a training run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from semscan.cli import shared
from semscan.cli.group import ExamplesFirst
from semscan.cli.optional import optional_packages
from semscan.cli.terminal import printable
from semscan.cli.train import find_recipe, is_recipe
from semscan.engine.errors import ExitCode, UsageError
from semscan.engine.options import ScanOptions

if TYPE_CHECKING:
    from semscan.engine.bundle import Bundle
    from semscan.engine.ownarchive import ArchiveCount, OwnReference

DEFAULTS = ScanOptions()

EXAMPLES = """\
semscan calibrate archive/ -o ours.json               count the SEM panels of your own genuine papers
semscan --calibration ours.json paper.pdf             and compare a paper with them
semscan calibrate figures/ --sources papers.csv -o ours.json
semscan calibrate detector --data DIR --run-dir runs/detector      the step between train and evaluate"""

_OF_RECIPE = ("overrides", "data", "run_dir")


@click.command(
    "calibrate",
    cls=ExamplesFirst,
    examples=EXAMPLES,
    no_args_is_help=True,
    short_help="Count your own genuine papers, or a detector's reference.",
)
@click.argument("paths", nargs=-1, required=True, metavar="DIR...|RECIPE")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="The calibration file to write.")
@click.option(
    "--sources", type=click.Path(path_type=Path), metavar="CSV",
    help="Which paper or specimen each file comes from: columns file,source.  [default: each document is one]",
)  # fmt: skip
@click.option(
    "--fpr", type=float, metavar="RATE",
    help="Rate that every stratum must support; others are left out.  [default: 0.05, or 0.1 if none does]",
)  # fmt: skip
@click.option("--model", metavar="NAME|FILE", help="The model to calibrate.  [default: the shipped default]")
@shared.include
@shared.exclude
@click.option(
    "--min-panel", type=int, metavar="PX", default=DEFAULTS.min_panel_px, show_default=True,
    help="Panels with a shorter side below this are not counted.",
)  # fmt: skip
@shared.jobs
@shared.timeout
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@shared.quiet
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="RECIPE only: change one entry.")
@click.option(
    "--data", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
    help="RECIPE only: folder with the training data.",
)  # fmt: skip
@click.option("--run-dir", type=click.Path(path_type=Path), metavar="DIR", help="RECIPE only: folder of the run.")
@click.pass_context
def command(ctx: click.Context, /, paths: tuple[str, ...], **given: Any) -> int:
    """Count how genuine SEM panels score, so that others can be compared with them.

    DIR holds genuine papers or images of yours: everything in it is taken as genuine. What is written is used with
    `semscan --calibration FILE`, by the same model only. With a RECIPE (a .toml file or the name of a shipped one)
    this is a step of training: it writes the reference that a trained detector will ship with, and needs the `train`
    extra. A folder with the name of a recipe needs ./ before it.
    """
    recipes = [path for path in paths if is_recipe(path)]
    _refuse_options_of_the_other(ctx, bool(recipes))
    if recipes:
        if len(paths) > 1:
            raise UsageError("a recipe is calibrated by itself", "give one recipe, or folders of genuine papers")
        with optional_packages("semscan calibrate"):
            from semscan.training.calibrate import calibrate

            recipe = find_recipe(ctx, ctx.command.params[0], recipes[0])
            click.echo(calibrate(recipe, list(given["overrides"]), given["data"], given["run_dir"]))
        return ExitCode.OK
    return _count(paths, given)


def _refuse_options_of_the_other(ctx: click.Context, recipe: bool) -> None:
    """Options that the form of the command does not heed must not look as if it did."""
    for option in ctx.command.params:
        name = option.name or ""
        of_recipe = name in _OF_RECIPE
        typed = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if typed and isinstance(option, click.Option) and name != "help" and of_recipe != recipe:
            raise UsageError(
                f"{option.opts[-1]} is for {'a recipe' if of_recipe else 'folders of genuine papers'}",
                "see semscan calibrate --help",
            )


def _count(paths: tuple[str, ...], given: dict[str, Any]) -> int:
    from semscan.cli.progress import ProgressLine
    from semscan.cli.run import listen
    from semscan.engine.bundle import load_bundle
    from semscan.engine.manifest import read_sources
    from semscan.engine.ownarchive import ArchiveCount
    from semscan.engine.pipeline import scan
    from semscan.engine.sinks.output import FileOutput

    output = given["output"]
    if output is None:
        raise UsageError("where is the calibration to be written?", "semscan calibrate DIR -o FILE.json")
    if given["fpr"] is not None and not 0 < given["fpr"] < 1:
        raise UsageError(f"--fpr {given['fpr']} is not a rate between 0 and 1", "try --fpr 0.05")
    file = FileOutput(output, overwrite=given["overwrite"], atomic=True)
    listed = read_sources(given["sources"]) if given["sources"] else {}
    options = ScanOptions(
        model=given["model"],
        include=given["include"],
        exclude=given["exclude"],
        min_panel_px=given["min_panel"],
        jobs=given["jobs"],
        timeout_s=given["timeout"],
    )
    counted = ArchiveCount(listed)
    line = ProgressLine("none" if given["quiet"] or sys.stderr is None else "auto", sys.stderr)
    records = scan(paths, options, judge=False, progress=line.update)
    code = listen(records, counted.add, line, quiet=given["quiet"])
    if listed and not counted.found:
        raise UsageError(
            f"none of the {len(listed)} files in {given['sources']} is among the documents that were read",
            "paths in the list are relative to the list",
        )
    bundle = load_bundle(given["model"])
    found = counted.reference(bundle, given["fpr"])
    file.write((json.dumps(found.data, separators=(",", ":")) + "\n").encode())
    file.close()
    for text in report(found, counted, bundle, str(output)):
        click.echo(text)
    return code


def report(found: OwnReference, counted: ArchiveCount, bundle: Bundle, output: str) -> list[str]:
    """What was counted, what it supports, and what to look at before it is relied on; lines for people."""
    from semscan.cli.wording import count, one_in, plain_number, reason_words, where
    from semscan.engine.intervals import sources_needed

    calibration = found.calibration
    panels, sources = sum(found.panels.values()), found.data["sources"]
    lines = [
        f"{calibration.id}   model {bundle.id} (sha256 {bundle.sha256[:8]})",
        f"{count(counted.documents, 'document')} read; {count(panels, 'SEM panel')} assessed, from "
        f"{count(sources, 'independent source')}, all taken as genuine: nobody checked that here.",
    ]
    if counted.not_assessed:
        why = ", ".join(f"{reason_words(reason)} {number:,}" for reason, number in counted.not_assessed.most_common(5))
        lines.append(f"Not counted: {why}.")
    if found.merged:
        lines.append(f"{count(found.merged, 'document')} share an image, a DOI or all bytes with another: one source.")
    missing = len(counted.listed) - len(counted.found)
    if missing:
        lines.append(f"{count(missing, 'file')} of the list of sources {'was' if missing == 1 else 'were'} not read.")
    if found.single_images:
        lines.append(
            f"{found.single_images:,} sources are single image files. If several come from one paper or specimen, the "
            "rates below promise too much: say so with --sources."
        )
    lines += ["", "  STRATUM    PANELS  SOURCES  SMALLEST RATE"]
    for name, held in found.sources.items():
        kept = calibration.strata.get(name)
        words = f"{100 * (smallest_rate(held) or found.rate):g} %"
        if kept is None:
            words = f"left out: {100 * found.rate:g} % needs {sources_needed(found.rate):,} sources"
        lines.append(f"  {name:9}  {found.panels[name]:6,}  {held:7,}  {words}")
    least = min(stratum.sources for stratum in calibration.strata.values())
    rate = calibration.supported_rate() or found.rate
    lines += ["", f"{least:,} sources support {100 * rate:g} % ({one_in(rate)})" + _next(rate, least)]
    lines += ["", "The panels that score highest decide what is flagged. Look at them before you rely on this file:"]
    for path, panel in found.highest:
        page, figure, letter = where(panel)
        score = plain_number(panel.score or 0.0)
        lines.append(f"  {printable(path)}   page {page}   {printable(figure)} {letter}   score {score}")
    option = "" if calibration.supported_rate() else f" --fpr {rate:g}"
    return [*lines, "", f"{output} written; semscan --calibration {output}{option} PAPER uses it."]


def smallest_rate(sources: int) -> float | None:
    """The smallest of the usual rates that so many sources support."""
    from semscan.engine.calibration import RATES
    from semscan.engine.intervals import sources_needed

    return next((rate for rate in RATES if sources >= sources_needed(rate)), None)


def _next(rate: float, sources: int) -> str:
    """How many sources the next smaller usual rate needs."""
    from semscan.engine.calibration import RATES
    from semscan.engine.intervals import sources_needed

    smaller = [one for one in RATES if one < rate and sources_needed(one) > sources]
    return f"; for {100 * smaller[-1]:g} % {sources_needed(smaller[-1]):,} are needed." if smaller else "."
