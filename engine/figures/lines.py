"""The rows and columns of a figure, thinned for the search and whole for the proof.

Every cut of a figure is a straight line, so most rows can be ruled out by looking at every tenth pixel of them. The
samples are taken once per figure; the regions of the recursion share them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semscan.engine.geometry import Box

_SAMPLES_ACROSS = 96
_WIDEST_STEP_PX = 16
_MANY_PX = 1 << 22
_IGNORED_ENDS_SHARE = 0.015
_IGNORED_ENDS_PX = 2
_LENGTHS_KEPT = 256
_FEW_LINES = 32
_BAND_PX, _BAND_GAP_PX, _BAND_STEP = 24, 2, (2, 3)
_LEVELS_SHIFT = 3
_WIDEST_BRIDGE = 12
MOST_IN_COMMON = 0.8
"""Of 470 pairs of panels that touch 1 % have more in common, of the straight lines inside graphics most."""


SHORTEST_SLAB_PX = 16
"""Nothing less lies between two gutters, or between a gutter and the end of a region."""


class Gutter(NamedTuple):
    """Lines ``start <= y < end`` of a region that separate panels; ``level`` is their grey level."""

    start: int
    end: int
    level: int

    @property
    def width_px(self) -> int:
        """Width in pixels."""
        return self.end - self.start


class Lines(NamedTuple):
    """One region read line by line; columns are the lines of the transpose.

    Attributes:
        whole: uint8 [n, w], a view of the image.
        thin: uint8 [m, n], every ``step``-th pixel of each line, without a few at both ends; a line is a column here,
            as numpy works on many lines at once much faster than along short ones.
    """

    whole: NDArray[np.uint8]
    thin: NDArray[np.uint8]

    @property
    def inner(self) -> NDArray[np.uint8]:
        """The lines without their ends, where frames and neighbours of unequal size leave a few odd pixels."""
        ends = ignored_ends_px(self.whole.shape[1])
        return self.whole[:, ends:-ends]


class Samples:
    """A figure and its thinned lines in both directions.

    Args:
        grey: uint8 [H, W].
    """

    def __init__(self, grey: NDArray[np.uint8]) -> None:
        self.grey = grey
        self._step = max(1, min(_WIDEST_STEP_PX, min(grey.shape) // _SAMPLES_ACROSS))
        some = grey[:, self._step // 2 :: self._step]
        if grey.size > _MANY_PX:  # turned at once, each pixel of a large picture is read past the cache
            some = np.ascontiguousarray(some)
        self._rows = np.ascontiguousarray(some.T)
        self._columns = np.ascontiguousarray(grey[self._step // 2 :: self._step])

    def rows(self, box: Box) -> Lines:
        """The rows of a region, from the top."""
        whole = self.grey[box.y0 : box.y1, box.x0 : box.x1]
        return Lines(whole, self._rows[self._span(box.x0, box.x1), box.y0 : box.y1])

    def columns(self, box: Box) -> Lines:
        """The columns of a region, from the left."""
        whole = self.grey[box.y0 : box.y1, box.x0 : box.x1].T
        return Lines(whole, self._columns[self._span(box.y0, box.y1), box.x0 : box.x1])

    def _span(self, start: int, end: int) -> slice:
        """Indices of the samples between two pixels, the ignored ends left out but never all of them."""
        ends = ignored_ends_px(end - start)
        first = -(-(start + ends - self._step // 2) // self._step)
        last = -(-(end - ends - self._step // 2) // self._step)
        return slice(max(0, first), max(last, first + 1, 1))


def ignored_ends_px(length: int) -> int:
    """How many pixels at each end of a line of this length say nothing about it."""
    return min(max(_IGNORED_ENDS_PX, int(_IGNORED_ENDS_SHARE * length)), max(1, length // 4))


def lowest_and_highest(lines: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The extreme values of each line, uint8 [n]; ``lines`` may be a view of columns."""
    if len(lines) <= _FEW_LINES:  # numpy crawls through a few long columns, a copy costs less
        lines = np.ascontiguousarray(lines)
    return np.minimum.reduce(lines, axis=1), np.maximum.reduce(lines, axis=1)


def levels_in_common(whole: NDArray[np.uint8], start: int, end: int) -> float:
    """Share of the grey levels that the bands before line ``start`` and from line ``end`` on have in common."""
    down, along = _BAND_STEP
    shares = []
    for band in (
        whole[max(0, start - _BAND_GAP_PX - _BAND_PX) : max(0, start - _BAND_GAP_PX) : down, ::along],
        whole[end + _BAND_GAP_PX : end + _BAND_GAP_PX + _BAND_PX : down, ::along],
    ):
        levels = np.ascontiguousarray(band).ravel() >> _LEVELS_SHIFT
        shares.append(np.bincount(levels, minlength=256 >> _LEVELS_SHIFT) / max(1, levels.size))
    return float(np.minimum(*shares).sum())


def runs(mask: NDArray[np.bool_], least: int = 1) -> list[tuple[int, int]]:
    """Half-open spans of at least so many true values."""
    return _spans(b"\x01{%d,}" % least, mask)


def bridged_runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open spans of true values, those with only a few false ones between them made into one."""
    return _spans(b"\x01+(?:\x00{1,%d}\x01+)*" % _WIDEST_BRIDGE, mask)


def _spans(pattern: bytes, mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where a pattern lies: far less work than with arrays of numpy."""
    return [match.span() for match in re.finditer(pattern, mask.tobytes())]


def block_means(rows: NDArray[np.uint8] | NDArray[np.float32], block_px: int) -> NDArray[np.float32]:
    """Means of blocks along the last axis, float32 [..., w // block_px]; noise and ringing of JPEG average out."""
    count = rows.shape[-1] // block_px
    blocks = (
        np.ascontiguousarray(rows[..., : count * block_px])
        .astype(np.float32)
        .reshape(*rows.shape[:-1], count, block_px)
    )
    return np.asarray(blocks @ equal_shares(block_px))


@lru_cache(_LENGTHS_KEPT)
def equal_shares(count: int) -> NDArray[np.float32]:
    """The vector of ``count`` equal shares of 1: a product with it is a mean, faster than numpy's own."""
    shares = np.full(count, 1 / count, np.float32)
    shares.flags.writeable = False
    return shares
