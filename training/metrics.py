"""Statistics of a detector on panels: ranking, rates and their intervals. The independent unit is the source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semscan.engine import intervals

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

    A source is drawn with its genuine panels and what was made of them together (cluster bootstrap; Field & Welsh,
    JRSS B 69, 2007). Made panels of sources that gave no genuine panel are drawn by themselves, source by source.

    Args:
        genuine: scores of genuine panels.
        genuine_sources: the source of each.
        made: scores of made panels.
        made_sources: the source of the genuine partner of each, or what else makes it depend on other made panels.
        resamples: number of bootstrap draws.
        seed: of the draws.
    """
    names = sorted(set(genuine_sources))
    alone = sorted(set(made_sources) - set(names))
    index = {name: i for i, name in enumerate([*names, *alone])}
    of_genuine = np.array([index[s] for s in genuine_sources])
    of_made = np.array([index[s] for s in made_sources])
    wins = _wins(genuine, made)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        drawn = [rng.integers(0, len(group), len(group)) for group in (names, alone) if group]
        if alone:
            drawn[1] += len(names)
        count = np.bincount(np.concatenate(drawn), minlength=len(index))
        on_made, on_genuine = count[of_made], count[of_genuine]
        total = on_made.sum() * on_genuine.sum()
        if total:
            values.append(float(on_made @ wins @ on_genuine) / total)
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def partial_auc(genuine: Floats, made: Floats, most_fpr: float = 0.01) -> float:
    """Area under the ROC up to a false-positive rate, standardised to 0.5 for chance and 1 for perfect.

    McClish, Medical Decision Making 9, 1989. Between two genuine scores the curve is a straight line.
    """
    fpr, tpr = roc(genuine, made)
    at = float(np.interp(most_fpr, fpr, tpr))
    inside = fpr < most_fpr
    x, y = np.append(fpr[inside], most_fpr), np.append(tpr[inside], at)
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2)
    least = most_fpr**2 / 2
    return 0.5 * (1 + (area - least) / (most_fpr - least))


def average_precision(genuine: Floats, made: Floats) -> float:
    """Mean precision at the scores of made panels; depends on the share of made panels, unlike the AUC."""
    scores = np.concatenate([genuine, made])
    is_made = np.concatenate([np.zeros(len(genuine)), np.ones(len(made))])
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(is_made[order])[ends]
    recall = np.diff(np.concatenate([[0.0], hits])) / len(made)
    return float(recall @ (hits / (ends + 1)))


def roc(genuine: Floats, made: Floats) -> tuple[Floats, Floats]:
    """False- and true-positive rates at every threshold, from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([genuine, made]))[::-1]
    above = [np.searchsorted(np.sort(-scores), -thresholds, side="right") / len(scores) for scores in (genuine, made)]
    fpr, tpr = (np.concatenate([[0.0], rate]) for rate in above)
    return fpr, tpr


def supports(n: int, rate: float) -> bool:
    """Whether so many genuine panels can tell a false-positive rate at all: at least one must be allowed above it."""
    return int(np.floor(rate * n)) >= 1


def rate_interval(hits: ArrayLike, sources: Sequence[str], resamples: int, seed: int) -> tuple[float, float]:
    """Two-sided 95 % percentile interval of a share from a bootstrap over sources; all of 0 to 1 without any."""
    names = sorted(set(sources))
    if not names:
        return 0.0, 1.0
    index = np.array([names.index(source) for source in sources])
    hit = np.bincount(index, np.asarray(hits, float), len(names))
    size = np.bincount(index, minlength=len(names))
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(names), (resamples, len(names)))
    low, high = np.quantile(hit[drawn].sum(1) / size[drawn].sum(1), (0.025, 0.975))
    return float(low), float(high)


def tpr_at(genuine: Floats, made: Floats, fpr: float) -> float:
    """Share of made panels above the lowest threshold that at most ``fpr`` of these genuine panels exceed."""
    allowed = int(np.floor(fpr * len(genuine)))
    threshold = np.sort(genuine)[::-1][allowed]
    return float((made > threshold).mean())


def clopper_pearson(k: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of one rate, see :func:`semscan.engine.intervals.clopper_pearson`."""
    low, high = intervals.clopper_pearson(k, n, confidence)
    return float(low), float(high)


def _wins(genuine: Floats, made: Floats) -> Floats:
    """[made, genuine]: 1 where the made panel scores higher, 0.5 where equal."""
    over: Floats = (made[:, None] > genuine[None, :]) + 0.5 * (made[:, None] == genuine[None, :])
    return over
