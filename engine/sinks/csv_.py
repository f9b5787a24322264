"""CSV for spreadsheets: one row per panel, columns in a fixed order, no cell that a spreadsheet would execute.

Documents without panels and failed documents have no row; JSON Lines has everything.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from semscan.engine.records import DocumentRecord, PanelRecord, Record
from semscan.engine.sinks.output import Output

Cell: TypeAlias = str | int | float | None

_EXECUTED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class CsvSink:
    """Writes each row at once: a killed run leaves complete rows."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._paths: dict[str, str] = {}
        self._started = False

    def write(self, record: Record) -> None:
        """See :class:`semscan.engine.sinks.Sink`."""
        if not self._started:
            self._output.write(line(COLUMNS))
            self._started = True
        if isinstance(record, DocumentRecord):
            # A document's panels follow it, so one entry is enough however long the run.
            self._paths = {record.doc_id: "!".join((*record.container, record.path))}
        elif isinstance(record, PanelRecord):
            self._output.write(line(panel_cells(record, self._paths.get(record.doc_id)).values()))

    def close(self) -> None:
        """See :class:`semscan.engine.sinks.Sink`."""
        self._output.close()


def panel_cells(panel: PanelRecord, path: str | None) -> dict[str, Cell]:
    """One panel as column names and values, always in the same order; columns are only ever added at the end.

    Args:
        panel: the record.
        path: of its document.
    """
    image, kind, reference, quality = panel.image, panel.kind, panel.reference, panel.quality
    region = panel.region
    return {
        "path": path,
        "page": panel.page,
        "page_label": panel.page_label,
        "figure": panel.figure,
        "panel": panel.panel,
        "index": panel.index,
        "of": panel.of,
        "status": panel.status,
        "level": panel.level,
        "score": panel.score,
        "tail": panel.tail,
        **_named(("tail_low95", "tail_high95"), panel.tail_ci95),
        "reference_stratum": reference.stratum if reference else None,
        "reference_panels": reference.n if reference else None,
        "reference_sources": reference.sources if reference else None,
        "kind": kind.label if kind else None,
        "kind_p": kind.p if kind else None,
        "reason": panel.reason,
        "detail": panel.detail,
        "duplicate_of": panel.duplicate_of,
        "tiles": panel.tiles,
        **_named(("x0_pt", "y0_pt", "x1_pt", "y1_pt"), panel.bbox_pt),
        **_named(("x0_px", "y0_px", "x1_px", "y1_px"), image.bbox_px if image else None),
        **_named(("image_width_px", "image_height_px"), image.px if image else None),
        "image_source": image.source if image else None,
        "image_encoding": image.encoding if image else None,
        "image_jpeg_q": image.jpeg_q if image else None,
        "image_subsampling": image.subsampling if image else None,
        "image_components": image.components if image else None,
        "image_bits": image.bits if image else None,
        "image_ppi": image.ppi if image else None,
        "image_parts": image.parts if image else None,
        "image_object": image.object if image else None,
        "image_sha256": image.sha256 if image else None,
        "panel_id": panel.panel_id,
        "doc_id": panel.doc_id,
        "image_jpeg_tables": image.jpeg_tables if image else None,
        "annotated": quality.annotated if quality else None,
        "saturated": quality.saturated if quality else None,
        "flat": quality.flat if quality else None,
        "resampling_period_px": quality.resampling_period_px if quality else None,
        "earlier_jpeg": "yes" if quality and quality.earlier_jpeg else None,
        "cues": "; ".join(f"{cue.code}: {cue.detail}" for cue in panel.cues) or None,
        "smoothness": panel.smoothness,
        "siblings": panel.siblings.n if panel.siblings else None,
        "siblings_median": panel.siblings.median if panel.siblings else None,
        "siblings_deviation": panel.siblings.deviation if panel.siblings else None,
        **_named(("region_x0_px", "region_y0_px", "region_x1_px", "region_y1_px"), region.bbox_px if region else None),
        "region_score": region.score if region else None,
        "region_tail": region.tail if region else None,
        "kind_by": kind.by if kind else None,
        "kind_caption": " ".join(kind.caption) or None if kind else None,
        "kind_text": " ".join(kind.text) or None if kind else None,
        "earlier_jpeg_q": quality.earlier_jpeg_q if quality else None,
        "panel_by": panel.panel_by,
    }


def line(cells: Iterable[Cell]) -> bytes:
    r"""One CSV line in UTF-8; absent values are empty, text that a spreadsheet would execute gets a leading ``'``.

    Numbers stay as they are: a negative score is data, not a formula.

    >>> line(["=1+1", -2.5, None])
    b"'=1+1,-2.5,\n"
    """
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([_harmless(c) if isinstance(c, str) else c for c in cells])
    return buffer.getvalue().encode("utf-8", "backslashreplace")


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_EXECUTED) else text


def _named(names: Sequence[str], values: Sequence[float] | None) -> dict[str, Cell]:
    return dict(zip(names, values, strict=True)) if values is not None else dict.fromkeys(names)


COLUMNS = tuple(panel_cells(PanelRecord(panel_id="", doc_id="", status=""), None))
"""Header of the table."""
