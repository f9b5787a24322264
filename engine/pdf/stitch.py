"""The pixels of a figure that its producer cut into strips or tiles: put together as they are stored, nothing resized.

Images that merely stand edge to edge, like micrographs that an author arranged, also fill a grid. They are told apart
by their pixels: the rows on both sides of a cut resemble each other as much as rows within a strip do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import ImageUnusable, Reason
from semscan.engine.geometry import Box
from semscan.engine.pdf.decode import StoredImage
from semscan.engine.pdf.masks import InvisibleError
from semscan.engine.pdf.placements import Placement
from semscan.engine.pdf.strips import Mosaic, Part
from semscan.engine.raster import VIEW_SHRINK, Colours, Raster

STRIP_PX, STRIP_ASPECT = 128, 3.0
"""Parts that are thinner or longer than this are strips even where their pixels do not tell."""

_LEAST_LIKENESS = 0.4
_LEAST_CONTRAST = 4.0
_SAME_LEVELS = 4.0
_LOSSIER = ("jpx", "jpeg")
"""Of a mixed figure the first of these is reported: if one part has no genuine reference, the figure has none."""

_WHITE = 255

Grey: TypeAlias = NDArray[np.uint8]
_NOTHING: Grey = np.empty((0, 0), np.uint8)


class NotOneFigureError(Exception):
    """The parts do not continue each other: they are images of their own."""


@dataclass(frozen=True, slots=True)
class StitchedImage:
    """A figure in parts, read but not decoded.

    Attributes:
        mosaic: where the parts belong.
        stored: the parts, in the same order.
    """

    mosaic: Mosaic
    stored: tuple[StoredImage, ...]

    @property
    def identity(self) -> str | None:
        """As :attr:`StoredImage.identity`, of all parts and their arrangement."""
        names = [part.identity for part in self.stored]
        if None in names:
            return None
        places = [(tuple(part.window), tuple(part.place)) for part in self.mosaic.parts]
        return sha256(repr((names, places, self.mosaic.laps_x, self.mosaic.laps_y)).encode()).hexdigest()

    def decode(self) -> Raster:
        """Decode the parts and put them together.

        Returns:
            The raster. Where parts differ, ``jpeg_q`` is the lowest, ``None`` if that of a JPEG is unknown, and
            ``encoding`` JPEG 2000 before JPEG before any other; ``sha256`` is that of the parts' digests, row by row.

        Raises:
            NotOneFigureError: they are images of their own.
            InvisibleError: all of them are fully transparent.
            ImageUnusable: as :meth:`StoredImage.decode`, of any part.
            MemoryError: decoding needs more memory than there is.
        """
        mosaic = self.mosaic
        width, height = mosaic.size_px
        grey = np.empty((height, width), np.uint8)
        facts, views = [], []
        for stored, part in zip(self.stored, mosaic.parts, strict=True):
            try:
                raster = stored.decode()
            except InvisibleError:
                grey[part.place.y0 : part.place.y1, part.place.x0 : part.place.x1] = _WHITE
                continue
            if raster.grey.shape != stored.size[::-1]:
                raise NotOneFigureError
            _lay(grey, raster.grey, part)
            if raster.load_colour is not None:
                views.append(_View(raster.load_colour, stored.size, part))
            facts.append(replace(raster, grey=_NOTHING))  # the parts' own pixels are not kept
        if not facts:
            raise InvisibleError
        if not _goes_on(grey, mosaic):
            raise NotOneFigureError
        # The 2 x 2 grid of the picture is that of its stored parts, so one that begins at an odd pixel loses this.
        first = mosaic.parts[0].window
        rows = _kept(grey, mosaic.seams_y, mosaic.laps_y, first.y0 % 2)
        columns = _kept(grey.T, mosaic.seams_x, mosaic.laps_x, first.x0 % 2)
        colour = _Colour(tuple(views), rows, columns, grey) if views else None
        if (len(rows), len(columns)) != grey.shape:
            grey = np.ascontiguousarray(grey[rows][:, columns])
        return _joined(facts, grey, colour)


def open_stitched(mosaic: Mosaic, max_pixels: int, read: Callable[[Placement], StoredImage]) -> StitchedImage:
    """Read the parts of a figure.

    Args:
        mosaic: where they belong.
        max_pixels: a larger figure is refused.
        read: reads one of them.

    Raises:
        ImageUnusable: the figure is too large, or a part cannot be read.
    """
    width, height = mosaic.size_px
    if width * height > max_pixels:
        detail = f"{width} x {height} px in {len(mosaic.parts)} parts, more than the limit of {max_pixels} pixels"
        raise ImageUnusable(Reason.TOO_LARGE, detail)
    return StitchedImage(mosaic, tuple(read(part.placement) for part in mosaic.parts))


def _lay(whole: Grey, pixels: Grey, part: Part) -> None:
    """Copy a part to its place. Where rounding leaves room for a pixel more, the last one is repeated."""
    box, place = part.window, part.place
    found = pixels[box.y0 : box.y1, box.x0 : box.x1][: place.height, : place.width]
    if found.shape != (place.height, place.width):
        missing = (0, place.height - found.shape[0]), (0, place.width - found.shape[1])
        found = np.pad(found, missing, mode="edge")
    whole[place.y0 : place.y1, place.x0 : place.x1] = found


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """The colours of a part, and the size of the part in pixels."""

    load: Colours
    size: tuple[int, int]
    part: Part


@dataclass(frozen=True, slots=True, eq=False)
class _Colour:
    """Puts the colours of the parts together; parts without any are grey."""

    views: tuple[_View, ...]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    grey: Grey

    def __call__(self, shrink: int = VIEW_SHRINK) -> Grey:
        ys, xs = _thinned(self.rows, shrink), _thinned(self.columns, shrink)
        whole = np.repeat(self.grey[np.ix_(ys, xs)][..., None], 3, axis=2)
        for seen in self.views:
            part, (width, height), view = seen.part, seen.size, seen.load(shrink)
            box = part.place
            inside_y, inside_x = (
                np.flatnonzero((ys >= box.y0) & (ys < box.y1)),
                np.flatnonzero((xs >= box.x0) & (xs < box.x1)),
            )
            from_y = np.minimum(ys[inside_y] - box.y0 + part.window.y0, height - 1) * view.shape[0] // height
            from_x = np.minimum(xs[inside_x] - box.x0 + part.window.x0, width - 1) * view.shape[1] // width
            whole[np.ix_(inside_y, inside_x)] = view[np.ix_(from_y, from_x)]
        return whole


def _thinned(kept: NDArray[np.intp], step: int) -> NDArray[np.intp]:
    """The middle one of every few rows or columns."""
    return kept[np.minimum(np.arange(0, len(kept), step) + step // 2, len(kept) - 1)]


def _aspect(box: Box) -> float:
    return max(box.width / box.height, box.height / box.width)


def _kept(lines: Grey, seams: Sequence[int], laps: Sequence[int], first: int) -> NDArray[np.intp]:
    """The rows that are left when those at seams that are stored twice are taken out, and the first ones."""
    dropped = np.zeros(len(lines), bool)
    seen = [(seam, lap) for seam, lap in zip(seams, laps, strict=True) if lap]
    apart = [_distance(lines[seam - lap : seam], lines[seam : seam + lap]) for seam, lap in seen]
    if apart and float(np.median(apart)) <= _SAME_LEVELS:
        for seam, lap in seen:
            dropped[seam - lap : seam] = True
    kept = np.flatnonzero(~dropped)
    return kept[first:] if len(kept) > 2 else kept


def _distance(one: Grey, other: Grey) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def _goes_on(grey: Grey, mosaic: Mosaic) -> bool:
    """Whether a picture goes on across the seams between its parts."""
    votes = [_vote(grey, seam) for seam in mosaic.seams_y] + [_vote(grey.T, seam) for seam in mosaic.seams_x]
    told = [vote for vote in votes if vote]
    if told:
        return sum(told) >= 0
    boxes = [part.window for part in mosaic.parts]
    strips = any(box.short_side < STRIP_PX or _aspect(box) > STRIP_ASPECT for box in boxes)
    return strips or not any(vote is None for vote in votes)


def _vote(lines: Grey, seam: int) -> int | None:
    """1 if the rows around a seam belong together, -1 if they do not, 0 if they are blank, ``None`` if unknown."""
    above = lines[max(seam - 2, 0) : seam].astype(np.float32)
    below = lines[seam : seam + 2].astype(np.float32)
    if min(float(above[-1].std()), float(below[0].std())) < _LEAST_CONTRAST:
        return 0
    inner = max((_likeness(pair[0], pair[1]) for pair in (above, below) if len(pair) == 2), default=0.0)
    if inner < _LEAST_LIKENESS:
        return None
    return 1 if _likeness(above[-1], below[0]) >= inner / 2 else -1


def _likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one * one).sum() * (other * other).sum()))
    return float((one * other).sum()) / size if size else 0.0


def _joined(parts: list[Raster], grey: Grey, colour: _Colour | None) -> Raster:
    encodings = {part.encoding for part in parts}
    encoding = next((name for name in _LOSSIER if name in encodings), parts[0].encoding)
    alike = [part for part in parts if part.encoding == encoding]
    worst = min(alike, key=lambda part: part.jpeg_q or 0)
    return replace(
        worst,
        grey=grey,
        components=max(part.components for part in parts),
        bits=min(part.bits for part in parts),
        sha256=sha256("".join(part.sha256 for part in parts).encode()).hexdigest(),
        subsampling=worst.subsampling if len({part.subsampling for part in alike}) == 1 else None,
        load_colour=colour,
        luma_steps=None,
        cues=tuple(dict.fromkeys(cue for part in parts for cue in part.cues)),
    )
