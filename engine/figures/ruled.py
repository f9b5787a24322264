"""Narrow gutters and ruled lines between panels: a few lines, blurred by JPEG or by a change of size.

They are even along their length, between lines that are not, or brighter (or darker) than the picture on both sides
nearly everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.flat import BLOCK_PX, LEFT_ON_BOTH_SIDES, LEFT_ON_ONE_SIDE, STEP
from semscan.engine.figures.lines import (
    MOST_IN_COMMON,
    SHORTEST_SLAB_PX,
    Gutter,
    block_means,
    equal_shares,
    levels_in_common,
    runs,
)

RIDGE_REACH_PX = 4
"""How far from a rule the picture beside it is looked at."""
_LEAST_SPREAD_AROUND = 30
# Of 160 rules in composed figures 2 % are less calm than this beside their surroundings, of the other lines a third.
_CALMER_SHARE = 0.5
_MOST_RULES = 8
_WIDEST_RULE_PX = 14
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
_SPREADS = np.arange(256)
_MOST_SPREAD = np.where(_SPREADS < _LEAST_SPREAD_AROUND, 0, _CALMER_SHARE * _SPREADS).astype(np.uint8)


def calmer_than_around(spread: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """A few short runs of lines whose samples spread much less than those just before and behind them."""
    reach = _WIDEST_RULE_PX // 2 + 1
    if len(spread) <= 2 * SHORTEST_SLAB_PX:
        return []
    # Half a run and the blur beside it: the lines to compare with lie beyond.
    outer = np.minimum(spread[: -2 * reach], spread[2 * reach :])
    inner = spread[reach:-reach]
    calm = inner < _MOST_SPREAD[outer]
    if not np.logical_or.reduce(calm):
        return []
    spans = [(s + reach, e + reach) for s, e in runs(calm) if e - s <= _WIDEST_RULE_PX]
    spans = [s for s in spans if s[0] >= SHORTEST_SLAB_PX and s[1] <= len(spread) - SHORTEST_SLAB_PX]
    if len(spans) > _MOST_RULES:
        spreads = spread.tobytes()
        spans.sort(key=lambda s: min(spreads[s[0] : s[1]]))
    return spans[:_MOST_RULES]


def find_rules(
    region: NDArray[np.uint8], spread: NDArray[np.uint8], spans: list[tuple[int, int]], grounds: tuple[int, ...]
) -> list[Gutter]:
    """The narrow gutters among runs of calm lines: those that stand out from both sides.

    Args:
        region: uint8 [n, w], all lines of a region, their ends left out.
        spread: uint8 [n], highest less lowest sample of each line.
        spans: half-open runs of lines, from :func:`calmer_than_around`.
        grounds: grey levels of the gutters around the region.
    """
    if not spans or region.shape[1] < 2 * BLOCK_PX:
        return []
    at = [s if e - s == 1 else s + int(spread[s:e].argmin()) for s, e in spans]
    before, behind = [s - RIDGE_REACH_PX for s, _ in spans], [e + RIDGE_REACH_PX - 1 for _, e in spans]
    means = block_means(region[at + before + behind], BLOCK_PX)
    levels, deviations = (values.reshape(3, -1) for values in _levels_and_deviations(means))
    extreme = (levels[0] > _LEAST_BRIGHT) | (levels[0] < _MOST_DARK)
    found = []
    for i in (deviations[0] <= np.where(extreme, _RIDGE_DEVIATION, _EVEN_DEVIATION)).nonzero()[0].tolist():
        if _stands_out(means[i :: len(spans)], levels[:, i].tolist(), deviations[:, i].tolist()):
            start, end = spans[i]
            rule = Gutter(start, end, round(float(levels[0, i])))
            if not _is_of_a_drawing(rule, region, grounds):
                found.append(rule)
    return found


def _stands_out(means: NDArray[np.float32], levels: list[float], deviations: list[float]) -> bool:
    """Whether an even line lies between lines that are not, or is brighter or darker than both nearly everywhere.

    Args:
        means: of the blocks of the line, of one before it and of one behind it.
        levels: of these three lines.
        deviations: of the blocks in each of them.
    """
    away = means[0] - means[1:]
    calm = deviations[0] <= _EVEN_DEVIATION
    if calm and min(deviations[1:]) >= max(_LEAST_UNEVEN, _UNEVEN_FACTOR * deviations[0]):
        left = (np.abs(away) > STEP).mean(axis=1)
        if left.max() >= LEFT_ON_ONE_SIDE or left.min() >= LEFT_ON_BOTH_SIDES:
            return True
    brighter = 2 * levels[0] > levels[1] + levels[2]
    calm |= levels[0] > _LEAST_BRIGHT if brighter else levels[0] < _MOST_DARK
    if not calm or min(abs(levels[0] - level) for level in levels[1:]) < _RIDGE_SHARE * _RIDGE_STEP:
        return False  # nearly always
    stands_out = np.logical_and(*((away if brighter else -away) > _RIDGE_STEP))
    return int(np.count_nonzero(stands_out)) >= _RIDGE_SHARE * len(stands_out)


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
