"""Panels that touch without a plain seam, cut where other panels of the figure point.

Panels of a figure are laid out in rows and columns. Where two panels touch elsewhere, in another row or column, a line
that would be too faint a seam by itself is most likely one, too; a panel that spans two columns shows no trace of a
seam there. So the lines at which neighbours meet are continued through the other panels, and less is asked of them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from semscan.engine.figures.lines import Lines, Samples
from semscan.engine.figures.seams import line_scores
from semscan.engine.geometry import Box

_MOST_PANELS = 64
_MOST_LINES = 12
_WIDEST_SEAM_PX = 3
_TOLERANCE_PX = 3
_SEARCHED_PX = 1
_SMALLEST_PIECE_PX = 48
_LEAST_SCORE = 0.0
# Of 36 680 lines in the middle of single panels 2 % score more, of 807 seams 90 %.
_LEAST_SCORE_IN_GRID = -3.0
_ROUNDS = 3


def cut_along_others(samples: Samples, panels: list[Box]) -> list[Box]:
    """Cut panels at the lines where others touch each other.

    Args:
        samples: the figure.
        panels: boxes in its pixels.

    Returns:
        The panels, cut ones replaced by their parts; their order is not kept.
    """
    if not 2 < len(panels) <= _MOST_PANELS or not _any_touch(panels):
        return panels
    for _ in range(_ROUNDS):
        before = len(panels)
        for down in (False, True):
            if len(panels) > _MOST_PANELS:  # each pass may multiply them, and compares them two by two
                return panels
            panels = _cut(samples, panels, down=down)
        if len(panels) == before:
            break
    return panels


def _any_touch(panels: list[Box]) -> bool:
    """Whether a side of one panel is level with the opposite side of another, as where two touch."""
    reach = range(-_WIDEST_SEAM_PX, _WIDEST_SEAM_PX + 1)
    for first, last in ((0, 2), (1, 3)):
        ends = {panel[last] + off for panel in panels for off in reach}
        if any(panel[first] in ends for panel in panels):
            return True
    return False


def _cut(samples: Samples, panels: list[Box], *, down: bool) -> list[Box]:
    """One round in one direction: lines between panels one above the other (``down``) or side by side."""
    first, last, low, high = (1, 3, 0, 2) if down else (0, 2, 1, 3)
    edges = np.array(panels)
    gap = edges[:, first] - edges[:, last, None]  # gap[i, j]: from the end of i to the start of j
    shared = np.minimum(edges[:, high], edges[:, high, None]) - np.maximum(edges[:, low], edges[:, low, None])
    shortest = np.minimum(edges[:, high] - edges[:, low], (edges[:, high] - edges[:, low])[:, None])
    one, other = np.nonzero((np.abs(gap) <= _WIDEST_SEAM_PX) & (2 * shared > shortest))
    if not len(one):
        return panels
    starts, at = edges[one, first], edges[other, first]
    found: list[Box] = []
    for panel in panels:
        inside = (at >= panel[first] + _SMALLEST_PIECE_PX) & (at <= panel[last] - _SMALLEST_PIECE_PX)
        if panel.short_side < _SMALLEST_PIECE_PX or not inside.any():
            found.append(panel)
            continue
        lines = samples.rows(panel) if down else samples.columns(panel)
        cuts: list[int] = []
        for line in np.unique(at[inside])[:_MOST_LINES].tolist():
            if cuts and line - cuts[-1] < _SMALLEST_PIECE_PX:
                continue
            same = inside & (at == line)
            edge = cuts[-1] if cuts else panel[first]
            in_grid = bool((np.abs(starts[same] - edge) <= _TOLERANCE_PX).any())
            best = _best(lines, line - panel[first], _LEAST_SCORE_IN_GRID if in_grid else _LEAST_SCORE)
            if best is not None:
                cuts.append(panel[first] + best)
        found += _pieces(panel, cuts, down=down)
    return found


def _best(lines: Lines, near: int, least: float) -> int | None:
    """The plainest seam within a few lines; ``None`` when there is none."""
    at = np.arange(near - _SEARCHED_PX, near + _SEARCHED_PX + 1)
    scores = line_scores(lines, at, least=least)
    best = int(scores.argmax())
    return int(at[best]) if scores[best] >= least else None


def _pieces(panel: Box, cuts: list[int], *, down: bool) -> list[Box]:
    """The parts of a panel between its cuts."""
    first, last = (panel.y0, panel.y1) if down else (panel.x0, panel.x1)
    pairs = pairwise([first, *cuts, last])
    return [panel._replace(y0=a, y1=b) if down else panel._replace(x0=a, x1=b) for a, b in pairs]
