"""``semscan extract``: the panels of documents as PNG files, without scoring them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semscan.cli.group import ExamplesFirst
from semscan.cli.rows import cells
from semscan.cli.stdout import data_stream
from semscan.cli.terminal import printable
from semscan.engine.errors import ExitCode, OutputError, UsageError
from semscan.engine.options import ScanOptions
from semscan.engine.records import NoticeRecord
from semscan.engine.sinks.output import FileOutput, StreamOutput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from semscan.engine.extract import ExtractedPanel

EXAMPLES = """\
semscan extract paper.pdf -o panels        one PNG per panel, and panels/manifest.csv
semscan extract paper.pdf --list           a table only
semscan extract papers/ -o all --all       panels of every kind, not only SEM"""

MANIFEST = "manifest.csv"


@click.command(
    "extract",
    cls=ExamplesFirst,
    examples=EXAMPLES,
    no_args_is_help=True,
    context_settings={"auto_envvar_prefix": "SEMSCAN"},
    short_help="Write panels as PNG files, or list them.",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Folder for the files.")
@click.option("--list", "only_list", is_flag=True, help="Print a table of all panels, write nothing.")
@click.option("--all", "every_kind", is_flag=True, help="Panels of every kind, not only those to be assessed.")
@click.option(
    "--min-panel", type=int, metavar="PX", default=ScanOptions().min_panel_px, show_default=True,
    help="Panels with a shorter side below this would not be assessed.",
)  # fmt: skip
@click.option("-j", "--jobs", type=int, metavar="N", help="Documents opened at once.  [default: usable cores]")
@click.option(
    "--timeout", type=float, metavar="SEC", default=ScanOptions().timeout_s, show_default=True,
    help="Seconds that one document may take.",
)  # fmt: skip
@click.option("--password", metavar="TEXT", help="Tried on encrypted PDFs; better set as SEMSCAN_PASSWORD.")
@click.option("--overwrite", is_flag=True, help="Write into a folder that holds a manifest already.")
def command(
    paths: tuple[str, ...],
    output: Path | None,
    only_list: bool,
    every_kind: bool,
    min_panel: int,
    jobs: int | None,
    timeout: float,
    password: str | None,
    overwrite: bool,
) -> int:
    """Write the panels of PDFs, images and folders as PNG files in their stored pixels, in grey, never resampled.

    The folder gets one file per panel and manifest.csv with the columns of `semscan --csv` after the name of the file.
    """
    if only_list == (output is not None):
        raise UsageError("extract needs either -o DIR or --list", "semscan extract paper.pdf -o panels")
    options = ScanOptions(min_panel_px=min_panel, jobs=jobs, timeout_s=timeout, password=password)
    problems = _Problems()
    if output is None:
        _list(paths, options, problems)
    else:
        written = _write(paths, options, output, every_kind, overwrite, problems)
        click.echo(f"{written} panels in {printable(str(output))}", err=True)
    return ExitCode.INCOMPLETE if problems.errors else ExitCode.OK


class _Problems:
    """Notices, told as they come."""

    def __init__(self) -> None:
        self.errors = 0

    def note(self, notice: NoticeRecord) -> None:
        self.errors += notice.severity == "error"
        click.echo(f"semscan: {notice.severity}: {printable(notice.path)}: {printable(notice.message)}", err=True)


def _panels(paths: tuple[str, ...], options: ScanOptions, problems: _Problems) -> Iterator[ExtractedPanel]:
    from semscan.engine.extract import extract_panels

    for item in extract_panels(paths, options):
        if isinstance(item, NoticeRecord):
            problems.note(item)
        else:
            yield item


def _list(paths: tuple[str, ...], options: ScanOptions, problems: _Problems) -> None:
    with data_stream() as stream:
        output = StreamOutput(stream)
        head = ("PATH", "PAGE", "FIGURE", "PANEL", "PIXELS", "SOURCE", "KIND", "STATUS")
        output.write(("\t".join(head) + "\n").encode())
        for panel in _panels(paths, options, problems):
            kind = panel.record.kind.label if panel.record.kind else "-"
            said = cells(panel.record)
            status = "would be assessed" if panel.record.status == "assessed" else said[5]
            row = (panel.path, *said[:5], kind, status)
            output.write(("\t".join(map(printable, row)) + "\n").encode("utf-8", "replace"))


def _write(
    paths: tuple[str, ...],
    options: ScanOptions,
    folder: Path,
    every_kind: bool,
    overwrite: bool,
    problems: _Problems,
) -> int:
    from semscan.engine.sinks.csv_ import COLUMNS, line, panel_cells

    written = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {folder} cannot be made: {error.strerror}") from error
    manifest = FileOutput(folder / MANIFEST, overwrite=overwrite)
    with ExitStack() as stack:
        stack.callback(manifest.close)
        manifest.write(line(("file", *COLUMNS)))
        for panel in _panels(paths, options, problems):
            if panel.grey is None or not (every_kind or panel.record.status == "assessed"):
                continue
            name = file_name(panel)
            _save(panel.grey, folder / name)
            manifest.write(line([name, *panel_cells(panel.record, panel.path).values()]))
            written += 1
    return written


def file_name(panel: ExtractedPanel) -> str:
    """A name that sorts by place, says where the panel is and cannot clash: two files may have the same stem.

    ``paper-4be1a2-p004-1-2.png`` is panel 2 of the first image on page 4 of the document ``4be1a2...``.
    """
    stem = re.sub(r"[^\w.-]+", "_", Path(panel.path).stem, flags=re.ASCII).strip("._-")[:60] or "document"
    digest = panel.record.doc_id.removeprefix("sha256:")[:6] or "000000"
    # Panel ids name document, page, image and panel; hashed paths keep copies of one document apart.
    copy = hashlib.sha256(panel.path.encode("utf-8", "surrogatepass")).hexdigest()[:4]
    place = re.sub(r"[^\w]+", "-", panel.record.panel_id.partition(":")[2], flags=re.ASCII).strip("-")
    return f"{stem}-{digest}{copy}-p{place}.png"


def _save(grey: NDArray[np.uint8], path: Path) -> None:
    from PIL import Image

    try:
        Image.fromarray(grey).save(path, "PNG")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
