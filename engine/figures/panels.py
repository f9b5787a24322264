"""Cut a compound figure into its panels.

A recursive X-Y cut (Nagy and Seth 1984): look for straight strips of one grey level that cross the whole region,
cut there, and go on inside the parts; where there is none, look for a line at which panels touch. What makes it fit
figures with micrographs is what counts as a strip (``gutters``), as a seam (``seams``) and as a picture
(``filling``). This module keeps the recursion, sets captions and letters aside and keeps a plot in one piece.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.alignment import cut_along_others
from semscan.engine.figures.filling import (
    SMALLEST_GRAPHIC_SIDE_PX,
    SMALLEST_SIDE_PX,
    is_data_bar,
    is_dense,
    is_drawn,
    is_picture_like,
    may_hold_picture,
)
from semscan.engine.figures.gutters import find_gutters
from semscan.engine.figures.lines import Gutter, Lines, Samples
from semscan.engine.figures.margins import trim_margins
from semscan.engine.figures.seams import find_seams
from semscan.engine.figures.slabs import Slab, cover, graphics, is_clear, reading_order
from semscan.engine.geometry import Box

_DEEPEST = 8
_GROUND_HALF_WIDTH = 25
_DARKEST_GREY, _LIGHTEST_GREY = 40, 225
_LEAST_COVER_ON_OTHER_PAPER = 0.7
_TINIEST_PX = 8
_NARROWEST_MARGIN_PX = 4
_AS_LONG = 0.97
_LEAST_TO_CUT_PX = 128


class Split(NamedTuple):
    """A figure taken apart.

    Attributes:
        panels: boxes in reading order.
        tiny: parts that look like a picture but are smaller than any panel; letters and lines of text are not here.
    """

    panels: list[Box]
    tiny: list[Box]


def split_panels(grey: NDArray[np.uint8]) -> list[Box]:
    """The panels of :func:`split_figure` alone."""
    return split_figure(grey).panels


def split_figure(grey: NDArray[np.uint8]) -> Split:
    """Find the panels of a figure.

    Panels that are separated by a straight strip of one grey level are told apart: paper white of any width from
    two pixels, black and grey too when the picture begins with a step; ruled lines; and panels that touch, where
    both are at least 88 px wide. A micrograph is not cut at a flat part of its own, whose edges are soft. Flat margins
    are taken off. Strips with text only are left out, and a region without any picture-like part stays in one piece
    unless a gutter parts it into graphics of similar size.

    Args:
        grey: uint8 [H, W], the stored image.

    Returns:
        Boxes in pixels of ``grey``, rows of panels from the top, each from the left; the whole image when nothing
        splits, no panel when the image is one flat area.
    """
    height, width = grey.shape
    whole = trim_margins(grey, Box(0, 0, width, height))
    if whole is None:
        return Split([], [])
    samples = Samples(grey)
    cut = _Cutter(samples)
    panels = reading_order(cut_along_others(samples, cut.split(whole, _levels_beside(grey, whole), 0, _Known())))
    return Split(panels or [whole], reading_order(cut.tiny) if panels else [])


def _levels_beside(grey: NDArray[np.uint8], box: Box) -> tuple[int, ...]:
    """Grey levels of the margins around a box."""
    height, width = grey.shape
    least = _NARROWEST_MARGIN_PX  # less may be the frame of a plot
    lines = [grey[0]] * (box.y0 >= least) + [grey[-1]] * (height - box.y1 >= least)
    lines += [grey[:, 0]] * (box.x0 >= least) + [grey[:, -1]] * (width - box.x1 >= least)
    ordered = [np.sort(line) for line in lines]
    return tuple(sorted({(int(line[(len(line) - 1) // 2]) + int(line[len(line) // 2])) // 2 for line in ordered}))


class _Known(NamedTuple):
    """What the regions around one tell about it.

    Attributes:
        rows, columns: no gutter is left that runs along these.
        in_row_gutters, in_column_gutters: gutters that run so part it from others.
    """

    rows: bool = False
    columns: bool = False
    in_row_gutters: bool = False
    in_column_gutters: bool = False


class _Cutter:
    """The recursion over one figure, and the scraps it meets."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._grey = samples.grey
        self._pictures: dict[tuple[Box, tuple[int, ...]], bool] = {}
        self.tiny: list[Box] = []

    def split(self, box: Box, grounds: tuple[int, ...], depth: int, known: _Known) -> list[Box]:
        """Panels of one region; ``grounds`` are the grey levels of the gutters around it."""
        too_small = box.short_side < 2 * SMALLEST_SIDE_PX or max(box.width, box.height) < _LEAST_TO_CUT_PX
        if too_small or depth == _DEEPEST:
            return self._leaf(box, grounds)
        rows, columns = self._samples.rows(box), self._samples.columns(box)
        both = (
            [] if known.rows else find_gutters(rows, grounds),
            [] if known.columns else find_gutters(columns, grounds),
        )
        across, along = _of_one_ground(*both, grounds)
        if not across and not along:
            if may_hold_picture(self._grey, box):
                return self._at_seams(box, rows, columns, grounds, depth, known)
            return self._leaf(box, grounds)
        down = max((g.width_px for g in across), default=0) >= max((g.width_px for g in along), default=0)
        gutters = across if down else along
        starts = [0, *(g.end for g in gutters)]
        ends = [*(g.start for g in gutters), box.height if down else box.width]
        inner = tuple(sorted({*grounds, *(g.level for g in gutters)}))
        seen = len(self.tiny)
        slabs: list[Slab] = []
        middles = [0, *((g.start + g.end) // 2 for g in gutters)]
        for start, end, middle in zip(starts, ends, middles, strict=True):
            trimmed = trim_margins(self._grey, _piece(box, start, end, down=down), inner)
            if trimmed is not None:
                clear = start == 0 or is_clear((rows if down else columns).whole[middle])
                done = len(gutters) == len(both[not down]) and _is_as_long(trimmed, box, down=down)
                inside = _Known(
                    down and done,
                    not down and done,
                    known.in_row_gutters or down,
                    known.in_column_gutters or not down,
                )
                parts = self.split(trimmed, inner, depth + 1, inside)
                slabs.append(Slab(trimmed, parts, clear))
        found = self._parts(slabs, inner)
        other_paper = depth > 0 and all(_is_other(g.level, grounds) and _is_paper(g.level) for g in gutters)
        if len(found) > 1 and (
            not other_paper
            or cover(found, box) >= _LEAST_COVER_ON_OTHER_PAPER
            or all(self._is_picture(part, inner) for part in found)
        ):
            return found
        if len(found) == 1 and not other_paper and self._is_picture(found[0], inner):
            return found
        del self.tiny[seen:]
        return self._leaf(box, grounds)

    def _parts(self, slabs: list[Slab], grounds: tuple[int, ...]) -> list[Box]:
        """The parts of all slabs. Neighbours without a picture become one, unless they look like whole graphics."""
        found: list[Box] = []
        drawn: list[Slab] = []
        for slab in slabs:
            if any(self._is_picture(part, grounds) for part in slab.parts):
                found += graphics(drawn) + slab.parts
                drawn = []
            else:
                drawn.append(slab)
        return found + graphics(drawn)

    def _is_picture(self, box: Box, grounds: tuple[int, ...]) -> bool:
        known = self._pictures.get((box, grounds))
        if known is None:
            known = is_dense(self._grey, box, grounds) and not is_drawn(self._grey, box)
            self._pictures[box, grounds] = known
        return known

    def _at_seams(
        self, box: Box, rows: Lines, columns: Lines, grounds: tuple[int, ...], depth: int, known: _Known
    ) -> list[Box]:
        """Panels of a region without gutters, which is a leaf when nothing touches in it."""
        parted = known.in_row_gutters or known.in_column_gutters
        across = find_seams(rows, parted=parted, parallel=known.in_row_gutters)
        along = find_seams(columns, parted=parted, parallel=known.in_column_gutters)
        down = max((s.score for s in across), default=0.0) >= max((s.score for s in along), default=0.0)
        cuts = [0, *(s.at for s in (across if down else along)), box.height if down else box.width]
        pieces = [_piece(box, start, end, down=down) for start, end in pairwise(cuts)]
        if down:
            pieces = self._with_their_bars(pieces)
        if len(pieces) == 1:
            return self._leaf(box, grounds)
        found: list[Box] = []
        for piece in pieces:
            trimmed = trim_margins(self._grey, piece, grounds)
            if trimmed is not None:
                done = _is_as_long(trimmed, box, down=down)
                inside = known._replace(rows=down and done, columns=not down and done)
                found += self.split(trimmed, grounds, depth + 1, inside)
        return found

    def _with_their_bars(self, pieces: list[Box]) -> list[Box]:
        """The same pieces from the top, information bars joined to the micrograph above, or else below."""
        joined = [pieces[0]]
        for piece in pieces[1:]:
            above = joined[-1]
            is_bar = is_data_bar(self._grey, piece, above)
            is_top_bar = len(joined) == 1 and is_data_bar(self._grey, above, piece)
            if is_bar or is_top_bar:
                joined[-1] = above._replace(y1=piece.y1)
            else:
                joined.append(piece)
        return joined

    def _leaf(self, box: Box, grounds: tuple[int, ...]) -> list[Box]:
        """A region that is not cut further; nothing when it is only a letter, a label, a line of text or tiny."""
        if box.short_side >= SMALLEST_GRAPHIC_SIDE_PX:
            return [box]
        if box.short_side >= SMALLEST_SIDE_PX and is_dense(self._grey, box, grounds):
            return [box]
        if box.short_side >= _TINIEST_PX and is_picture_like(self._grey, box, grounds):
            self.tiny.append(box)
        return []


def _of_one_ground(
    across: list[Gutter], along: list[Gutter], grounds: tuple[int, ...]
) -> tuple[list[Gutter], list[Gutter]]:
    """The gutters of the level that is known or, else, the most frequent; others may be the paper of a plot."""
    both = across + along
    if not both:
        return across, along
    if not any(not _is_other(g.level, grounds) for g in both):
        widths = [sum(other.width_px for other in both if not _is_other(other.level, (g.level,))) for g in both]
        grounds = (both[int(np.argmax(widths))].level,)
    known = [[g for g in some if not _is_other(g.level, grounds)] for some in (across, along)]
    return known[0], known[1]


def _piece(box: Box, start: int, end: int, *, down: bool) -> Box:
    """The part of a box between two of its lines."""
    if down:
        return box._replace(y0=box.y0 + start, y1=box.y0 + end)
    return box._replace(x0=box.x0 + start, x1=box.x0 + end)


def _is_as_long(part: Box, box: Box, *, down: bool) -> bool:
    """Whether the lines of a part, its rows or its columns, are those of the region, so that they say the same."""
    return part.width >= _AS_LONG * box.width if down else part.height >= _AS_LONG * box.height


def _is_paper(level: int) -> bool:
    """Whether plots are drawn on this grey level."""
    return not _DARKEST_GREY < level < _LIGHTEST_GREY


def _is_other(level: int, grounds: tuple[int, ...]) -> bool:
    """Whether a grey level is none of these: the paper of a graphic in a figure of another colour."""
    return all(abs(level - ground) > _GROUND_HALF_WIDTH for ground in grounds)
