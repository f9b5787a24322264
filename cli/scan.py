"""``semscan scan``: documents in, records out."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path
from typing import Any

import click

from semscan.cli import shared
from semscan.cli.exitcode import parse_conditions
from semscan.cli.group import ExamplesFirst
from semscan.cli.rows import Show
from semscan.engine.errors import UsageError
from semscan.engine.options import ScanOptions

DEFAULTS = ScanOptions()

EXAMPLES = """\
semscan paper.pdf                                 one paper, for a person
semscan papers/ -o run.jsonl -f none              a folder; every record as one line of JSON
semscan papers/ -o flags.csv --show all           a table for a spreadsheet, every panel on the screen
semscan submissions.zip --exclude 'cover*'         an archive, without some of its files
semscan figure3.tif --all-images                  an image that is known to be a micrograph
semscan paper.pdf --json | jq 'select(.type=="panel" and .level=="look")'
semscan papers/ --fail-on flag,unassessed -q      for scripts: exit code 1 when somebody should look"""


@click.command(
    "scan",
    cls=ExamplesFirst,
    examples=EXAMPLES,
    no_args_is_help=True,
    context_settings={"auto_envvar_prefix": "SEMSCAN"},
    short_help="Screen the SEM panels of PDFs, images and folders.",
)
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--files-from", metavar="FILE", help="Also scan the paths listed in FILE, one on each line; - for standard input."
)
@shared.include
@shared.exclude
@click.option(
    "-o", "--output", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
    help="Write records to FILE: .jsonl, .json, .csv or .sqlite. May be repeated.",
)  # fmt: skip
@click.option(
    "-f", "--format", type=click.Choice(["text", "jsonl", "json", "csv", "none"]), default="text",
    show_default=True, help="What goes to standard output.",
)  # fmt: skip
@click.option(
    "--json", "format", flag_value="jsonl", allow_from_autoenv=False, help="Short for -f jsonl: one record per line."
)
@click.option(
    "--csv", "format", flag_value="csv", allow_from_autoenv=False, help="Short for -f csv: one row per panel."
)
@click.option(
    "--show", type=click.Choice(["flagged", "all", "unassessed"]),
    help="Panels listed in the text view.  [default: flagged and unassessed for one file, flagged for many]",
)  # fmt: skip
@click.option(
    "--fpr", type=float, metavar="RATE",
    help="Share of genuine panels that may be flagged.  [default: the smallest that the calibration supports]",
)  # fmt: skip
@click.option(
    "--min-panel", type=int, metavar="PX", default=DEFAULTS.min_panel_px, show_default=True,
    help="Panels with a shorter side below this are not assessed.",
)  # fmt: skip
@shared.all_images
@shared.model
@click.option("--calibration", metavar="FILE", help="A genuine reference of your own.  [default: the one in the model]")
@click.option(
    "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N][,...]|cuda:all",
    help="Where to score; several CUDA devices take turns.",
)  # fmt: skip
@click.option(
    "--backend", default="auto", show_default=True, metavar="auto|onnxruntime[-tensorrt]|openvino|tensorrt",
    help="The inference runtime.",
)  # fmt: skip
@click.option(
    "--precision", default="auto", show_default=True, metavar="auto|fp32|fp16|int8",
    help="What the network computes in; auto is fp32, with TensorRT fp16; others need an artefact beside the model.",
)  # fmt: skip
@click.option(
    "--batch-size", type=int, metavar="N", default=DEFAULTS.batch_size, show_default=True,
    help="Tiles scored at once.",
)  # fmt: skip
@shared.jobs
@shared.timeout
@click.option(
    "--max-file-size", type=int, metavar="MIB", default=DEFAULTS.max_file_mib, show_default=True,
    help="Larger files are not read.",
)  # fmt: skip
@click.option(
    "--max-pages", type=int, metavar="N", default=DEFAULTS.max_pages, show_default=True,
    help="PDFs with more pages are not read.",
)  # fmt: skip
@click.option(
    "--max-pixels", type=int, metavar="N", default=DEFAULTS.max_pixels, show_default=True,
    help="Images with more pixels are not decoded.",
)  # fmt: skip
@click.option(
    "--archive-depth", type=int, metavar="N", default=DEFAULTS.archive_depth, show_default=True,
    help="Archives inside archives are opened to this depth.",
)  # fmt: skip
@click.option(
    "--archive-files", type=int, metavar="N", default=DEFAULTS.archive_files, show_default=True,
    help="Files read from one archive.",
)  # fmt: skip
@click.option("--password", metavar="TEXT", help="Tried on encrypted PDFs; better set as SEMSCAN_PASSWORD.")
@click.option(
    "--fail-on", multiple=True, metavar="COND[,COND]",
    help="flag, unassessed: exit with 1 if there is one. error: exit with 3 (always on). none: ignore errors too.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with a run that was cut off; needs a .sqlite output.")
@click.option("--overwrite", is_flag=True, help="Replace output files that exist.")
@click.option(
    "--progress", type=click.Choice(["auto", "bar", "plain", "none"]), default="auto", show_default=True,
    help="Progress on standard error; auto is a bar on a terminal, else nothing.",
)  # fmt: skip
@shared.quiet
@click.option("--no-color", is_flag=True, help="No colour; NO_COLOR does the same.")
def command(
    paths: tuple[str, ...],
    files_from: str | None,
    output: tuple[Path, ...],
    format: str,
    show: str | None,
    fail_on: tuple[str, ...],
    resume: bool,
    overwrite: bool,
    progress: str,
    quiet: bool,
    no_color: bool,
    **settings: Any,
) -> int:
    """Find the SEM panels in PDFs and images and say how rare each one's score is among genuine panels.

    PATH is a PDF, an image, a folder, an archive (ZIP, tar, DOCX), a pattern in quotes, or - for standard input.

    Data goes to standard output, everything else to standard error. Exit codes: 0 every input was read, 1 a --fail-on
    condition was met, 2 refused, 3 an input was not read, 4 no input of a supported kind, 70 a bug, 130 interrupted.
    """
    from semscan.cli.run import View, run_scan
    from semscan.engine.backends.choice import choose
    from semscan.engine.selection import listed_paths

    options = ScanOptions(
        min_panel_px=settings.pop("min_panel"),
        timeout_s=settings.pop("timeout"),
        max_file_mib=settings.pop("max_file_size"),
        **settings,  # the others have the names of the options that they set
    )
    choose(options.device, options.backend, options.precision)  # refused before any output is touched
    if not paths and files_from is None:
        raise UsageError("nothing to scan was given", "semscan paper.pdf; or semscan --files-from LIST")
    single = len(paths) == 1 and files_from is None and is_one_document(paths[0])
    view = View(
        form=format,
        show=Show(show) if show else (Show.BRIEF if single else Show.FLAGGED),
        progress="none" if quiet else progress,
        quiet=quiet,
        no_colour=no_color,
    )
    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other", "--resume continues, --overwrite starts over")
    conditions = parse_conditions(fail_on)
    listed = [] if files_from is None else listed_paths(files_from)
    return run_scan(
        chain(paths, listed), options, view, output, overwrite, resume, conditions, without_secret(sys.argv)
    )


def is_one_document(path: str) -> bool:
    """Whether a typed path can only stand for a single document."""
    from semscan.engine.archives import archive_kind
    from semscan.engine.selection import is_pattern

    if Path(path).is_dir() or archive_kind(Path(path).name) is not None:
        return False
    return Path(path).exists() or not is_pattern(path)


def without_secret(argv: list[str]) -> list[str]:
    """The command line as it may be written to a record: with the password masked."""
    masked, is_secret = [], False
    for word in argv:
        if is_secret:
            masked.append("***")
        elif word.startswith("--password="):
            masked.append("--password=***")
        else:
            masked.append(word)
        is_secret = word == "--password" and not is_secret
    return masked
