"""Which parts of an image lie under something that is drawn later: lines, letters, boxes, other images.

All boxes are given in shares of the image's width and height from the top left, for its real size is known only once
it is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semscan.engine.pdf.affine import UNIT, Matrix, Rect, intersection, inverse, keeps_axes, multiply, transformed
from semscan.engine.pdf.marks import SMALLEST_IMAGE_PT, Mark
from semscan.engine.pdf.placements import Placement
from semscan.engine.pdf.strips import Figure

HIDING_SHARE = 0.95
"""An image of which more than this lies under one opaque thing is not seen."""

MOST_BOXES = 100
"""Boxes on one image; of more, the cells of a coarse grid that they touch are given."""

_MOST_FIGURES = 200
_MOST_MET = 4000
_CELLS = 64
_LARGEST_CLEAR_SHARE = 0.25
"""Larger things through which an image may be seen, such as a tint or a layer of annotations, cover nothing."""

_THINNEST_PT = 0.5


class Cover(NamedTuple):
    """What lies over an image.

    Attributes:
        boxes: in shares of the image, from the top left, rounded; at most a few thousand.
        hidden: whether nothing is seen of the image.
    """

    boxes: tuple[Rect, ...] = ()
    hidden: bool = False


def covers(
    figures: Sequence[Figure], placements: Sequence[Placement], marks: Sequence[Mark], text: Sequence[Rect]
) -> list[Cover]:
    """What lies over each figure of a page.

    Args:
        figures: of the page.
        placements: all its images, in drawing order.
        marks: what else is painted.
        text: boxes of its visible lines of text, in points.
    """
    if not marks and not text and len(placements) < 2:
        return [Cover()] * len(figures)
    over = _Over(placements, marks, text)
    found = []
    for index, figure in enumerate(figures):
        box = figure.placement.bbox_pt
        large = min(box[2] - box[0], box[3] - box[1]) >= SMALLEST_IMAGE_PT
        found.append(over.figure(figure) if large and index < _MOST_FIGURES else Cover())
    return found


def on_part(boxes: Sequence[Rect], whole: Matrix, part: Matrix) -> tuple[Rect, ...]:
    """What lies over one of the images that were taken for a figure.

    Args:
        boxes: on the figure, in shares of its width and height from the top left.
        whole: of the figure's placement.
        part: of the image's placement.

    Returns:
        Boxes in shares of the image.
    """
    back = inverse(part)
    if back is None:
        return ()
    step = multiply(whole, back)
    moved = (_in_image(step, (x0, 1.0 - y1, x1, 1.0 - y0)) for x0, y0, x1, y1 in boxes)
    return tuple(box for box in moved if box is not None)


class _Over:
    """All that may lie over images, as arrays: boxes, and the number of images drawn before each."""

    def __init__(self, placements: Sequence[Placement], marks: Sequence[Mark], text: Sequence[Rect]) -> None:
        self._placements, self._marks, self._text = placements, marks, text
        self._mark_boxes = np.array([mark.box for mark in marks]).reshape(-1, 4)
        self._mark_after = np.array([mark.after for mark in marks], dtype=np.int64)
        self._image_boxes = np.array([placement.bbox_pt for placement in placements]).reshape(-1, 4)
        self._text_boxes = np.array(text).reshape(-1, 4)

    def figure(self, figure: Figure) -> Cover:
        """What lies over one figure."""
        place = figure.placement
        back = inverse(place.matrix)
        if back is None:
            return Cover()
        last = figure.last_order
        boxes: list[Rect] = []
        for index in np.flatnonzero(_meet(self._mark_boxes, place.bbox_pt) & (self._mark_after > last)).tolist():
            mark = self._marks[index]
            share = _share(mark.box, place.bbox_pt)
            if share >= HIDING_SHARE and mark.hides:
                return Cover(hidden=True)
            if mark.hides or share <= _LARGEST_CLEAR_SHARE:
                boxes.append(mark.box)
        later = _meet(self._image_boxes[last + 1 :], place.bbox_pt)
        for index in np.flatnonzero(later).tolist():
            image = self._placements[last + 1 + index]
            share, solid = _share(image.bbox_pt, place.bbox_pt), _solid(image)
            if share >= HIDING_SHARE and solid:
                return Cover(hidden=True)
            if solid or share <= _LARGEST_CLEAR_SHARE:
                boxes.append(image.bbox_pt)
        if place.below_text:
            boxes += [self._text[index] for index in np.flatnonzero(_meet(self._text_boxes, place.bbox_pt)).tolist()]
        return Cover(_bounded([part for box in boxes[:_MOST_MET] if (part := _in_image(back, box)) is not None]))


def _meet(boxes: NDArray[np.float64], box: Rect) -> NDArray[np.bool_]:
    """Which boxes reach into another one, more than neighbours do that touch."""
    thin = _THINNEST_PT
    met: NDArray[np.bool_] = (
        (boxes[:, 0] < box[2] - thin)
        & (boxes[:, 2] > box[0] + thin)
        & (boxes[:, 1] < box[3] - thin)
        & (boxes[:, 3] > box[1] + thin)
    )
    return met


def _share(box: Rect, of: Rect) -> float:
    both = intersection(box, of)
    return 0.0 if both is None else _area(both) / _area(of)


def _area(box: Rect) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _solid(image: Placement) -> bool:
    """Whether an image hides what lies below its box."""
    clear = any(key in image.entries for key in ("SMask", "Mask", "ImageMask", "IM", "SMaskInData"))
    return image.opaque and not clear and keeps_axes(image.matrix)


def _in_image(back: Matrix, box: Rect) -> Rect | None:
    x0, y0, x1, y1 = transformed(back, box)
    inside = intersection((x0, 1.0 - y1, x1, 1.0 - y0), UNIT)
    return (
        None if inside is None else (round(inside[0], 4), round(inside[1], 4), round(inside[2], 4), round(inside[3], 4))
    )


def _bounded(boxes: list[Rect]) -> tuple[Rect, ...]:
    if len(boxes) <= MOST_BOXES:
        return tuple(boxes)
    touched = np.zeros((_CELLS, _CELLS), bool)
    for x0, y0, x1, y1 in boxes:
        touched[int(y0 * _CELLS) : int(-(-y1 * _CELLS // 1)), int(x0 * _CELLS) : int(-(-x1 * _CELLS // 1))] = True
    found = []
    for row, cells in enumerate(touched):
        edges = np.flatnonzero(np.diff(np.concatenate(([False], cells, [False])).astype(np.int8)))
        for start, end in edges.reshape(-1, 2).tolist():
            found.append((start / _CELLS, row / _CELLS, end / _CELLS, (row + 1) / _CELLS))
    return tuple(found)
