"""Counting genuine scores by source: the table that says which score is how rare.

Split-conformal counting (Vovk et al.; Papadopoulos et al., ECML 2002) with two changes. A source that gave several
panels counts as one, through the share of its panels that score as high, because panels of one source score alike.
And where one collection gave most of the sources, its sources weigh less (:func:`balanced`). Events are then counted
in units of the largest weight, among as many sources as all the weights make up: a sum of independent events that
weigh at most one varies less than as many whole ones of the same mean (Hoeffding, Annals of Mathematical Statistics
27, 1956), so the Clopper-Pearson bounds hold whichever sources score high. The same table serves a shipped model and
the archive of a publisher.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from semscan.engine.intervals import Floats, clopper_pearson, upper_bound

COLUMNS = ("scores", "tail", "low95", "high95", "upper95")

MOST_ROWS = 2000
"""Rows of a table before neighbours whose tails differ by less than :data:`_ALIKE` are put together."""

_ALIKE = 0.01

MOST_TIMES = 2
"""Twice, not once: what is balanced further is worth fewer sources than the usual rate of 5 % needs."""


def balanced(sources: Sequence[str]) -> dict[str, float]:
    """Weights of sources such that no collection counts more than :data:`MOST_TIMES` all the others together.

    Panels of one collection went through the same hands: cut, resized and stored by the same people. A reference that
    is mostly such a collection knows what that did to pictures, not what a scan meets.

    Args:
        sources: ``collection/name``, or ``collection`` where the collection is one source; repetitions do not count.

    Returns:
        The weight of each distinct source, at most 1. Where there is one collection only, all are 1.
    """
    names = sorted(set(sources))
    held = Counter(name.split("/")[0] for name in names)
    return {
        name: min(1.0, MOST_TIMES * (len(names) - held[of]) / held[of]) if len(held) > 1 else 1.0
        for name, of in ((name, name.split("/")[0]) for name in names)
    }


def tail_table(
    scores: Floats, sources: Sequence[str], panels: int, weights: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Tail fractions with their bounds at every distinct genuine score.

    Args:
        scores: float64 [n] of genuine panels, finite, n >= 1.
        sources: the source of each.
        panels: genuine panels behind the scores: one that was scored in two sizes is one panel.
        weights: of the sources, positive; all alike when ``None``.

    Returns:
        ``n``, ``sources`` (if ``weights`` differ, what they are worth: their sum over the largest, rounded down;
        ``counted`` is then how many there are) and the ascending columns ``scores``, ``tail``, ``low95``, ``high95``
        (two-sided Clopper-Pearson) and ``upper95`` (one-sided). In a long table, rows are put together such that a
        tail is never smaller than counted, and larger by 1 % at most.

    Raises:
        ValueError: there is no score, or one is not finite.
    """
    given = np.round(np.asarray(scores, np.float64), 6)
    if not len(given) or not np.isfinite(given).all():
        raise ValueError("a table needs scores, all of them finite")
    names, of = np.unique(np.asarray(sources), return_inverse=True)
    weight = np.array([weights[name] for name in names.tolist()]) if weights else np.ones(len(names))
    weight /= weight.max()
    worth = int(weight.sum() + 1e-9)
    share = weight / np.bincount(of)
    values: Floats
    values, at = np.unique(given, return_inverse=True)
    held = np.bincount(at, share[of])
    k: Floats = np.minimum(np.cumsum(held[::-1])[::-1], worth)
    if len(values) > MOST_ROWS:
        values, k = _fewer(values, k)
    low, high = clopper_pearson(k, worth)
    columns = (values, (1 + k) / (worth + 1), low, high, upper_bound(k, worth))
    rounded = (np.round(column, 6).tolist() for column in columns)
    counted = {"counted": len(names)} if worth < len(names) else {}
    return {"n": panels, "sources": worth, **counted, **dict(zip(COLUMNS, rounded, strict=True))}


def _fewer(values: Floats, k: Floats) -> tuple[Floats, Floats]:
    """Neighbouring rows in one: the highest score of a group with the largest count in it."""
    group = np.floor(np.log(1 + k) / np.log1p(_ALIKE))
    last = np.flatnonzero(np.append(group[1:] != group[:-1], True))
    first = np.append(0, last[:-1] + 1)
    return values[last], k[first]
