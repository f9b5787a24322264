"""Compound figures with exact truth: where every panel lies and what it shows.

Panels of many kinds are laid out as journals do (grids, rows or columns of different counts, one large panel beside
small ones), with gutters of 0 to 40 px of any colour, and marked with letters, scale bars, arrows, insets, data bars
and frames. The whole is then stored, often as JPEG, sometimes after a change of size.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks import compose_marks as marks
from benchmarks.compose_content import Content, ink_box
from semscan.engine.geometry import Box

GUTTERS_PX = (0, 0, 0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 28, 40)
"""One figure after the other takes the next of these, so that every set holds them in the same shares."""
SMALLEST_PANEL_PX = 96
_PAPER_LUMA = 236
_COLOURS = ((200, 30, 30), (30, 60, 180), (240, 200, 40), (20, 120, 60), (250, 235, 210), (120, 160, 200))
_LETTER_GUTTER_PX = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """How a figure is to be made; everything else follows from the seed.

    Attributes:
        gutter_px: between all panels.
        ground: colour of gutters and margins.
        kinds: kinds to draw panels from.
        quality: JPEG quality of the stored figure, ``None`` for lossless.
        scale: change of size after composing, 1 for none.
    """

    gutter_px: int
    ground: tuple[int, int, int] = (255, 255, 255)
    kinds: tuple[str, ...] = ("sem",)
    quality: int | None = None
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Composed:
    """A figure and its truth.

    Attributes:
        pixels: uint8 [H, W, 3] as decoded.
        stored: the JPEG or PNG file.
        panels: true boxes in pixels, in the order of their letters. For graphics on white paper in a white figure
            the box is that of the ink: nobody can see where their paper ends.
        kinds: kind of each panel.
        plan: how it was made.
        letters: where panels other than graphics have theirs: ``left`` or ``right`` inside, ``outside``, ``none``.
    """

    pixels: NDArray[np.uint8]
    stored: bytes
    panels: tuple[Box, ...]
    kinds: tuple[str, ...]
    plan: Plan
    letters: str


def plan(rng: np.random.Generator, index: int) -> Plan:
    """A random plan; ``index`` chooses the gutter."""
    draw = rng.random()
    grounds = [(255, 255, 255), (0, 0, 0), (g := int(rng.integers(70, 220)), g, g), _COLOURS[rng.integers(6)]]
    ground = grounds[int(np.searchsorted((0.55, 0.7, 0.82), draw))]
    mixes = [("sem",), ("sem", "sem", "tem", "fluorescence", "light"), ("sem", "sem", "sem", "graphic"),
             ("sem", "graphic", "photograph", "tem", "light")]  # fmt: skip
    kinds = mixes[int(np.searchsorted((0.45, 0.65, 0.85), rng.random()))]
    quality = None if rng.random() < 0.3 else int(rng.integers(60, 97))
    scale = float(rng.uniform(0.6, 1.3)) if rng.random() < 0.15 else 1.0
    return Plan(GUTTERS_PX[index % len(GUTTERS_PX)], ground, kinds, quality, scale)


def compose(content: Content, seed: int, given: Plan | None = None, width_px: int | None = None) -> Composed:
    """Make one figure.

    Args:
        content: where pictures come from.
        seed: of everything random; without ``given`` it also chooses the gutter.
        given: the plan, else a random one.
        width_px: width of the figure before ``scale``, else a random one from 700 to 1900 px.
    """
    rng = np.random.default_rng(seed)
    chosen = plan(rng, seed)
    chosen = given or chosen
    width = width_px or int(rng.integers(700, 1900))
    boxes, size = layout(rng, width, chosen.gutter_px)
    margin = int(rng.choice((0, 0, 4, 12, 30)))
    sheet = Image.new("RGB", (size[0] + 2 * margin, size[1] + 2 * margin), chosen.ground)
    decor = _Decor.draw(rng)
    panels, kinds = [], []
    for index, box in enumerate(boxes):
        kind = chosen.kinds[rng.integers(len(chosen.kinds))]
        picture = content.picture(rng, kind, box.width, box.height)
        panel = Image.fromarray(picture)
        true = Box(0, 0, box.width, box.height)
        if kind == "graphic":
            if _luma(chosen.ground) >= _PAPER_LUMA and _luma(panel.getpixel((0, 0))) >= _PAPER_LUMA:
                true = ink_box(picture) or true
        else:
            _mark(panel, rng, index, decor, content)
        x, y = box.x0 + margin, box.y0 + margin
        sheet.paste(panel, (x, y))
        panels.append(Box(true.x0 + x, true.y0 + y, true.x1 + x, true.y1 + y))
        kinds.append(kind)
        if decor.letters == "outside" and chosen.gutter_px >= _LETTER_GUTTER_PX:
            ink = marks.BLACK if _luma(chosen.ground) > 120 else marks.WHITE
            font = ImageFont.load_default(0.7 * chosen.gutter_px)
            ImageDraw.Draw(sheet).text((x, y - 2), marks.letter_text(rng, index), fill=ink, font=font, anchor="lb")
    return _store(sheet, panels, kinds, chosen, decor.letters)


def layout(rng: np.random.Generator, width: int, gutter: int) -> tuple[list[Box], tuple[int, int]]:
    """Boxes of 2 to 24 panels, none shorter than ``SMALLEST_PANEL_PX``, and the size of the whole."""
    while True:
        shape = rng.random()
        if shape < 0.35:
            boxes, size = _rows(rng, width, gutter, [int(rng.integers(1, 7))] * int(rng.integers(1, 5)), even=True)
        elif shape < 0.6:
            boxes, size = _rows(rng, width, gutter, rng.integers(1, 6, int(rng.integers(2, 5))).tolist(), even=False)
        elif shape < 0.75:  # columns of different counts
            turned, (h, w) = _rows(rng, width, gutter, rng.integers(1, 5, int(rng.integers(2, 5))).tolist(), even=False)
            boxes, size = [Box(b.y0, b.x0, b.y1, b.x1) for b in turned], (w, h)
        else:  # one large panel beside rows of small ones
            large = int(rng.uniform(0.35, 0.6) * width)
            counts = [int(rng.integers(1, 4))] * int(rng.integers(2, 5))
            rest, (w, h) = _rows(rng, width - large - gutter, gutter, counts, even=True)
            at_left = rng.random() < 0.5
            shift, x = (large + gutter, 0) if at_left else (0, w + gutter)
            boxes = [Box(x, 0, x + large, h), *(b._replace(x0=b.x0 + shift, x1=b.x1 + shift) for b in rest)]
            size = (large + gutter + w, h)
        good = 2 <= len(boxes) <= 24 and min(b.short_side for b in boxes) >= SMALLEST_PANEL_PX
        if good and 350 <= size[0] <= 2400 and 250 <= size[1] <= 2400 and size[0] * size[1] < 3_200_000:
            return boxes, size


def _rows(
    rng: np.random.Generator, width: int, gutter: int, counts: list[int], *, even: bool
) -> tuple[list[Box], tuple[int, int]]:
    """Rows of panels, each as wide as the figure."""
    boxes, y = [], 0
    ratio = rng.uniform(0.65, 1.1)
    for count in counts:
        room = width - gutter * (count - 1)
        shares = np.full(count, 1 / count) if even else rng.dirichlet(np.full(count, 20))
        edges = np.rint(np.concatenate(([0], shares.cumsum())) * room).astype(int)
        ratio = ratio if even else rng.uniform(0.6, 1.1)
        height = int(min(ratio * room / count, 0.6 * width))
        for i in range(count):
            boxes.append(Box(int(edges[i]) + i * gutter, y, int(edges[i + 1]) + i * gutter, y + height))
        y += height + gutter
    return boxes, (width, y - gutter)


@dataclass(frozen=True, slots=True)
class _Decor:
    """What all panels of one figure have in common."""

    letters: str
    frame: tuple[tuple[int, int, int], int] | None
    bars: float
    scale_bars: float
    arrows: float
    insets: float

    @staticmethod
    def draw(rng: np.random.Generator) -> _Decor:
        framed = rng.random() < 0.2
        ink = (*((0, 0, 0), (0, 0, 0), (255, 255, 255)), _COLOURS[rng.integers(6)])[rng.integers(4)]
        return _Decor(
            letters=("left", "left", "right", "outside", "none")[rng.integers(5)],
            frame=(ink, int(rng.integers(1, 5))) if framed else None,
            bars=0.8 if rng.random() < 0.2 else 0.0,
            scale_bars=0.9 if rng.random() < 0.7 else 0.0,
            arrows=0.3 if rng.random() < 0.3 else 0.0,
            insets=0.35 if rng.random() < 0.25 else 0.0,
        )


def _mark(panel: Image.Image, rng: np.random.Generator, index: int, decor: _Decor, content: Content) -> None:
    pen = ImageDraw.Draw(panel)
    if rng.random() < decor.bars:
        marks.data_bar(panel, rng)
    elif rng.random() < decor.scale_bars:
        marks.scale_bar(pen, rng, panel.size)
    if rng.random() < decor.arrows:
        marks.arrow(pen, rng, panel.size)
    if rng.random() < decor.insets:
        w, h = (int(rng.uniform(0.22, 0.42) * side) for side in panel.size)
        marks.inset(panel, Image.fromarray(content.picture(rng, "sem", w, h)), rng)
    if decor.letters in ("left", "right"):
        marks.letter(pen, rng, index, panel.size, decor.letters)
    if decor.frame:
        marks.frame(pen, panel.size, *decor.frame)


def _store(sheet: Image.Image, panels: list[Box], kinds: list[str], chosen: Plan, letters: str) -> Composed:
    if chosen.scale != 1.0:
        before = sheet.size
        sheet = sheet.resize([round(chosen.scale * side) for side in before], Image.Resampling.BICUBIC)
        sx, sy = sheet.width / before[0], sheet.height / before[1]
        panels = [Box(round(b.x0 * sx), round(b.y0 * sy), round(b.x1 * sx), round(b.y1 * sy)) for b in panels]
    held = io.BytesIO()
    if chosen.quality is None:
        sheet.save(held, "PNG", compress_level=1)
    else:
        sheet.save(held, "JPEG", quality=chosen.quality)
        sheet = Image.open(io.BytesIO(held.getvalue()))
    return Composed(np.asarray(sheet), held.getvalue(), tuple(panels), tuple(kinds), replace(chosen), letters)


def _luma(colour: tuple[int, ...]) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
