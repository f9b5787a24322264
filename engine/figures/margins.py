"""Take the flat margins off a region, with the ringing that JPEG leaves in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.flat import FLAT_RANGE, WHITEST_FLAT
from semscan.engine.geometry import Box

_SCRAP_PX = 64
_RINGING_PX = 8
_MOST_RINGING = 80
_WHITE_GROUND = 246
_FEWEST_LINES, _PIXELS_AT_ONCE, _MORE = 16, 1 << 13, 8
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
    if box.short_side < _SCRAP_PX and grounds:
        return _trim_scrap(grey[box.y0 : box.y1, box.x0 : box.x1], box, grounds)
    for _ in range(2):
        part = grey[box.y0 : box.y1, box.x0 : box.x1]
        y0, y1 = _first(part, grounds), box.height - _first(part[::-1], grounds)
        if y0 >= y1:
            return None
        box = box._replace(y0=box.y0 + y0, y1=box.y0 + y1)
        part = part[y0:y1].T
        x0, x1 = _first(part, grounds), box.width - _first(part[::-1], grounds)
        if x0 >= x1:
            return None
        taken, box = box.width - (x1 - x0), box._replace(x0=box.x0 + x0, x1=box.x0 + x1)
        if taken < _RINGING_PX:  # hardly another row can be empty now
            break
    return box


def _trim_scrap(part: NDArray[np.uint8], box: Box, grounds: tuple[int, ...]) -> Box | None:
    """The same for a part too small to be cut again, all its pixels at once and without a look at ringing."""
    ends = []
    for axis in (1, 0):
        lines = part if axis else part.T
        content = _is_content(lines, grounds[0])
        for ground in grounds[1:]:
            content &= _is_content(lines, ground)
        first = int(content.argmax())
        if not content[first]:
            return None
        ends += [first, len(content) - int(content[::-1].argmax())]
        part = part[first : ends[-1]]
    return Box(box.x0 + ends[2], box.y0 + ends[0], box.x0 + ends[3], box.y0 + ends[1])


def _first(lines: NDArray[np.uint8], grounds: tuple[int, ...] | None) -> int:
    """Index of the first line with content, the number of lines when there is none."""
    line = lines[0]
    darkest, brightest = int(np.minimum.reduce(line)), int(np.maximum.reduce(line))
    if brightest - darkest > _EDGE_RANGE:  # nearly always
        return 0
    middle = (darkest + brightest) // 2
    ground = min(grounds, key=lambda level: abs(level - middle)) if grounds else middle
    flat = darkest >= WHITEST_FLAT or brightest - darkest <= FLAT_RANGE
    if not flat or abs(middle - ground) > _GROUND_HALF_WIDTH:
        return _ringing(lines, 0, ground)
    done, some = 0, max(_FEWEST_LINES, _PIXELS_AT_ONCE // len(line))
    while done < len(lines):
        content = _is_content(lines[done : done + some], ground)
        at = int(content.argmax())
        if content[at]:
            return done + at + _ringing(lines, done + at, ground)
        done, some = done + some, _MORE * some
    return len(lines)


def _is_content(lines: NDArray[np.uint8], ground: int) -> NDArray[np.bool_]:
    """Which lines are not flat and of this level."""
    if ground >= _WHITE_GROUND:  # nearly always
        return np.asarray(np.minimum.reduce(lines, axis=1) < WHITEST_FLAT)
    lowest, highest = np.minimum.reduce(lines, axis=1), np.maximum.reduce(lines, axis=1)
    reach = _GROUND_HALF_WIDTH + FLAT_RANGE // 2
    content: NDArray[np.bool_] = highest - lowest > FLAT_RANGE
    content |= lowest < max(0, ground - reach)
    if ground + reach < 255:
        content |= highest > ground + reach
    return content


def _ringing(lines: NDArray[np.uint8], first: int, ground: int) -> int:
    """How many lines from ``first`` on are still the margin that ends there, with a little ringing of JPEG."""
    line = lines[first]
    if int(np.maximum.reduce(line)) - int(np.minimum.reduce(line)) > _MOST_RINGING:  # nearly always
        return 0
    if first:
        level = _mean(lines[first - 1])
    else:
        level = float(ground)
        if abs(level - _mean(lines[0])) > _RINGING_DEVIATION:
            return 0
    away = _deviates(lines[first : first + _RINGING_PX], level)
    at = int(away.argmax())
    return at if away[at] else len(away)


def _mean(line: NDArray[np.uint8]) -> float:
    return int(np.add.reduce(line, dtype=np.uint64)) / len(line)


def _deviates(lines: NDArray[np.uint8], level: float) -> NDArray[np.bool_]:
    """Which lines are away from a grey level on average."""
    away = np.ascontiguousarray(lines).astype(np.float32)
    away -= level
    return np.asarray(np.add.reduce(np.abs(away, out=away), axis=1) > _RINGING_DEVIATION * lines.shape[1])
