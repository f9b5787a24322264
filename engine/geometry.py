"""Pixel boxes."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """Half-open pixel box: columns ``x0 <= x < x1``, rows ``y0 <= y < y1``, origin top left."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Rows, in pixels."""
        return self.y1 - self.y0

    @property
    def short_side(self) -> int:
        """The smaller of width and height, in pixels."""
        return min(self.width, self.height)

    def shifted(self, dx: int, dy: int) -> Box:
        """The same box moved by ``(dx, dy)`` pixels."""
        return Box(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)


def pixels_of(part: tuple[float, float, float, float], width: int, height: int) -> Box:
    """The pixels of which at least half lies in a part of an image.

    Args:
        part: x0, y0, x1, y1 in shares of the image's width and height, from the top left.
        width: of the image, px.
        height: of the image, px.

    >>> pixels_of((0.0, 0.249, 1.0, 0.751), 8, 4)
    Box(x0=0, y0=1, x1=8, y1=3)
    """
    return Box(round(part[0] * width), round(part[1] * height), round(part[2] * width), round(part[3] * height))
