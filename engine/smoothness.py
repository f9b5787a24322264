"""How smooth a panel is: the one number that explains part of every residual detector's score.

Genuine panels without fine noise (denoised, enlarged, averaged) look generated to a residual detector. The number is
measured here so that calibration can take its share out of the score and can say which panels are outside the range
it has seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK_PIXELS = 184_000
"""Pixels at a time, in whole rows: as many as stay in the cache, and no fewer, for every block costs the same again."""

_EXACT = 1024
"""Products of two numbers from -128 to 127 that float32 adds without rounding, in any order: 2 ** 24 / 2 ** 14."""

_FLOOR = 0.05


def smoothness(grey: NDArray[np.uint8]) -> float:
    """Logarithm of the energy of second differences over the energy of central differences.

    For a panel ``x`` the second difference is ``x[i-1] - 2 x[i] + x[i+1]`` and the central one
    ``(x[i+1] - x[i-1]) / 2``, along rows and along columns; the energies are means of squares over both directions.
    White noise gives ``log 12``, a slow ramp a large negative number: *lower is smoother*. A floor of 0.05 squared
    grey levels on both energies makes a constant panel 0 instead of undefined.

    Args:
        grey: uint8 [h, w], h and w at least 3.

    Returns:
        The natural logarithm of the ratio; the same bits for the same pixels, whatever the memory layout.

    Raises:
        ValueError: a side is shorter than 3 pixels.
    """
    if min(grey.shape) < 3:
        raise ValueError(f"smoothness needs at least 3 x 3 pixels, not {grey.shape}")
    squares, across, down = _neighbour_products(grey)
    second = central = 0
    for plane, (one, two) in ((grey, across), (grey.T, down)):
        first, after_first, before_last, last = (_centred(plane[:, at]).astype(np.int64) for at in (0, 1, -2, -1))
        before = squares - int(before_last @ before_last) - int(last @ last)
        here = squares - int(first @ first) - int(last @ last)
        after = squares - int(first @ first) - int(after_first @ after_first)
        beside = 2 * one - int(before_last @ last) - int(first @ after_first)
        second += before + 4 * here + after - 4 * beside + 2 * two
        central += before + after - 2 * two
    height, width = grey.shape
    count = height * (width - 2) + (height - 2) * width
    return float(np.log((second / count + _FLOOR) / (central / 4 / count + _FLOOR)))


def _centred(grey: NDArray[np.uint8], out: NDArray[np.uint8] | None = None) -> NDArray[np.int8]:
    """Grey levels less 128, in the memory of ``out`` if that is given."""
    return np.bitwise_xor(grey, np.uint8(128), out=out).view(np.int8)


def _neighbour_products(grey: NDArray[np.uint8]) -> tuple[int, tuple[int, int], tuple[int, int]]:
    """Sums of ``x[i] x[i]``, and of ``x[i] x[i+1]`` and ``x[i] x[i+2]`` along rows and along columns.

    All squares of differences are made of these. They are taken of grey levels less 128: differences are the same, and
    products are small enough to be summed exactly in float32, in which they are fastest.
    """
    height, width = grey.shape
    squares = across_one = across_two = down_one = down_two = 0
    most = min(height, max(1, _BLOCK_PIXELS // width))
    # Two rows of overlap for the vertical products. One buffer for all blocks: it stays in the cache.
    bytewise, block = np.empty((most + 2, width), np.uint8), np.empty((most + 2, width), np.float32)
    pixels = block.ravel()
    for start in range(0, height, most):
        rows, lines = min(most, height - start), min(most + 2, height - start)
        block[:lines] = _centred(grey[start : start + lines], bytewise[:lines])
        own = pixels[: rows * width]
        squares += _dot(own, own)
        # One long vector is faster than many rows; the products across the ends of rows are taken off below.
        across_one += _dot(own[:-1], own[1:])
        across_two += _dot(own[:-2], own[2:])
        one_below, two_below = min(rows, lines - 1) * width, max(0, min(rows, lines - 2)) * width
        down_one += _dot(pixels[:one_below], pixels[width : width + one_below])
        down_two += _dot(pixels[:two_below], pixels[2 * width : 2 * width + two_below])
    in_one_block = np.arange(1, height) % most != 0
    ends = _centred(grey[:-1, -2:][in_one_block]).astype(np.int64)
    starts = _centred(grey[1:, :2][in_one_block]).astype(np.int64)
    across_one -= int(ends[:, 1] @ starts[:, 0])
    across_two -= int(ends[:, 0] @ starts[:, 0]) + int(ends[:, 1] @ starts[:, 1])
    return squares, (across_one, across_two), (down_one, down_two)


def _dot(one: NDArray[np.float32], other: NDArray[np.float32]) -> int:
    """Exact sum of products of whole numbers from -128 to 127."""
    whole = len(one) // _EXACT * _EXACT
    sums = np.matmul(one[:whole].reshape(-1, 1, _EXACT), other[:whole].reshape(-1, _EXACT, 1))
    return int(sums.sum(dtype=np.float64)) + int(one[whole:] @ other[whole:])
