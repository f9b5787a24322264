"""Exact intervals of rates, without a statistics package: what a scan's user needs to calibrate and to evaluate.

The bounds of Clopper and Pearson (Biometrika 26, 1934) are quantiles of beta distributions. The regularised incomplete
beta function comes from its continued fraction (DLMF 8.17.22, evaluated after Lentz, Applied Optics 15, 1976) and is
inverted by bisection, for whole arrays at once.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_HALVINGS = 50
_MOST_TERMS = 2000
_TINY = 1e-300

_MOST_SOURCES = 2.0**53
"""Rates next to nothing need more than can be counted."""


def clopper_pearson(k: ArrayLike, n: float, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Two-sided interval of a rate.

    Args:
        k: events, any shape, possibly fractional, 0 to ``n``.
        n: trials, more than 0.
        confidence: of the interval.

    Returns:
        Lower and upper ends, float64 of the shape of ``k``.

    >>> [round(float(end), 4) for end in clopper_pearson(5, 100)]
    [0.0164, 0.1128]
    """
    k = np.asarray(k, np.float64)
    side = (1 - confidence) / 2
    low = np.where(k > 0, beta_quantile(side, np.maximum(k, _TINY), n - k + 1), 0.0)
    high = np.where(k < n, beta_quantile(1 - side, k + 1, np.maximum(n - k, _TINY)), 1.0)
    return low, high


def upper_bound(k: ArrayLike, n: float, confidence: float = 0.95) -> Floats:
    """One-sided upper bound of a rate; arguments as for :func:`clopper_pearson`."""
    k = np.asarray(k, np.float64)
    return np.where(k < n, beta_quantile(confidence, k + 1, np.maximum(n - k, _TINY)), 1.0)


def sources_needed(rate: float, confidence: float = 0.95) -> int:
    """Independent genuine sources, none of which scores as high, that it takes to state a rate.

    >>> sources_needed(0.05), sources_needed(0.01), sources_needed(0.001)
    (59, 299, 2995)
    """
    return math.ceil(min(math.log(1 - confidence) / math.log1p(-rate) - 1e-9, _MOST_SOURCES))


def beta_quantile(share: float, a: ArrayLike, b: ArrayLike) -> Floats:
    """Where a beta distribution reaches a share, to about 1e-15.

    Args:
        share: between 0 and 1.
        a: first shape parameter, positive, any shape.
        b: second shape parameter, likewise.
    """
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    scale = _log_scale(a, b)
    low, high = np.zeros(a.shape), np.ones(a.shape)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = _incomplete_beta(middle, a, b, scale) < share
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def _log_scale(a: Floats, b: Floats) -> Floats:
    """Logarithm of ``Gamma(a + b) / Gamma(a) / Gamma(b)``."""
    pairs = zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
    values = [math.lgamma(p + q) - math.lgamma(p) - math.lgamma(q) for p, q in pairs]
    return np.array(values).reshape(a.shape)


def _incomplete_beta(x: Floats, a: Floats, b: Floats, scale: Floats) -> Floats:
    """The regularised incomplete beta function for ``x`` inside (0, 1)."""
    swap = x > (a + 1) / (a + b + 2)  # where the fraction converges slowly, the mirrored one converges fast
    p, q, y = np.where(swap, b, a), np.where(swap, a, b), np.where(swap, 1 - x, x)
    front = np.exp(scale + p * np.log(y) + q * np.log1p(-y)) / p
    value: Floats = front * _fraction(y, p, q)
    mirrored: Floats = np.where(swap, 1 - value, value)
    return mirrored


def _fraction(x: Floats, a: Floats, b: Floats) -> Floats:
    """One over the continued fraction of the incomplete beta function."""
    c = np.ones_like(x)
    d = _inverse(1 - (a + b) * x / (a + 1))
    value = d.copy()
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = _inverse(1 + term * d)
            c = _away_from_zero(1 + term / c)
            step = d * c
            value = value * step
        if np.all(np.abs(step - 1) < 1e-15):
            break
    return value


def _away_from_zero(value: Floats) -> Floats:
    return np.where(np.abs(value) < _TINY, _TINY, value)


def _inverse(value: Floats) -> Floats:
    inverse: Floats = 1 / _away_from_zero(value)
    return inverse
