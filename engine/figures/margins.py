"""Take the flat margins off a region, with the ringing that JPEG leaves in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.gutters import FLAT_RANGE, WHITEST_FLAT, is_flat
from semscan.engine.figures.lines import lowest_and_highest
from semscan.engine.geometry import Box

_RINGING_PX = 8
_EDGE_RANGE = 60
_RINGING_DEVIATION = 4.0
_GROUND_HALF_WIDTH = 25


def trim_margins(grey: NDArray[np.uint8], box: Box, grounds: tuple[int, ...] | None = None) -> Box | None:
    """Take flat rows and columns off the four sides of a box; ``None`` when nothing else is left.

    Args:
        grey: uint8 [H, W].
        box: region in pixels of ``grey``.
        grounds: only lines of these grey levels are margins; ``None`` stands for the level of the outermost line of
            each side. Lines of another level behind them are the frame of a plot and the like.
    """
    narrowed = True
    for _ in range(3):
        part = grey[box.y0 : box.y1, box.x0 : box.x1]
        y0, y1 = _first(part, grounds), box.height - _first(part[::-1], grounds)
        if y0 >= y1:
            return None
        if not narrowed and y1 - y0 == box.height:  # the columns are those looked at before
            break
        part = part[y0:y1].T
        x0, x1 = _first(part, grounds), box.width - _first(part[::-1], grounds)
        if x0 >= x1:
            return None
        trimmed = Box(box.x0 + x0, box.y0 + y0, box.x0 + x1, box.y0 + y1)
        if trimmed == box:
            break
        narrowed = trimmed.width < box.width
        box = trimmed
    return box


def _first(lines: NDArray[np.uint8], grounds: tuple[int, ...] | None) -> int:
    """Index of the first line with content, the number of lines when there is none."""
    line = lines[0]
    darkest, brightest = int(np.minimum.reduce(line)), int(np.maximum.reduce(line))
    if brightest - darkest > _EDGE_RANGE:  # nearly always
        return 0
    middle = (darkest + brightest) // 2
    if grounds is None:
        grounds = (middle,)
    flat = darkest >= WHITEST_FLAT or brightest - darkest <= FLAT_RANGE
    if not flat or all(abs(middle - ground) > _GROUND_HALF_WIDTH for ground in grounds):
        return _ringing(lines, 0, grounds)
    done, some = 0, 8
    while done < len(lines):
        lowest, highest = lowest_and_highest(lines[done : done + some])
        content = ~is_flat(lowest, highest)
        middles = (lowest.astype(np.int16) + highest) >> 1
        content |= np.logical_and.reduce([np.abs(middles - ground) > _GROUND_HALF_WIDTH for ground in grounds])
        if content.any():
            first = done + int(content.argmax())
            return first + _ringing(lines, first, grounds)
        done, some = done + some, 4 * some
    return len(lines)


def _ringing(lines: NDArray[np.uint8], first: int, grounds: tuple[int, ...]) -> int:
    """How many lines from ``first`` on are still the margin that ends there, with a little ringing of JPEG."""
    if first:
        level = _mean(lines[first - 1])
    else:
        mean = _mean(lines[0])
        level = min(grounds or (-1,), key=lambda ground: abs(ground - mean))
        if abs(level - mean) > _RINGING_DEVIATION:
            return 0
    if _deviates(lines[first : first + 1], level)[0]:  # nearly always
        return 0
    away = _deviates(lines[first + 1 : first + _RINGING_PX], level)
    return 1 + (int(away.argmax()) if away.any() else len(away))


def _mean(line: NDArray[np.uint8]) -> float:
    return int(np.add.reduce(line, dtype=np.uint64)) / len(line)


def _deviates(lines: NDArray[np.uint8], level: float) -> NDArray[np.bool_]:
    """Which lines are away from a grey level on average."""
    away = np.ascontiguousarray(lines).astype(np.float32)
    away -= level
    return np.asarray(np.add.reduce(np.abs(away, out=away), axis=1) > _RINGING_DEVIATION * lines.shape[1])
