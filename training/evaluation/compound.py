"""Compound figures as journals print them, with genuine and made panels side by side, written to a PDF.

A figure is composed at native resolution, labelled, resampled as a distiller does that brings everything to 300 ppi,
stored as JPEG (grey, colour 4:2:0 or 4:4:4, CMYK) and placed on a page. Nothing else happens to it: what is found and
scored afterwards is up to the scanner.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pymupdf
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from semscan.engine.geometry import Box

COLOURS = ("grey", "4:2:0", "4:4:4", "cmyk")
PPI = 300
_PAGE_PT = (595.0, 842.0)
_MARGIN_PT = 30.0


@dataclass(frozen=True, slots=True)
class Store:
    """How a figure is stored.

    Attributes:
        quality: of the JPEG.
        scale: factor that the distiller resamples by.
        colour: one of :data:`COLOURS`.
    """

    quality: int
    scale: float
    colour: str


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A stored figure.

    Attributes:
        jpeg: the file.
        boxes: the panels, in pixels of the stored figure, in the order given.
        size: width and height in pixels.
    """

    jpeg: bytes
    boxes: tuple[Box, ...]
    size: tuple[int, int]


def compose(panels: Sequence[NDArray[np.uint8]], store: Store, rng: np.random.Generator, columns: int) -> Figure:
    """Panels in rows on white, each with its letter and perhaps a scale bar.

    Args:
        panels: uint8 [h, w] each.
        store: how the figure is stored.
        rng: of gutters and marks.
        columns: panels in a row.
    """
    gutter = int(rng.integers(6, 28))
    rows = [list(panels[k : k + columns]) for k in range(0, len(panels), columns)]
    width = max(sum(p.shape[1] for p in row) + gutter * (len(row) - 1) for row in rows)
    height = sum(max(p.shape[0] for p in row) for row in rows) + gutter * (len(rows) - 1)
    sheet = np.full((height + 2 * gutter, width + 2 * gutter), 255, np.uint8)
    boxes, y, index = [], gutter, 0
    has_bars, on_patch = rng.random() < 0.6, rng.random() < 0.5
    for row in rows:
        x = gutter
        for panel in row:
            h, w = panel.shape
            sheet[y : y + h, x : x + w] = _marked(panel, chr(97 + index % 26), has_bars, on_patch)
            boxes.append(Box(x, y, x + w, y + h))
            x, index = x + w + gutter, index + 1
        y += max(p.shape[0] for p in row) + gutter
    image = Image.fromarray(sheet)
    if store.scale != 1:
        before = image.size
        image = image.resize([round(store.scale * side) for side in before], Image.Resampling.BICUBIC)
        sx, sy = image.width / before[0], image.height / before[1]
        boxes = [Box(round(b.x0 * sx), round(b.y0 * sy), round(b.x1 * sx), round(b.y1 * sy)) for b in boxes]
    return Figure(_stored(image, store), tuple(boxes), image.size)


def write_pdf(figures: Sequence[Figure], path: Path) -> None:
    """One figure on each page, at 300 ppi or as large as the page allows; the JPEG is stored as it is."""
    document = pymupdf.open()
    for number, figure in enumerate(figures, 1):
        page = document.new_page(width=_PAGE_PT[0], height=_PAGE_PT[1])
        room = (_PAGE_PT[0] - 2 * _MARGIN_PT, _PAGE_PT[1] - 4 * _MARGIN_PT)
        scale = min(72 / PPI, room[0] / figure.size[0], room[1] / figure.size[1])
        width, height = (scale * side for side in figure.size)
        place = pymupdf.Rect(_MARGIN_PT, _MARGIN_PT, _MARGIN_PT + width, _MARGIN_PT + height)
        page.insert_image(place, stream=figure.jpeg)
        page.insert_text((_MARGIN_PT, place.y1 + 16), f"Figure {number}. SEM micrographs.", fontsize=9)
    document.save(path, deflate=False)
    document.close()


def _marked(panel: NDArray[np.uint8], letter: str, has_bar: bool, on_patch: bool) -> NDArray[np.uint8]:
    """Letter at the upper left, scale bar at the lower right; small, so that tiles remain beside them."""
    image = Image.fromarray(panel)
    pen = ImageDraw.Draw(image)
    if on_patch:
        pen.rectangle((0, 0, 13, 15), fill=255)
    pen.text((3, 1), letter, fill=0 if on_patch else 255, font=ImageFont.load_default(12))
    if has_bar:
        right, bottom = image.width - 6, image.height - 6
        pen.rectangle((right - min(60, image.width // 4), bottom - 3, right, bottom), fill=255)
    return np.array(image)


def _stored(image: Image.Image, store: Store) -> bytes:
    buffer = io.BytesIO()
    if store.colour == "grey":
        image.save(buffer, "JPEG", quality=store.quality)
    elif store.colour == "cmyk":
        image.convert("RGB").convert("CMYK").save(buffer, "JPEG", quality=store.quality)
    else:
        sampling = {"4:2:0": 2, "4:4:4": 0}[store.colour]
        image.convert("RGB").save(buffer, "JPEG", quality=store.quality, subsampling=sampling)
    return buffer.getvalue()
