"""A panel beside the other panels of its paper: a second opinion that knows nothing of the rest of the world.

All figures of a paper usually went through the same channel, so a panel that scores far above its siblings stands out
from what the channel explains. Compared are panels of one document that are stored alike (one stratum), with the
median of the others and their median absolute deviation (Hampel, JASA 69, 1974). Authors mix samples, magnifications
and instruments, and how often genuine papers have such panels was not calibrated: it is a cue and changes no level.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
        scores = [panel.score or 0.0 for panel in group]
        ordered = sorted(scores)
        floor = max(_LEAST_SPREAD * _quartiles(strata[name]) if name in strata else 0.0, 1e-3)
        for panel, score, (middle, spread) in zip(group, scores, _others(scores, ordered), strict=True):
            away = (score - middle) / max(spread, floor)
            higher = len(scores) - 1 - bisect_left(ordered, score)
            found[panel.panel_id] = SiblingRecord(len(scores) - 1, round(middle, 4), round(away, 2), higher)
    return found


def _others(scores: Sequence[float], ordered: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Median and spread of the others of each. In plain Python: NumPy takes twice as long for a few numbers."""
    if len(scores) > _MOST_APART:
        yield from [_middle_and_spread(ordered)] * len(scores)
        return
    for score in scores:
        others = list(ordered)
        others.remove(score)
        yield _middle_and_spread(others)


def _middle_and_spread(ordered: Sequence[float]) -> tuple[float, float]:
    middle = _median(ordered)
    return middle, _TO_SPREAD * _median(sorted([abs(score - middle) for score in ordered]))


def _median(ordered: Sequence[float]) -> float:
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _quartiles(stratum: Stratum) -> float:
    """Distance between the quartiles of the reference scores."""
    count = len(stratum.scores)
    return stratum.scores[3 * count // 4] - stratum.scores[count // 4] if count else 0.0
