"""One PDF: opening it, what is drawn on a page, and the pixels of it."""

from __future__ import annotations

from dataclasses import dataclass

import pymupdf

from semscan.engine.errors import DocumentUnusable, NoticeCode
from semscan.engine.geometry import Box
from semscan.engine.pdf.captions import figure_labels, page_label
from semscan.engine.pdf.decode import StoredImage, open_inline_image, open_pdf_image
from semscan.engine.pdf.guard import MupdfError, calling_mupdf
from semscan.engine.pdf.placements import Placement, page_placements, pixel_box_to_page, placement_ppi

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)

HEAD_BYTES = 1024
"""Readers accept a PDF whose header starts within this many bytes."""


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """An image where it is drawn, with the labels printed near it."""

    placement: Placement
    page_label: str | None
    figure: str | None

    def ppi(self, width: int, height: int) -> int | None:
        """Resolution as placed, in pixels per inch."""
        return placement_ppi(self.placement, (width, height))

    def box_on_page(self, box: Box, width: int, height: int) -> tuple[float, float, float, float]:
        """A pixel box in page points, to a hundredth of a point."""
        x0, y0, x1, y1 = pixel_box_to_page(self.placement, box, (width, height))
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

    def page_images(self, index: int) -> tuple[list[PlacedImage], str | None]:
        """Images drawn on page ``index`` (0-based), in drawing order, and what was wrong with the page, if anything."""
        try:
            placements = page_placements(self._doc, index)
            if not placements:
                return [], None
            label = page_label(self._doc, index)
            with calling_mupdf():
                page = self._doc[index]
            figures = figure_labels(page, placements)
        except ValueError as error:
            return [], f"the page cannot be read: {error}"
        return [PlacedImage(p, label, figure) for p, figure in zip(placements, figures, strict=True)], None

    def open_image(self, placement: Placement, max_pixels: int) -> StoredImage:
        """A drawn image, read but not decoded.

        Raises:
            ImageUnusable: it cannot be.
        """
        if placement.xref:
            return open_pdf_image(self._doc, placement.xref, max_pixels)
        return open_inline_image(self._doc, placement, max_pixels)
