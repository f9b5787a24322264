"""A contact sheet: annotated and found boxes drawn over the pages that hold micrographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pymupdf
from PIL import Image, ImageDraw

from benchmarks.real_truth import Paper, Seen

WIDTH_PX, COLUMNS, MOST_PAGES = 320, 6, 42
_TRUE, _MISSED_INSET = (0, 170, 0), (0, 120, 220)
_COLOURS = {"sem": (230, 0, 0), "uncertain": (255, 140, 0), "graphic": (150, 150, 150)}
_OTHER = (180, 0, 200)


def draw_sheet(folder: Path, examined: Sequence[tuple[Paper, list[Seen]]], target: Path) -> None:
    """Draw annotated boxes in green (insets in blue) and found ones in the colour of their kind.

    Args:
        folder: of the papers.
        examined: each paper with what was found in it.
        target: PNG to write.
    """
    cells = []
    for paper, seen in examined:
        for page in sorted({panel.page for panel in paper.panels}):
            cells.append(_cell(folder / paper.name, page, paper, [s for s in seen if s.page == page]))
    cells = cells[:MOST_PAGES]
    if not cells:
        return
    high = max(cell.height for cell in cells)
    sheet = Image.new("RGB", (WIDTH_PX * min(COLUMNS, len(cells)), high * -(-len(cells) // COLUMNS)), "white")
    for index, cell in enumerate(cells):
        sheet.paste(cell, (index % COLUMNS * WIDTH_PX, index // COLUMNS * high))
    sheet.save(target)


def _cell(path: Path, number: int, paper: Paper, seen: list[Seen]) -> Image.Image:
    with pymupdf.open(path) as document:
        page = document[number - 1]
        scale = WIDTH_PX / page.rect.width
        drawn = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False)
        cell = Image.frombytes("RGB", (drawn.width, drawn.height), drawn.samples)
    draw = ImageDraw.Draw(cell)
    for panel in paper.panels:
        if panel.page == number:
            colour = _TRUE if panel.role == "panel" else _MISSED_INSET
            draw.rectangle([v * scale for v in panel.box_pt], outline=colour, width=3)
    for item in seen:
        if item.kind != "tiny":
            draw.rectangle([v * scale for v in item.box_pt], outline=_COLOURS.get(item.kind or "", _OTHER), width=1)
            words = f"{item.figure or '?'}{item.panel or ''}"
            draw.text((item.box_pt[0] * scale + 3, item.box_pt[1] * scale + 2), words, fill=(255, 0, 255))
    draw.text((2, 2), f"{paper.name} p. {number}", fill=(0, 0, 0))
    return cell
