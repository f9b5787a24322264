"""Where in a panel the evidence lies, if it lies in one place: from the logits of its tiles to a box.

A picture that was generated as a whole scores alike all over; one that was changed in a part scores higher there. The
tiles with the highest logits, a quarter of all, are looked at: those that hang together with the very highest one are
the region, and by how much their mean exceeds that of all other tiles is its score. Genuine panels have such regions
too, of any score, so a score means nothing by itself: it is compared with those of genuine panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semscan.engine.geometry import Box

LEAST_TILES = 4
"""A panel with fewer tiles has no quarter."""

_ROUNDING = 1e-6
"""In logits: more than two ways of adding them differ by."""

_REACH = 1.5
"""Tiles hang together whose distance is at most this many times the usual one between neighbours."""


@dataclass(frozen=True, slots=True)
class Region:
    """Part of a panel.

    Attributes:
        box: around its tiles, in the coordinates of their origins.
        tiles: how many tiles it holds.
        score: mean logit of its tiles minus that of all others.
    """

    box: Box
    tiles: int
    score: float


def find_region(logits: NDArray[np.floating], origins: Sequence[tuple[int, int]], tile_px: int) -> Region | None:
    """The region of the highest logits.

    Args:
        logits: float [n], one per tile; tiles may overlap and may be of any map, dense or not.
        origins: ``(x, y)`` of the tiles, in the same order.
        tile_px: side of a tile in pixels.

    Returns:
        The region; ``None`` when there are fewer than :data:`LEAST_TILES` tiles.

    Raises:
        ValueError: not one origin for each logit.
    """
    if len(logits) != len(origins):
        raise ValueError(f"{len(logits)} logits and {len(origins)} origins")
    if len(logits) < LEAST_TILES:
        return None
    values, places = np.asarray(logits, np.float64), np.asarray(origins, np.int64)
    high = np.argsort(-values, kind="stable")[: len(values) // 4]
    inside = high[_together(places, high)]
    outside = np.ones(len(values), np.bool_)
    outside[inside] = False
    score = float(values[inside].mean() - values[outside].mean())
    left, top = places[inside].min(axis=0).tolist()
    right, bottom = (places[inside].max(axis=0) + tile_px).tolist()
    return Region(Box(left, top, right, bottom), len(inside), score)


def highest_score(logits: NDArray[np.floating]) -> float:
    """What the score of a region is at most, wherever its tiles lie; found in a small part of the time.

    Args:
        logits: float [n], n >= 1.
    """
    ordered = sorted(logits.tolist())
    low = ordered[: len(ordered) - len(ordered) // 4]  # these lie outside in any case
    return float(ordered[-1] - sum(low) / len(low) + _ROUNDING)


def _together(places: NDArray[np.int64], chosen: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of the chosen tiles hang together with the first one; bool [chosen]."""
    apart = np.abs(places[:, None] - places[None]).max(axis=2)
    nearest = np.where(np.eye(len(places), dtype=np.bool_), np.iinfo(np.int64).max, apart).min(axis=1)
    # The median; NumPy's own first loads its masked arrays, which takes longer than a whole panel.
    usual = int(np.sort(nearest)[[(len(nearest) - 1) // 2, len(nearest) // 2]].sum()) / 2
    linked = apart[np.ix_(chosen, chosen)] <= _REACH * usual
    reached: NDArray[np.bool_] = linked[0] | (np.arange(len(chosen)) == 0)
    while True:
        wider: NDArray[np.bool_] = linked[reached].any(axis=0) | reached
        if (wider == reached).all():
            return reached
        reached = wider
