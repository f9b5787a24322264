"""Contact sheets: annotated and found boxes drawn over the figures that hold micrographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pymupdf
from PIL import Image, ImageDraw

from benchmarks.real_truth import Paper, Seen

CELL_PX, COLUMNS, ROWS = 400, 4, 4
_MARGIN_PT = 14.0
_TRUE, _INSET = (0, 170, 0), (0, 120, 220)
_COLOURS = {"sem": (230, 0, 0), "uncertain": (255, 140, 0), "graphic": (150, 150, 150)}
_OTHER = (180, 0, 200)


def draw_sheet(folder: Path, examined: Sequence[tuple[Paper, list[Seen]]], target: Path) -> list[Path]:
    """Draw annotated boxes in green (insets in blue) and found ones in the colour of their kind, with their labels.

    Args:
        folder: of the papers.
        examined: each paper with what was found in it.
        target: PNG to write; further sheets get a number.

    Returns:
        The files written.
    """
    cells = []
    for paper, seen in examined:
        for page in sorted({panel.page for panel in paper.panels}):
            cells.append(_cell(folder / paper.name, page, paper, [s for s in seen if s.page == page]))
    written = []
    for first in range(0, len(cells), COLUMNS * ROWS):
        sheet = Image.new("RGB", (CELL_PX * COLUMNS, CELL_PX * ROWS), "white")
        for index, cell in enumerate(cells[first : first + COLUMNS * ROWS]):
            sheet.paste(cell, (index % COLUMNS * CELL_PX, index // COLUMNS * CELL_PX))
        path = target if not first else target.with_stem(f"{target.stem}-{len(written) + 1}")
        sheet.save(path)
        written.append(path)
    return written


def _cell(path: Path, number: int, paper: Paper, seen: list[Seen]) -> Image.Image:
    panels = [panel for panel in paper.panels if panel.page == number]
    x0, y0 = (min(panel.box_pt[axis] for panel in panels) - _MARGIN_PT for axis in (0, 1))
    x1, y1 = (max(panel.box_pt[axis] for panel in panels) + _MARGIN_PT for axis in (2, 3))
    with pymupdf.open(path) as document:
        page = document[number - 1]
        clip = pymupdf.Rect(x0, y0, x1, y1) & page.rect
        scale = (CELL_PX - 8) / max(clip.width, clip.height)
        drawn = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), clip=clip, alpha=False)
        cell = Image.frombytes("RGB", (drawn.width, drawn.height), drawn.samples)
    draw = ImageDraw.Draw(cell)

    def placed(box: Sequence[float]) -> tuple[float, float, float, float]:
        left, top, right, bottom = box
        return (left - clip.x0) * scale, (top - clip.y0) * scale, (right - clip.x0) * scale, (bottom - clip.y0) * scale

    for panel in panels:
        draw.rectangle(placed(panel.box_pt), outline=_TRUE if panel.role == "panel" else _INSET, width=4)
    for item in seen:
        if item.kind != "tiny":
            box = placed(item.box_pt)
            draw.rectangle(box, outline=_COLOURS.get(item.kind or "", _OTHER), width=2)
            words = f"{item.figure or '?'} {item.panel or ''} {item.kind or ''}"
            draw.text((box[0] + 5, box[1] + 4), words, fill=(255, 0, 255), stroke_width=1, stroke_fill="white")
    draw.text((2, cell.height - 12), f"{paper.name} p. {number}", fill=(0, 0, 0), stroke_width=1, stroke_fill="white")
    return cell
