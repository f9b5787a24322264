"""The paths of a content stream (ISO 32000-1, 8.5.2), read backwards from the operator that uses them.

A path is what stands before a clipping or painting operator. Only paths that could hide a part of an image are looked
at, so nothing is parsed on the way.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

from semscan.engine.pdf.affine import Point, Rect, bounds

Line: TypeAlias = tuple[Point, ...]

LONGEST_PATH_BYTES = 8192
"""Longer paths are not looked at: they clip nothing and cover nothing."""

_NUMBER_START = b"+-.0123456789"
_PATH_OPERATORS = frozenset((b"m", b"l", b"c", b"v", b"y", b"h", b"re"))
_LARGEST = 1e9


class Path(NamedTuple):
    """A path.

    Attributes:
        lines: its subpaths; curves go straight from one control point to the next, and do not leave their bounds.
        rectangle: whether it is one box with sides along the axes.
    """

    lines: tuple[Line, ...]
    rectangle: bool

    @property
    def bounds(self) -> Rect:
        """The smallest box around it."""
        return bounds(point for line in self.lines for point in line)


def path_before(content: bytes, start: int, end: int) -> Path | None:
    """The path that is built right before a position.

    Args:
        content: of the stream.
        start: where the operator before it ends, for it cannot begin earlier.
        end: where the operator that uses it begins.

    Returns:
        The path; ``None`` if there is none, or one that is damaged or too long.
    """
    low = max(start, end - LONGEST_PATH_BYTES)
    words = content[low:end].split()
    first = len(words)
    while first and (words[first - 1] in _PATH_OPERATORS or words[first - 1][0] in _NUMBER_START):
        first -= 1
    if first == 0 and low > start:
        return None
    try:
        lines, boxes = _lines(words[first:])
    except ValueError:
        return None
    if not lines or not all(-_LARGEST < value < _LARGEST for line in lines for point in line for value in point):
        return None
    return Path(lines, len(lines) == 1 and (boxes == 1 or _is_box(lines[0])))


def _lines(words: list[bytes]) -> tuple[tuple[Line, ...], int]:
    """Subpaths, and how many of them are written as boxes."""
    lines: list[list[Point]] = []
    operands: list[float] = []
    boxes = 0
    for word in words:
        if word not in _PATH_OPERATORS:
            operands.append(float(word))
            continue
        if word == b"re" and len(operands) >= 4:
            x, y, width, height = operands[-4:]
            lines.append([(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)])
            boxes += 1
        elif word == b"m" and len(operands) >= 2:
            lines.append([(operands[-2], operands[-1])])
        elif word == b"h" and lines:
            lines[-1].append(lines[-1][0])
        elif lines:
            lines[-1] += zip(operands[0::2], operands[1::2], strict=False)
        operands.clear()
    # A subpath of a single point draws nothing; such a move often ends a path.
    return tuple(tuple(line) for line in lines if len(line) > 1), boxes


def _is_box(line: Line) -> bool:
    points = line[:-1] if line[0] == line[-1] else line
    if len(points) != 4:
        return False
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
    near = math.isclose
    upright = near(x0, x1) and near(y1, y2) and near(x2, x3) and near(y3, y0)
    return upright or (near(y0, y1) and near(x1, x2) and near(y2, y3) and near(x3, x0))
