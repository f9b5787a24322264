"""Which lines of a region are a gutter between panels.

What looks like a gutter may be a flat part of a micrograph or a line of it. Three kinds are told apart:

* paper: white from end to end (edges say nothing here, as a plot leaves its ground just as gently as an overexposed
  part of a micrograph does; cutting a micrograph at a white band from end to end costs little);
* flat: one other grey level from end to end, left at once, not gradually, on both sides;
* ruled: a few lines, blurred by JPEG or by a change of size, but even along their length, between lines that are not,
  or brighter (or darker) than the picture on both sides nearly everywhere.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.lines import (
    MOST_IN_COMMON,
    Lines,
    block_means,
    equal_shares,
    levels_in_common,
    lowest_and_highest,
    runs,
)

WHITEST_FLAT = 236
SHORTEST_SLAB_PX = 16
_SHORTEST_TEXT_PX = 8
FLAT_RANGE = 8
_SMALLEST_GUTTER_PX = 2
_SMALLEST_NOISY_PX, _NOISY_RANGE, _NOISY_DEVIATION = 4, 24, 4.0
_CANDIDATE_MARGIN = 40
_RIDGE_REACH_PX = 4
_BLACKEST = 20
_LEVEL_CHANGE = 12
_STEP = 7.0
_STEP_FROM_BLACK = 20.0
_STEP_NEAR_PX, _STEP_FAR_PX, _WITHIN_PX = 2, 9, 16
_LEFT_ON_ONE_SIDE, _LEFT_ON_BOTH_SIDES = 0.75, 0.45
_CALM_SHARE = 0.35
_LEAST_GRAIN = 1.5
_SHARP_SHARE = 0.6
_LEAST_SPREAD_AROUND = 30
_MOST_RULES = 4
_WIDEST_RULE_PX = 14
_BLOCK_PX = 8
_EVEN_DEVIATION = 7.0
_UNEVEN_FACTOR = 2.2
_LEAST_UNEVEN = 9.0
_RIDGE_DEVIATION = 14.0
_RIDGE_STEP = 14.0
_RIDGE_SHARE = 0.88
_THIN_PX = 3
_DARKEST_GREY, _LIGHTEST_GREY = 40, 225
_GROUND_HALF_WIDTH = 25
_MOST_DARK, _LEAST_BRIGHT = 70, 170


class Gutter(NamedTuple):
    """Lines ``start <= y < end`` of a region that separate panels; ``level`` is their grey level."""

    start: int
    end: int
    level: int

    @property
    def width_px(self) -> int:
        """Width in pixels."""
        return self.end - self.start


def is_flat(lowest: NDArray[np.uint8], highest: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which lines are of one grey level, from their lowest and highest value.

    Near white more is allowed: text and edges ring there after JPEG.
    """
    return (lowest >= WHITEST_FLAT) | (highest - lowest <= FLAT_RANGE)


def find_gutters(lines: Lines, grounds: tuple[int, ...] = ()) -> list[Gutter]:
    """Gutters of a region along one direction.

    Args:
        lines: the region's rows or columns, its flat margins already taken off.
        grounds: grey levels of the gutters around the region; they tell a gutter from the paper of a plot beside it.

    Returns:
        Gutters from the first line on, none touching the first or the last line.
    """
    region = lines.inner
    lowest, highest = np.minimum.reduce(lines.thin, axis=0), np.maximum.reduce(lines.thin, axis=0)
    spread = highest - lowest
    found: list[Gutter] = []
    for start, end in _flat_by_samples(lowest, highest, spread):
        found += _flat_gutters(region, start, end)
    for start, end in _calmer_than_around(spread):
        if not any(g.start - _RIDGE_REACH_PX < end and start < g.end + _RIDGE_REACH_PX for g in found):
            rule = _rule(region, start, end)
            if rule and not _is_of_a_drawing(rule, region, grounds):
                found.append(rule)
    return _apart(sorted(found), len(region), grounds) if found else found


def _flat_by_samples(
    lowest: NDArray[np.uint8], highest: NDArray[np.uint8], spread: NDArray[np.uint8]
) -> list[tuple[int, int]]:
    """Runs of lines whose samples are flat, unless the lines from there to an end of the region are nearly so."""
    even = (spread <= _NOISY_RANGE) | (lowest >= 255 - _CANDIDATE_MARGIN)
    ends = SHORTEST_SLAB_PX // 2
    inside = even[ends - 1 : 1 - ends]
    if not inside.any() or inside.all():
        return []
    strictly = is_flat(lowest, highest)
    flat = even & (strictly | (spread <= _NOISY_RANGE))
    flat[: ends - 1 + int(inside.argmin())] = False
    flat[len(flat) - (ends - 1) - int(inside[::-1].argmin()) :] = False
    return [
        (start, end)
        for start, end in runs(flat)
        if end - start >= _SMALLEST_NOISY_PX or np.count_nonzero(strictly[start:end]) >= _SMALLEST_GUTTER_PX
    ]


def _calmer_than_around(spread: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """A few short runs of lines whose samples spread much less than those just before and behind them."""
    reach = _WIDEST_RULE_PX // 2 + 1
    if len(spread) <= 2 * SHORTEST_SLAB_PX:
        return []
    # Half a run and the blur beside it: the lines to compare with lie beyond.
    outer = np.minimum(spread[: -2 * reach], spread[2 * reach :])
    inner = spread[reach:-reach]
    calm = (inner < (outer >> 1) + (outer >> 4)) & (outer >= _LEAST_SPREAD_AROUND)
    if not calm.any():
        return []
    spans = [(s + reach, e + reach) for s, e in runs(calm) if e - s <= _WIDEST_RULE_PX]
    spans = [s for s in spans if s[0] >= SHORTEST_SLAB_PX and s[1] <= len(spread) - SHORTEST_SLAB_PX]
    if len(spans) > _MOST_RULES:
        spans.sort(key=lambda s: int(spread[s[0] : s[1]].min()))
    return spans[:_MOST_RULES]


def _flat_gutters(region: NDArray[np.uint8], start: int, end: int) -> list[Gutter]:
    """The gutters in a run of even lines, by every pixel of them."""
    lowest, highest = lowest_and_highest(region[start:end])
    found = []
    for first, last in _runs_of_one_level(lowest, highest):
        if last - first < _SMALLEST_GUTTER_PX:
            continue
        level = (int(lowest[first]) + int(highest[first])) // 2
        white = int(lowest[first:last].min()) >= WHITEST_FLAT
        paper = white and int((highest[first:last] - lowest[first:last]).min()) <= FLAT_RANGE
        if paper or _ends_at_once(region, start + first, start + last, level):
            found.append(Gutter(start + first, start + last, 255 if white else level))
    return found or _noisy_gutter(region, start, lowest, highest)


def _noisy_gutter(
    region: NDArray[np.uint8], start: int, lowest: NDArray[np.uint8], highest: NDArray[np.uint8]
) -> list[Gutter]:
    """The longest run of lines that are flat but for compression, which is hard on coloured gutters.

    A calm part of a micrograph looks the same, so both sides have to be left at once, nearly everywhere.
    """
    calm = highest - lowest <= _NOISY_RANGE
    if np.count_nonzero(calm) < _SMALLEST_NOISY_PX:  # nearly always
        return []
    first, last = max(runs(calm), key=lambda span: span[1] - span[0])
    if last - first < _SMALLEST_NOISY_PX:
        return []
    first, last = start + first, start + last
    level = round(float(block_means(region[(first + last) // 2], _BLOCK_PX).mean()))
    for side in (region[max(0, first - _STEP_FAR_PX) : first][::-1], region[last : last + _STEP_FAR_PX]):
        if _share_left(side[_STEP_NEAR_PX:], level) < _LEFT_ON_ONE_SIDE:
            return []
    return [Gutter(first, last, level)] if float(region[first:last].std()) <= _NOISY_DEVIATION else []


def _runs_of_one_level(lowest: NDArray[np.uint8], highest: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Half-open spans of flat lines, cut where the level changes: a gutter may meet the paper of a plot."""
    flat = is_flat(lowest, highest)
    count = int(np.count_nonzero(flat))
    if count < _SMALLEST_GUTTER_PX:
        return []
    if count == len(flat) and int(np.maximum.reduce(highest)) - int(np.minimum.reduce(lowest)) <= _LEVEL_CHANGE:
        return [(0, count)]
    middle = (lowest.astype(np.int16) + highest) >> 1
    found = []
    for first, last in runs(flat):
        changes = np.flatnonzero(np.abs(np.diff(middle[first:last])) > _LEVEL_CHANGE) + first + 1
        found += list(pairwise([first, *changes.tolist(), last]))
    return found


def _ends_at_once(region: NDArray[np.uint8], start: int, end: int, level: int) -> bool:
    """Whether pictures begin with a step beside flat lines, rather than emerging from them here and there."""
    sides = (region[max(0, start - _WITHIN_PX) : start][::-1], region[end : end + _WITHIN_PX])
    one = _share_left(sides[0][_STEP_NEAR_PX:_STEP_FAR_PX], level)
    if one >= _LEFT_ON_ONE_SIDE:  # nearly always
        return True
    other = _share_left(sides[1][_STEP_NEAR_PX:_STEP_FAR_PX], level)
    if other >= _LEFT_ON_ONE_SIDE or min(one, other) >= _LEFT_ON_BOTH_SIDES:
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
    if not len(lines) or lines.shape[1] < _BLOCK_PX:
        return 0.0
    step = _STEP_FROM_BLACK if level <= _BLACKEST else _STEP
    away = block_means(lines, _BLOCK_PX)
    away -= level
    left = np.abs(away, out=away) > step
    return float(np.add.reduce(left, axis=1, dtype=np.int32).max() / left.shape[1])


def _grain(lines: NDArray[np.uint8]) -> float:
    """Mean difference of neighbours along the lines, in grey levels."""
    if not lines.size:
        return 0.0
    first, second = lines[:, :-1], lines[:, 1:]
    return float((np.maximum(first, second) - np.minimum(first, second)).mean())


def _rule(region: NDArray[np.uint8], start: int, end: int) -> Gutter | None:
    """The narrow gutter inside these lines, ``None`` when they do not stand out from both sides."""
    if start < _RIDGE_REACH_PX or end + _RIDGE_REACH_PX > len(region) or region.shape[1] < 2 * _BLOCK_PX:
        return None
    means = block_means(region[start:end], _BLOCK_PX)
    levels, deviations = _levels_and_deviations(means)
    at = int(deviations.argmin())
    core, level, deviation = means[at], float(levels[at]), float(deviations[at])
    extreme = level > _LEAST_BRIGHT or level < _MOST_DARK
    if deviation > (_RIDGE_DEVIATION if extreme else _EVEN_DEVIATION):  # nearly always
        return None
    beside = block_means(region[[start - _RIDGE_REACH_PX, end + _RIDGE_REACH_PX - 1]], _BLOCK_PX)
    levels, deviations = _levels_and_deviations(beside)
    away = core - beside
    if deviation <= _EVEN_DEVIATION and deviations.min() >= max(_LEAST_UNEVEN, _UNEVEN_FACTOR * deviation):
        left = (np.abs(away) > _STEP).mean(axis=1)
        if left.max() >= _LEFT_ON_ONE_SIDE or left.min() >= _LEFT_ON_BOTH_SIDES:
            return Gutter(start, end, round(level))
    brighter = 2 * level > levels[0] + levels[1]
    stands_out = ((away if brighter else -away) > _RIDGE_STEP).all(axis=0)
    calm = deviation <= _EVEN_DEVIATION or (level > _LEAST_BRIGHT if brighter else level < _MOST_DARK)
    return Gutter(start, end, round(level)) if calm and stands_out.mean() >= _RIDGE_SHARE else None


def _is_of_a_drawing(rule: Gutter, region: NDArray[np.uint8], grounds: tuple[int, ...]) -> bool:
    """Whether a thin grey line lies between equals, as those of maps and meshes do, and is not like other gutters."""
    if rule.width_px > _THIN_PX or not _DARKEST_GREY < rule.level < _LIGHTEST_GREY:
        return False
    if any(abs(rule.level - ground) <= _GROUND_HALF_WIDTH for ground in grounds):
        return False
    return levels_in_common(region, rule.start, rule.end) >= MOST_IN_COMMON


def _levels_and_deviations(means: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each line's blocks."""
    share = equal_shares(means.shape[1])
    levels = means @ share
    apart = means - levels[:, None]
    return levels, np.sqrt(np.square(apart, out=apart) @ share)


def _apart(gutters: list[Gutter], length: int, grounds: tuple[int, ...]) -> list[Gutter]:
    """Gutters without those that touch the ends; a frame line between two of them joins them."""
    joined: list[Gutter] = []
    for gutter in gutters:
        if not joined or gutter.start - joined[-1].end >= SHORTEST_SLAB_PX // 2:
            joined.append(gutter)
            continue
        last = joined[-1]
        known, last_known = (any(abs(g.level - x) <= _LEVEL_CHANGE for x in grounds) for g in (gutter, last))
        if known == last_known:
            wider = max(last, gutter, key=lambda g: g.width_px)
            joined[-1] = Gutter(last.start, max(gutter.end, last.end), wider.level)
        elif known:
            joined[-1] = gutter
    least = [_SHORTEST_TEXT_PX if g.level >= WHITEST_FLAT else SHORTEST_SLAB_PX for g in joined]
    return [g for g, slab in zip(joined, least, strict=True) if g.start >= slab and g.end <= length - slab]
