"""Where an instrument's information bar ends and its micrograph begins.

Microscopes write a strip with the voltage, the magnification and a scale bar below (rarely above or beside) the
picture: text on a flat black, white or grey ground, with a sharp straight edge. Its pixels are drawn, not measured, so
it must not reach the detector. The rules below are our own; they were checked on bars of six makers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semscan.engine.geometry import Box

_SMALLEST_SIDE_PX = 64
_EDGE_COLUMNS = 4
_TALLEST_SHARE = 0.28
_SHORTEST_PX = 9
_SHORTEST_SHARE = 0.018
_LOWEST_START_SHARE = 0.06
_GROUND_IN_EDGE_ROW = 0.88
_GROUND_BEYOND_EDGE = 0.7
_GROUND_OVERALL = 0.5
_MARK_CONTRAST = 60
_MARKS_IN_TEXT_ROW = 6
_TEXT_ROWS = 4
_ODD_SHARE = 0.16
_ODD_SHARE_IF_PLAIN = 0.3
_FLAT_ROWS_SHARE = 0.1
_FLATNESS = 4
_FLAT_SHARE = 0.8
_FLAT_SHARE_IF_PLAIN = 0.7
_BLACKEST, _WHITEST = 12, 243
_GROUND_BEYOND_PLAIN_EDGE = 0.3
_JPEG_BLOCK_PX = 8
_MOST_COLUMNS = 640
_COLUMNS_AT_A_GLANCE, _GROUND_AT_A_GLANCE = 80, 0.75
_NARROWEST_INSET_SHARE = 0.4
# Lossless bars are exactly flat, JPEG bars ring around their text.
_TOLERANCES = (2, 10, 24)


@dataclass(frozen=True, slots=True)
class _Strip:
    """The outer part of a panel: row 0 is the panel's edge, columns are thinned for speed."""

    grey: NDArray[np.uint8]
    panel_height_px: int

    @property
    def shortest_px(self) -> int:
        return _shortest_bar_px(self.panel_height_px)


def _shortest_bar_px(panel_height_px: int) -> int:
    return max(_SHORTEST_PX, int(_SHORTEST_SHARE * panel_height_px))


def trim_data_bar(grey: NDArray[np.uint8], box: Box) -> Box:
    """Take the instrument's information bar off a panel.

    A bar is a strip along the bottom, the top or a side that is at most 28 % of the panel's height or width, with
    lines of text or marks on a flat ground of one grey level and a straight edge towards the picture. It spans the
    whole edge, or is an inset box over at least 40 % of the edge, near it. Text written straight onto the picture
    without a ground of its own is not a bar and stays.

    Args:
        grey: uint8 [H, W], the stored image.
        box: the panel in pixels of ``grey``.

    Returns:
        ``box`` without the bar, in the same coordinates; ``box`` itself when no bar is convincing.
    """
    if box.short_side < _SMALLEST_SIDE_PX:
        return box
    panel = grey[box.y0 : box.y1, box.x0 : box.x1]
    if below := _bar_height(panel[::-1]):
        return box._replace(y1=box.y1 - below)
    if above := _bar_height(panel):
        return box._replace(y0=box.y0 + above)
    # Bars at a side are rare, and looking for them costs as much again: only where the edge itself is of one level.
    if _is_one_level(panel[:, -_EDGE_COLUMNS:]) and (right := _bar_height(panel.T[::-1])):
        return box._replace(x1=box.x1 - right)
    if _is_one_level(panel[:, :_EDGE_COLUMNS]) and (left := _bar_height(panel.T)):
        return box._replace(x0=box.x0 + left)
    return box


def _is_one_level(edge: NDArray[np.uint8]) -> bool:
    """Whether most of a strip lies around one grey level: its median."""
    below = np.cumsum(np.bincount(edge.ravel(), minlength=256))
    median = int(below.searchsorted([(edge.size - 1) // 2, edge.size // 2], "right").sum()) // 2
    reach = max(_TOLERANCES) // 2
    near = int(below[min(255, median + reach)]) - (int(below[median - reach - 1]) if median > reach else 0)
    return near / edge.size >= _GROUND_IN_EDGE_ROW


def _bar_height(panel: NDArray[np.uint8]) -> int:
    """Height in pixels of a bar that begins at row 0 of ``panel``; 0 when there is none."""
    height, width = panel.shape
    outer = panel[: int(_TALLEST_SHARE * height) + 3]
    step = -(-width // _MOST_COLUMNS)
    # Columns first: sums over them are many times as fast, and fit into a byte.
    glance = np.ascontiguousarray(outer[:, :: step * max(1, width // step // _COLUMNS_AT_A_GLANCE)].T)
    edge = int(_LOWEST_START_SHARE * height)
    near_edge = edge + _shortest_bar_px(height)
    strip: _Strip | None = None
    levels = _ground_levels(glance[:, : max(_SHORTEST_PX, edge)])
    ground = _set_in_rows(_near(glance, levels, max(_TOLERANCES)))
    highest, highest_near_edge = ground.max(axis=1).tolist(), ground[:, :near_edge].max(axis=1).tolist()
    for level, most, most_near_edge in zip(levels, highest, highest_near_edge, strict=True):
        # What is not near at the widest tolerance is not near at a tighter one.
        inset = most_near_edge >= _least_run(len(glance)) and _may_hold_inset(glance[:, :near_edge], level)
        if most < _GROUND_AT_A_GLANCE * len(glance) and not inset:
            continue
        strip = strip or _Strip(np.ascontiguousarray(outer[:, ::step]), height)
        if end := _end_in(strip, level):
            return end
    return 0


def _end_in(strip: _Strip, level: int) -> int:
    """First row beyond a bar with a ground of this level, or beyond an inset; 0 when there is none."""
    distance = _away(strip.grey, level)
    end = 0
    if (_ground_shares(distance, max(_TOLERANCES)) >= _GROUND_IN_EDGE_ROW).any():  # otherwise none sees a bar
        # The tightest tolerance tells a black bar from a black picture; the widest one sees over a line of text.
        end = max(_end_of_bar(strip, distance, level, tolerance) for tolerance in _TOLERANCES)
    if end:
        # The last block of a JPEG bar rings from the picture beside it; it still is bar.
        fringe = (distance[end : end + _JPEG_BLOCK_PX] <= max(_TOLERANCES)).mean(axis=1)
        return end + int(np.argmin(np.append(fringe >= _GROUND_IN_EDGE_ROW, False)))
    return _end_of_inset(strip, distance, level)


def _away(grey: NDArray[np.uint8], level: int) -> NDArray[np.uint8]:
    """Distance of each pixel from a grey level."""
    levels = np.full(grey.shape[1], level, np.uint8)  # NumPy is much slower with a single number here
    return np.maximum(grey, levels) - np.minimum(grey, levels)


def _near(grey: NDArray[np.uint8], levels: Sequence[int], tolerance: int) -> NDArray[np.bool_]:
    """Which pixels are as near to each level as ``tolerance``, bool [levels, ...]."""
    lowest, highest = (
        np.array([min(255, max(0, level + reach)) for level in levels], np.uint8) for reach in (-tolerance, tolerance)
    )
    shape = (-1, *[1] * grey.ndim)
    # What is below the range wraps round to above it.
    near: NDArray[np.bool_] = grey - lowest.reshape(shape) <= (highest - lowest).reshape(shape)
    return near


def _set_in_rows(near: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """How many of a few columns are set in each row, uint8 [levels, rows] of bool [levels, columns, rows]."""
    counts: NDArray[np.uint8] = np.add.reduce(near.view(np.uint8), axis=1, dtype=np.uint8)
    return counts


def _least_run(columns: int) -> int:
    """How many of a few columns the ground of the narrowest inset covers at least."""
    return max(1, int(_NARROWEST_INSET_SHARE * columns) - 1)


def _may_hold_inset(glance: NDArray[np.uint8], level: int) -> bool:
    """Whether a row of a few columns, uint8 [columns, rows], has a run of ground as long as in the narrowest inset."""
    near = _near(glance, [level], _TOLERANCES[1])
    least = _least_run(len(glance))
    runs = near[0][:, _set_in_rows(near)[0] >= least].T
    if not len(runs):  # nearly always
        return False
    reached = 1
    while reached < least:  # runs[:, i]: a run of so many columns begins at i
        more = min(reached, least - reached)
        runs = runs[:, :-more] & runs[:, more:]
        reached += more
    return bool(runs.any())


def _ground_levels(edge: NDArray[np.uint8]) -> list[int]:
    """Grey levels that the ground of a bar may have: the commonest one near the edge, then black and white."""
    commonest = int(np.bincount(edge.ravel(), minlength=256).argmax())
    return [commonest] + [level for level in (0, 255) if abs(level - commonest) > _TOLERANCES[0]]


def _ground_shares(distance: NDArray[np.uint8], tolerance: int) -> NDArray[np.float64]:
    """Share of each row that is as near to the ground's level as ``tolerance``."""
    shares: NDArray[np.float64] = np.count_nonzero(distance <= tolerance, axis=1) / distance.shape[1]
    return shares


def _end_of_bar(strip: _Strip, distance: NDArray[np.uint8], level: int, tolerance: int) -> int:
    """First row beyond a bar with a ground of this level, 0 when no row makes a convincing end."""
    ground = _ground_shares(distance, tolerance)
    rows = np.arange(len(ground))
    # A few rows beyond the edge are skipped: JPEG and resampling blur it.
    edges = (ground[:-4] >= _GROUND_IN_EDGE_ROW) & (ground[1:-3] < _GROUND_IN_EDGE_ROW)
    beyond = np.maximum(ground[3:-1], ground[4:])
    edges &= beyond <= _GROUND_BEYOND_EDGE
    if not edges.any():
        return 0
    near = np.count_nonzero(distance <= max(_TOLERANCES), axis=1)
    overall = np.cumsum(near) / ((rows + 1) * distance.shape[1])
    edges &= (overall[:-4] >= _GROUND_OVERALL) & (rows[:-4] + 1 >= strip.shortest_px)
    extreme = not _BLACKEST < level < _WHITEST
    for last in np.flatnonzero(edges)[::-1]:
        plain = extreme and bool(beyond[last] <= _GROUND_BEYOND_PLAIN_EDGE)
        if _is_bar(distance[: last + 1], ground[: last + 1], plain):
            return int(last) + 1
    return 0


def _is_bar(distance: NDArray[np.uint8], ground: NDArray[np.float64], plain: bool) -> bool:
    """Whether these rows look like text on a ground rather than like a dark or bright part of the picture.

    Args:
        distance: grey levels away from the ground, [rows, columns].
        ground: share of ground in each row.
        plain: the ground is black or white and hardly any of it lies beyond the edge.
    """
    marks = distance > _MARK_CONTRAST
    changes = np.count_nonzero(marks[:, 1:] != marks[:, :-1], axis=1)
    text_rows = int(np.count_nonzero(changes >= _MARKS_IN_TEXT_ROW))
    # Between picture and bar a row either is ground with some text on it, or is a ruled line; it is never half
    # noise. Anything else means that the picture goes on here.
    odd = np.count_nonzero((distance > max(_TOLERANCES)) & ~marks) / distance.size
    flat = distance[ground >= _GROUND_IN_EDGE_ROW]
    most_odd = _ODD_SHARE_IF_PLAIN if plain else _ODD_SHARE  # small print is half grey where it was scaled down
    if text_rows < _TEXT_ROWS or odd > most_odd or len(flat) < _FLAT_ROWS_SHARE * len(distance):
        return False
    # Drawn ground has neither noise nor shading; a smooth micrograph under a label has both. Between text and a
    # hard edge JPEG makes even drawn ground uneven, which is forgiven where the step to the picture is plain.
    if plain:
        return bool((flat <= max(_TOLERANCES) // 2).mean() >= _FLAT_SHARE_IF_PLAIN)
    return bool((flat <= _FLATNESS).mean() >= _FLAT_SHARE and ((flat <= _FLATNESS).mean(axis=1) >= 0.5).all())


def _end_of_inset(strip: _Strip, distance: NDArray[np.uint8], level: int) -> int:
    """First row beyond a box of ground that is narrower than the picture, 0 when there is none."""
    near = distance <= _TOLERANCES[1]
    width = near.shape[1]
    reach = int(_LOWEST_START_SHARE * strip.panel_height_px) + strip.shortest_px
    first, last = _longest_run(near[near[:reach].sum(axis=1).argmax()])
    if last - first < _NARROWEST_INSET_SHARE * width:
        return 0
    ground = near[:, first:last].mean(axis=1)
    flat = np.flatnonzero(ground >= 0.97)
    if not len(flat) or flat[0] > _LOWEST_START_SHARE * strip.panel_height_px:
        return 0
    inside = distance[flat[0] :, first:last]
    narrow = _Strip(strip.grey[flat[0] :, first:last], strip.panel_height_px)
    end = _end_of_bar(narrow, inside, level, _TOLERANCES[1])
    return int(flat[0]) + end if end else 0


def _longest_run(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Half-open span of the longest run of true values; ``(0, 0)`` when there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False]))))
    if not len(edges):
        return 0, 0
    longest = int(np.argmax(edges[1::2] - edges[::2]))
    return int(edges[2 * longest]), int(edges[2 * longest + 1])
