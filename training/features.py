"""Hand-made descriptors of a tile: spectrum, grey-level co-occurrence and residuals.

They are what classical learners were given in studies on generated micrographs: Sorgente et al. (J. Imaging 11, 214,
2025) and the work on rock thin sections (Appl. Sci. 15, 8314, 2025). Neither published its code; which numbers of each
kind are taken is chosen here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semscan.engine.smoothness import smoothness

BINS = 32
"""Rings of the spectrum between the mean and the highest frequency along an axis."""

GREYS = 16
"""Grey levels that co-occurrence counts."""

OFFSETS = tuple((dy * step, dx * step) for step in (1, 2, 4) for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)))
"""Rows and columns between the two pixels of a pair; directions are averaged, distances are not."""

_HARALICK = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "entropy")
_RESIDUALS = ("across", "down", "diagonal", "second_across", "second_down", "npr_right", "npr_below", "npr_diagonal")
_LEVELS = ("mean", "std", "skewness", "kurtosis", "entropy", "smoothness")

NAMES = (
    *(f"spectrum_{ring}" for ring in range(BINS)),
    *(f"glcm{step}_{name}" for step in (1, 2, 4) for name in _HARALICK),
    *(f"{name}_{kind}" for name in _RESIDUALS for kind in ("log_energy", "kurtosis", "zeros")),
    *_LEVELS,
)
"""What each column of :func:`features` is."""

_HARALICK_COLUMNS = slice(BINS, BINS + 3 * len(_HARALICK))
GROUPS = {
    "spectrum": slice(0, BINS),
    "glcm": _HARALICK_COLUMNS,
    "statistics": slice(_HARALICK_COLUMNS.stop, len(NAMES)),
}
"""Columns of each kind."""


def features(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Descriptors of tiles.

    Args:
        tiles: uint8 [n, T, T], T even and at least 64.

    Returns:
        float32 [n, len(NAMES)], finite for every tile, a constant one included.
    """
    out = np.empty((len(tiles), len(NAMES)), np.float32)
    for row, tile in zip(out, tiles, strict=True):
        row[:] = np.concatenate([radial_spectrum(tile), _cooccurrence(tile), _residuals(tile), _levels(tile)])
    return out


def radial_spectrum(tile: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Log power in rings of frequency, less its mean over the rings, so that contrast cancels.

    Args:
        tile: uint8 [T, T], seen through a Hann window.

    Returns:
        float64 [BINS]; natural logarithms, low frequencies first. Corners beyond the highest frequency along an axis
        are in the last ring.
    """
    side = len(tile)
    window = np.hanning(side)
    grey = tile.astype(np.float64)
    power = np.abs(np.fft.rfft2((grey - grey.mean()) * np.outer(window, window))) ** 2
    ring = _rings(side)
    # The floor is the power that rounding to whole grey levels leaves in one coefficient.
    total = np.bincount(ring, power.ravel(), BINS) / np.bincount(ring, minlength=BINS)
    log = np.log(total + side * side / 12 * float((window**2).mean()) ** 2)
    shape: NDArray[np.float64] = log - log.mean()
    return shape


def cooccurrence(tile: NDArray[np.uint8], offset: tuple[int, int]) -> NDArray[np.float64]:
    """Symmetric grey-level co-occurrence matrix (Haralick, Shanmugam & Dinstein, IEEE SMC-3, 1973).

    Args:
        tile: uint8 [h, w].
        offset: rows (not negative) and columns to the second pixel.

    Returns:
        float64 [GREYS, GREYS], summing to 1.
    """
    levels = (tile // (256 // GREYS)).astype(np.intp)
    down, across = offset
    height, width = levels.shape
    first = levels[: height - down, max(0, -across) : width - max(0, across)]
    second = levels[down:, max(0, across) : width + min(0, across)]
    counts = np.bincount((first * GREYS + second).ravel(), minlength=GREYS * GREYS).reshape(GREYS, GREYS)
    matrix: NDArray[np.float64] = (counts + counts.T) / (2 * counts.sum())
    return matrix


def haralick(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Contrast, dissimilarity, homogeneity, energy, correlation and entropy of a co-occurrence matrix, float64 [6]."""
    level = np.arange(GREYS, dtype=np.float64)
    apart = level[:, None] - level[None, :]
    share = matrix.sum(axis=1)
    mean = float(share @ level)
    variance = float(share @ (level - mean) ** 2)
    joint = float((level - mean) @ matrix @ (level - mean))
    seen = matrix[matrix > 0]
    return np.array(
        [
            (matrix * apart**2).sum(),
            (matrix * np.abs(apart)).sum(),
            (matrix / (1 + apart**2)).sum(),
            np.sqrt((matrix**2).sum()),
            joint / variance if variance > 0 else 1.0,
            -float(seen @ np.log(seen)),
        ]
    )


def _rings(side: int) -> NDArray[np.intp]:
    """Ring of each coefficient of ``rfft2``, flat."""
    down, across = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    radius = np.hypot(down, across) * 2 * BINS
    rings: NDArray[np.intp] = np.minimum(radius.astype(np.intp), BINS - 1).ravel()
    return rings


def _cooccurrence(tile: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Haralick's numbers for each distance, averaged over four directions; contrast is stretched away first."""
    low, high = np.percentile(tile, (1, 99))
    stretched = np.clip((tile - low) * (255 / max(1.0, high - low)), 0, 255).astype(np.uint8)
    each = np.array([haralick(cooccurrence(stretched, offset)) for offset in OFFSETS])
    averaged: NDArray[np.float64] = each.reshape(3, 4, -1).mean(axis=1).ravel()
    return averaged


def _residuals(tile: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Log energy, kurtosis and share of zeros of differences; the last three are the NPR residual's planes."""
    x = tile.astype(np.float64)
    corner = x[::2, ::2]
    planes = (
        np.diff(x, axis=1),
        np.diff(x, axis=0),
        x[1:, 1:] - x[:-1, :-1],
        np.diff(x, 2, axis=1),
        np.diff(x, 2, axis=0),
        x[::2, 1::2] - corner,
        x[1::2, ::2] - corner,
        x[1::2, 1::2] - corner,
    )
    return np.array([number for plane in planes for number in _moments(plane)])


def _moments(plane: NDArray[np.float64]) -> tuple[float, float, float]:
    flat = plane.ravel()
    squares = flat * flat
    energy, fourth = float(squares.mean()), float(squares @ squares) / flat.size
    zeros = 1 - np.count_nonzero(flat) / flat.size
    return np.log(energy + 1e-2), np.log(fourth + 1e-4) - 2 * np.log(energy + 1e-2), zeros


def _levels(tile: NDArray[np.uint8]) -> NDArray[np.float64]:
    x = tile.astype(np.float64)
    mean, spread = x.mean(), x.std()
    unit = (x - mean) / max(spread, 0.5)
    squares = unit * unit
    share = np.bincount(tile.ravel(), minlength=256) / tile.size
    share = share[share > 0]
    return np.array(
        [
            mean,
            spread,
            (squares * unit).mean(),
            (squares * squares).mean(),
            -float(share @ np.log(share)),
            smoothness(tile),
        ]
    )
