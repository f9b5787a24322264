"""Figures that a producer cut into strips or tiles when it wrote the PDF: which images belong together.

Images belong to one figure when they fill a box without gaps, at the same scale and orientation, with the same kind of
samples. Whether the picture goes on across the seams is seen only once they are decoded, see
:mod:`semscan.engine.pdf.stitch`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from semscan.engine.geometry import Box, pixels_of
from semscan.engine.pdf.affine import UNIT, Matrix, apply, bounds, inverse, multiply
from semscan.engine.pdf.placements import Placement
from semscan.engine.pdf.seams import EDGE_PX, EDGE_SHARE, edges, laps, seams
from semscan.engine.pdf.syntax import Resolver

MOST_PARTS = 5000

_SLACK_PX = 1.1
_LARGEST_SKEW = 0.01
_MOST_FRAMES = 32
_MOST_NEIGHBOURS = 64
_LINE_PX = 2 * EDGE_PX
_MOST_CELLS = 1_000_000


class Part(NamedTuple):
    """A part of a figure: an image, which of its pixels are seen, and where they go, px."""

    placement: Placement
    window: Box
    place: Box


@dataclass(frozen=True, slots=True)
class Mosaic:
    """A figure in parts.

    Attributes:
        parts: row by row from the top left.
        seams_x: columns between parts, from left to right, px.
        seams_y: rows between parts, from the top, px.
        laps_x: for each of ``seams_x``, by how many pixels the parts before it seem to lie on those behind it.
        laps_y: for each of ``seams_y``, likewise.
        size_px: width and height.
    """

    parts: tuple[Part, ...]
    seams_x: tuple[int, ...]
    seams_y: tuple[int, ...]
    laps_x: tuple[int, ...]
    laps_y: tuple[int, ...]
    size_px: tuple[int, int]


class Figure(NamedTuple):
    """What is drawn as one picture: an image, or several that make one; ``placement`` is that of the whole."""

    placement: Placement
    mosaic: Mosaic | None = None

    @property
    def last_order(self) -> int:
        """Drawing order of its last part."""
        return max(part.placement.order for part in self.mosaic.parts) if self.mosaic else self.placement.order


class _Piece(NamedTuple):
    """An image in the frame of its like: the edges of what is seen in pixels of the first of them, y downwards."""

    placement: Placement
    window: Box
    x0: float
    y0: float
    x1: float
    y1: float


class _Link(NamedTuple):
    """Two neighbours, by their drawing order, and whether they share a whole edge rather than a part of one."""

    piece: int
    other: int
    whole: bool


def figures_of(placements: Sequence[Placement], resolver: Resolver) -> list[Figure]:
    """The figures of a page, in the order in which their first parts are drawn.

    Args:
        placements: in drawing order.
        resolver: of the document.
    """
    if len(placements) < 2:
        return [Figure(placement) for placement in placements]
    figures: list[Figure] = []
    used: set[int] = set()
    for frame, pieces in _alike(placements, resolver):
        single, twice = _without_copies(pieces)
        links = list(_links(single))
        for chosen in (links, [link for link in links if link.whole]):
            left = [piece for piece in single if piece.placement.order not in used]
            for group in _groups(left, chosen):
                mosaic = _mosaic(group, frame)
                if mosaic is not None:
                    figures.append(Figure(_whole(mosaic, group, frame), mosaic))
                    used.update(order for piece in group for order in twice[piece.placement.order])
    figures += [Figure(placement) for placement in placements if placement.order not in used]
    return sorted(figures, key=lambda figure: figure.placement.order)


def _alike(placements: Sequence[Placement], resolver: Resolver) -> Iterator[tuple[Matrix, list[_Piece]]]:
    """Images of one kind, orientation and scale, roughly, with the frame that they are measured in."""
    frames: list[tuple[Matrix, Matrix, object, list[_Piece]]] = []
    for placement in placements:
        width = resolver.get(placement.entries, "Width", "W")
        height = resolver.get(placement.entries, "Height", "H")
        if not isinstance(width, int) or not isinstance(height, int) or width < 1 or height < 1:
            continue
        a, b, c, d, _, _ = placement.matrix
        own: Matrix = (a / width, b / width, -c / height, -d / height, 0.0, 0.0)
        window, back, make = pixels_of(placement.part or UNIT, width, height), inverse(own), _make(placement, resolver)
        if back is None or window.width < 1 or window.height < 1:
            continue
        found = next((f for f in frames if f[2] == make and _same_scale(f[0], own, 1 / width, 1 / height)), None)
        if found is None:
            if len(frames) == _MOST_FRAMES:
                continue
            found = (own, back, make, [])
            frames.append(found)
        to_frame = multiply(placement.matrix, found[1])
        x0, y0 = apply(to_frame, (window.x0 / width, 1.0 - window.y0 / height))
        x1, y1 = apply(to_frame, (window.x1 / width, 1.0 - window.y1 / height))
        found[3].append(_Piece(placement, window, x0, y0, x1, y1))
    return ((own, pieces) for own, _, _, pieces in frames if len(pieces) > 1)


def _same_scale(frame: Matrix, own: Matrix, slack_x: float, slack_y: float) -> bool:
    for first, second, slack in ((frame[:2], own[:2], slack_x), (frame[2:4], own[2:4], slack_y)):
        long, other = math.hypot(*first), math.hypot(*second)
        along = first[0] * second[0] + first[1] * second[1]
        across = first[0] * second[1] - first[1] * second[0]
        if along <= 0 or abs(across) > _LARGEST_SKEW * along or abs(other / long - 1) > 0.01 + _SLACK_PX * slack:
            return False
    return True


def _make(placement: Placement, resolver: Resolver) -> object:
    """What parts of one figure have in common: the kind of their samples, not how these are compressed."""
    entries = placement.entries
    space = resolver.get(entries, "ColorSpace", "CS")
    head = resolver.resolve(space[0]) if isinstance(space, list) and space else space
    count = resolver.get(space[1], "N") if head == "ICCBased" and isinstance(space, list) and len(space) > 1 else None
    plain = {
        "CalGray": "DeviceGray",
        "G": "DeviceGray",
        "CalRGB": "DeviceRGB",
        "RGB": "DeviceRGB",
        "CMYK": "DeviceCMYK",
    }
    by_count = {1: "DeviceGray", 3: "DeviceRGB", 4: "DeviceCMYK"}
    name = by_count.get(count) if isinstance(count, int) else plain.get(str(head), str(head))
    return name, resolver.get(entries, "BitsPerComponent", "BPC"), resolver.get(entries, "ImageMask", "IM") is True


def _without_copies(pieces: list[_Piece]) -> tuple[list[_Piece], dict[int, list[int]]]:
    """Pieces of which none is drawn twice at one place, and for each the drawing orders of all its copies."""
    copies: dict[tuple[int, int, int], list[_Piece]] = defaultdict(list)
    for piece in pieces:
        name = piece.placement.xref or -1 - piece.placement.order
        copies[name, round(piece.x0), round(piece.y0)].append(piece)
    orders = {same[-1].placement.order: [copy.placement.order for copy in same] for same in copies.values()}
    return [same[-1] for same in copies.values()], orders


def _groups(pieces: list[_Piece], links: Iterable[_Link]) -> Iterator[list[_Piece]]:
    """Pieces that hang together by links between neighbours, two or more."""
    leader = {piece.placement.order: piece.placement.order for piece in pieces}

    def first(order: int) -> int:
        while leader[order] != order:
            leader[order] = leader[leader[order]]
            order = leader[order]
        return order

    for link in links:
        if link.piece in leader and link.other in leader:
            leader[first(link.piece)] = first(link.other)
    groups: dict[int, list[_Piece]] = defaultdict(list)
    for piece in pieces:
        groups[first(piece.placement.order)].append(piece)
    return (group for group in groups.values() if 1 < len(group) <= MOST_PARTS)


def _links(pieces: list[_Piece]) -> Iterator[_Link]:
    """Pairs of which the second begins about where the first ends, to the right or below, and that share an edge."""
    for along, across in ((_columns, _rows), (_rows, _columns)):
        lines: dict[int, list[_Piece]] = defaultdict(list)
        for piece in sorted(pieces, key=across):
            lines[int(along(piece)[0] // _LINE_PX)].append(piece)
        starts = {line: [across(piece)[0] for piece in begun] for line, begun in lines.items()}
        for piece in pieces:
            (begin, end), (low, high) = along(piece), across(piece)
            near = min(EDGE_PX, EDGE_SHARE * (end - begin))
            for line in range(int((end - near) // _LINE_PX), int((end + near) // _LINE_PX) + 1):
                # A neighbour begins within the edge, or is the last one to begin before it.
                at = max(bisect_left(starts.get(line, ()), low - EDGE_PX) - 1, 0)
                for other in lines.get(line, ())[at : at + _MOST_NEIGHBOURS]:
                    bottom, top = across(other)
                    if bottom > high:
                        break
                    shared = min(high, top) - max(low, bottom)
                    enough = min(EDGE_PX, EDGE_SHARE * min(high - low, top - bottom))
                    if other is piece or abs(along(other)[0] - end) > near or shared <= enough:
                        continue
                    whole = abs(bottom - low) <= EDGE_PX and abs(top - high) <= EDGE_PX
                    yield _Link(piece.placement.order, other.placement.order, whole)


def _columns(piece: _Piece) -> tuple[float, float]:
    return piece.x0, piece.x1


def _rows(piece: _Piece) -> tuple[float, float]:
    return piece.y0, piece.y1


def _mosaic(pieces: list[_Piece], frame: Matrix) -> Mosaic | None:
    """Pieces as a figure, if they fill a box and each place of it once."""
    if len({piece.placement.xref or -1 - piece.placement.order for piece in pieces}) < 2:
        return None  # one image again and again is a texture
    columns = edges([(piece.x0, piece.x1) for piece in pieces])
    rows = edges([(piece.y0, piece.y1) for piece in pieces])
    across, down = max(stop for _, stop in columns), max(stop for _, stop in rows)
    if across * down > _MOST_CELLS:
        return None
    filled = np.zeros((down, across), np.int16)
    for (left, right), (top, bottom) in zip(columns, rows, strict=True):
        filled[top:bottom, left:right] += 1
    if not bool((filled == 1).all()):
        return None
    wide, high = math.hypot(*frame[:2]), math.hypot(*frame[2:4])
    xs = seams(columns, [piece.window.width for piece in pieces])
    ys = seams(rows, [piece.window.height for piece in pieces])
    laps_x = laps(columns, [(piece.x0, piece.x1, piece.window.width) for piece in pieces], wide / high)
    laps_y = laps(rows, [(piece.y0, piece.y1, piece.window.height) for piece in pieces], high / wide)
    places = [
        Box(xs[left], ys[top], xs[right], ys[bottom])
        for (left, right), (top, bottom) in zip(columns, rows, strict=True)
    ]
    if any(place.width < 1 or place.height < 1 for place in places):
        return None
    parts = [Part(piece.placement, piece.window, place) for piece, place in zip(pieces, places, strict=True)]
    parts.sort(key=lambda part: (part.place.y0, part.place.x0))
    return Mosaic(tuple(parts), tuple(xs[1:-1]), tuple(ys[1:-1]), laps_x, laps_y, (xs[-1], ys[-1]))


def _whole(mosaic: Mosaic, pieces: list[_Piece], frame: Matrix) -> Placement:
    """The placement of a figure that is made of parts."""
    x0, y0 = min(piece.x0 for piece in pieces), min(piece.y0 for piece in pieces)
    x1, y1 = max(piece.x1 for piece in pieces), max(piece.y1 for piece in pieces)
    boxes = [piece.placement.bbox_pt for piece in pieces]
    return replace(
        mosaic.parts[0].placement,
        matrix=multiply((x1 - x0, 0.0, 0.0, y0 - y1, x0, y1), frame),
        bbox_pt=bounds([point for box in boxes for point in (box[:2], box[2:])]),
        order=min(piece.placement.order for piece in pieces),
        part=None,
    )
