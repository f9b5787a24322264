"""A panel beside the other panels of its paper: a second opinion that knows nothing of the rest of the world.

All figures of a paper usually went through the same channel, so a panel that scores far above its siblings stands out
from what the channel explains. Compared are panels of one document that are stored alike (one stratum), with the
median of the others and their median absolute deviation (Hampel, JASA 69, 1974). Authors mix samples, magnifications
and instruments, and how often genuine papers have such panels was not calibrated: it is a cue and changes no level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from semscan.engine.calibration import Stratum
from semscan.engine.records import PanelRecord, SiblingRecord

LEAST = 4
"""Other panels that a comparison needs."""

FAR = 3.5
"""Spreads above the median from which on people are told (Iglewicz and Hoaglin, 1993)."""

_TO_SPREAD = 1.4826
"""Makes the median absolute deviation of normally distributed values their standard deviation."""

_LEAST_SPREAD = 0.25
"""Of the distance between the quartiles of the genuine reference: siblings that agree by chance make nothing far."""

_MOST_APART = 256
"""From so many panels on, leaving out the one that is compared changes nothing."""


def compare(panels: Iterable[PanelRecord], strata: Mapping[str, Stratum]) -> dict[str, SiblingRecord]:
    """What the siblings of each assessed panel of one document say of it, by ``panel_id``.

    Args:
        panels: of one document.
        strata: of the calibration that scored them.

    Returns:
        Entries for panels with at least :data:`LEAST` siblings in their stratum.
    """
    groups: dict[str, list[PanelRecord]] = defaultdict(list)
    for panel in panels:
        if panel.score is not None and panel.reference is not None:
            groups[panel.reference.stratum].append(panel)
    found = {}
    for name, group in groups.items():
        if len(group) <= LEAST:
            continue
        scores = np.array([panel.score for panel in group], np.float64)
        middle, spread = _others(scores)
        floor = _LEAST_SPREAD * _quartiles(strata[name]) if name in strata else 0.0
        away = (scores - middle) / np.maximum(spread, max(floor, 1e-3))
        higher = len(scores) - 1 - np.searchsorted(np.sort(scores), scores, "left")
        for panel, median, deviation, above in zip(group, middle, away, higher, strict=True):
            record = SiblingRecord(len(group) - 1, round(float(median), 4), round(float(deviation), 2), int(above))
            found[panel.panel_id] = record
    return found


def _others(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and spread of the others of each, float64 [n] twice."""
    count = len(scores)
    if count > _MOST_APART:
        middle = _medians(scores)
        spread = _TO_SPREAD * _medians(np.abs(scores - middle))
        return np.full(count, middle), np.full(count, spread)
    others = np.broadcast_to(scores, (count, count))[~np.eye(count, dtype=np.bool_)].reshape(count, count - 1)
    medians = _medians(others)
    return medians, _TO_SPREAD * _medians(np.abs(others - medians[:, None]))


def _medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Medians along the last axis. NumPy's own first loads its masked arrays, which takes longer than all else here."""
    ordered, count = np.sort(values), values.shape[-1]
    return np.asarray((ordered[..., (count - 1) // 2] + ordered[..., count // 2]) / 2)


def _quartiles(stratum: Stratum) -> float:
    """Distance between the quartiles of the reference scores."""
    count = len(stratum.scores)
    return stratum.scores[3 * count // 4] - stratum.scores[count // 4] if count else 0.0
