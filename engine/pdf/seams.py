"""Along one direction: where parts of a figure meet, in drawn lengths and in whole pixels."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

EDGE_PX = 2.3
"""So far the edges of neighbours may lie from each other: gaps of rounding, and overlaps that hide hairlines."""

EDGE_SHARE = 0.45
"""But no farther than this share of the thinnest part."""


def edges(spans: list[tuple[float, float]]) -> list[tuple[int, int]]:
    """Spans as numbers of the lines that they reach from and to; edges that nearly meet are one line.

    Args:
        spans: where each part begins and ends along one direction, px.
    """
    near = min(EDGE_PX, EDGE_SHARE * min(stop - start for start, stop in spans))
    lines: list[float] = []
    number: dict[float, int] = {}
    for edge in sorted({edge for span in spans for edge in span}):
        if not lines or edge - lines[-1] > near:
            lines.append(edge)
        number[edge] = len(lines) - 1
    return [(number[start], number[stop]) for start, stop in spans]


def seams(spans: list[tuple[int, int]], lengths: list[int]) -> list[int]:
    """Pixels at which lines lie, so that the parts between them fit as they are; the median where they disagree.

    Args:
        spans: from :func:`edges`; on every line but the first some part ends.
        lengths: of the parts, px.
    """
    ends: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for (start, stop), length in zip(spans, lengths, strict=True):
        ends[stop].append((start, length))
    at = [0]
    for line in range(1, len(ends) + 1):
        at.append(round(float(np.median([at[start] + length for start, length in ends[line]]))))
    return at


def laps(spans: list[tuple[int, int]], drawn: list[tuple[float, float, int]], squareness: float) -> tuple[int, ...]:
    """By how many of their pixels parts seem to lie on those behind them, for each seam.

    A part may also be stretched a little so that no hairline shows: then its pixels are not square, but would be if it
    ended where the next one begins.

    Args:
        spans: from :func:`edges`.
        drawn: where each part begins and ends as it is drawn, and how many pixels it has.
        squareness: how long a pixel is drawn in this direction, divided by that in the other.
    """
    begins: dict[int, list[float]] = defaultdict(list)
    for (line, _), (edge, _, _) in zip(spans, drawn, strict=True):
        begins[line].append(edge)
    found: dict[int, list[int]] = defaultdict(list)
    for (_, line), (start, stop, pixels) in zip(spans, drawn, strict=True):
        if line in begins:
            pitch = float(np.median(begins[line])) - start
            lap_px = (stop - start - pitch) / ((stop - start) / pixels)
            stretched = abs(squareness * (stop - start) / pixels - 1) > abs(squareness * pitch / pixels - 1)
            found[line].append(0 if stretched or lap_px < 0.5 else round(lap_px))
    return tuple(int(np.median(found[line])) for line in sorted(found))
