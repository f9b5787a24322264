"""Which letter of a caption a panel bears by its place, where none can be read: evidence, never told as its letter.

Panels bear letters in reading order. So where a caption uses as many letters as a figure has panels, or a regular grid
of panels has rows, or columns, each has its own; where that can be meant in two ways there is none.
"""

from __future__ import annotations

from collections.abc import Sequence

from semscan.engine.pdf.affine import Rect

_SMALLEST_SHARE = 0.2
"""Of the median short side: what is smaller than that is a colour bar or a key, and bears no letter."""

_SAME_ROW = 0.5
_MOST_PANELS = 26


def letters_in_order(boxes: Sequence[Rect], count: int) -> list[str | None]:
    """The letters of all panels of one picture which is a whole figure.

    Args:
        boxes: of its panels in reading order, x0, y0, x1, y1.
        count: how many letters the caption uses, from ``a`` on.
    """
    none: list[str | None] = [None] * len(boxes)
    if not 1 < count <= _MOST_PANELS or len(boxes) > 4 * _MOST_PANELS:
        return none
    sides = sorted(min(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes)
    least = _SMALLEST_SHARE * sides[len(sides) // 2] if sides else 0.0
    large = [at for at, (x0, y0, x1, y1) in enumerate(boxes) if min(x1 - x0, y1 - y0) >= least]
    if len(large) == count:
        groups = list(range(count))
    else:
        rows = _bands([(boxes[at][1], boxes[at][3]) for at in large])
        columns = _bands([(boxes[at][0], boxes[at][2]) for at in large])
        fits = [bands for bands in (rows, columns) if bands and max(bands) + 1 == count]
        regular = fits and len(large) == (max(rows, default=-1) + 1) * (max(columns, default=-1) + 1)
        if len(fits) != 1 or not regular:
            return none
        groups = fits[0]
    for at, group in zip(large, groups, strict=True):
        none[at] = chr(ord("a") + group)
    return none


def turns_in_figures(labels: Sequence[str | None], boxes: Sequence[Rect]) -> tuple[list[int], list[int]]:
    """The place of each picture among those of its figure in reading order, from 0, and how many these are.

    Args:
        labels: the figure of each picture.
        boxes: of each on the displayed page, in points.
    """
    turns, counts = [0] * len(boxes), [1] * len(boxes)
    figures: dict[str, list[int]] = {}
    for at, label in enumerate(labels):
        if label is not None:
            figures.setdefault(label, []).append(at)
    for own in figures.values():
        rows = _bands([(boxes[at][1], boxes[at][3]) for at in own])
        order = sorted(range(len(own)), key=lambda i: (rows[i], boxes[own[i]][0])) if rows else []
        for turn, i in enumerate(order or range(len(own))):
            # Pictures in no clear order are none that letters can be told by.
            turns[own[i]], counts[own[i]] = turn, len(own) if order else -1
    return turns, counts


def _bands(spans: Sequence[tuple[float, float]]) -> list[int]:
    """The band that each span lies in, counted from the lowest; empty if a span reaches over two."""
    order = sorted(range(len(spans)), key=lambda at: spans[at])
    bands = [0] * len(spans)
    band, low, high = -1, 0.0, float("-inf")
    for at in order:
        start, end = spans[at]
        shared = (min(end, high) - max(start, low)) / max(min(end - start, high - low), 1e-9)
        if band < 0 or shared <= 0.1:
            band, low, high = band + 1, start, end
        elif shared < _SAME_ROW:
            return []
        else:
            low, high = min(low, start), max(high, end)
        bands[at] = band
    return bands
