"""Where the images of a page are drawn, without decoding one of them.

The content stream and the form XObjects that it draws are followed just far enough to know each image's
transformation. MuPDF could tell as well, but only by decoding every image to hash it.

Not looked into: appearance streams of annotations, tiling patterns, glyphs of Type 3 fonts, soft-mask groups. Clipping
paths and hidden layers are not evaluated; a box is cut at the page's edge only. A figure that its producer cut into
strips stays so many images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import pymupdf

from semscan.engine.geometry import Box
from semscan.engine.pdf.content import IDENTITY, Event, Matrix, content_events, has_inline_image, multiply
from semscan.engine.pdf.guard import MupdfError, calling_mupdf
from semscan.engine.pdf.inline import InlineImage
from semscan.engine.pdf.syntax import Ref, Resolver, Value, numbers

Rect = tuple[float, float, float, float]

MAX_FORM_DEPTH = 20
MAX_FORMS_PER_PAGE = 20_000
MAX_PLACEMENTS_PER_PAGE = 20_000
_MAX_PAGE_TREE_DEPTH = 64
_LETTER: Rect = (0.0, 0.0, 612.0, 792.0)
_POINTS_PER_INCH = 72.0


@dataclass(frozen=True, slots=True)
class Placement:
    """One image at one place.

    Attributes:
        page: page number, from 1.
        xref: object number of the image, 0 for an inline image.
        bbox_pt: box on the displayed page (rotated, origin top left of the crop box), cut at the page's edge.
        matrix: maps the image's unit square (origin bottom left, as PDF defines it) to displayed page points.
        order: drawing order on the page, from 0.
        inline: dictionary and data of an inline image.
    """

    page: int
    xref: int
    bbox_pt: Rect
    matrix: Matrix
    order: int
    inline: InlineImage | None = field(default=None, repr=False)


def page_placements(doc: pymupdf.Document, page_index: int) -> list[Placement]:
    """Images drawn on a page, in drawing order; an image drawn n times has n placements, one never drawn has none.

    Args:
        doc: the open, decrypted document.
        page_index: page number, from 0.

    Raises:
        ValueError: MuPDF cannot read the page (:class:`MupdfError`), or it draws more than ``MAX_PLACEMENTS_PER_PAGE``
            images or ``MAX_FORMS_PER_PAGE`` forms.
        MemoryError: its content needs more memory than there is.
    """
    resolver = Resolver(doc)
    with calling_mupdf():
        page_xref = doc.page_xref(page_index)
    page = resolver.resolve(Ref(page_xref))
    if not isinstance(page, dict):
        raise ValueError("the page object is damaged")
    resources = _inherited(resolver, page, "Resources")
    content = _page_content(resolver, page)
    to_display, (width, height) = _display(resolver, page)
    placements: list[Placement] = []
    for xref, inline, matrix in _Walk(resolver).drawn(content, resources, to_display):
        box = _clipped(_bounds(matrix, 0.0, 0.0, 1.0, 1.0), width, height)
        if box is None:
            continue
        if len(placements) == MAX_PLACEMENTS_PER_PAGE:
            raise ValueError(f"it draws more than {MAX_PLACEMENTS_PER_PAGE} images")
        placements.append(Placement(page_index + 1, xref, box, matrix, len(placements), inline))
    return placements


def pixel_box_to_page(placement: Placement, box: Box, image_size: tuple[int, int]) -> Rect:
    """A pixel box of the image as a box on the displayed page.

    Args:
        placement: where the image is drawn.
        box: px, origin top left of the image.
        image_size: width and height of the image, px.

    Returns:
        x0, y0, x1, y1 in points, origin top left of the crop box; not cut at the page's edge.
    """
    width, height = image_size
    return _bounds(placement.matrix, box.x0 / width, 1.0 - box.y1 / height, box.x1 / width, 1.0 - box.y0 / height)


def placement_ppi(placement: Placement, image_size: tuple[int, int]) -> int | None:
    """Resolution as drawn, in pixels per inch, the lower one of the two directions; ``None`` if drawn as a line.

    Args:
        placement: where the image is drawn.
        image_size: width and height of the image, px.
    """
    a, b, c, d, _, _ = placement.matrix
    wide_pt, high_pt = math.hypot(a, b), math.hypot(c, d)
    if not wide_pt or not high_pt:
        return None
    return round(min(image_size[0] / wide_pt, image_size[1] / high_pt) * _POINTS_PER_INCH)


class _Walk:
    """Follows one page's content through its forms."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._events: dict[int, list[Event]] = {}
        self._open_forms: list[int] = []
        self._forms_drawn = 0

    def drawn(self, content: bytes, resources: Value, ctm: Matrix) -> Iterator[tuple[int, InlineImage | None, Matrix]]:
        """Object number, inline image and matrix of every image that the content draws."""
        return self._run(self._scan(content, resources), resources, ctm)

    def _scan(self, content: bytes, resources: Value) -> Iterator[Event]:
        if not self._resolver.get(resources, "XObject") and not has_inline_image(content):
            return iter(())
        return content_events(content, self._resolver, self._resolver.get(resources, "ColorSpace"))

    def _run(
        self, events: Iterator[Event], resources: Value, ctm: Matrix
    ) -> Iterator[tuple[int, InlineImage | None, Matrix]]:
        xobjects = self._resolver.get(resources, "XObject")
        saved: list[Matrix] = []
        for event in events:
            if event.operator == "q":
                saved.append(ctm)
            elif event.operator == "Q":
                ctm = saved.pop() if saved else ctm
            elif event.operator == "cm":
                ctm = multiply(event.matrix, ctm)
            elif event.operator == "BI":
                yield 0, event.inline, ctm
            elif isinstance(xobjects, dict):
                yield from self._draw(xobjects.get(event.name), resources, ctm)

    def _draw(
        self, reference: Value, resources: Value, ctm: Matrix
    ) -> Iterator[tuple[int, InlineImage | None, Matrix]]:
        entries = self._resolver.resolve(reference)
        if not isinstance(reference, Ref) or not isinstance(entries, dict):
            return
        xref, subtype = reference.xref, self._resolver.get(entries, "Subtype")
        if subtype == "Image":
            yield xref, None, ctm
        elif subtype == "Form" and xref not in self._open_forms and len(self._open_forms) < MAX_FORM_DEPTH:
            self._forms_drawn += 1
            if self._forms_drawn > MAX_FORMS_PER_PAGE:
                raise ValueError(f"it draws more than {MAX_FORMS_PER_PAGE} form objects")
            own = self._resolver.get(entries, "Resources")
            inner = own if isinstance(own, dict) else resources
            if xref not in self._events:
                self._events[xref] = list(self._scan(_stream_or_nothing(self._resolver.doc, xref), inner))
            a, b, c, d, e, f = numbers(self._resolver.get(entries, "Matrix"), 6) or IDENTITY
            self._open_forms.append(xref)
            yield from self._run(iter(self._events[xref]), inner, multiply((a, b, c, d, e, f), ctm))
            self._open_forms.pop()


def _page_content(resolver: Resolver, page: dict[str, Value]) -> bytes:
    contents = page.get("Contents")
    if isinstance(contents, Ref):
        inner = resolver.resolve(contents)
        contents = inner if isinstance(inner, list) else [contents]
    parts = contents if isinstance(contents, list) else []
    # Streams are cut between tokens, so they are joined with white space.
    return b"\n".join(_stream_or_nothing(resolver.doc, part.xref) for part in parts if isinstance(part, Ref))


def _stream_or_nothing(doc: pymupdf.Document, xref: int) -> bytes:
    """A content stream; an unreadable one draws nothing, as in any viewer."""
    try:
        with calling_mupdf():
            data = doc.xref_stream(xref)
    except MupdfError:
        return b""
    return data if isinstance(data, bytes) else b""


def _inherited(resolver: Resolver, page: dict[str, Value], key: str) -> Value:
    node: Value = page
    for _ in range(_MAX_PAGE_TREE_DEPTH):
        if not isinstance(node, dict):
            return None
        value = resolver.get(node, key)
        if value is not None:
            return value
        node = resolver.get(node, "Parent")
    return None


def _display(resolver: Resolver, page: dict[str, Value]) -> tuple[Matrix, tuple[float, float]]:
    """From default user space to displayed points, and the displayed page's width and height in points."""
    media = _rect(resolver, _inherited(resolver, page, "MediaBox")) or _LETTER
    crop = _rect(resolver, _inherited(resolver, page, "CropBox")) or media
    x0, y0, x1, y1 = max(media[0], crop[0]), max(media[1], crop[1]), min(media[2], crop[2]), min(media[3], crop[3])
    if x0 >= x1 or y0 >= y1:
        x0, y0, x1, y1 = media
    unit = resolver.get(page, "UserUnit")
    u = float(unit) if isinstance(unit, int | float) and unit > 0 else 1.0
    rotate = _inherited(resolver, page, "Rotate")
    turn = round(rotate / 90) % 4 if isinstance(rotate, int | float) else 0
    matrix: Matrix = (
        (u, 0.0, 0.0, -u, -x0 * u, y1 * u),
        (0.0, u, u, 0.0, -y0 * u, -x0 * u),
        (-u, 0.0, 0.0, u, x1 * u, -y0 * u),
        (0.0, -u, -u, 0.0, y1 * u, x1 * u),
    )[turn]
    size = ((x1 - x0) * u, (y1 - y0) * u)
    return matrix, size if turn % 2 == 0 else size[::-1]


def _rect(resolver: Resolver, value: Value) -> Rect | None:
    found = numbers([resolver.resolve(item) for item in value], 4) if isinstance(value, list) else None
    if found is None:
        return None
    x0, y0, x1, y1 = found
    rect = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    return rect if rect[0] < rect[2] and rect[1] < rect[3] else None


def _bounds(matrix: Matrix, x0: float, y0: float, x1: float, y1: float) -> Rect:
    a, b, c, d, e, f = matrix
    xs = [a * x + c * y + e for x in (x0, x1) for y in (y0, y1)]
    ys = [b * x + d * y + f for x in (x0, x1) for y in (y0, y1)]
    return min(xs), min(ys), max(xs), max(ys)


def _clipped(box: Rect, width: float, height: float) -> Rect | None:
    x0, y0, x1, y1 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], width), min(box[3], height)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
