"""Of the graphics state what decides on what is seen: place, clips, transparency (ISO 32000-1, 8.4).

Clips are exact where they are made of boxes, turned ones included, and the smallest box around them otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

from semscan.engine.pdf.affine import (
    IDENTITY,
    Matrix,
    Point,
    Rect,
    corners,
    intersection,
    keeps_axes,
    multiply,
    transformed,
)
from semscan.engine.pdf.paths import Path
from semscan.engine.pdf.syntax import Resolver, Value, numbers

_MOST_TURNED = 8


class State(NamedTuple):
    """The state while a stream is followed; boxes are in displayed points.

    Attributes:
        ctm: from user space to the displayed page.
        clip: box around what the clips leave, ``None`` if that is nothing.
        turned: clips that are no upright boxes, as convex polygons.
        exact: whether all clips are known to be boxes, and all forms around are painted without transparency.
        alpha: opacity of fills and images.
        plain: whether colours simply replace what lies below.
        pattern: name of the pattern to fill with, empty for a colour.
        mask: outside of this box a soft mask lets nothing through.
    """

    ctm: Matrix
    clip: Rect | None
    turned: tuple[tuple[Point, ...], ...] = ()
    exact: bool = True
    alpha: float = 1.0
    plain: bool = True
    pattern: str = ""
    mask: Rect | None = None

    @property
    def opaque(self) -> bool:
        """Whether nothing shines through what is painted now, and the clips cut it to a box."""
        return self.exact and self.plain and self.alpha == 1.0 and not self.turned and not self.pattern

    def clipped(self, path: Path | None) -> State:
        """With a path in user space as a further clip; ``None`` for a clip that is not followed."""
        if path is None or self.clip is None:
            return self._replace(exact=False)
        box = path.bounds
        clip = intersection(self.clip, transformed(self.ctm, box))
        exact = self.exact and path.rectangle
        if keeps_axes(self.ctm):
            return self._replace(clip=clip, exact=exact)
        turned = (*self.turned, tuple(corners(self.ctm, box)))[-_MOST_TURNED:]
        return self._replace(clip=clip, turned=turned, exact=exact)

    def inside(self, matrix: Matrix) -> State:
        """With which a form begins, whose transparency is that of all of it, whatever is set inside."""
        exact = self.exact and self.plain and self.alpha == 1.0
        return self._replace(ctm=multiply(matrix, self.ctm), pattern="", exact=exact)

    def adjusted(self, resolver: Resolver, parameters: Value) -> State:
        """With the parameters of a graphics state dictionary, as by ``gs``."""
        entries = resolver.resolve(parameters)
        if not isinstance(entries, dict):
            return self
        state = self
        alpha, blend = resolver.get(entries, "ca"), resolver.get(entries, "BM")
        mask = resolver.get(entries, "SMask")
        if isinstance(alpha, int | float):
            state = state._replace(alpha=float(alpha))
        if blend is not None:
            state = state._replace(plain=blend in ("Normal", "Compatible"))
        if mask is not None:
            box = _mask_box(resolver, mask, state.ctm)
            state = state._replace(mask=box, plain=state.plain and mask == "None")
        return state


def matrix_of(resolver: Resolver, entries: Value) -> Matrix:
    """The matrix of a form or a pattern."""
    a, b, c, d, e, f = numbers(resolver.get(entries, "Matrix"), 6) or IDENTITY
    return a, b, c, d, e, f


def ordered(box: list[float]) -> Rect:
    """A box with its corners in order."""
    return min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])


def box_path(box: Rect) -> Path:
    """A box as a path."""
    return Path((tuple(corners(IDENTITY, box)),), rectangle=True)


def _mask_box(resolver: Resolver, mask: Value, ctm: Matrix) -> Rect | None:
    """The box outside of which a soft mask lets nothing through, if there is one."""
    group = resolver.get(mask, "G")
    box = numbers(resolver.get(group, "BBox"), 4)
    # Beside its group a mask is what its backdrop and its transfer function say; without them, nothing is seen.
    if box is None or not isinstance(mask, dict) or "BC" in mask or "TR" in mask:
        return None
    return transformed(multiply(matrix_of(resolver, group), ctm), ordered(box))
