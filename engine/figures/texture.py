"""Texture and shading of a panel seen small: the features that tell one kind of microscopy from another.

In SEM, edges and small objects shine; in TEM, objects darken an even, bright ground. That shows at the scale of the
objects, so it is measured on a reduced copy of about 112 px (for these numbers only; no reduced pixel ever reaches
the detector). Local binary patterns follow Ojala, Pietikäinen and Mäenpää (2002), the rotation-invariant uniform kind.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SIDE = 112
_SAMPLES_PER_CELL_SIDE = 3
_RADII = (1, 2, 4, 8)
_NATIVE_SIDE = 256
_PATTERNS = 10
_QUANTILES = (2, 10, 25, 50, 75, 90, 98)

NAMES = (
    *(f"quantile_{q}" for q in _QUANTILES[1:-1]),
    *(
        f"{name}_{radius}"
        for radius in _RADII
        for name in ("detail_skew", "detail_tail", "detail_share", "detail_in_light", "detail_sign")
    ),
    "border_brighter",
    "border_flatter",
    *(f"pattern_{i}" for i in range(_PATTERNS)),
    *(f"smooth_pattern_{i}" for i in range(_PATTERNS)),
    *(f"native_pattern_{i}" for i in range(_PATTERNS)),
    "ground_position",
    "ground_share",
    "above_ground",
    "below_ground",
    "direction",
)


def measure_texture(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measure a panel.

    Args:
        grey: uint8 [h, w], both sides at least 32.

    Returns:
        float64 [len(NAMES)], in the order of ``NAMES``.
    """
    small = _reduced(grey)
    spread = float(small.std()) + 0.5
    percentiles = np.percentile(small, _QUANTILES)
    span = percentiles[-1] - percentiles[0] + 1
    values: list[float] = list((percentiles[1:-1] - percentiles[0]) / span)
    for radius in _RADII:
        values += _details(small, min(radius, (min(small.shape) - 2) // 2), spread)
    values += _border(small, spread)
    height, width = grey.shape
    top, left = max(0, (height - _NATIVE_SIDE) // 2), max(0, (width - _NATIVE_SIDE) // 2)
    values += _patterns(np.round(small).astype(np.uint8))
    values += _patterns(_blurred(small, 1))
    values += _patterns(grey[top : top + _NATIVE_SIDE, left : left + _NATIVE_SIDE])
    values += _ground(small, spread)
    values.append(_direction(small))
    return np.array(values, dtype=np.float64)


def _reduced(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means over cells, from at most 3 x 3 pixels of each cell."""
    cell = max(1, min(grey.shape) // _SIDE)
    height, width = (side // cell * cell for side in grey.shape)
    offsets = sorted({cell * i // _SAMPLES_PER_CELL_SIDE for i in range(_SAMPLES_PER_CELL_SIDE)})
    total = np.zeros((height // cell, width // cell), np.float32)
    for dy in offsets:
        for dx in offsets:
            total += grey[dy:height:cell, dx:width:cell]
    total /= len(offsets) ** 2
    return total


def _blurred(small: NDArray[np.float32], radius: int) -> NDArray[np.float64]:
    """Means over squares of ``2 radius + 1`` pixels; loses ``radius`` pixels on each side."""
    size = 2 * radius + 1
    height, width = small.shape
    sums = np.zeros((height + 1, width))
    np.cumsum(small, axis=0, dtype=np.float64, out=sums[1:])
    rows = sums[size:] - sums[:-size]
    sums = np.zeros((len(rows), width + 1))
    np.cumsum(rows, axis=1, out=sums[:, 1:])
    blurred: NDArray[np.float64] = (sums[:, size:] - sums[:, :-size]) / size**2
    return blurred


def _details(small: NDArray[np.float32], radius: int, spread: float) -> list[float]:
    """What stands out at one scale: brighter or darker than around it, sparse or everywhere, in light or in shade."""
    around = _blurred(small, radius)
    detail = small[radius:-radius, radius:-radius] - around
    size = float(detail.std()) + 0.05
    squared = detail * detail  # products, because numpy's ** takes a slow general power
    return [
        float(np.tanh((squared * detail).mean() / size**3 / 2)),
        float(np.log((squared * squared).mean() / size**4 + 0.05)),
        float(np.log(size / spread)),
        _correlation(around, np.abs(detail)),
        _correlation(around, detail),
    ]


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).mean() * (second**2).mean()))
    return float((first * second).mean()) / scale if scale > 0.01 else 0.0


def _border(small: NDArray[np.float32], spread: float) -> list[float]:
    height, width = small.shape
    inner = small[height // 4 : height - height // 4, width // 4 : width - width // 4]
    rows, columns = height // 12 + 1, width // 12 + 1
    ring = np.concatenate(
        [part.ravel() for part in (small[:rows], small[-rows:], small[:, :columns], small[:, -columns:])]
    )
    return [float(ring.mean() - inner.mean()) / spread, float(np.log((ring.std() + 1) / (inner.std() + 1)))]


def _pattern_table() -> NDArray[np.float64]:
    """Which of the ten classes each of the 256 neighbourhoods belongs to, one-hot."""
    table = np.zeros((256, _PATTERNS))
    for code in range(256):
        bits = [code >> i & 1 for i in range(8)]
        changes = sum(bits[i] != bits[i - 1] for i in range(8))
        table[code, sum(bits) if changes <= 2 else _PATTERNS - 1] = 1
    return table


_TABLE = _pattern_table()


def _patterns(picture: NDArray[np.uint8] | NDArray[np.float64]) -> list[float]:
    """Shares of the local binary patterns."""
    centre = picture[1:-1, 1:-1]
    height, width = picture.shape
    code = np.zeros(centre.shape, np.uint8)
    # Once around the centre, so that neighbouring bits are neighbouring pixels.
    for bit, (dy, dx) in enumerate([(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]):
        neighbour = picture[dy : height - 2 + dy, dx : width - 2 + dx]
        code |= (neighbour >= centre).view(np.uint8) << np.uint8(bit)
    shares: list[float] = (np.bincount(code.ravel(), minlength=256) / code.size @ _TABLE).tolist()
    return shares


def _ground(small: NDArray[np.float32], spread: float) -> list[float]:
    """The commonest level: is there an even ground, and is the rest brighter or darker than it?"""
    share = np.bincount(small.astype(np.intp).ravel(), minlength=256) / small.size
    around = np.convolve(share, np.ones(9), "same")
    level = int(around.argmax())
    return [
        (level - float(small.mean())) / spread,
        float(around[level]),
        float(share[level + 12 :].sum()),
        float(share[: max(0, level - 12)].sum()),
    ]


def _direction(small: NDArray[np.float32]) -> float:
    """0 when gradients point everywhere, 1 when they all share one direction (structure tensor)."""
    across, down = small[:-1, 1:] - small[:-1, :-1], small[1:, :-1] - small[:-1, :-1]
    xx, yy, xy = float((across**2).mean()), float((down**2).mean()), float((across * down).mean())
    return float(np.sqrt((xx - yy) ** 2 + 4 * xy**2)) / (xx + yy + 0.1)
