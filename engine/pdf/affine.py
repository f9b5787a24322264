"""Boxes and transformations of the plane, as PDF writes them (ISO 32000-1, 8.3.3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Matrix: TypeAlias = tuple[float, float, float, float, float, float]
Rect: TypeAlias = tuple[float, float, float, float]
Point: TypeAlias = tuple[float, float]

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
UNIT: Rect = (0.0, 0.0, 1.0, 1.0)


def multiply(first: Matrix, then: Matrix) -> Matrix:
    """The matrix that applies ``first`` and ``then`` one after the other."""
    a, b, c, d, e, f = first
    g, h, i, j, k, m = then
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def inverse(matrix: Matrix) -> Matrix | None:
    """The matrix that undoes another one; ``None`` if that maps the plane to a line or a point."""
    a, b, c, d, e, f = matrix
    det = a * d - b * c
    if not math.isfinite(det) or abs(det) < 1e-12:
        return None
    return d / det, -b / det, -c / det, a / det, (c * f - d * e) / det, (b * e - a * f) / det


def apply(matrix: Matrix, point: Point) -> Point:
    """A point, transformed."""
    a, b, c, d, e, f = matrix
    x, y = point
    return a * x + c * y + e, b * x + d * y + f


def corners(matrix: Matrix, rect: Rect) -> list[Point]:
    """The corners of a box, transformed, one after the other around it."""
    x0, y0, x1, y1 = rect
    return [apply(matrix, point) for point in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]


def keeps_axes(matrix: Matrix) -> bool:
    """Whether boxes stay boxes: no rotation but by quarter turns, and no skew."""
    a, b, c, d, _, _ = matrix
    small = 1e-6 * (abs(a) + abs(b) + abs(c) + abs(d))
    return (abs(b) <= small and abs(c) <= small) or (abs(a) <= small and abs(d) <= small)


def bounds(points: Iterable[Point]) -> Rect:
    """The smallest box around points."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def transformed(matrix: Matrix, rect: Rect) -> Rect:
    """The smallest box around a transformed box."""
    return bounds(corners(matrix, rect))


def intersection(one: Rect, other: Rect) -> Rect | None:
    """What two boxes share, if that has an area."""
    x0, y0, x1, y1 = max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def cut(polygon: Sequence[Point], convex: Sequence[Point]) -> list[Point]:
    """What a convex polygon leaves of another polygon (Sutherland and Hodgman, 1974).

    Args:
        polygon: corners, one after the other.
        convex: corners of the cutting polygon, in either sense of rotation.

    Returns:
        Corners; fewer than three if nothing is left.
    """
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(convex, [*convex[1:], convex[0]], strict=True))
    edges = list(zip(convex, [*convex[1:], convex[0]], strict=True))
    left = list(polygon)
    for (x0, y0), (x1, y1) in edges if area >= 0 else [(b, a) for a, b in edges]:
        if not left:
            break
        sides = [(x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) for x, y in left]
        kept: list[Point] = []
        for index, (point, side) in enumerate(zip(left, sides, strict=True)):
            before, side_before = left[index - 1], sides[index - 1]
            if (side >= 0) != (side_before >= 0):
                share = side_before / (side_before - side)
                kept.append(tuple(p + share * (q - p) for p, q in zip(before, point, strict=True)))  # type: ignore[arg-type]
            if side >= 0:
                kept.append(point)
        left = kept
    return left
