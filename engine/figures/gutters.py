"""Which rows of a region are a gutter between panels.

Three kinds are told apart, because what looks like a gutter may be a flat part of a micrograph or a line of it:

* paper: white from end to end (edges say nothing here, as a plot leaves its ground just as gently as an overexposed
  part of a micrograph does; cutting a micrograph at a white band from end to end costs little);
* flat: one other grey level from end to end, with a sharp step to the picture on both sides;
* ridge: a few pixels wide, blurred by JPEG, but brighter (or darker) than the picture on both sides nearly
  everywhere along its length.

Coloured lines ruled between panels that touch are not found: in grey they look like the picture.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_WHITEST_FLAT = 236
_BLACKEST_FLAT = 20
_FLAT_RANGE = 4
_SMALLEST_GUTTER_PX = 2
_SHORTEST_SLAB_PX = 16
_IGNORED_ENDS_SHARE = 0.015
_STEP = 20
_STEP_SHARE = 0.35
_STEP_REACH_PX = 3
_RIDGE_WIDEST_PX = 12
_RIDGE_REACH_PX = 4
_RIDGE_STEP = 16
_RIDGE_SHARE = 0.85
_RIDGE_LEVEL_MARGIN = 60
_RIDGE_DEVIATION = 24
_RIDGE_GREY_DEVIATION = 7
_RULE_DEVIATION = 5
_RULE_WIDEST_PX = 6


class Gutter(NamedTuple):
    """Rows ``start <= y < end`` of a region that separate panels; ``level`` is their grey level."""

    start: int
    end: int
    level: int

    @property
    def width_px(self) -> int:
        """Width in pixels."""
        return self.end - self.start


def is_flat(lowest: NDArray[np.uint8], highest: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which lines are of one grey level, from their lowest and highest value.

    Near white and near black more is allowed: text and edges ring there after JPEG.
    """
    spread = highest - lowest
    return (lowest >= _WHITEST_FLAT) | (highest <= _BLACKEST_FLAT) | (spread <= _FLAT_RANGE)


def find_gutters(region: NDArray[np.uint8]) -> list[Gutter]:
    """Horizontal gutters of a region; pass the transpose for vertical ones.

    Args:
        region: uint8 [h, w] with its flat margins already taken off.

    Returns:
        Gutters from the top, none touching the first or the last row.
    """
    # Frames and neighbours of unequal size often leave a few odd pixels at the ends of a gutter.
    ends = max(_SMALLEST_GUTTER_PX, int(_IGNORED_ENDS_SHARE * region.shape[1]))
    region = region[:, ends:-ends]
    lowest, highest = region.min(axis=1), region.max(axis=1)
    flat = is_flat(lowest, highest)
    found = [
        gutter
        for start, end in _runs(flat)
        if end - start >= _SMALLEST_GUTTER_PX and (gutter := _flat_gutter(region, lowest, highest, start, end))
    ]
    taken = np.zeros(len(flat), np.bool_)
    for gutter in found:
        taken[max(0, gutter.start - _RIDGE_REACH_PX) : gutter.end + _RIDGE_REACH_PX] = True
    return _apart(sorted(found + _ridges(region, lowest, highest, taken)), len(flat))


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open spans of true values."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _apart(gutters: list[Gutter], length: int) -> list[Gutter]:
    """Gutters without those that touch the ends; a frame line between two of them joins them."""
    joined: list[Gutter] = []
    for gutter in gutters:
        if joined and gutter.start - joined[-1].end < _SHORTEST_SLAB_PX // 2:
            wider = max(joined[-1], gutter, key=lambda g: g.width_px)
            joined[-1] = Gutter(joined[-1].start, max(gutter.end, joined[-1].end), wider.level)
        else:
            joined.append(gutter)
    return [g for g in joined if g.start >= _SHORTEST_SLAB_PX and g.end <= length - _SHORTEST_SLAB_PX]


def _flat_gutter(
    region: NDArray[np.uint8], lowest: NDArray[np.uint8], highest: NDArray[np.uint8], start: int, end: int
) -> Gutter | None:
    """The gutter in a run of flat rows, ``None`` when it may be a flat part of a picture."""
    if lowest[start:end].min() >= _WHITEST_FLAT:
        return Gutter(start, end, 255)
    level = int(np.median((lowest[start:end].astype(np.int16) + highest[start:end]) // 2))
    if _step_share(region, start, -1, level) < _STEP_SHARE or _step_share(region, end - 1, 1, level) < _STEP_SHARE:
        return None
    return Gutter(start, end, level)


def _step_share(region: NDArray[np.uint8], edge: int, side: int, level: int) -> float:
    """Share of columns that have left ``level`` a few rows beyond ``edge``."""
    row = min(max(edge + side * _STEP_REACH_PX, 0), len(region) - 1)
    return float(np.mean(np.abs(region[row].astype(np.int16) - level) > _STEP))


def _ridges(
    region: NDArray[np.uint8], lowest: NDArray[np.uint8], highest: NDArray[np.uint8], taken: NDArray[np.bool_]
) -> list[Gutter]:
    """Narrow gutters whose level JPEG has blurred."""
    low, high = lowest.astype(np.int16), highest.astype(np.int16)
    bright = (low >= 255 - 2 * _RIDGE_LEVEL_MARGIN) & (high >= _WHITEST_FLAT)
    dark = (high <= 2 * _RIDGE_LEVEL_MARGIN) & (low <= _BLACKEST_FLAT)
    even = high - low <= 6 * _RIDGE_GREY_DEVIATION
    found = []
    for start, end in _runs((bright | dark | even) & ~taken):
        if end - start > 2 * _RIDGE_WIDEST_PX or start < _SHORTEST_SLAB_PX or end > len(region) - _SHORTEST_SLAB_PX:
            continue
        gutter = _ridge(region, start, end)
        if gutter:
            found.append(gutter)
    return found


def _ridge(region: NDArray[np.uint8], start: int, end: int) -> Gutter | None:
    """The narrow gutter inside these rows, ``None`` when they do not stand out from both sides."""
    before, after = region[max(0, start - _RIDGE_REACH_PX)], region[min(len(region) - 1, end - 1 + _RIDGE_REACH_PX)]
    deviations = region[start:end].std(axis=1)
    core = region[start + int(deviations.argmin())].astype(np.int16)
    level, deviation = float(core.mean()), float(deviations.min())
    saturated = not _RIDGE_LEVEL_MARGIN < level < 255 - _RIDGE_LEVEL_MARGIN
    # White or black from end to end, if only for a pixel, between rows that are nothing like it: saturated parts of
    # the pictures on both sides may be as bright as the gutter itself.
    ruled = saturated and deviation <= _RULE_DEVIATION and end - start <= _RULE_WIDEST_PX
    if ruled and min(before.std(), after.std()) >= _RIDGE_STEP:
        return Gutter(start, end, round(level))
    if deviation > (_RIDGE_DEVIATION if saturated else _RIDGE_GREY_DEVIATION):
        return None
    above, below = core - before.astype(np.int16), core - after.astype(np.int16)
    sign = 1 if level > 127 or (not saturated and np.median(above) > 0) else -1
    stands_out = (sign * above > _RIDGE_STEP) & (sign * below > _RIDGE_STEP)
    return Gutter(start, end, round(level)) if stands_out.mean() >= _RIDGE_SHARE else None
