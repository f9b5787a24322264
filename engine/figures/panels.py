"""Cut a compound figure into its panels.

A recursive X-Y cut (Nagy and Seth 1984): look for straight strips of one grey level that cross the whole region,
cut there, and go on inside the parts. What makes it fit figures with micrographs is what counts as a strip, which
lives in ``gutters``; this module keeps the recursion, drops captions and letters, and keeps a plot in one piece.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.gutters import find_gutters, is_flat
from semscan.engine.geometry import Box

_DEEPEST = 8
_SMALLEST_SIDE_PX = 32
_SMALLEST_GRAPHIC_SIDE_PX = 96
_GROUND_HALF_WIDTH = 20
_DENSE_SHARE = 0.4
_INK_AND_GROUND_SHARE = 0.5
_LEAST_PAPER_SHARE = 0.15
_INK_CONTRAST = 100
_SAMPLED_SIDE = 128
_PROBE_PX = 16


def split_panels(grey: NDArray[np.uint8]) -> list[Box]:
    """Find the panels of a figure.

    Panels that are separated by a straight strip of one grey level are told apart: paper white of any width from
    two pixels, black and grey too when both edges of the strip are sharp. A micrograph is not cut at a flat part
    of its own, whose edges are soft. Flat margins are taken off. Strips with text only are left out, and a region
    without any picture-like part stays in one piece.

    Args:
        grey: uint8 [H, W], the stored image.

    Returns:
        Boxes in pixels of ``grey``, in reading order (rows of panels from the top, each from the left); the whole
        image when nothing splits, an empty list when the image is one flat area.
    """
    height, width = grey.shape
    whole = trim_margins(grey, Box(0, 0, width, height))
    if whole is None:
        return []
    return _reading_order(_split(grey, whole, (255,), 0)) or [whole]


def trim_margins(grey: NDArray[np.uint8], box: Box) -> Box | None:
    """Take flat rows and columns off the four sides of a box; ``None`` when nothing else is left.

    Args:
        grey: uint8 [H, W].
        box: region in pixels of ``grey``.
    """
    for _ in range(4):
        before = box
        for axis in (1, 0):
            part = grey[box.y0 : box.y1, box.x0 : box.x1]
            content = np.flatnonzero(~is_flat(part.min(axis=axis), part.max(axis=axis)))
            if not len(content):
                return None
            first, end = int(content[0]), int(content[-1]) + 1
            if axis == 1:
                box = box._replace(y0=box.y0 + first, y1=box.y0 + end)
            else:
                box = box._replace(x0=box.x0 + first, x1=box.x0 + end)
        if box == before:
            break
    return box


def _split(grey: NDArray[np.uint8], box: Box, grounds: tuple[int, ...], depth: int) -> list[Box]:
    """Panels of one region; ``grounds`` are the grey levels of the gutters around it."""
    if box.short_side < 2 * _SMALLEST_SIDE_PX or depth == _DEEPEST or not _may_hold_picture(grey, box):
        return _leaf(grey, box, grounds)
    part = grey[box.y0 : box.y1, box.x0 : box.x1]
    rows, columns = find_gutters(part), find_gutters(part.T)
    if not rows and not columns:
        return _leaf(grey, box, grounds)
    down = max((g.width_px for g in rows), default=0) >= max((g.width_px for g in columns), default=0)
    gutters = rows if down else columns
    starts = [0, *(g.end for g in gutters)]
    ends = [*(g.start for g in gutters), box.height if down else box.width]
    inner = tuple(sorted({*grounds, *(g.level for g in gutters)}))
    found: list[Box] = []
    for start, end in zip(starts, ends, strict=True):
        piece = (
            box._replace(y0=box.y0 + start, y1=box.y0 + end)
            if down
            else box._replace(x0=box.x0 + start, x1=box.x0 + end)
        )
        trimmed = trim_margins(grey, piece)
        if trimmed is not None:
            found += _split(grey, trimmed, inner, depth + 1)
    if any(_is_dense(grey, panel, inner) for panel in found):
        return found
    return _leaf(grey, box, grounds)


def _may_hold_picture(grey: NDArray[np.uint8], box: Box) -> bool:
    """False for a plain plot or text, which then need not be looked into.

    Looks for a square of 48 px without paper at nine points; any picture of 96 px or more holds one.
    """
    points = grey[box.y0 : box.y1 : _PROBE_PX, box.x0 : box.x1 : _PROBE_PX] < 255 - _GROUND_HALF_WIDTH
    rows, columns = points.shape[0] // 3, points.shape[1] // 3
    if not rows or not columns:
        return True
    squares = points[: 3 * rows, : 3 * columns].reshape(rows, 3, columns, 3)
    return bool(squares.all(axis=(1, 3)).any())


def _leaf(grey: NDArray[np.uint8], box: Box, grounds: tuple[int, ...]) -> list[Box]:
    """A region that is not cut further, or nothing when it is only a letter, a label or a line of text."""
    if box.short_side < _SMALLEST_SIDE_PX:
        return []
    if box.short_side < _SMALLEST_GRAPHIC_SIDE_PX and not _is_dense(grey, box, grounds):
        return []
    return [box]


def _is_dense(grey: NDArray[np.uint8], box: Box, grounds: tuple[int, ...]) -> bool:
    """Whether a region is filled like a picture, rather than marks on the ground of the figure."""
    if box.short_side < _SMALLEST_SIDE_PX:
        return False
    step_y, step_x = max(1, box.height // _SAMPLED_SIDE), max(1, box.width // _SAMPLED_SIDE)
    sample = grey[box.y0 : box.y1 : step_y, box.x0 : box.x1 : step_x]
    counts = np.bincount(sample.ravel(), minlength=256)
    if any(_near(counts, ground) > (1 - _DENSE_SHARE) * sample.size for ground in grounds):
        return False
    if box.short_side >= _SMALLEST_GRAPHIC_SIDE_PX:
        return True
    return not any(_is_lettering(counts, ground) for ground in grounds)


def _is_lettering(counts: NDArray[np.intp], ground: int) -> bool:
    """Big letters fill their box, but with ground and ink only (and the blur between them)."""
    levels = np.arange(256)
    ink = int(np.where(abs(levels - ground) > _INK_CONTRAST, counts, -1).argmax())
    paper = _near(counts, ground)
    size = counts.sum()
    return bool(paper > _LEAST_PAPER_SHARE * size and paper + _near(counts, ink) > _INK_AND_GROUND_SHARE * size)


def _near(counts: NDArray[np.intp], level: int) -> int:
    """How many pixels of a histogram are close to a grey level."""
    return int(counts[max(0, level - _GROUND_HALF_WIDTH) : level + _GROUND_HALF_WIDTH + 1].sum())


def _reading_order(panels: list[Box]) -> list[Box]:
    """Rows of panels from the top, each row from the left; panels belong to a row whose middle they cross."""
    left = sorted(panels, key=lambda box: (box.y0, box.x0))
    ordered: list[Box] = []
    while left:
        first = left[0]
        middle = (first.y0 + first.y1) / 2
        row = [box for box in left if box.y0 <= middle and (box.y0 + box.y1) / 2 <= first.y1]
        row = row or [first]
        ordered += sorted(row, key=lambda box: (box.x0, box.y0))
        left = [box for box in left if box not in row]
    return ordered
