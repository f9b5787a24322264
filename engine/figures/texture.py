"""Texture and shading of a panel in numbers, from its fixed-size views: what sets one kind of microscopy off another.

In SEM, edges and small objects shine; in TEM, objects darken an even, bright ground. A few dozen statistics of that
kind hold for panels unlike any that the gate has learned from, where a convolutional network, tried on the same views,
had too few sources to find what matters. Local
binary patterns follow Ojala, Pietikäinen and Mäenpää (2002), the rotation-invariant uniform kind.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.views import NATIVE_PATCHES, PATCH_PX, Views

_THUMB_RADII = (1, 3, 8)
_PATCH_RADII = (1, 3)
_PATTERNS = 10
_QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_DETAILS = ("skew", "tail", "share", "in_light", "sign")
_STEP = 2
"""Every other place is enough for a statistic."""

NAMES = (
    *(f"quantile_{q}" for q in _QUANTILES[1:-1]),
    "ground_position",
    "ground_share",
    "above_ground",
    "below_ground",
    *(
        f"{scale}_{name}_{radius}"
        for scale, radii in (("thumb", _THUMB_RADII),)
        for radius in radii
        for name in _DETAILS
    ),
    *(f"{scale}_{name}_{r}" for scale in ("native", "middle") for r in _PATCH_RADII for name in _DETAILS),
    *(f"{scale}_pattern_{i}" for scale in ("thumb", "native", "middle") for i in range(_PATTERNS)),
    *(f"{scale}_spread" for scale in ("thumb", "native", "middle")),
)


def texture_summary(views: Views) -> NDArray[np.float32]:
    """Measure the views of a panel.

    Args:
        views: from :func:`semscan.engine.figures.views.take_views`.

    Returns:
        float32 [len(NAMES)], in the order of ``NAMES``.
    """
    thumb, patches = views.thumb, views.patches
    native, middle = (part.reshape(-1, PATCH_PX) for part in (patches[:NATIVE_PATCHES], patches[NATIVE_PATCHES:]))
    values = _levels(thumb)
    spreads = []
    for picture, radii in ((thumb, _THUMB_RADII), (native, _PATCH_RADII), (middle, _PATCH_RADII)):
        shown = picture.astype(np.float32)
        spread = _variance(shown.ravel()) ** 0.5 + 0.5
        spreads.append(math.log(spread))
        for radius in radii:
            values += _details(shown, radius, spread)
    for picture in (thumb, native, middle):
        values += _patterns(picture)
    return np.array(values + spreads, np.float32)


def _levels(thumb: NDArray[np.uint8]) -> list[float]:
    """Where the grey levels lie, and the commonest one: is there an even ground, is the rest brighter or darker?"""
    share = np.bincount(thumb.ravel(), minlength=256) / thumb.size
    below = np.cumsum(share)
    quantiles = np.searchsorted(below, _QUANTILES)
    span = float(quantiles[-1] - quantiles[0]) + 1
    mean = float(share @ np.arange(256))
    around = np.convolve(share, np.ones(9), "same")
    level = int(around.argmax())
    ground = [
        (level - mean) / span,
        float(around[level]),
        float(share[level + 12 :].sum()),
        float(share[: max(0, level - 12)].sum()),
    ]
    return [*((quantiles[1:-1] - quantiles[0]) / span).tolist(), *ground]


@lru_cache(maxsize=16)
def _windows(length: int, size: int) -> NDArray[np.float32]:
    """Which places belong to each window of this size, every other window, float32 [windows, length]."""
    starts = np.arange(0, length - size + 1, _STEP)[:, None]
    places = np.arange(length)
    inside: NDArray[np.float32] = ((places >= starts) & (places < starts + size)).astype(np.float32)
    return inside


def _details(shown: NDArray[np.float32], radius: int, spread: float) -> list[float]:
    """What stands out at one scale: brighter or darker than around it, sparse or everywhere, in light or in shade."""
    size = 2 * radius + 1
    # Exact, in whatever order they are added up, because the sums are whole numbers below 2^24.
    around = _windows(len(shown), size) @ (shown @ _windows(shown.shape[1], size).T)
    around *= 1 / size**2
    detail = (shown[radius:-radius:_STEP, radius:-radius:_STEP] - around).ravel()
    squared, strength = detail * detail, np.abs(detail)
    n = detail.size
    variance = float(np.vdot(detail, detail)) / n
    deviation = variance**0.5 + 0.05
    light = around.ravel()
    light -= np.add.reduce(light) / n
    lights = float(np.vdot(light, light)) / n
    return [
        math.tanh(float(np.vdot(squared, detail)) / n / deviation**3 / 2),
        math.log(float(np.vdot(squared, squared)) / n / deviation**4 + 0.05),
        math.log(deviation / spread),
        _link(float(np.vdot(light, strength)) / n, lights, variance - (float(np.add.reduce(strength)) / n) ** 2),
        _link(float(np.vdot(light, detail)) / n, lights, variance - (float(np.add.reduce(detail)) / n) ** 2),
    ]


def _variance(values: NDArray[np.float32]) -> float:
    mean = float(np.add.reduce(values)) / values.size
    centred = values - np.float32(mean)
    return float(np.vdot(centred, centred)) / values.size


def _link(shared: float, first: float, second: float) -> float:
    """A correlation coefficient from a covariance and variances, 0 where one side does not vary."""
    scale = max(0.0, first * second) ** 0.5
    return shared / scale if scale > 0.01 else 0.0


def _pattern_table() -> NDArray[np.float64]:
    """Which of the ten classes each of the 256 neighbourhoods belongs to, one-hot."""
    table = np.zeros((256, _PATTERNS))
    for code in range(256):
        bits = [code >> i & 1 for i in range(8)]
        changes = sum(bits[i] != bits[i - 1] for i in range(8))
        table[code, sum(bits) if changes <= 2 else _PATTERNS - 1] = 1
    return table


_TABLE = _pattern_table()


def _patterns(picture: NDArray[np.uint8]) -> list[float]:
    """Shares of the local binary patterns."""
    height, width = picture.shape
    # Lines of pixels laid end to end are compared at once; what then spans two lines is left out of the count.
    above, line, below = (picture[dy : height - 2 + dy : _STEP].ravel() for dy in range(3))
    size = len(line) - 2
    centre = line[1 : 1 + size]
    code, bit_set = np.zeros(len(line), np.uint8), np.empty(size, np.bool_)
    # Once around the centre, so that neighbouring bits are neighbouring pixels; the highest bit comes first.
    around = ((line, 0), (below, 0), (below, 1), (below, 2), (line, 2), (above, 2), (above, 1), (above, 0))
    for neighbours, dx in around:
        np.greater_equal(neighbours[dx : dx + size], centre, out=bit_set)
        code[:size] += code[:size]
        code[:size] |= bit_set.view(np.uint8)
    codes = code.reshape(-1, width)[:, : width - 2]
    shares: list[float] = (np.bincount(codes.ravel(), minlength=256) / codes.size @ _TABLE).tolist()
    return shares
