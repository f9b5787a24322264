"""Follows a page's content as a viewer would, just far enough to know which images are seen, where, and under what.

Forms, tiling patterns that fill a shape, and appearance streams of annotations are entered. Not looked into: glyphs of
Type 3 fonts, clips made of text, soft-mask groups (an image in one is not seen itself), patterns on text and lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from semscan.engine.pdf.affine import (
    IDENTITY,
    UNIT,
    Matrix,
    Rect,
    apply,
    bounds,
    corners,
    cut,
    intersection,
    inverse,
    multiply,
    transformed,
)
from semscan.engine.pdf.content import Event, Wanted, content_events, has_inline_image
from semscan.engine.pdf.graphics import State, box_path, matrix_of, ordered
from semscan.engine.pdf.inline import InlineImage
from semscan.engine.pdf.layers import Layers
from semscan.engine.pdf.marks import Marks
from semscan.engine.pdf.paths import Path
from semscan.engine.pdf.syntax import Ref, Resolver, Value, numbers

MAX_FORM_DEPTH = 20
MAX_FORMS_PER_PAGE = 20_000
_MOST_CELLS = 16
"""A pattern that repeats more often in its shape is a texture: one copy of it is looked at."""
_SMALLEST_STEP = 1e-3
_SMALLEST_PART = 1e-3
"""An image of which less than this share is left, in width or height, is not seen."""


class Drawn(NamedTuple):
    """An image as it is drawn.

    Attributes:
        xref: its object number, 0 for an inline image.
        entries: its dictionary.
        inline: an inline image.
        matrix: from its unit square to displayed points.
        bbox_pt: the smallest box around what is seen of it.
        part: what is seen of it, as a box in its unit square with the origin at the top left; ``None`` for all.
        below_text: whether text may be drawn after it.
        opaque: whether it is drawn without transparency, apart from masks of its own.
    """

    xref: int
    entries: dict[str, Value]
    inline: InlineImage | None
    matrix: Matrix
    bbox_pt: Rect
    part: Rect | None
    below_text: bool
    opaque: bool


class Walk:
    """Follows one page; ``form_bytes`` counts the content of the forms that it enters, as often as it does.

    Args:
        resolver: of the document.
        layers: of the document.
        marks: collects what is drawn over images.
    """

    def __init__(self, resolver: Resolver, layers: Layers, marks: Marks) -> None:
        self._resolver, self._layers, self._marks = resolver, layers, marks
        self._events: dict[tuple[int, bool], tuple[int, list[Event]]] = {}
        self._open: list[int] = []
        self._forms_drawn, self.form_bytes = 0, 0

    def page(self, content: bytes, resources: Value, to_display: Matrix, visible: Rect) -> Iterator[Drawn]:
        """The images that a page's content draws, in drawing order.

        Args:
            content: of the page.
            resources: of the page.
            to_display: from default user space to displayed points.
            visible: the page, in displayed points.

        Raises:
            ValueError: it draws more than ``MAX_FORMS_PER_PAGE`` forms.
        """
        wanted = self._wanted(content, resources)
        if wanted is None:
            return
        last_text = content.rfind(b"BT")
        events = content_events(content, self._resolver, self._resolver.get(resources, "ColorSpace"), wanted)
        yield from self._run(events, resources, State(to_display, visible), last_text)

    def appearance(self, xref: int, rect: Rect, to_display: Matrix, visible: Rect) -> Iterator[Drawn]:
        """The images in the appearance stream of an annotation, fitted into its rectangle (12.5.5)."""
        entries = self._resolver.resolve(Ref(xref))
        box = numbers(self._resolver.get(entries, "BBox"), 4)
        if box is None or not isinstance(entries, dict):
            return
        x0, y0, x1, y1 = transformed(matrix_of(self._resolver, entries), ordered(box))
        if x0 >= x1 or y0 >= y1:
            return
        wide, high = (rect[2] - rect[0]) / (x1 - x0), (rect[3] - rect[1]) / (y1 - y0)
        fit = (wide, 0.0, 0.0, high, rect[0] - x0 * wide, rect[1] - y0 * high)
        yield from self._form(xref, entries, None, State(multiply(fit, to_display), visible), below_text=False)

    def _wanted(self, content: bytes, resources: Value, whole: bool = False) -> _Wanted | None:
        """Which operators to look for; ``None`` if the content can neither draw an image nor lie over one.

        Args:
            content: to be searched.
            resources: in force.
            whole: it is searched as a whole, before it is known after which of its images a path comes.
        """
        patterns = bool(self._resolver.get(resources, "Pattern")) and b"scn" in content
        drawing = bool(self._resolver.get(resources, "XObject")) or has_inline_image(content) or patterns
        if not drawing and not self._marks.wanted:
            return None
        return _Wanted(self._marks, whole and drawing, patterns, self._layers.present and b"/OC" in content)

    def _run(self, events: Iterable[Event], resources: Value, state: State, last_text: float) -> Iterator[Drawn]:
        """Images that events draw; text may follow those that come before ``last_text``."""
        named = self._resolver.get(resources, "XObject")
        xobjects = named if isinstance(named, dict) else {}
        base = state.ctm
        saved: list[State] = []
        levels: list[bool] = []
        hidden = 0
        for event in events:
            operator = event.operator
            if operator == "q":
                saved.append(state)
            elif operator == "Q":
                state = saved.pop() if saved else state
            elif operator == "cm":
                state = state._replace(ctm=multiply(event.matrix, state.ctm))
            elif operator in ("BDC", "BMC"):
                levels.append(
                    bool(event.name) and self._layers.hides(_entry(self._resolver, resources, "Properties", event.name))
                )
                hidden += levels[-1]
            elif operator == "EMC":
                hidden -= levels.pop() if levels else 0
            elif operator == "W":
                state = state.clipped(event.path)
            elif operator == "gs":
                state = state.adjusted(self._resolver, _entry(self._resolver, resources, "ExtGState", event.name))
            elif operator in ("g", "scn"):
                state = state._replace(pattern=event.name)
            elif hidden or not state.alpha or state.clip is None:
                continue
            elif operator == "Do":
                yield from self._draw(xobjects.get(event.name), resources, state, event.at < last_text)
            elif operator == "BI" and event.inline is not None:
                yield from self._image(0, event.inline.entries, event.inline, state, event.at < last_text)
            elif event.path is not None:
                if operator == "f" and state.pattern:
                    yield from self._filled(event.path, resources, state, base)
                self._marks.add(event.path, operator == "f", state.ctm, state.clip, state.opaque)

    def _draw(self, reference: Value, resources: Value, state: State, text: bool) -> Iterator[Drawn]:
        entries = self._resolver.resolve(reference)
        if not isinstance(reference, Ref) or not isinstance(entries, dict) or self._layers.hides(entries.get("OC")):
            return
        subtype = self._resolver.get(entries, "Subtype")
        if subtype == "Image":
            yield from self._image(reference.xref, entries, None, state, text)
        elif subtype == "Form":
            yield from self._form(reference.xref, entries, resources, state, below_text=True)

    def _form(
        self, xref: int, entries: dict[str, Value], resources: Value, state: State, below_text: bool
    ) -> Iterator[Drawn]:
        if xref in self._open or len(self._open) >= MAX_FORM_DEPTH:
            return
        self._forms_drawn += 1
        if self._forms_drawn > MAX_FORMS_PER_PAGE:
            raise ValueError(f"it draws more than {MAX_FORMS_PER_PAGE} form objects")
        own = self._resolver.get(entries, "Resources")
        inner = own if isinstance(own, dict) else resources
        key = xref, self._marks.wanted
        if key not in self._events:
            self._events[key] = self._scanned(xref, inner)
        size, events = self._events[key]
        self.form_bytes += size
        if not events:
            return
        state = state.inside(matrix_of(self._resolver, entries))
        box = numbers(self._resolver.get(entries, "BBox"), 4)
        if box is not None:
            state = state.clipped(box_path(ordered(box)))
        self._open.append(xref)
        yield from self._run(events, inner, state, math.inf if below_text else -1.0)
        self._open.pop()

    def _scanned(self, xref: int, resources: Value) -> tuple[int, list[Event]]:
        content = self._resolver.stream(xref)
        wanted = self._wanted(content, resources, whole=True)
        if wanted is None:
            return len(content), []
        spaces = self._resolver.get(resources, "ColorSpace")
        return len(content), list(content_events(content, self._resolver, spaces, wanted))

    def _filled(self, path: Path, resources: Value, state: State, base: Matrix) -> Iterator[Drawn]:
        """Images in the cells of a tiling pattern that fills a path; the pattern lies in the space of its stream."""
        reference = _entry(self._resolver, resources, "Pattern", state.pattern)
        entries = self._resolver.resolve(reference)
        if not isinstance(reference, Ref) or self._resolver.get(entries, "PatternType") != 1:
            return
        state = state.clipped(path)
        box = numbers(self._resolver.get(entries, "BBox"), 4)
        if box is None or not isinstance(entries, dict) or state.clip is None:
            return
        matrix = multiply(matrix_of(self._resolver, entries), base)
        steps = [self._resolver.get(entries, key) for key in ("XStep", "YStep")]
        x_step, y_step = (
            abs(step) if isinstance(step, int | float) and abs(step) > _SMALLEST_STEP else math.inf for step in steps
        )
        plain = {key: value for key, value in entries.items() if key != "Matrix"}
        for column, row in _cells(matrix, ordered(box), state.clip, x_step, y_step):
            shift = (1.0, 0.0, 0.0, 1.0, column * x_step if column else 0.0, row * y_step if row else 0.0)
            moved = state._replace(ctm=multiply(shift, matrix))
            yield from self._form(reference.xref, plain, resources, moved, below_text=True)

    def _image(
        self, xref: int, entries: dict[str, Value], inline: InlineImage | None, state: State, text: bool
    ) -> Iterator[Drawn]:
        ctm, clip = state.ctm, state.clip
        if clip is not None and state.mask is not None:
            clip = intersection(clip, state.mask)
        quad = corners(ctm, UNIT)
        if clip is None or not all(math.isfinite(value) for point in quad for value in point):
            return
        box = bounds(quad)
        seen = intersection(box, clip)
        if seen is None:
            return
        part = None
        back = inverse(ctm)
        if back is not None and (seen != box or state.turned):
            left = cut(quad, corners(IDENTITY, clip))
            for convex in state.turned:
                left = cut(left, convex)
            if len(left) < 3:
                return
            seen = bounds(left)
            part = self._part(entries, bounds([apply(back, point) for point in left]))
            if part is not None and min(part[2] - part[0], part[3] - part[1]) < _SMALLEST_PART:
                return
        self._marks.image_drawn(seen)
        yield Drawn(xref, entries, inline, ctm, seen, part, text, state.opaque)

    def _part(self, entries: dict[str, Value], seen: Rect) -> Rect | None:
        """What is seen of an image, from the top left; ``None`` if it misses nowhere more than half a pixel."""
        sizes = (self._resolver.get(entries, "Width", "W"), self._resolver.get(entries, "Height", "H"))
        wide, high = (1 / (2 * size) if isinstance(size, int) and size > 0 else 0.0 for size in sizes)
        x0, y0, x1, y1 = max(seen[0], 0.0), max(1.0 - seen[3], 0.0), min(seen[2], 1.0), min(1.0 - seen[1], 1.0)
        whole = x0 <= wide and y0 <= high and 1.0 - x1 <= wide and 1.0 - y1 <= high
        return None if whole else (x0, y0, x1, y1)


class _Wanted:
    """Says which operators are of interest at the moment."""

    def __init__(self, marks: Marks, whole: bool, patterns: bool, layers: bool) -> None:
        self._marks, self._whole = marks, whole
        self._always = (Wanted.PATTERNS if patterns else Wanted.NOTHING) | (Wanted.LAYERS if layers else Wanted.NOTHING)
        self._painting = self._always | Wanted.PAINT

    def __call__(self) -> Wanted:
        return self._painting if self._marks.wanted or (self._whole and self._marks.room) else self._always


def _cells(matrix: Matrix, box: Rect, area: Rect, x_step: float, y_step: float) -> Iterator[tuple[int, int]]:
    """Columns and rows of the copies of a pattern's cell that touch an area."""
    back = inverse(matrix)
    if back is None:
        return
    x0, y0, x1, y1 = transformed(back, area)
    left, right = math.ceil((x0 - box[2]) / x_step), math.floor((x1 - box[0]) / x_step) + 1
    bottom, top = math.ceil((y0 - box[3]) / y_step), math.floor((y1 - box[1]) / y_step) + 1
    if (right - left) * (top - bottom) > _MOST_CELLS:
        left, bottom = (left + right) // 2, (bottom + top) // 2
        right, top = left + 1, bottom + 1
    yield from ((column, row) for row in range(bottom, top) for column in range(left, right))


def _entry(resolver: Resolver, resources: Value, kind: str, name: str) -> Value:
    """A named resource, not resolved."""
    named = resolver.get(resources, kind)
    return named.get(name) if isinstance(named, dict) else None
