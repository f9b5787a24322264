"""Which lines of a region are a gutter between panels.

What looks like a gutter may be a flat part of a micrograph or a line of it. Three kinds are told apart:

* paper: white from end to end (edges say nothing here, as a plot leaves its ground just as gently as an overexposed
  part of a micrograph does; cutting a micrograph at a white band from end to end costs little);
* flat: one other grey level from end to end, left at once, not gradually, on both sides;
* ruled: a few lines, blurred by JPEG or by a change of size, that stand out from the picture.
"""

from __future__ import annotations

import numpy as np

from semscan.engine.figures.flat import WHITEST_FLAT, flat_by_samples, flat_gutters
from semscan.engine.figures.lines import SHORTEST_SLAB_PX, Gutter, Lines
from semscan.engine.figures.ruled import RIDGE_REACH_PX, calmer_than_around, find_rules

_SHORTEST_TEXT_PX = 8
_LEVEL_CHANGE = 12


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
    found = flat_gutters(region, lowest, highest, flat_by_samples(lowest, highest, spread))
    spans = [span for span in calmer_than_around(spread) if not _near(span, found)]
    found += find_rules(region, spread, spans, grounds)
    return _apart(sorted(found), len(region), grounds) if found else found


def _near(span: tuple[int, int], found: list[Gutter]) -> bool:
    """Whether lines lie in a gutter or beside it."""
    return any(g.start - RIDGE_REACH_PX < span[1] and span[0] < g.end + RIDGE_REACH_PX for g in found)


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
