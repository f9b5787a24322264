"""What may be a letter near the corners of panels: shapes of one level, and what each looks like, enlarged alike.

Panels of one image are looked at together: the same corner of all of them goes onto one sheet, reduced so that it has
about the same size for every panel, and the shapes of that sheet are found at once. A shape may be light or dark, plain
or soft; so there are four levels. What it is, is said by a network (:mod:`semscan.engine.figures.glyphnet`), which is
shown the shape with what stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semscan.engine.figures.components import connected
from semscan.engine.geometry import Box

GLYPH_PX = 24
"""Side of the squares that the network is shown."""

_WINDOW_SHARE, _LEAST_WINDOW_PX, _MOST_WINDOW_SHARE = 0.28, 36, 0.5
_OVERLAP_PX = 2
_MARGIN_SHARE, _LEAST_MARGIN_PX, _MOST_MARGIN_PX = 0.16, 56, 110
_SHEET_PX = 120
_GAP_PX = 8
_LIGHT, _DARK = (240, 180, 128), (30, 110)
_MOST_EDGES = 1000
_SHORTEST_PX, _SHORTEST_ON_SHEET_PX, _TALLEST_SHARE = 8, 6, 0.72
_SLIMMEST, _WIDEST = 0.08, 1.7
_EMPTIEST, _FULLEST, _SLIM = 0.12, 0.86, 0.5
_AROUND = 1.9


class Corner(Enum):
    """Where letters stand: in or beside a corner of their panel, hardly ever the fourth one, or below its middle."""

    TOP_LEFT = "top left"
    TOP_RIGHT = "top right"
    BOTTOM_LEFT = "bottom left"
    BELOW = "below"


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """What may be a letter.

    Attributes:
        panel: whose corner it is in, int64 [n].
        boxes: in pixels of the image, float64 [n, 4].
        dark: whether it is dark on light, bool [n].
        glyphs: what it looks like, light on dark, uint8 [n, GLYPH_PX, GLYPH_PX].
    """

    panel: NDArray[np.int64]
    boxes: NDArray[np.float64]
    dark: NDArray[np.bool_]
    glyphs: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.panel)

    def only(self, which: NDArray[np.bool_]) -> Shapes:
        """Some of them, bool [n]."""
        return Shapes(self.panel[which], self.boxes[which], self.dark[which], self.glyphs[which])

    def with_others(self, others: Shapes) -> Shapes:
        """These, then others."""
        return Shapes(
            np.concatenate([self.panel, others.panel]),
            np.concatenate([self.boxes, others.boxes]),
            np.concatenate([self.dark, others.dark]),
            np.concatenate([self.glyphs, others.glyphs]),
        )


def find_shapes(
    grey: NDArray[np.uint8], boxes: Sequence[Box], corners: Sequence[Corner], which: Sequence[int] = ()
) -> list[Shapes]:
    """What may be a letter at some corners of every panel, or of some of them.

    Args:
        grey: uint8 [H, W], the stored image.
        boxes: its panels, in pixels.
        corners: where to look.
        which: panels to look at; none for all.

    Returns:
        The shapes of each corner.
    """
    chosen = np.array(which or range(len(boxes)), np.int64)
    windows = np.concatenate([_windows(boxes, chosen, grey.shape, corner) for corner in corners])
    found = _shapes_in(grey, windows)
    corner_of, place = np.divmod(found.panel, len(chosen))
    every = replace(found, panel=chosen[place])
    return [every] if len(corners) == 1 else [every.only(corner_of == index) for index in range(len(corners))]


def _shapes_in(grey: NDArray[np.uint8], windows: NDArray[np.int64]) -> Shapes:
    """What may be a letter in windows, int64 [n, 4]; ``panel`` is the window."""
    wide_px, high_px = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
    factors = np.maximum(np.maximum(wide_px, high_px) / _SHEET_PX, 1.0)
    sheet = np.zeros((_SHEET_PX, len(windows), _SHEET_PX + _GAP_PX), np.uint8)
    sizes = np.zeros((len(windows), 2), np.int64)
    for index, ((x0, y0, x1, y1), factor) in enumerate(zip(windows.tolist(), factors.tolist(), strict=True)):
        if min(x1 - x0, y1 - y0) < _SHORTEST_PX:
            continue
        part = grey[y0:y1, x0:x1]
        if factor > 1:
            size = max(1, round((x1 - x0) / factor)), max(1, round((y1 - y0) / factor))
            part = np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize(size, Image.Resampling.BOX))
        sizes[index] = wide, high = part.shape[::-1]
        sheet[:high, index, :wide] = part
    level, window_of, local = _outlined(sheet, sizes)
    dark = level >= len(_LIGHT)
    keep = _different(window_of, local, dark)
    keep = keep[(local[keep, 3] - local[keep, 1]) * factors[window_of[keep]] >= _SHORTEST_PX]
    window_of, local, dark = window_of[keep], local[keep], dark[keep]
    places = local * factors[window_of, None] + windows[window_of][:, [0, 1, 0, 1]]
    return Shapes(window_of, places, dark, _glyphs(sheet, sizes, window_of, local, dark))


def _different(window: NDArray[np.int64], local: NDArray[np.int64], dark: NDArray[np.bool_]) -> NDArray[np.int64]:
    """One of each group of shapes that are nearly the same, as found at several levels; their indices."""
    cells = (local + 1) // 3
    key = window * 2 + dark
    for column in range(4):
        key = key * 64 + cells[:, column]
    return np.unique(key, return_index=True)[1]


def _windows(
    boxes: Sequence[Box], which: NDArray[np.int64], shape: tuple[int, ...], corner: Corner
) -> NDArray[np.int64]:
    """Where the letters of panels may be, int64 [n, 4]: part of each, and of the room beside it that is no other's."""
    every = np.array(boxes, np.int64)
    held = every[which]
    x0, y0, x1, y1 = held.T
    short = np.minimum(x1 - x0, y1 - y0)
    side = np.minimum(np.maximum(_WINDOW_SHARE * short, _LEAST_WINDOW_PX), _MOST_WINDOW_SHARE * short).astype(np.int64)
    left, top, right, bottom = _room(held, every, shape)
    if corner is Corner.BELOW:
        middle = (x0 + x1) // 2
        return np.stack([np.maximum(middle - side, 0), y1, np.minimum(middle + side, shape[1]), y1 + bottom], axis=1)
    if corner is Corner.TOP_RIGHT:
        x0, x1 = x1 - side, x1 + right
    else:
        x0, x1 = x0 - left, x0 + side
    if corner is Corner.BOTTOM_LEFT:
        y0, y1 = y1 - side, y1 + bottom
    else:
        y0, y1 = y0 - top, y0 + side
    return np.stack([x0, y0, x1, y1], axis=1)


def _room(held: NDArray[np.int64], boxes: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """How far it is from each side of panels to the next one or the edge of the image, as far as it matters.

    Returns:
        int64 [4, n]: left, above, right, below.
    """
    x0, y0, x1, y1 = (held[:, side, None] for side in range(4))
    most = np.clip(_MARGIN_SHARE * np.minimum(x1 - x0, y1 - y0), _LEAST_MARGIN_PX, _MOST_MARGIN_PX).astype(np.int64)
    beside = (boxes[:, 1] < y1) & (y0 < boxes[:, 3])
    aligned = (boxes[:, 0] < x1) & (x0 < boxes[:, 2])
    gaps = (
        (beside & (boxes[:, 2] <= x0 + _OVERLAP_PX), x0 - boxes[:, 2], x0),
        (aligned & (boxes[:, 3] <= y0 + _OVERLAP_PX), y0 - boxes[:, 3], y0),
        (beside & (boxes[:, 0] >= x1 - _OVERLAP_PX), boxes[:, 0] - x1, shape[1] - x1),
        (aligned & (boxes[:, 1] >= y1 - _OVERLAP_PX), boxes[:, 1] - y1, shape[0] - y1),
    )
    return np.stack(
        [
            np.minimum(np.minimum(np.where(there, np.maximum(gap, 0), most).min(axis=1), edge[:, 0]), most[:, 0])
            for there, gap, edge in gaps
        ]
    )


def _outlined(
    sheet: NDArray[np.uint8], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Shapes at least as light as a level, or as dark: level and window, int64 [n], and box there, int64 [n, 4]."""
    rows, count, pitch = sheet.shape
    levels = len(_LIGHT) + len(_DARK)
    masks = np.empty((rows, levels, count, pitch), np.bool_)
    for at, least in enumerate(_LIGHT):
        np.greater_equal(sheet, least, out=masks[:, at])
    for at, most_dark in enumerate(_DARK, len(_LIGHT)):
        np.less_equal(sheet, most_dark, out=masks[:, at])
    masks[:, len(_LIGHT) :, :, _SHEET_PX:] = False
    changes = (masks[..., 1:] != masks[..., :-1]).view(np.uint8)
    edges = np.add.reduce(changes, axis=0, dtype=np.uint8).sum(axis=2)  # no more rows than a byte can count
    masks[:, edges > _MOST_EDGES] = False
    found = connected(masks.reshape(rows, -1), int(edges.sum()) + edges.size * rows)
    assert found is not None  # a run has two edges, or begins its row
    local = found.boxes.copy()
    level, window = np.divmod(local[:, 0] // pitch, count)
    local[:, ::2] -= ((level * count + window) * pitch)[:, None]
    wide, tall = local[:, 2] - local[:, 0], local[:, 3] - local[:, 1]
    full = found.area / (wide * tall)
    most = np.minimum(sizes[window, 0], sizes[window, 1]) * _TALLEST_SHARE
    keep = (tall >= _SHORTEST_ON_SHEET_PX) & (tall <= most) & (wide >= _SLIMMEST * tall) & (wide <= _WIDEST * tall)
    keep &= (full >= _EMPTIEST) & ((full <= _FULLEST) | (wide <= _SLIM * tall))
    index = np.flatnonzero(keep)
    return level[index], window[index], local[index]


def _glyphs(
    sheet: NDArray[np.uint8],
    sizes: NDArray[np.int64],
    window: NDArray[np.int64],
    local: NDArray[np.int64],
    dark: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """What shapes look like with what stands beside them; beyond the window its edge goes on."""
    low, high = local[:, :2].astype(np.float32), local[:, 2:].astype(np.float32)
    half = _AROUND / 2 * (high - low).max(axis=1, keepdims=True)
    steps = ((np.arange(2 * GLYPH_PX, dtype=np.float32) + 0.5) / GLYPH_PX - 1)[None, None]
    taps = ((low + high) / 2)[:, :, None] + half[:, :, None] * steps  # [n, 2, 2 * GLYPH_PX]
    taps = np.minimum(np.maximum(taps, 0).astype(np.int32), (sizes[window] - 1).astype(np.int32)[:, :, None])
    rows = window.astype(np.int32)[:, None] + taps[:, 1] * np.int32(sheet.shape[1])
    places = (rows * sheet.shape[2])[:, :, None] + taps[:, 0][:, None, :]
    seen = sheet.ravel().take(places).reshape(-1, GLYPH_PX, 2, GLYPH_PX, 2)
    sums = seen[:, :, 0].astype(np.uint16)
    sums += seen[:, :, 1]
    glyphs: NDArray[np.uint8] = ((sums[..., 0] + sums[..., 1]) >> 2).astype(np.uint8)
    np.bitwise_not(glyphs, out=glyphs, where=dark[:, None, None])
    return glyphs
