"""What fills a region of a figure: a picture, marks on the ground of the figure, or letters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semscan.engine.geometry import Box

SMALLEST_SIDE_PX = 32
"""Nothing with a shorter side is a panel."""
SMALLEST_GRAPHIC_SIDE_PX = 72
"""Marks on the ground with a shorter side are a label or a legend, not a graphic."""
_GROUND_HALF_WIDTH = 20
_GREY_GROUND_HALF_WIDTH = 6
_DENSE_SHARE = 0.4
_OUTLINE_SHARE = 0.6
_MOSTLY_GREY = 0.8
_INK_AND_GROUND_SHARE = 0.5
_LEAST_PAPER_SHARE = 0.15
_INK_CONTRAST = 100
_SAMPLED_SIDE = 64
_PROBE_PX = 16
_DRAWN_ROWS = 24
_DRAWN_SHARE = 0.75
_SCRAP_GROUND_HALF_WIDTH, _MOST_GROUND_IN_SCRAP = 8, 0.2
_BAR_HALF_WIDTH = 6
_BAR_SHARE = 0.5
_TALLEST_BAR_SHARE = 0.3


def is_dense(grey: NDArray[np.uint8], box: Box, grounds: tuple[int, ...]) -> bool:
    """Whether a region is filled like a picture, rather than with marks on the ground of the figure.

    Args:
        grey: uint8 [H, W].
        box: the region in pixels of ``grey``.
        grounds: grey levels of the gutters around it.
    """
    if box.short_side < SMALLEST_SIDE_PX:
        return False
    points = np.ascontiguousarray(_sampled(grey, box))
    if any(_is_mostly(points, ground) for ground in grounds or (255,)):
        return False
    if box.short_side >= SMALLEST_GRAPHIC_SIDE_PX:
        return True
    counts = np.bincount(points.ravel(), minlength=256)
    return not any(_is_lettering(counts, ground) for ground in grounds or (255,))


def is_drawn(grey: NDArray[np.uint8], box: Box) -> bool:
    """Whether most neighbours in a region have nearly the same grey level, as in drawings, maps and renderings."""
    part = grey[box.y0 : box.y1 : max(1, box.height // _DRAWN_ROWS), box.x0 : box.x1]
    first, second = part[:, :-1], part[:, 1:]
    change = np.maximum(first, second) - np.minimum(first, second)
    return int(np.count_nonzero(change <= 1)) >= _DRAWN_SHARE * change.size


def may_hold_picture(grey: NDArray[np.uint8], box: Box) -> bool:
    """False for a plain plot or text, which then need not be looked into.

    Looks for a square of 48 px without paper at nine points; any picture of 96 px or more holds one.
    """
    points = grey[box.y0 : box.y1 : _PROBE_PX, box.x0 : box.x1 : _PROBE_PX] < 255 - _GROUND_HALF_WIDTH
    if min(points.shape) < 3:
        return True
    rows = points[:-2] & points[1:-1] & points[2:]
    return bool((rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]).any())


def is_picture_like(grey: NDArray[np.uint8], box: Box, grounds: tuple[int, ...]) -> bool:
    """Whether a scrap holds hardly any of the ground: letters and lines of text hold much of it."""
    part = np.ascontiguousarray(grey[box.y0 : box.y1, box.x0 : box.x1])
    most = _MOST_GROUND_IN_SCRAP * part.size
    for ground in grounds:
        lowest, highest = max(0, ground - _SCRAP_GROUND_HALF_WIDTH), min(255, ground + _SCRAP_GROUND_HALF_WIDTH)
        near = part - np.uint8(lowest) <= highest - lowest  # what is darker wraps around
        if np.count_nonzero(near) >= most:
            return False
    return True


def is_data_bar(grey: NDArray[np.uint8], box: Box, beside: Box) -> bool:
    """Whether a piece of a region is the information bar of the piece beside it: low, and mostly of one level."""
    if box.height > _TALLEST_BAR_SHARE * beside.height:
        return False
    counts = np.bincount(_sampled(grey, box).ravel(), minlength=256)
    return _near(counts, int(counts.argmax()), _BAR_HALF_WIDTH) >= _BAR_SHARE * int(counts.sum())


def _sampled(grey: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Pixels of a region at regular distances."""
    step_y, step_x = max(1, box.height // _SAMPLED_SIDE), max(1, box.width // _SAMPLED_SIDE)
    return grey[box.y0 : box.y1 : step_y, box.x0 : box.x1 : step_x]


def _is_lettering(counts: NDArray[np.intp], ground: int) -> bool:
    """Big letters fill their box, but with ground and ink only (and the blur between them)."""
    away = np.abs(np.arange(256) - ground) > _INK_CONTRAST
    ink = int(np.where(away, counts, -1).argmax())
    paper = _near(counts, ground, _GROUND_HALF_WIDTH)
    size = int(counts.sum())
    inked = paper + _near(counts, ink, _GROUND_HALF_WIDTH)
    return paper > _LEAST_PAPER_SHARE * size and inked > _INK_AND_GROUND_SHARE * size


def _is_mostly(points: NDArray[np.uint8], ground: int) -> bool:
    """Whether most of a region, or of its outline, is ground.

    A grey one may be the level of a micrograph, too, so that asks for more. Only paper may count along the outline:
    what has no corners is an object that is drawn on it, while the sides of a micrograph may well be black.
    """
    extreme = ground <= _GROUND_HALF_WIDTH or ground >= 255 - _GROUND_HALF_WIDTH
    half_width = _GROUND_HALF_WIDTH if extreme else _GREY_GROUND_HALF_WIDTH
    lowest, highest = max(0, ground - half_width), min(255, ground + half_width)
    near = points - np.uint8(lowest) <= highest - lowest  # what is darker wraps around
    if int(np.count_nonzero(near)) > (1 - _DENSE_SHARE if extreme else _MOSTLY_GREY) * points.size:
        return True
    if ground < 255 - _GROUND_HALF_WIDTH:
        return False
    outline = int(np.count_nonzero(near[1 :: len(near) - 3])) + int(np.count_nonzero(near[:, 1 :: near.shape[1] - 3]))
    return outline > _OUTLINE_SHARE * 2 * sum(near.shape)


def _near(counts: NDArray[np.intp], level: int, half_width: int) -> int:
    """How many pixels of a histogram are close to a grey level."""
    return int(counts[max(0, level - half_width) : level + half_width + 1].sum())
