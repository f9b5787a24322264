"""Connected components of a mask, from runs of pixels: fast where little of the picture is set.

Rows are cut into runs; runs of neighbouring rows that touch, also corner to corner, are joined by hooking the later
root to the earlier one and halving the way to it (as in Shiloach and Vishkin, J. Algorithms 3, 1982). No loop over
pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WORD, _FEW = 8, 6
_ROUNDS = 32
"""Far more rounds than any picture needs; a shape that needs more would come out in several parts."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Runs of set pixels and the components that they belong to.

    Attributes:
        row: of each run, int64 [n].
        start: first column of each run, int64 [n].
        end: column behind each run, int64 [n].
        label: component of each run, from 0 without gaps, int64 [n].
        boxes: of the components, int64 [k, 4]: x0, y0, x1, y1.
        area: pixels of the components, int64 [k].
        next_of: pairs of runs, one directly below the other, int64 [m, 2], where neither touches a third run between
            these two rows.
    """

    row: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    label: NDArray[np.int64]
    boxes: NDArray[np.int64]
    area: NDArray[np.int64]
    next_of: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.area)

    def only(self, which: NDArray[np.bool_]) -> Components:
        """Some of the components, bool [k], in the same order."""
        runs = which[self.label]
        place, renumbered = np.cumsum(runs) - 1, np.cumsum(which) - 1
        pairs = self.next_of[runs[self.next_of[:, 0]]]
        row, start, end = (values[runs] for values in (self.row, self.start, self.end))
        label = renumbered[self.label[runs]]
        return Components(row, start, end, label, self.boxes[which], self.area[which], place[pairs])

    def sums(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """Sum over the runs of each component of one value per run, float64 [k]."""
        totals: NDArray[np.float64] = np.bincount(self.label, values.astype(np.float64), len(self)).astype(np.float64)
        return totals


class Sheet:
    """Pixels laid out for the search, row behind row with a gap between them; only those rows that are needed.

    Args:
        picture: uint8 [h, w].
        gap: level of the gaps, that nothing is compared with.

    Attributes:
        width: of a row without the gap.
        pitch: of a row with it, a multiple of eight.
    """

    def __init__(self, picture: NDArray[np.uint8], gap: int) -> None:
        self.width = picture.shape[1]
        self.pitch = (self.width // _WORD + 1) * _WORD
        self._picture, self._gap = picture, gap
        self._lowest, self._highest = np.minimum.reduce(picture, axis=1), np.maximum.reduce(picture, axis=1)
        self._whole: NDArray[np.uint8] | None = None

    def rows(self, compare: np.ufunc, level: int) -> NDArray[np.int64]:
        """Rows with a pixel that compares with a level, int64 [n]; found without writing anything, hence fast."""
        return np.flatnonzero(compare(self._lowest, level) | compare(self._highest, level))

    def some(self, rows: NDArray[np.int64]) -> NDArray[np.uint8] | None:
        """Some rows laid out, uint8 [n * pitch]; ``None`` if they are too many for that to be worth it."""
        return None if 2 * len(rows) > len(self._picture) else self._laid_out(self._picture[rows])

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """All rows laid out, uint8 [height * pitch]."""
        if self._whole is None:
            self._whole = self._laid_out(self._picture)
        return self._whole

    def at(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Levels at some places; of any pixel for a place outside or in a gap."""
        if self._whole is not None:
            return self._whole.take(places, mode="clip")
        row, column = np.divmod(places, self.pitch)
        last = len(self._picture) - 1
        levels: NDArray[np.uint8] = self._picture[row.clip(0, last), np.minimum(column, self.width - 1)]
        return levels

    def _laid_out(self, rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
        pixels = np.empty((len(rows), self.pitch), np.uint8)
        pixels[:, : self.width] = rows
        pixels[:, self.width :] = self._gap
        return pixels.ravel()


def connected(mask: NDArray[np.bool_], most_runs: int) -> Components | None:
    """Components of a mask, bool [h, w], eight neighbours a pixel; otherwise as :func:`connected_where`."""
    return connected_where(np.greater_equal, Sheet(mask.view(np.uint8), 0), 1, most_runs)


def connected_where(compare: np.ufunc, sheet: Sheet, level: int, most_runs: int) -> Components | None:
    """Components of the pixels that compare with a level, eight neighbours a pixel.

    Args:
        compare: ``np.greater_equal`` or ``np.less_equal``.
        sheet: the pixels; its gaps must not compare.
        level: what pixels are compared with.
        most_runs: limit that keeps the cost bounded.

    Returns:
        The components in the order of their first pixel; ``None`` when they are made of more runs than allowed.
    """
    width, pitch = sheet.width, sheet.pitch
    rows = sheet.rows(compare, level)
    if not len(rows):
        return _nothing()
    some = sheet.some(rows)
    edges = _edges(compare, sheet.pixels if some is None else some, level, 2 * most_runs)
    if edges is None:
        return None
    if some is not None:  # to where these rows are in the picture; a run ends in its row or in the gap behind it
        edges += ((rows - np.arange(len(rows))) * pitch)[edges // pitch]
    first, behind = edges[::2], edges[1::2]
    count = len(first)
    # Runs of the next row that touch run i, corners included, are those from low[i] to high[i].
    low = np.searchsorted(behind, first + pitch, "left")
    touching = np.maximum(np.searchsorted(first, behind + pitch, "right") - low, 0)
    upper = np.repeat(np.arange(count), touching)
    lower = np.arange(len(upper)) + np.repeat(low - np.cumsum(touching) + touching, touching)
    root = _joined(count, upper, lower)
    is_root = root == np.arange(count)
    roots = np.flatnonzero(is_root)
    label = (np.cumsum(is_root) - 1)[root]
    row = first // pitch
    start, end = first - row * pitch, behind - row * pitch
    last = np.empty(len(roots), np.int64)
    last[label] = np.arange(count)  # runs are in the order of their rows, and the last one stays
    boxes = np.empty((len(roots), 4), np.int64)
    boxes[:, 0], boxes[:, 2] = width, 0
    boxes[:, 1], boxes[:, 3] = row[roots], row[last] + 1
    np.minimum.at(boxes[:, 0], label, start)
    np.maximum.at(boxes[:, 2], label, end)
    above = np.bincount(lower, minlength=count)
    alone = (touching[upper] == 1) & (above[lower] == 1)
    area = np.bincount(label, end - start, len(roots)).astype(np.int64)
    return Components(row, start, end, label, boxes, area, np.stack([upper[alone], lower[alone]], axis=1))


def _nothing() -> Components:
    none, boxes, pairs = (np.empty(shape, np.int64) for shape in (0, (0, 4), (0, 2)))
    return Components(none, none, none, none, boxes, none, pairs)


def _edges(compare: np.ufunc, pixels: NDArray[np.uint8], level: int, most: int) -> NDArray[np.int64] | None:
    """Where runs begin and where they have ended, in turn; ``None`` when there are more than allowed.

    Edges are rare, and mostly runs are, too: of eight pixels without an edge no more is looked at.
    """
    padded = np.empty(_WORD + len(pixels), np.bool_)
    padded[:_WORD] = False
    compare(pixels, level, out=padded[_WORD:])
    holding = padded.view(np.uint64) != 0
    here, before = padded[_WORD:].reshape(-1, _WORD), padded[_WORD - 1 : -1].reshape(-1, _WORD)
    if _FEW * np.count_nonzero(holding) < len(holding):
        words = np.flatnonzero(holding[1:] | holding[:-1])
        changes = here.take(words, axis=0) != before.take(words, axis=0)
    else:
        every = here != before
        words = np.flatnonzero(every.view(np.uint64).ravel() != 0)
        if len(words) > most:
            return None
        changes = every.take(words, axis=0)
    if np.count_nonzero(changes) > most:
        return None
    found = np.flatnonzero(changes)
    return np.asarray(words[found // _WORD] * _WORD + found % _WORD)


def _joined(count: int, upper: NDArray[np.int64], lower: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first run of the component of each run; ``upper`` and ``lower`` are pairs that touch, in reading order."""
    parent = np.arange(count)
    parent[lower[::-1]] = upper[::-1]  # the first of several stays; most runs touch no second one
    parent = _followed(parent)
    for _ in range(_ROUNDS):
        one, other = parent[upper], parent[lower]
        apart = one != other
        if not apart.any():
            break
        upper, lower, one, other = upper[apart], lower[apart], one[apart], other[apart]
        np.minimum.at(parent, np.maximum(one, other), np.minimum(one, other))
        parent = _followed(parent)
    return parent


def _followed(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each parent's parent's ... parent, by halving the way."""
    while True:
        further = parent[parent]
        if (further == parent).all():
            return parent
        parent = further
