"""Lines and fills that are drawn after an image and over it: where they are on the page, piece by piece.

A frame or a long arrow covers little of the box around it, so lines are cut into short pieces. Everything is bounded;
what is too intricate to follow covers nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from semscan.engine.pdf.affine import Matrix, Point, Rect, apply, bounds, intersection, keeps_axes
from semscan.engine.pdf.paths import Path

MOST_PATHS = 2000
"""Painted paths of a page that are looked at."""
MOST_PIECES = 8000
SMALLEST_IMAGE_PT = 24.0
"""Over images that are drawn smaller than this nothing is looked for."""

_LINE_PAD_PT = 1.0
_PIECE_PT = 8.0
_MOST_PIECES_OF_A_LINE = 64


class Mark(NamedTuple):
    """A piece of what is drawn over images.

    Attributes:
        box: on the displayed page, in points.
        after: how many images are drawn before it.
        hides: whether nothing of what lies below is seen, in the whole box.
    """

    box: Rect
    after: int
    hides: bool


class Marks:
    """Collects what may lie over the images of one page, while the page is followed."""

    def __init__(self) -> None:
        self.found: list[Mark] = []
        """What may lie over one of them, in drawing order."""
        self.wanted = False
        """Whether an image is drawn that something could lie over, and there is room for more."""
        self.room = True
        self._images = self._paths = 0
        self._area: Rect | None = None

    def image_drawn(self, box: Rect) -> None:
        """An image is seen in a box on the page."""
        self._images += 1
        if min(box[2] - box[0], box[3] - box[1]) < SMALLEST_IMAGE_PT:
            return
        around = self._area or box
        self._area = min(around[0], box[0]), min(around[1], box[1]), max(around[2], box[2]), max(around[3], box[3])
        self.wanted = self.room

    def add(self, path: Path, filled: bool, ctm: Matrix, clip: Rect, hides: bool) -> None:
        """A path is painted.

        Args:
            path: in user space.
            filled: rather than stroked.
            ctm: from user space to the displayed page.
            clip: what is seen of it at most.
            hides: whether nothing shines through its colour.
        """
        if self._area is None or not self.room:
            return
        self._paths += 1
        self.room = self._paths < MOST_PATHS and len(self.found) < MOST_PIECES
        self.wanted = self.wanted and self.room
        lines = [[apply(ctm, point) for point in line] for line in path.lines]
        reach = intersection(clip, self._area)
        if reach is None or not _touch(bounds(point for line in lines for point in line), reach):
            return
        hides = hides and filled and path.rectangle and keeps_axes(ctm)
        for box in map(bounds, lines) if filled else _pieces(lines):
            seen = intersection(box, clip)
            if seen is not None and intersection(seen, reach) is not None:
                self.found.append(Mark(seen, self._images, hides))


def _touch(box: Rect, other: Rect) -> bool:
    pad = _LINE_PAD_PT
    return box[0] - pad < other[2] and box[2] + pad > other[0] and box[1] - pad < other[3] and box[3] + pad > other[1]


def _pieces(lines: Iterable[list[Point]]) -> Iterator[Rect]:
    left = _MOST_PIECES_OF_A_LINE
    for line in lines:
        for (x0, y0), (x1, y1) in pairwise(line):
            # Only a slanted line lies in a box that is much larger than it.
            slant = min(abs(x1 - x0), abs(y1 - y0))
            count = min(max(1, math.ceil(slant / _PIECE_PT)), left)
            for index in range(count):
                ends = [(x0 + (x1 - x0) * s / count, y0 + (y1 - y0) * s / count) for s in (index, index + 1)]
                a, b, c, d = bounds(ends)
                yield a - _LINE_PAD_PT, b - _LINE_PAD_PT, c + _LINE_PAD_PT, d + _LINE_PAD_PT
            left -= count
            if left <= 0:
                return
