"""One PDF: opening it, what is drawn on a page, and the pixels of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import pymupdf

from semscan.engine.errors import DocumentUnusable, NoticeCode
from semscan.engine.geometry import Box
from semscan.engine.pdf.affine import Rect
from semscan.engine.pdf.bodytext import Body
from semscan.engine.pdf.captions import Block, Caption, figure_captions, page_label
from semscan.engine.pdf.decode import StoredImage, open_inline_image, open_pdf_image
from semscan.engine.pdf.drawn_over import covers, on_part
from semscan.engine.pdf.guard import MupdfError, calling_mupdf
from semscan.engine.pdf.letters import FigureLetters, figure_letters
from semscan.engine.pdf.masthead import declared, printed
from semscan.engine.pdf.methods import NOTHING_NAMED, Methods, methods_named
from semscan.engine.pdf.order import turns_in_figures
from semscan.engine.pdf.pages import Pages
from semscan.engine.pdf.placements import Placement, Placer, pixel_box_to_page, placement_ppi
from semscan.engine.pdf.stitch import StitchedImage, open_stitched
from semscan.engine.pdf.strips import Figure, figures_of
from semscan.engine.pdf.wire import Named

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)

Scan: TypeAlias = Literal["no", "perhaps", "yes"]

HEAD_BYTES = 1024
"""Readers accept a PDF whose header starts within this many bytes."""


SCAN_SHARE = 0.85
"""A picture that takes more than this of its page may be the scan of a page."""

SMALLEST_FIGURE_PT = 30.0
"""What is drawn smaller than this is a logo or an icon, and belongs to no caption."""

_SCAN_SIDES_PT = (290.0, 1300.0)
_SCAN_ASPECT = 1.65
_MOST_STAMPED, _LEAST_RECOGNISED = 200, 40


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """A picture where it is drawn, with the labels printed near it.

    Attributes:
        drawn: the image, or the images of which a producer made one figure.
        page_label: printed number of the page.
        figure: label of the caption near it.
        covered: what lies over it, in shares of its width and height from the top left.
        letters: panel letters of its figure that are text of the page.
        scan: ``yes`` if it is a scanned page, ``perhaps`` if that depends on its pixels, or ``no``.
        methods: that its caption names; none without a caption.
        turn: its place among the pictures of its figure, in reading order, from 0.
        pictures: how many these are.
    """

    drawn: Figure
    page_label: str | None
    figure: str | None
    covered: tuple[Rect, ...] = ()
    scan: Scan = "no"
    letters: FigureLetters | None = None
    methods: Methods = NOTHING_NAMED
    turn: int = 0
    pictures: int = 1

    @property
    def placement(self) -> Placement:
        """Where it is drawn, as a whole."""
        return self.drawn.placement

    @property
    def parts(self) -> list[Placement]:
        """The stored images that it is made of, row by row."""
        mosaic = self.drawn.mosaic
        return [part.placement for part in mosaic.parts] if mosaic else [self.drawn.placement]

    @property
    def name(self) -> str:
        """The same for all places of the same stored images; of no use for inline ones."""
        mosaic = self.drawn.mosaic
        if mosaic is None:
            return f"{self.placement.xref} 0"
        parts = [(part.placement.xref, *part.window, *part.place) for part in mosaic.parts]
        return f"{parts} {mosaic.laps_x} {mosaic.laps_y}"

    def apart(self) -> list[PlacedImage]:
        """Its parts as pictures of their own."""
        own = [on_part(self.covered, self.placement.matrix, part.matrix) for part in self.parts]
        parts = zip(self.parts, own, strict=True)
        return [replace(self, drawn=Figure(part), covered=covered, scan="no", pictures=-1) for part, covered in parts]

    def ppi(self, width: int, height: int) -> int | None:
        """Resolution as placed, in pixels per inch."""
        return placement_ppi(self.placement.matrix, (width, height))

    def box_on_page(self, box: Box, width: int, height: int) -> tuple[float, float, float, float]:
        """A pixel box in page points, to a hundredth of a point."""
        x0, y0, x1, y1 = pixel_box_to_page(self.placement.matrix, box, (width, height))
        return round(x0, 2), round(y0, 2), round(x1, 2), round(y1, 2)


class PdfReader:
    """An open PDF.

    Args:
        data: the file.
        password: tried when the file is encrypted.
        max_pages: more pages are refused.

    Raises:
        DocumentUnusable: not a PDF, damaged beyond opening, encrypted, without pages, or with too many.
    """

    def __init__(self, data: bytes, password: str | None, max_pages: int) -> None:
        if b"%PDF-" not in data[:HEAD_BYTES]:
            raise DocumentUnusable(NoticeCode.NOT_A_PDF, "the file does not start like a PDF")
        try:
            with calling_mupdf():
                self._doc = pymupdf.open(stream=data, filetype="pdf")
                locked = self._doc.needs_pass and not self._doc.authenticate(password or "")
                self.pages: int = 0 if locked else self._doc.page_count
        except MupdfError as error:
            raise DocumentUnusable(NoticeCode.CORRUPT, f"the PDF is damaged: {error}") from error
        if locked:
            wrong = "the password is wrong" if password else "the PDF needs a password (--password)"
            raise DocumentUnusable(NoticeCode.ENCRYPTED, wrong)
        if not self.pages:
            raise DocumentUnusable(NoticeCode.NO_PAGES, "the PDF has no readable page")
        if self.pages > max_pages:
            raise DocumentUnusable(NoticeCode.TOO_MANY_PAGES, f"{self.pages} pages, more than the limit of {max_pages}")
        self._placer = Placer(self._doc)
        self._pages = Pages(self._placer, self.pages)

    def declared(self) -> Named:
        """DOI and title as the file states them."""
        return declared(self._doc)

    def printed(self) -> Named:
        """DOI and title as the first page prints them: costs the extraction of its text."""
        return printed(self._doc)

    def page_images(self, index: int) -> tuple[list[PlacedImage], str | None]:
        """Pictures drawn on page ``index`` (0-based), in drawing order, and what was wrong with the page, if so."""
        try:
            drawing = self._pages.drawing(index)
            if not drawing.placements:
                return [], None
            figures = figures_of(drawing.placements, self._placer.resolver)
            label = page_label(self._doc, index)
            # Most of the time that a page takes goes into its text, which logos and icons have no need of.
            blocks = self._pages.text(index) if any(_large(figure.placement) for figure in figures) else []
        except (ValueError, ArithmeticError) as error:
            return [], f"the page cannot be read: {error}"
        large = iter(figure_captions(blocks, [figure.placement for figure in figures if _large(figure.placement)]))
        captions = [next(large) if _large(figure.placement) else None for figure in figures]
        over = covers(figures, drawing.placements, drawing.marks, _visible_lines(blocks))
        visible = [row for row in zip(figures, captions, over, strict=True) if not row[2].hidden]
        boxes = [figure.placement.bbox_pt for figure, _, _ in visible]
        names = [caption.label if caption else None for _, caption, _ in visible]
        letters = figure_letters(blocks, names, boxes)
        methods = _methods([caption for _, caption, _ in visible])
        turns = turns_in_figures(names, boxes)
        placed = [
            PlacedImage(figure, label, name, cover.boxes, _scan(figure.placement, drawing.size_pt, blocks), *of_it)
            for (figure, _, cover), name, *of_it in zip(visible, names, letters, methods, *turns, strict=True)
        ]
        return placed, None

    def body(self) -> Body:
        """What the running text says of figures: costs the extraction of its text, once."""
        return self._pages.body()

    def open_image(
        self, image: PlacedImage, max_pixels: int, *, keeps_colour: bool = False
    ) -> StoredImage | StitchedImage:
        """A drawn picture, read but not decoded.

        Raises:
            ImageUnusable: it cannot be.
        """
        mosaic = image.drawn.mosaic
        if mosaic is None:
            return self._open(image.placement, max_pixels, keeps_colour)
        return open_stitched(mosaic, max_pixels, lambda part: self._open(part, max_pixels, keeps_colour))

    def _open(self, placement: Placement, max_pixels: int, keeps_colour: bool) -> StoredImage:
        if placement.xref:
            stored = open_pdf_image(self._doc, placement.xref, max_pixels, self._placer.resolver)
        else:
            stored = open_inline_image(self._doc, placement, max_pixels)
        return replace(stored, keeps_colour=keeps_colour)


def _methods(captions: Sequence[Caption | None]) -> list[Methods]:
    """What the caption of each picture names; each caption is read once."""
    read = {text: methods_named(text) for text in {caption.text for caption in captions if caption}}
    return [read[caption.text] if caption else NOTHING_NAMED for caption in captions]


def _large(placement: Placement) -> bool:
    x0, y0, x1, y1 = placement.bbox_pt
    return min(x1 - x0, y1 - y0) >= SMALLEST_FIGURE_PT


def _visible_lines(blocks: Sequence[Block]) -> list[Rect]:
    return [box for block in blocks for (_, box), hid in zip(block.lines, block.hidden, strict=True) if not hid]


def _scan(placement: Placement, size_pt: tuple[float, float], blocks: Sequence[Block]) -> Scan:
    """Whether a picture is the scan of a page, by its place and by the text of the page.

    A page that holds nothing but one picture may also be a figure that was saved as a PDF: then its pixels decide.
    """
    x0, y0, x1, y1 = placement.bbox_pt
    (width, height), (short, long) = size_pt, sorted(size_pt)
    if (x1 - x0) * (y1 - y0) < SCAN_SHARE * width * height:
        return "no"
    if short < _SCAN_SIDES_PT[0] or long > _SCAN_SIDES_PT[1] or long > _SCAN_ASPECT * short:
        return "no"
    hidden = shown = 0
    for block in blocks:
        for (text, _), invisible in zip(block.lines, block.hidden, strict=True):
            hidden += len(text) if invisible or not placement.below_text else 0
            shown += 0 if invisible or not placement.below_text else len(text)
    if shown > _MOST_STAMPED:
        return "no"
    return "yes" if hidden >= _LEAST_RECOGNISED else "perhaps"
