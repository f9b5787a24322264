"""Real PDFs with composed figures: placed as they are, rotated, and cut into strips as producers do."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise

import pymupdf
from PIL import Image

from benchmarks.compose import Composed
from semscan.engine.geometry import Box

PAGE_PT = (595.0, 842.0)
_MARGIN_PT = 40.0


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a figure lies in a document.

    Attributes:
        page: from 1.
        bbox_pt: x0, y0, x1, y1 of the whole figure on the page, from the upper left.
        rotation_deg: how the figure was turned on the page, clockwise.
        strips: into how many images the figure was cut, from the top.
        panels: true panels in pixels of the whole figure, unturned.
    """

    page: int
    bbox_pt: tuple[float, float, float, float]
    rotation_deg: int
    strips: int
    panels: tuple[Box, ...]


def paper(figures: list[tuple[Composed, int, int]]) -> tuple[bytes, list[Placed]]:
    """A PDF with one figure on each page.

    Args:
        figures: figure, rotation on the page in degrees (0, 90, 180 or 270), number of strips.

    Returns:
        The file and where everything lies. Figures in one piece keep their stored bytes; strips are lossless.
    """
    document, placed = pymupdf.open(), []
    for number, (figure, rotation, strips) in enumerate(figures, 1):
        page = document.new_page(width=PAGE_PT[0], height=PAGE_PT[1])
        height, width = figure.pixels.shape[:2]
        turned = rotation % 180 != 0
        across, down = (height, width) if turned else (width, height)
        scale = min((PAGE_PT[0] - 2 * _MARGIN_PT) / across, (PAGE_PT[1] - 4 * _MARGIN_PT) / down)
        whole = pymupdf.Rect(_MARGIN_PT, _MARGIN_PT, _MARGIN_PT + scale * across, _MARGIN_PT + scale * down)
        if strips == 1:
            page.insert_image(whole, stream=figure.stored, rotate=rotation)
        else:
            _insert_strips(page, figure, whole, rotation, strips)
        page.insert_text((_MARGIN_PT, whole.y1 + 16), f"Figure {number}. A composed figure.", fontsize=9)
        placed.append(Placed(number, tuple(whole), rotation, strips, figure.panels))
    return document.tobytes(deflate=False), placed


def _insert_strips(page: pymupdf.Page, figure: Composed, whole: pymupdf.Rect, rotation: int, strips: int) -> None:
    if rotation:
        raise ValueError("a figure is either cut or turned")
    height = figure.pixels.shape[0]
    edges = [round(height * part / strips) for part in range(strips + 1)]
    for top, bottom in pairwise(edges):
        held = io.BytesIO()
        Image.fromarray(figure.pixels[top:bottom]).save(held, "PNG")
        scale = whole.height / height
        place = pymupdf.Rect(whole.x0, whole.y0 + scale * top, whole.x1, whole.y0 + scale * bottom)
        page.insert_image(place, stream=held.getvalue(), keep_proportion=False)
