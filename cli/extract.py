"""``semscan extract``: the panels and figures of documents as PNG files, without scoring them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semscan.cli import shared
from semscan.cli.group import ExamplesFirst
from semscan.cli.stdout import data_stream
from semscan.cli.terminal import printable
from semscan.cli.wording import count, encoding, pixels, where, why_not
from semscan.engine.errors import ExitCode, OutputError, UsageError
from semscan.engine.options import ScanOptions
from semscan.engine.records import NoticeRecord, PanelRecord
from semscan.engine.sinks.output import FileOutput, StreamOutput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from semscan.engine.extract import ExtractedPanel

EXAMPLES = """\
semscan extract paper.pdf -o panels        one PNG per panel, and panels/manifest.csv
semscan extract paper.pdf --list           a table only
semscan extract paper.pdf -o all --figures whole figures beside their panels
semscan extract paper.pdf -o all --colour  in colour where it is stored so, not in the grey that is scored
semscan extract papers/ -o all --all       panels of every kind, not only SEM"""

MANIFEST = "manifest.csv"

LISTED = ("PAGE", "FIGURE", "PANEL", "PIXELS", "IMAGE", "OBJECT", "ENCODING", "PPI", "KIND", "STATUS")
"""Columns of the table after the path: ``PIXELS`` is the size of the panel, ``IMAGE`` that of the stored image."""


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
@click.option("--figures", is_flag=True, help="Also the whole figure of every panel that is written, once each.")
@click.option(
    "--colour/--grey", "--color/--gray", default=False,
    help="In the stored colours, or in the grey levels that a scan looks at (the default).",
)  # fmt: skip
@click.option(
    "--min-panel", type=int, metavar="PX", default=ScanOptions().min_panel_px, show_default=True,
    help="Panels with a shorter side below this would not be assessed.",
)  # fmt: skip
@shared.jobs
@shared.timeout
@click.option("--password", metavar="TEXT", help="Tried on encrypted PDFs; better set as SEMSCAN_PASSWORD.")
@click.option("--overwrite", is_flag=True, help="Write into a folder that holds a manifest already.")
def command(
    paths: tuple[str, ...],
    output: Path | None,
    only_list: bool,
    every_kind: bool,
    figures: bool,
    colour: bool,
    min_panel: int,
    jobs: int | None,
    timeout: float,
    password: str | None,
    overwrite: bool,
) -> int:
    """Write the panels of PDFs, images and folders as PNG files in their stored pixels, never resampled.

    The folder gets one file per panel and manifest.csv: the name of the file, whether it is a panel or a figure, and
    the columns of `semscan --csv`.
    """
    if only_list == (output is not None):
        raise UsageError("extract needs either -o DIR or --list", "semscan extract paper.pdf -o panels")
    for option, given in (("--figures", figures), ("--colour", colour)):
        if only_list and given:
            raise UsageError(f"{option} writes files, --list does not", f"semscan extract paper.pdf -o panels {option}")
    options = ScanOptions(min_panel_px=min_panel, jobs=jobs, timeout_s=timeout, password=password)
    problems = _Problems()
    if output is None:
        _list(paths, options, problems)
    else:
        written = _write(
            _panels(paths, options, problems, figures=figures, colour=colour), output, every_kind, overwrite
        )
        names = [count(written["panel"], "panel")] + [count(written["figure"], "figure")] * figures
        click.echo(f"{' and '.join(names)} in {printable(str(output))}", err=True)
    return ExitCode.INCOMPLETE if problems.errors else ExitCode.OK


class _Problems:
    """Notices, told as they come."""

    def __init__(self) -> None:
        self.errors = 0

    def note(self, notice: NoticeRecord) -> None:
        self.errors += notice.severity == "error"
        click.echo(f"semscan: {notice.severity}: {printable(notice.path)}: {printable(notice.message)}", err=True)


def _panels(
    paths: tuple[str, ...], options: ScanOptions, problems: _Problems, *, figures: bool = False, colour: bool = False
) -> Iterator[ExtractedPanel]:
    from semscan.engine.extract import extract_panels

    for item in extract_panels(paths, options, figures=figures, colour=colour):
        if isinstance(item, NoticeRecord):
            problems.note(item)
        else:
            yield item


def _list(paths: tuple[str, ...], options: ScanOptions, problems: _Problems) -> None:
    with data_stream() as stream:
        output = StreamOutput(stream)
        output.write(("\t".join(("PATH", *LISTED)) + "\n").encode())
        for panel in _panels(paths, options, problems):
            row = (panel.path, *listed(panel.record))
            output.write(("\t".join(map(printable, row)) + "\n").encode("utf-8", "replace"))


def listed(panel: PanelRecord) -> tuple[str, ...]:
    """A row of the table after the path, see :data:`LISTED`."""
    image = panel.image
    return (
        *where(panel),
        pixels(image),
        f"{image.px[0]}x{image.px[1]}" if image else "-",
        image.object or "-" if image else "-",
        encoding(image),
        str(image.ppi or "-") if image else "-",
        panel.kind.label if panel.kind else "-",
        "would be assessed" if panel.status == "assessed" else why_not(panel),
    )


def _write(found: Iterator[ExtractedPanel], folder: Path, every_kind: bool, overwrite: bool) -> Counter[str]:
    """Write what was found and is wanted; returns how many panels and figures."""
    from semscan.engine.sinks.csv_ import COLUMNS, line, panel_cells

    written: Counter[str] = Counter()
    last = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {folder} cannot be made: {error.strerror}") from error
    manifest = FileOutput(folder / MANIFEST, overwrite=overwrite)
    with ExitStack() as stack:
        stack.callback(manifest.close)
        manifest.write(line(("file", "what", *COLUMNS)))
        for panel in found:
            # A figure follows its panels, so it is wanted if the panel written last is one of them.
            wanted = last == panel.record.panel_id if panel.is_figure else panel.record.status == "assessed"
            if panel.pixels is None or not (every_kind or wanted):
                continue
            name, what = file_name(panel), "figure" if panel.is_figure else "panel"
            _save(panel.pixels, folder / name)
            manifest.write(line([name, what, *panel_cells(panel.record, panel.path).values()]))
            written[what] += 1
            last = panel.record.panel_id.partition("/")[0]
    return written


def file_name(panel: ExtractedPanel) -> str:
    """A name that sorts by place, says where the panel is and cannot clash: two files may have the same stem.

    ``paper-4be1a2c07f-p4-1-2.png`` is panel 2 of the first image on page 4 of the document ``4be1a2...``, and
    ``paper-4be1a2c07f-p4-1.png`` that image as a whole.
    """
    stem = re.sub(r"[^\w.-]+", "_", Path(panel.path).stem, flags=re.ASCII).strip("._-")[:60] or "document"
    digest = panel.record.doc_id.removeprefix("sha256:")[:6] or "000000"
    # Panel ids name document, page, image and panel; hashed paths keep copies of one document apart.
    copy = hashlib.sha256(panel.path.encode("utf-8", "surrogatepass")).hexdigest()[:4]
    place = re.sub(r"[^\w]+", "-", panel.record.panel_id.partition(":")[2], flags=re.ASCII).strip("-")
    return f"{stem}-{digest}{copy}-p{place}.png"


def _save(shown: NDArray[np.uint8], path: Path) -> None:
    from PIL import Image

    try:
        Image.fromarray(shown).save(path, "PNG")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
