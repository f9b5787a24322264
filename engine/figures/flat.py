"""Gutters of one grey level: paper, and bands of another level that are left at once on both sides.

A flat part of a micrograph looks the same along its length, but is left gradually.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.lines import SHORTEST_SLAB_PX, Gutter, block_means, bridged_runs, lowest_and_highest, runs

WHITEST_FLAT = 236
FLAT_RANGE = 8
BLOCK_PX = 8
"""Pixels along a line of which the mean is taken."""
STEP = 7.0
"""Two means that differ by more, in grey levels, are not of one gutter."""
LEFT_ON_ONE_SIDE, LEFT_ON_BOTH_SIDES = 0.75, 0.45
"""What share of the blocks beside a gutter must have left its level, on one side, or else on either."""
_SMALLEST_GUTTER_PX = 2
_SMALLEST_NOISY_PX, _NOISY_RANGE, _NOISY_DEVIATION = 4, 24, 4.0
_MOST_NOISY = 8
_CANDIDATE_MARGIN = 40
_BLACKEST = 20
_LEVEL_CHANGE = 12
_STEP_FROM_BLACK = 20.0
_STEP_NEAR_PX, _STEP_FAR_PX, _WITHIN_PX = 2, 9, 16
_CALM_SHARE = 0.35
_LEAST_GRAIN = 1.5
_SHARP_SHARE = 0.6


def is_flat(lowest: NDArray[np.uint8], highest: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which lines are of one grey level, from their lowest and highest value.

    Near white more is allowed: text and edges ring there after JPEG.
    """
    return (lowest >= WHITEST_FLAT) | (highest - lowest <= FLAT_RANGE)


def flat_by_samples(
    lowest: NDArray[np.uint8], highest: NDArray[np.uint8], spread: NDArray[np.uint8]
) -> list[tuple[int, int]]:
    """Runs of lines most of which are flat by their samples, unless all up to an end of the region are nearly so."""
    if int(np.minimum.reduce(spread)) > _CANDIDATE_MARGIN:  # nearly always
        return []
    calm = spread <= _NOISY_RANGE
    even = (calm | (lowest >= 255 - _CANDIDATE_MARGIN)).tobytes()
    ends = SHORTEST_SLAB_PX // 2 - 1
    inside = ends, len(even) - ends
    first, last = even.find(0, *inside), even.rfind(0, *inside)
    if first < 0 or 1 not in even[first:last]:
        return []
    flat = calm | (lowest >= WHITEST_FLAT)
    flat[:first] = flat[last:] = False
    return [
        (start, end)
        for start, end in bridged_runs(flat)
        if end - start >= _SMALLEST_NOISY_PX
        or np.count_nonzero(is_flat(lowest[start:end], highest[start:end])) >= _SMALLEST_GUTTER_PX
    ]


def flat_gutters(
    region: NDArray[np.uint8], lowest: NDArray[np.uint8], highest: NDArray[np.uint8], spans: list[tuple[int, int]]
) -> list[Gutter]:
    """The gutters in runs of even lines, by every pixel of them, which the extreme values are made to heed."""
    if not spans:
        return []
    looked_at = np.zeros(len(region), np.bool_)
    for start, end in spans:
        lowest[start:end], highest[start:end] = lowest_and_highest(region[start:end])
        looked_at[start:end] = True
    spread = highest - lowest
    found = []
    for first, last in _runs_of_one_level(
        lowest, highest, looked_at & ((lowest >= WHITEST_FLAT) | (spread <= FLAT_RANGE))
    ):
        level = (int(lowest[first]) + int(highest[first])) // 2
        white = int(np.minimum.reduce(lowest[first:last])) >= WHITEST_FLAT
        paper = white and int(np.minimum.reduce(spread[first:last])) <= FLAT_RANGE
        if paper or _ends_at_once(region, first, last, level):
            found.append(Gutter(first, last, 255 if white else level))
    noisy = [
        span
        for span in runs(looked_at & (spread <= _NOISY_RANGE), _SMALLEST_NOISY_PX)
        if not any(g.start < span[1] and span[0] < g.end for g in found)
    ]
    noisy.sort(key=lambda span: span[0] - span[1])
    for first, last in noisy[:_MOST_NOISY]:
        found += _noisy_gutter(region, first, last)
    return found


def _noisy_gutter(region: NDArray[np.uint8], first: int, last: int) -> list[Gutter]:
    """Lines that are flat but for compression, which is hard on coloured gutters.

    A calm part of a micrograph looks the same, so both sides have to be left at once, nearly everywhere.
    """
    level = round(float(block_means(region[(first + last) // 2], BLOCK_PX).mean()))
    for side in (region[max(0, first - _STEP_FAR_PX) : first][::-1], region[last : last + _STEP_FAR_PX]):
        if _share_left(side[_STEP_NEAR_PX:], level) < LEFT_ON_ONE_SIDE:
            return []
    return [Gutter(first, last, level)] if float(region[first:last].std()) <= _NOISY_DEVIATION else []


def _runs_of_one_level(
    lowest: NDArray[np.uint8], highest: NDArray[np.uint8], flat: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Half-open spans of flat lines, cut where the level changes: a gutter may meet the paper of a plot."""
    found: list[tuple[int, int]] = []
    for first, last in runs(flat, _SMALLEST_GUTTER_PX):
        low, high = lowest[first:last], highest[first:last]
        if int(np.maximum.reduce(high)) - int(np.minimum.reduce(low)) <= _LEVEL_CHANGE:
            found.append((first, last))
            continue
        middle = (low.astype(np.int16) + high) >> 1
        changes = np.flatnonzero(np.abs(np.diff(middle)) > _LEVEL_CHANGE) + first + 1
        found += [(a, b) for a, b in pairwise([first, *changes.tolist(), last]) if b - a >= _SMALLEST_GUTTER_PX]
    return found


def _ends_at_once(region: NDArray[np.uint8], start: int, end: int, level: int) -> bool:
    """Whether pictures begin with a step beside flat lines, rather than emerging from them here and there."""
    sides = (region[max(0, start - _WITHIN_PX) : start][::-1], region[end : end + _WITHIN_PX])
    one = _share_left(sides[0][_STEP_NEAR_PX:_STEP_FAR_PX], level)
    if one >= LEFT_ON_ONE_SIDE:  # nearly always
        return True
    other = _share_left(sides[1][_STEP_NEAR_PX:_STEP_FAR_PX], level)
    if other >= LEFT_ON_ONE_SIDE or min(one, other) >= LEFT_ON_BOTH_SIDES:
        return True
    # A grey gutter beside a picture of the same grey: the grain of the picture begins at once.
    if level <= _BLACKEST:
        return False
    near = [_grain(lines[_STEP_NEAR_PX:_STEP_FAR_PX]) for lines in sides]
    if min(near) < _LEAST_GRAIN or _grain(region[(start + end) // 2][None]) > _CALM_SHARE * min(near):
        return False
    return all(n >= _SHARP_SHARE * _grain(lines[_STEP_FAR_PX:]) for n, lines in zip(near, sides, strict=True))


def _share_left(lines: NDArray[np.uint8], level: int) -> float:
    """Largest share of a line's blocks that have left the level."""
    if not len(lines) or lines.shape[1] < BLOCK_PX:
        return 0.0
    step = _STEP_FROM_BLACK if level <= _BLACKEST else STEP
    away = block_means(lines, BLOCK_PX)
    away -= level
    left = np.abs(away, out=away) > step
    return float(np.add.reduce(left, axis=1, dtype=np.int32).max() / left.shape[1])


def _grain(lines: NDArray[np.uint8]) -> float:
    """Mean difference of neighbours along the lines, in grey levels."""
    if not lines.size:
        return 0.0
    first, second = lines[:, :-1], lines[:, 1:]
    return float((np.maximum(first, second) - np.minimum(first, second)).mean())
