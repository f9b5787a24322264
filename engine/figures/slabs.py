"""What the parts of a cut region are together: graphics side by side, the pieces of one drawing, rows of panels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.filling import SMALLEST_GRAPHIC_SIDE_PX
from semscan.engine.geometry import Box

_LEAST_SHARE_OF_GRAPHIC = 0.2
_LEAST_COVER = 0.5
_CLEAR_RANGE = 40


class Slab(NamedTuple):
    """A part of a region between two gutters, the panels in it, and whether the gutter before it is clear."""

    box: Box
    parts: list[Box]
    clear: bool


def graphics(slabs: list[Slab]) -> list[Box]:
    """Parts of slabs without a picture: as they are if they look like graphics, else all slabs as one."""
    parts = [part for slab in slabs for part in slab.parts]
    if not parts:
        return parts
    holding = [index for index, slab in enumerate(slabs) if slab.parts]
    between = slabs[holding[0] : holding[-1] + 1]
    if all(slab.clear for slab in between[1:]) and _are_graphics(parts):
        return parts
    if not all(slab.clear for slab in slabs[1:]):
        return [_around([slab.box for slab in slabs])]
    # Letters before and behind are no part of a drawing.
    return parts if len(parts) == 1 else [_around([slab.box for slab in between])]


def is_clear(line: NDArray[np.uint8]) -> bool:
    """Whether a line of a gutter is flat up to its very ends, where the frame or an axis of one plot would cross it."""
    return int(line.max()) - int(line.min()) <= _CLEAR_RANGE


def _around(boxes: list[Box]) -> Box:
    return Box(min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes))


def _are_graphics(found: list[Box]) -> bool:
    """Whether parts without a picture are plots side by side rather than the parts of one plot."""
    if len(found) < 2 or min(box.short_side for box in found) < SMALLEST_GRAPHIC_SIDE_PX:
        return False
    areas = [box.width * box.height for box in found]
    return min(areas) >= _LEAST_SHARE_OF_GRAPHIC * max(areas) and cover(found, _around(found)) >= _LEAST_COVER


def cover(found: list[Box], box: Box) -> float:
    """Share of a region that its parts fill."""
    return sum(part.width * part.height for part in found) / (box.width * box.height)


def reading_order(panels: list[Box]) -> list[Box]:
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
