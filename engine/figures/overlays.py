"""What was drawn onto a micrograph: letters, scale bars, arrows, boxes, found so that tiles can keep off them.

Drawn things are black or white with an edge of a pixel or two, and they have forms that specimens rarely have: straight
rectangles, characters of one height in a line, single characters in a corner. Charging and bright grains are black or
white too; they have soft or ragged edges, and there are many of them. So a form is asked for in every case, and a
picture full of sharp specks must show more of it. What is drawn in colour is found by its colour, because electrons
have none. Drawings in middle greys are not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.components import Components, Sheet, connected, connected_where
from semscan.engine.figures.views import chroma
from semscan.engine.geometry import Box

MARGIN_PX = 4
"""Antialiasing and JPEG's ringing around what is drawn; boxes are larger by this much on every side."""

_WHITE, _MIDDLE, _PUREST = 235, 128, 254
_STEP = 50
_REACH_PX = 2
_MOST_RUNS = 8_000
_MOST_CANDIDATES = 250
_LEAST_AREA_PX = 6
_SHARP, _RULED_SHARP = 0.6, 0.3
_LEAST_SIDE_PX = 5
_FRAMED = 0.65
_FEW_SPECKS, _MANY_SPECKS = 12, 25
_SATURATED, _MARGINS = 0.05, 2
_HOLLOW, _HOLLOW_SIDE_PX = 0.4, 24
_GRID_PX = 8
_COLOURED = 28
_MOST_COLOURED_SHARE = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class _Marks:
    """Candidates of one polarity, measured; arrays of float64 [n] or bool [n].

    Attributes:
        index: of their components, int64 [n].
        boxes: int64 [n, 4].
        area: pixels.
        sharp: share of their outline beyond which the grey level falls at once.
        ragged: mean change of both ends from one row to the next, px.
        plain: share of their pixels that is as white as white can be.
        framed: share of their box's outline that belongs to them, on the worst pair of sides.
    """

    index: NDArray[np.int64]
    boxes: NDArray[np.int64]
    area: NDArray[np.float64]
    sharp: NDArray[np.float64]
    ragged: NDArray[np.float64]
    plain: NDArray[np.float64]
    framed: NDArray[np.float64]

    @property
    def width(self) -> NDArray[np.int64]:
        return self.boxes[:, 2] - self.boxes[:, 0]

    @property
    def height(self) -> NDArray[np.int64]:
        return self.boxes[:, 3] - self.boxes[:, 1]


def find_overlays(grey: NDArray[np.uint8], box: Box, colour: NDArray[np.uint8] | None = None) -> list[Box]:
    """Boxes around what is drawn onto a panel.

    Args:
        grey: uint8 [H, W], the stored image.
        box: the panel in pixels of ``grey``.
        colour: uint8 [h, w, 3], a view of the whole image, smaller by a whole factor; ``None`` for an image stored
            in grey.

    Returns:
        Boxes in pixels of ``grey``, within ``box``, in no particular order; they may overlap.
    """
    panel = grey[box.y0 : box.y1, box.x0 : box.x1]
    corner = np.array([box.x0, box.y0] * 2)
    found = []
    sheet = Sheet(panel, _MIDDLE)
    for white in (True, False):
        runs = _extremes(sheet, _WHITE, white)
        if runs is None:  # noise reaches that level, but hardly the last one, at which most things are drawn
            runs = _extremes(sheet, _PUREST, white)
        if runs is not None:
            wide, high = (runs.boxes[:, at + 2] - runs.boxes[:, at] >= _LEAST_SIDE_PX for at in (0, 1))
            runs = runs.only((runs.area >= _LEAST_AREA_PX) & (wide | high))
        if runs is not None and len(runs):
            marks = _measured(_Light(sheet, white), runs, len(panel))
            if marks is not None:
                found.append(_boxes(runs, marks, _drawn(marks, panel.shape)) + corner)
    if colour is not None:
        found.append(_coloured(colour, box, max(1, round(grey.shape[0] / colour.shape[0]))))
    if not found:
        return []
    drawn = np.concatenate(found)
    low = np.maximum(drawn[:, :2] - MARGIN_PX, box[:2])
    high = np.minimum(drawn[:, 2:] + MARGIN_PX, box[2:])
    return [Box(*values) for values in np.concatenate([low, high], axis=1).tolist()]


def covered_share(box: Box, covers: Sequence[Box]) -> float:
    """Share of a panel that lies in any of some boxes, to a coarse grid of 4 px."""
    cell = _GRID_PX // 2
    mask = np.zeros((-(-box.height // cell), -(-box.width // cell)), np.bool_)
    for x0, y0, x1, y1 in covers:
        top, left = max(0, y0 - box.y0) // cell, max(0, x0 - box.x0) // cell
        mask[top : -(-max(0, y1 - box.y0) // cell), left : -(-max(0, x1 - box.x0) // cell)] = True
    return float(np.count_nonzero(mask)) / mask.size


def _extremes(sheet: Sheet, level: int, white: bool) -> Components | None:
    """What is at least as bright as a level, or as dark as its opposite; ``None`` when that is too much."""
    if white:
        return connected_where(np.greater_equal, sheet, level, _MOST_RUNS)
    return connected_where(np.less_equal, sheet, 255 - level, _MOST_RUNS)


@dataclass(frozen=True, slots=True)
class _Light:
    """Pixels of a panel, as they are or inverted, so that what may be drawn is bright."""

    sheet: Sheet
    white: bool

    def at(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Levels at some places of the sheet; of any pixel for a place outside it."""
        levels = self.sheet.at(places)
        return levels if self.white else ~levels


def _measured(light: _Light, runs: Components, height: int) -> _Marks | None:
    """The components that are large and sharp enough to be drawn, if any."""
    width, pitch = light.sheet.width, light.sheet.pitch
    at = runs.row * pitch
    first, last, middle = at + runs.start, at + (runs.end - 1), at + (runs.start + runs.end) // 2
    outline = np.zeros(len(runs.row), np.int8)
    fall = np.zeros_like(outline)
    for inside, place, beyond in (
        (runs.start >= _REACH_PX, first, -1),
        (runs.end <= width - _REACH_PX, last, 1),
        (runs.row >= _REACH_PX, middle, -pitch),
        (runs.row < height - _REACH_PX, middle, pitch),
    ):
        # What is not inside counts for nothing, so any pixel will do there.
        outer = inside & (light.at(place + beyond) < _WHITE)
        outline += outer
        fall += outer & (light.at(place + _REACH_PX * beyond) <= _WHITE - _STEP)
    sharp = runs.sums(fall) / np.maximum(runs.sums(outline), 1)
    keep = sharp >= _RULED_SHARP
    index = np.flatnonzero(keep)
    if not len(index):
        return None
    if len(index) < len(keep):
        runs, sharp = runs.only(keep), sharp[keep]
    one, other = runs.next_of.T
    change = np.abs(runs.start[one] - runs.start[other]) + np.abs(runs.end[one] - runs.end[other])
    pairs = np.bincount(runs.label[one], minlength=len(runs))
    ragged = np.bincount(runs.label[one], np.minimum(change, 8), len(runs)) / np.maximum(pairs, 1)
    return _Marks(
        index=index,
        boxes=runs.boxes,
        area=runs.area.astype(np.float64),
        sharp=sharp,
        ragged=ragged,
        plain=_plain(light, runs),
        framed=_framed(runs),
    )


def _plain(light: _Light, runs: Components) -> NDArray[np.float64]:
    lengths = runs.end - runs.start
    ends = np.cumsum(lengths)
    place = np.arange(int(lengths.sum())) + np.repeat(
        runs.row * light.sheet.pitch + runs.start - ends + lengths, lengths
    )
    white = np.concatenate(([0], np.cumsum(light.at(place) >= _WHITE + 10)))
    return runs.sums(white[ends] - white[ends - lengths]) / runs.area


def _framed(runs: Components) -> NDArray[np.float64]:
    """Share of the four sides of the box that is set, on the worst side; a side may waver by one pixel."""
    x0, y0, x1, y1 = runs.boxes[runs.label].T
    lengths = runs.end - runs.start
    width, height = runs.boxes[:, 2] - runs.boxes[:, 0], runs.boxes[:, 3] - runs.boxes[:, 1]
    sides = [
        np.maximum(runs.sums(lengths * (runs.row == at)), runs.sums(lengths * (runs.row == at + step))) / width
        for at, step in ((y0, 1), (y1 - 1, -1))
    ]
    sides += [runs.sums(near) / height for near in (runs.start <= x0 + 1, runs.end >= x1 - 1)]
    worst: NDArray[np.float64] = np.minimum.reduce(sides)
    return worst


def _boxes(runs: Components, marks: _Marks, drawn: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Boxes of drawn marks, int64 [n, 4]; frames and slanted lines, whose boxes hold mostly picture, in pieces."""
    hollow = drawn & (marks.area < _HOLLOW * marks.width * marks.height)
    hollow &= np.minimum(marks.width, marks.height) > _HOLLOW_SIDE_PX
    if not hollow.any():
        return marks.boxes[drawn]
    of_hollow = np.zeros(len(runs), np.bool_)
    of_hollow[marks.index[hollow]] = True
    part = of_hollow[runs.label]
    pieces = np.stack([runs.start[part], runs.row[part], runs.end[part], runs.row[part] + 1], axis=1)
    return np.concatenate([marks.boxes[drawn & ~hollow], _on_grid(pieces)])


def _on_grid(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Boxes widened to a coarse grid, so that many small ones become few."""
    low, high = boxes[:, :2] // _GRID_PX * _GRID_PX, -(-boxes[:, 2:] // _GRID_PX) * _GRID_PX
    return np.unique(np.concatenate([low, high], axis=1), axis=0)


def _drawn(marks: _Marks, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which marks have a drawn form."""
    height, width = shape
    strong = marks.sharp >= _SHARP
    large, small = np.maximum(marks.width, marks.height), np.minimum(marks.width, marks.height)
    straight = (marks.ragged <= 0.5) | ((marks.framed >= 0.8) & (large >= 6 * small))
    ruled = (marks.framed >= _FRAMED) & straight & (large >= 2 * _LEAST_SIDE_PX)
    ruled &= (marks.area >= 24) & ((large >= 3 * small) | (marks.area >= 150)) & (strong | (marks.plain >= 0.7))
    specks = int(np.count_nonzero((marks.area >= 2 * _LEAST_AREA_PX) & strong & ~ruled))
    letters = (marks.height >= _LEAST_SIDE_PX) & (marks.height <= 0.25 * height) & (marks.width <= 0.4 * width)
    letters &= ~ruled & (marks.plain >= 0.3)
    drawn = ruled.copy()
    if specks > _MANY_SPECKS:
        letters &= marks.ragged <= 2
    index = np.flatnonzero(letters)
    # The largest ones may be a margin or the ground of a label.
    saturated = np.sort(marks.area[~ruled])[:-_MARGINS].sum() > _SATURATED * height * width
    if 0 < len(index) <= _MOST_CANDIDATES and not saturated:
        at_least = 2 + (specks > _MANY_SPECKS) + (specks > 4 * _MANY_SPECKS)
        drawn[index] = _chains(marks.boxes[index], strong[index], at_least)
    if specks <= _MANY_SPECKS:
        centre_x = (marks.boxes[:, 0] + marks.boxes[:, 2]) / 2 / width
        centre_y = (marks.boxes[:, 1] + marks.boxes[:, 3]) / 2 / height
        corner = (np.abs(centre_x - 0.5) > 0.25) & (np.abs(centre_y - 0.5) > 0.25)
        clear = (marks.sharp >= 0.75) & (marks.plain >= 0.5)
        drawn |= letters & corner & clear & (marks.height >= 8)
        slim = marks.area <= 0.6 * marks.width * marks.height
        smooth = (marks.ragged <= 1.3) & (marks.sharp >= 0.85) & (marks.area >= 40)
        smooth |= (marks.ragged <= 3) & (marks.plain >= 0.85) & (marks.area >= 100) & (specks <= _FEW_SPECKS)
        drawn |= clear & smooth & slim
    low = np.flatnonzero(drawn & (marks.height <= 0.25 * height))
    more = np.flatnonzero(letters & ~drawn)
    if len(drawn) <= _MOST_CANDIDATES and len(low) and len(more):
        drawn[more] = _beside(marks.boxes[more], marks.boxes[low]).any(axis=1)
    return drawn


def _beside(boxes: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which boxes stand so close beside which others of about their height that they may be one word."""
    x0, y0, x1, y1 = (boxes[:, k, None] for k in range(4))
    other_x0, other_y0, other_x1, other_y1 = (others[:, k] for k in range(4))
    tall, other_tall = y1 - y0, other_y1 - other_y0
    shared = np.minimum(y1, other_y1) - np.maximum(y0, other_y0)
    gap = np.maximum(x0, other_x0) - np.minimum(x1, other_x1)
    close: NDArray[np.bool_] = (2 * shared >= np.minimum(tall, other_tall)) & (2 * gap <= other_tall)
    return close & (2 * other_tall >= tall) & (3 * tall >= other_tall)


def _chains(boxes: NDArray[np.int64], strong: NDArray[np.bool_], at_least: int) -> NDArray[np.bool_]:
    """Which boxes stand in a line of writing: of like height, on one base line, close together.

    A line needs at least so many strong members; then its weak ones belong to it too.
    """
    x0, y0, x1, y1 = (boxes[:, k].astype(np.float64) for k in range(4))
    tall = y1 - y0
    larger = np.maximum(tall[:, None], tall)
    alike = np.minimum(tall[:, None], tall) >= 0.6 * larger
    level = np.minimum(np.abs(y1[:, None] - y1), np.abs(y0[:, None] - y0)) <= 0.15 * larger + 1
    gap = x0 - x1[:, None]
    follows = alike & level & (gap <= 0.7 * larger) & (gap > -0.2 * larger) & (x0 > x0[:, None])
    linked = follows | follows.T | np.eye(len(boxes), dtype=np.bool_)
    size = np.count_nonzero(linked & strong, axis=1)
    for _ in range(2):  # the size of a chain reaches a letter's neighbours and theirs
        size = np.where(linked, size, 0).max(axis=1, initial=0)
    long_enough: NDArray[np.bool_] = size >= at_least
    return long_enough


def _coloured(colour: NDArray[np.uint8], box: Box, scale: int) -> NDArray[np.int64]:
    """Boxes around coloured parts, unless so much is coloured that it is the picture itself."""
    x0, y0 = box.x0 // scale, box.y0 // scale
    part = colour[y0 : -(-box.y1 // scale), x0 : -(-box.x1 // scale)]
    mask = chroma(part) >= _COLOURED
    some = 0 < np.count_nonzero(mask) <= _MOST_COLOURED_SHARE * mask.size
    runs = connected(mask, _MOST_RUNS) if some else None
    if runs is None:
        return np.empty((0, 4), np.int64)
    # Run by run: the box of a slanted line or a circle would hold mostly picture.
    return np.stack([runs.start + x0, runs.row + y0, runs.end + x0, runs.row + y0 + 1], axis=1) * scale
