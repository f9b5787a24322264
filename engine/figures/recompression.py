"""Whether a panel was a JPEG before it became what is stored, on the same grid of blocks, and of which quality.

Coefficients that were rounded to multiples of a coarse step and then to multiples of a finer one leave some of these
empty and others crowded (Lukas & Fridrich, DFRWS 2003; Popescu & Farid, IH 2004). For every standard table with coarser
steps than the stored ones the counts of the lowest frequencies are compared with what both roundings make of a Laplace
distribution (Reininger & Gibson, IEEE Trans. Commun. 31, 1983), its width fitted. The likeliest table is named if it
explains the counts plainly better than a single rounding does. Pixels stored without loss count as rounded to ones.

An earlier compression that was finer than the stored one, or on another grid, is not found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from semscan.engine.geometry import Box
from semscan.engine.jpegfacts import standard_tables, zigzag

LOSSLESS = (1,) * 64
"""What pixels stored without loss were rounded to, in place of a table."""

PLAIN = 0.05
"""Least mean gain in log likelihood per coefficient. Of 124 genuine micrographs that nobody says were a JPEG before two
reach it; their coefficients lie on combs, so they were (docs/results/recompression.md)."""

FEWEST = 1000
"""Coefficients: with fewer the mean gain is a matter of luck."""

_Floats: TypeAlias = NDArray[np.floating[Any]]

_PX = 8
_MODES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (0, 3), (3, 0))
_MOST_BLOCKS = 512
_FLAT_LEVELS = 4
_LARGEST = 40
_COARSEST = 64
_WIDTHS = np.geomspace(0.5, 120, 16)
_FIRST = np.arange(len(_MODES)) * (_LARGEST + 2)
_ROUNDING = 0.35
_STRAY = 0.02


def _cosines() -> NDArray[np.float32]:
    """Products of cosines of the modes, float32 [64, modes]: the transform of T.81, whose norm is one."""
    places = np.arange(_PX)
    waves = np.cos((2 * places + 1) * places[:, None] * math.pi / 16) / 2
    waves[0] /= 2**0.5
    return np.stack([np.outer(waves[row], waves[column]).ravel() for row, column in _MODES], axis=1).astype(np.float32)


_COSINES = _cosines()
_IN_FILE = [zigzag().index(mode) for mode in _MODES]


def earlier_quality(grey: NDArray[np.uint8], box: Box, steps: Sequence[int]) -> int | None:
    """Quality of an earlier, coarser JPEG compression of a panel, if it is plain.

    Args:
        grey: uint8 [H, W], the stored image from the first pixel of a block on.
        box: the panel without its data bar.
        steps: 64 steps of the luminance table that the image is stored with, in the order of the file, or
            :data:`LOSSLESS`.

    Returns:
        1 to 100: of the standard table with the likeliest steps; or ``None``.
    """
    own = np.array([steps[place] for place in _IN_FILE])
    sizes = np.abs(np.rint(_coefficients(grey, box) / np.maximum(own, 1).astype(np.float32)))
    # One count for all modes: each has its own numbers, and what is larger than counted goes to its last one.
    numbers = np.minimum(sizes, _LARGEST + 1).astype(np.int64) + _FIRST
    counts = np.bincount(numbers.ravel(), minlength=_FIRST[-1] + _LARGEST + 2).reshape(len(own), -1)[:, :-1]
    single, total = 0.0, 0
    twice = np.zeros(100)
    for step in sorted({step for step in own.tolist() if 1 <= step <= _COARSEST}):  # a file may hold any number
        columns = np.flatnonzero(own == step)
        alike = counts[columns]
        fits = (alike.astype(np.float32) @ _log_shares(step).T).reshape(len(columns), len(_WIDTHS), -1)
        for column, likely in zip(columns.tolist(), fits.max(axis=1), strict=True):  # with the width that suits best
            single += float(likely[0])
            twice += likely[_earlier_rows(column, step)]
        total += int(alike.sum())
    best = int(twice.argmax())
    return best + 1 if total >= FEWEST and twice[best] - single > PLAIN * total else None


def _coefficients(grey: NDArray[np.uint8], box: Box) -> NDArray[np.float32]:
    """Coefficients of blocks with texture, spread over the panel, float32 [n, modes]."""
    y0, x0 = -(-box.y0 // _PX) * _PX, -(-box.x0 // _PX) * _PX
    rows, columns = (box.y1 - y0) // _PX, (box.x1 - x0) // _PX
    if rows < 1 or columns < 1:
        return np.empty((0, len(_MODES)), np.float32)
    step = max(1, math.isqrt(rows * columns // _MOST_BLOCKS))
    # A line of a block is one number of eight bytes, so that blocks are copied line by line, not pixel by pixel.
    panel = grey[y0 : y0 + rows * _PX, x0 : x0 + columns * _PX].view(np.uint64)
    lines = panel.reshape(rows, _PX, columns)[::step, :, ::step]
    blocks = lines.transpose(0, 2, 1).reshape(-1, _PX).view(np.uint8)
    first_lines = lines.transpose(1, 0, 2).reshape(_PX, -1).view(np.uint8)
    ends = (extreme.reduce(first_lines).reshape(-1, _PX).T for extreme in (np.maximum, np.minimum))
    highest, lowest = map(np.ascontiguousarray, ends)
    textured = highest.max(axis=0) - lowest.min(axis=0) >= _FLAT_LEVELS
    coefficients: NDArray[np.float32] = blocks[textured].astype(np.float32) @ _COSINES
    return coefficients


@lru_cache(maxsize=len(_MODES) * _COARSEST)
def _earlier_rows(column: int, step: int) -> NDArray[np.intp]:
    """For each quality the row of :func:`_log_shares`; 0, no earlier rounding, unless its step is coarser."""
    earlier = standard_tables()[:, _IN_FILE[column]]
    return np.where((earlier > step) & (earlier <= _COARSEST), earlier - step, 0)


@lru_cache(maxsize=_COARSEST)
def _log_shares(step: int) -> NDArray[np.float32]:
    """Logarithms of the shares of rounded sizes 0, 1, 2, ...

    Returns:
        float32 [widths * earlier, sizes]: first for a single rounding, then for one to ``step + 1``, ``step + 2``, ...
        before it.
    """
    sizes = np.arange(0.0, _LARGEST + 1)
    shares = [_laplace(step, len(sizes))]
    for coarse in range(step + 1, _COARSEST + 1):
        rounded = _laplace(coarse, math.ceil((_LARGEST + 1) * step / coarse) + 2)
        at = np.arange(0.0, rounded.shape[1]) * coarse
        # Between the two the pixels were rounded, which moves coefficients by some tenths.
        passed = _between((sizes[:, None] - 0.5) * step - at, (sizes[:, None] + 0.5) * step - at)
        passed[1:] += _between((-sizes[1:, None] - 0.5) * step - at, (-sizes[1:, None] + 0.5) * step - at)
        shares.append(rounded @ passed.T)
    both = np.stack(shares)
    both /= both.sum(axis=2, keepdims=True)
    # A few coefficients lie elsewhere: blocks with letters, edited places.
    logs: NDArray[np.float32] = np.log((1 - _STRAY) * both + _STRAY / len(sizes)).astype(np.float32)
    return logs.transpose(1, 0, 2).reshape(-1, len(sizes))


def _laplace(step: int, count: int) -> _Floats:
    """Shares of the sizes 0, 1, ... of Laplace-distributed numbers rounded to a step, float64 [widths, count]."""
    edges = np.maximum(np.arange(count + 1) - 0.5, 0) * step
    shares: _Floats = -np.diff(np.exp(-edges / _WIDTHS[:, None]), axis=1)
    return shares


def _between(low: _Floats, high: _Floats) -> _Floats:
    """Share of the rounding error, about normal, that lies between two bounds."""
    return _normal(high / _ROUNDING) - _normal(low / _ROUNDING)


def _normal(at: _Floats) -> _Floats:
    """The normal distribution function to 2e-4, from the hyperbolic tangent (Page, Applied Statistics 26, 1977)."""
    bounded = np.clip(at, -6, 6)
    shares: _Floats = (1 + np.tanh((2 / math.pi) ** 0.5 * bounded * (1 + 0.044715 * bounded * bounded))) / 2
    return shares
