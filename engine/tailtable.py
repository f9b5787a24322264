"""Counting genuine scores by source: the table that says which score is how rare.

Split-conformal counting (Vovk et al.; Papadopoulos et al., ECML 2002) with one change: a source that gave several
panels counts as one, through the share of its panels that score as high, because panels of one source score alike.
The same table serves a shipped model and the archive of a publisher.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from semscan.engine.intervals import Floats, clopper_pearson, upper_bound

COLUMNS = ("scores", "tail", "low95", "high95", "upper95")

MOST_ROWS = 2000
"""Rows of a table before neighbours whose tails differ by less than :data:`_ALIKE` are put together."""

_ALIKE = 0.01


def tail_table(scores: Floats, sources: Sequence[str], panels: int) -> dict[str, Any]:
    """Tail fractions with their bounds at every distinct genuine score.

    Args:
        scores: float64 [n] of genuine panels, finite, n >= 1.
        sources: the source of each.
        panels: genuine panels behind the scores: one that was scored in two sizes is one panel.

    Returns:
        ``n``, ``sources`` and the ascending columns ``scores``, ``tail``, ``low95``, ``high95`` (two-sided
        Clopper-Pearson) and ``upper95`` (one-sided). In a long table, rows are put together such that a tail is never
        smaller than counted, and larger by 1 % at most.

    Raises:
        ValueError: there is no score, or one is not finite.
    """
    given = np.round(np.asarray(scores, np.float64), 6)
    if not len(given) or not np.isfinite(given).all():
        raise ValueError("a table needs scores, all of them finite")
    names, of = np.unique(np.asarray(sources), return_inverse=True)
    share = 1 / np.bincount(of)
    values: Floats
    values, at = np.unique(given, return_inverse=True)
    held = np.bincount(at, share[of])
    k: Floats = np.minimum(np.cumsum(held[::-1])[::-1], len(names))
    if len(values) > MOST_ROWS:
        values, k = _fewer(values, k)
    low, high = clopper_pearson(k, len(names))
    columns = (values, (1 + k) / (len(names) + 1), low, high, upper_bound(k, len(names)))
    rounded = (np.round(column, 6).tolist() for column in columns)
    return {"n": panels, "sources": len(names), **dict(zip(COLUMNS, rounded, strict=True))}


def _fewer(values: Floats, k: Floats) -> tuple[Floats, Floats]:
    """Neighbouring rows in one: the highest score of a group with the largest count in it."""
    group = np.floor(np.log(1 + k) / np.log1p(_ALIKE))
    last = np.flatnonzero(np.append(group[1:] != group[:-1], True))
    first = np.append(0, last[:-1] + 1)
    return values[last], k[first]
