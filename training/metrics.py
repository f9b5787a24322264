"""Statistics of a detector on panels: ranking, rates and their intervals. The independent unit is the source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def auc(genuine: Floats, made: Floats) -> float:
    """Chance that a made panel outscores a genuine one, ties counting half (Mann-Whitney)."""
    return float(_wins(genuine, made).mean())


def auc_interval(
    genuine: Floats,
    genuine_sources: Sequence[str],
    made: Floats,
    made_sources: Sequence[str],
    resamples: int,
    seed: int,
) -> tuple[float, float]:
    """Two-sided 95 % percentile interval of the AUC from a bootstrap over sources.

    A source is drawn with its genuine panels and their reconstructions together (cluster bootstrap; Field & Welsh,
    JRSS B 69, 2007).

    Args:
        genuine: scores of genuine panels.
        genuine_sources: the source of each.
        made: scores of made panels.
        made_sources: the source of the genuine partner of each.
        resamples: number of bootstrap draws.
        seed: of the draws.
    """
    names = sorted(set(genuine_sources))
    index = {name: i for i, name in enumerate(names)}
    of_genuine = np.array([index[s] for s in genuine_sources])
    of_made = np.array([index[s] for s in made_sources])
    wins = _wins(genuine, made)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        count = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        on_made, on_genuine = count[of_made], count[of_genuine]
        total = on_made.sum() * on_genuine.sum()
        if total:
            values.append(float(on_made @ wins @ on_genuine) / total)
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def tpr_at(genuine: Floats, made: Floats, fpr: float) -> float:
    """Share of made panels above the lowest threshold that at most ``fpr`` of these genuine panels exceed."""
    allowed = int(np.floor(fpr * len(genuine)))
    threshold = np.sort(genuine)[::-1][allowed]
    return float((made > threshold).mean())


def clopper_pearson(k: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a rate (Clopper & Pearson, Biometrika 26, 1934); ``k`` may be fractional."""
    from scipy.stats import beta

    side = (1 - confidence) / 2
    low = float(beta.ppf(side, k, n - k + 1)) if k > 0 else 0.0
    high = float(beta.ppf(1 - side, k + 1, n - k)) if k < n else 1.0
    return low, high


def upper_bound(k: float, n: float, confidence: float = 0.95) -> float:
    """Exact one-sided upper bound of a rate; ``k`` may be fractional."""
    from scipy.stats import beta

    return float(beta.ppf(confidence, k + 1, n - k)) if k < n else 1.0


def _wins(genuine: Floats, made: Floats) -> Floats:
    """[made, genuine]: 1 where the made panel scores higher, 0.5 where equal."""
    over: Floats = (made[:, None] > genuine[None, :]) + 0.5 * (made[:, None] == genuine[None, :])
    return over
