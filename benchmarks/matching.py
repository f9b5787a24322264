"""Found boxes against true ones: intersection over union, one-to-one matches, precision, recall, F1, intervals.

Boxes are any sequences ``(x0, y0, x1, y1)``, half open, in one unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Corners = Sequence[float]


class Counts(NamedTuple):
    """Matches of one figure or of many: ``hits`` pairs among ``found`` boxes and ``true`` ones."""

    hits: int
    found: int
    true: int

    @property
    def precision(self) -> float:
        """Share of the found boxes that are right; 1 when nothing was found."""
        return self.hits / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of the true boxes that were found; 1 when there are none."""
        return self.hits / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 when there is nothing to find and nothing was found."""
        return 2 * self.hits / (self.found + self.true) if self.found + self.true else 1.0


def iou(a: Corners, b: Corners) -> float:
    """Intersection over union of two boxes; 0 when they do not meet."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def match(found: Sequence[Corners], true: Sequence[Corners], least_iou: float) -> list[tuple[int, int]]:
    """Pairs ``(found, true)`` of indices with at least this overlap; each box is used once, the best pairs first."""
    overlaps = sorted(
        ((iou(f, t), i, j) for i, f in enumerate(found) for j, t in enumerate(true)), key=lambda row: (-row[0], row[1:])
    )
    pairs: list[tuple[int, int]] = []
    left, right = set(range(len(found))), set(range(len(true)))
    for overlap, i, j in overlaps:
        if overlap < least_iou or overlap <= 0:
            break
        if i in left and j in right:
            left.remove(i)
            right.remove(j)
            pairs.append((i, j))
    return pairs


def count(found: Sequence[Corners], true: Sequence[Corners], least_iou: float) -> Counts:
    """The matches of one figure."""
    return Counts(len(match(found, true, least_iou)), len(found), len(true))


def total(parts: Sequence[Counts]) -> Counts:
    """The matches of many figures, each box counted once."""
    return Counts(sum(c.hits for c in parts), sum(c.found for c in parts), sum(c.true for c in parts))


def bootstrap_f1(parts: Sequence[Counts], seed: int = 0, repeats: int = 2000) -> tuple[float, float]:
    """95 % interval of the pooled F1 when whole figures (or papers) are drawn again with replacement.

    Args:
        parts: one entry per figure or per paper, the unit whose boxes belong together.
        seed: of the draws.
        repeats: number of draws.
    """
    if not parts:
        return 0.0, 1.0
    table: NDArray[np.int64] = np.array(parts, np.int64)
    drawn = table[np.random.default_rng(seed).integers(0, len(table), (repeats, len(table)))].sum(axis=1)
    sides = drawn[:, 1] + drawn[:, 2]
    scores = np.where(sides > 0, 2 * drawn[:, 0] / np.maximum(sides, 1), 1.0)
    low, high = np.percentile(scores, (2.5, 97.5))
    return float(low), float(high)
