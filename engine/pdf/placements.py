"""Where the images of a page are drawn, without decoding one of them.

The page's content is followed just far enough to know each image's transformation and what is seen of it. MuPDF could
tell as well, but only by decoding every image to hash it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import pymupdf

from semscan.engine.geometry import Box
from semscan.engine.pdf.affine import Matrix, Rect, intersection, transformed
from semscan.engine.pdf.guard import calling_mupdf
from semscan.engine.pdf.inline import InlineImage
from semscan.engine.pdf.layers import Layers
from semscan.engine.pdf.marks import Mark, Marks
from semscan.engine.pdf.syntax import Ref, Resolver, Value, numbers
from semscan.engine.pdf.walk import Drawn, Walk

MAX_PLACEMENTS_PER_PAGE = 20_000
MAX_ANNOTATIONS_PER_PAGE = 1000
_MAX_PAGE_TREE_DEPTH = 64
_LETTER: Rect = (0.0, 0.0, 612.0, 792.0)
_POINTS_PER_INCH = 72.0
_SMALLEST_PT = 1e-6
_HIDDEN_FLAGS = 2 | 32
_WITHOUT_APPEARANCE = (pymupdf.mupdf.PDF_ANNOT_LINK, pymupdf.mupdf.PDF_ANNOT_POPUP)


@dataclass(frozen=True, slots=True)
class Placement:
    """One image at one place.

    Attributes:
        page: page number, from 1.
        xref: object number of the image, 0 for an inline image.
        bbox_pt: box around what is seen of it, on the displayed page (rotated, origin top left of the crop box).
        matrix: maps the image's unit square (origin bottom left, as PDF defines it) to displayed page points.
        order: drawing order on the page, from 0.
        inline: dictionary and data of an inline image.
        part: what is seen of it, in shares of its width and height from the top left; ``None`` for all.
        below_text: whether text may be drawn after it.
        opaque: whether it is drawn without transparency, apart from masks of its own.
        entries: its dictionary.
    """

    page: int
    xref: int
    bbox_pt: Rect
    matrix: Matrix
    order: int
    inline: InlineImage | None = field(default=None, repr=False)
    part: Rect | None = None
    below_text: bool = True
    opaque: bool = True
    entries: dict[str, Value] = field(default_factory=dict, repr=False)


class Drawing(NamedTuple):
    """The images of a page.

    Attributes:
        placements: in drawing order; an image drawn n times has n, one never seen has none.
        marks: what is painted over them.
        size_pt: width and height of the displayed page.
        content_bytes: size of its content, with that of forms as often as they are drawn.
    """

    placements: list[Placement]
    marks: list[Mark]
    size_pt: tuple[float, float]
    content_bytes: int = 0


class Placer:
    """Finds the images on the pages of a document.

    Args:
        doc: the open, decrypted document.
    """

    def __init__(self, doc: pymupdf.Document) -> None:
        self.resolver = Resolver(doc)
        self._loaded: tuple[int, pymupdf.Page] | None = None
        with calling_mupdf():
            root = doc.pdf_catalog()
        self._layers = Layers(self.resolver, Ref(root))

    def loaded(self, index: int) -> pymupdf.Page:
        """A page as MuPDF loads it; the last one is kept."""
        if self._loaded is None or self._loaded[0] != index:
            self._loaded = index, self.resolver.doc[index]
        return self._loaded[1]

    def page(self, index: int) -> Drawing:
        """What a page draws.

        Args:
            index: page number, from 0.

        Raises:
            ValueError: MuPDF cannot read the page (:class:`MupdfError`), or it draws more than
                ``MAX_PLACEMENTS_PER_PAGE`` images or too many forms.
            MemoryError: its content needs more memory than there is.
        """
        self.resolver.trim()
        with calling_mupdf():
            xref = self.resolver.doc.page_xref(index)
        page = self.resolver.resolve(Ref(xref))
        if not isinstance(page, dict):
            raise ValueError("the page object is damaged")
        to_display, (width, height) = _display(self.resolver, page)
        content = self._content(page)
        marks = Marks()
        walk = Walk(self.resolver, self._layers, marks)
        placements: list[Placement] = []
        for image in self._drawn(walk, index, page, content, to_display, (0.0, 0.0, width, height)):
            if len(placements) == MAX_PLACEMENTS_PER_PAGE:
                raise ValueError(f"it draws more than {MAX_PLACEMENTS_PER_PAGE} images")
            placements.append(
                Placement(
                    page=index + 1,
                    xref=image.xref,
                    bbox_pt=image.bbox_pt,
                    matrix=image.matrix,
                    order=len(placements),
                    inline=image.inline,
                    part=image.part,
                    below_text=image.below_text,
                    opaque=image.opaque,
                    entries=image.entries,
                )
            )
        return Drawing(placements, marks.found, (width, height), len(content) + walk.form_bytes)

    def _drawn(
        self, walk: Walk, index: int, page: dict[str, Value], content: bytes, to_display: Matrix, visible: Rect
    ) -> Iterator[Drawn]:
        yield from walk.page(content, self._inherited(page, "Resources"), to_display, visible)
        if "Annots" not in page:
            return
        with calling_mupdf():
            annotations = self.loaded(index).annot_xrefs()
        for xref, kind, *_ in annotations[:MAX_ANNOTATIONS_PER_PAGE]:
            if kind not in _WITHOUT_APPEARANCE and (shown := self._appearance(xref)) is not None:
                yield from walk.appearance(*shown, to_display, visible)

    def _appearance(self, xref: int) -> tuple[int, Rect] | None:
        """The appearance stream of an annotation and its rectangle, if it is shown."""
        get = self.resolver.get
        annotation = self.resolver.resolve(Ref(xref))
        flags, rect = get(annotation, "F"), _rect(self.resolver, get(annotation, "Rect"))
        if not isinstance(annotation, dict) or rect is None or (isinstance(flags, int) and flags & _HIDDEN_FLAGS):
            return None
        appearances = get(annotation, "AP")
        normal = appearances.get("N") if isinstance(appearances, dict) else None
        states = self.resolver.resolve(normal)
        if isinstance(states, dict) and "BBox" not in states:
            normal = states.get(str(get(annotation, "AS")))
        if not isinstance(normal, Ref) or self._layers.hides(annotation.get("OC")):
            return None
        return normal.xref, rect

    def _content(self, page: dict[str, Value]) -> bytes:
        contents = page.get("Contents")
        if isinstance(contents, Ref):
            inner = self.resolver.resolve(contents)
            contents = inner if isinstance(inner, list) else [contents]
        parts = contents if isinstance(contents, list) else []
        # Streams are cut between tokens, so they are joined with white space.
        return b"\n".join(self.resolver.stream(part.xref) for part in parts if isinstance(part, Ref))

    def _inherited(self, page: dict[str, Value], key: str) -> Value:
        return _inherited(self.resolver, page, key)


def pixel_box_to_page(matrix: Matrix, box: Box, image_size: tuple[int, int]) -> Rect:
    """A pixel box of an image as a box on the displayed page.

    Args:
        matrix: of the image's placement.
        box: px, origin top left of the image.
        image_size: width and height of the image, px.

    Returns:
        x0, y0, x1, y1 in points, origin top left of the crop box; not cut at the page's edge.
    """
    width, height = image_size
    return transformed(matrix, (box.x0 / width, 1.0 - box.y1 / height, box.x1 / width, 1.0 - box.y0 / height))


def placement_ppi(matrix: Matrix, image_size: tuple[int, int]) -> int | None:
    """Resolution as drawn, in pixels per inch, the lower one of the two directions; ``None`` for a line or a point.

    Args:
        matrix: of the image's placement.
        image_size: width and height of the image, px.
    """
    a, b, c, d, _, _ = matrix
    wide_pt, high_pt = math.hypot(a, b), math.hypot(c, d)
    if min(wide_pt, high_pt) < _SMALLEST_PT:
        return None
    return round(min(image_size[0] / wide_pt, image_size[1] / high_pt) * _POINTS_PER_INCH)


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
    x0, y0, x1, y1 = intersection(media, crop) or media
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
