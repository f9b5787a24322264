"""Sets a small two-column paper with PyMuPDF: justified text, headings, figures with captions."""

from __future__ import annotations

from dataclasses import dataclass, field

import pymupdf

PAGE = pymupdf.paper_rect("a4")
MARGIN_PT, GAP_PT, TOP_PT, BOTTOM_PT = 48.0, 18.0, 54.0, 58.0
COLUMN_PT = (PAGE.width - 2 * MARGIN_PT - GAP_PT) / 2
WIDE_PT = PAGE.width - 2 * MARGIN_PT
ROMAN, BOLD, ITALIC = "tiro", "tibo", "tiit"


@dataclass(slots=True)
class Paper:
    """A document under construction: text runs down the columns and on to the next page.

    Attributes:
        running_title: printed at the head of every page.
    """

    running_title: str
    doc: pymupdf.Document = field(default_factory=pymupdf.Document)
    _page: pymupdf.Page | None = None
    _column: int = 0
    _y: float = 0.0
    _tops: tuple[float, float] = (TOP_PT, TOP_PT)
    _bottom: float = PAGE.height - BOTTOM_PT

    def new_page(self) -> pymupdf.Page:
        """Start a page with its running head and page number."""
        page = self._page = self.doc.new_page(width=PAGE.width, height=PAGE.height)
        number = str(page.number + 1)
        page.insert_text((MARGIN_PT, 34), self.running_title, fontname=ITALIC, fontsize=8)
        page.insert_text((PAGE.width - MARGIN_PT - 4, 34), number, fontname=ROMAN, fontsize=8)
        page.draw_line((MARGIN_PT, 39), (PAGE.width - MARGIN_PT, 39), width=0.4)
        self._column, self._y = 0, TOP_PT
        self._tops, self._bottom = (TOP_PT, TOP_PT), PAGE.height - BOTTOM_PT
        return page

    def title(self, title: str, authors: str, place: str, abstract: str) -> None:
        """Title block over both columns; call it first."""
        page = self.new_page()
        y = TOP_PT + 22
        for line in _lines(title, BOLD, 18, WIDE_PT):
            page.insert_text((MARGIN_PT, y), line, fontname=BOLD, fontsize=18)
            y += 22
        page.insert_text((MARGIN_PT, y), authors, fontname=ROMAN, fontsize=11)
        page.insert_text((MARGIN_PT, y + 14), place, fontname=ITALIC, fontsize=9)
        y = self._paragraph(abstract, MARGIN_PT + 14, y + 36, WIDE_PT - 28, ROMAN, 9.2) + 8
        page.draw_line((MARGIN_PT, y), (PAGE.width - MARGIN_PT, y), width=0.4)
        self._tops = (y + 12, y + 12)
        self._y = y + 12

    def wide_figure(self, image: bytes, size_px: tuple[int, int], caption: str, *, bottom: bool = False) -> None:
        """A figure over both columns, at the top of a fresh page or at the bottom of the current one."""
        width = WIDE_PT
        height = width * size_px[1] / size_px[0]
        caption_pt = 10.0 * len(_lines(caption, ROMAN, 8.2, width)) + 8
        if bottom:
            top = PAGE.height - BOTTOM_PT - height - caption_pt
            self._bottom = top - 10
        else:
            top = self._tops[0]
            self._tops = (top + height + caption_pt + 14,) * 2
            self._y = self._tops[0]
        assert self._page is not None
        self._page.insert_image((MARGIN_PT, top, MARGIN_PT + width, top + height), stream=image)
        self._paragraph(caption, MARGIN_PT, top + height + 11, width, ROMAN, 8.2)

    def column_figure(self, height_pt: float, caption: str) -> pymupdf.Rect:
        """Room for a figure in the current column, its caption set; returns the rectangle to fill."""
        caption_pt = 10.0 * len(_lines(caption, ROMAN, 8.2, COLUMN_PT))
        if self._y + height_pt + caption_pt + 12 > self._bottom:
            self._next_column()
        x = self._x()
        rect = pymupdf.Rect(x, self._y, x + COLUMN_PT, self._y + height_pt)
        self._y = self._paragraph(caption, x, self._y + height_pt + 11, COLUMN_PT, ROMAN, 8.2) + 10
        return rect

    def heading(self, text: str) -> None:
        """A section heading, never alone at the foot of a column."""
        if self._y + 40 > self._bottom:
            self._next_column()
        elif self._y > self._tops[self._column]:
            self._y += 5
        assert self._page is not None
        self._page.insert_text((self._x(), self._y + 10), text, fontname=BOLD, fontsize=10.5)
        self._y += 16

    def text(self, *paragraphs: str) -> None:
        """Justified body text."""
        for paragraph in paragraphs:
            lines = _lines(paragraph, ROMAN, 9.6, COLUMN_PT)
            for number, line in enumerate(lines):
                if self._y + 11.6 > self._bottom:
                    self._next_column()
                self._line(line, self._x(), self._y + 9, COLUMN_PT, 9.6, last=number + 1 == len(lines))
                self._y += 11.6
            self._y += 3.5

    @property
    def page(self) -> pymupdf.Page:
        """The page being filled."""
        assert self._page is not None
        return self._page

    def _x(self) -> float:
        return MARGIN_PT + self._column * (COLUMN_PT + GAP_PT)

    def _next_column(self) -> None:
        if self._column == 0:
            self._column, self._y = 1, self._tops[1]
        else:
            self.new_page()

    def _paragraph(self, text: str, x: float, y: float, width: float, font: str, size: float) -> float:
        lines = _lines(text, font, size, width)
        for number, line in enumerate(lines):
            self._line(line, x, y, width, size, last=number + 1 == len(lines))
            y += size * 1.22
        return y

    def _line(self, line: str, x: float, y: float, width: float, size: float, *, last: bool) -> None:
        words = line.split(" ")
        fonts = [
            BOLD if size < 9.5 and word in ("Abstract.", "Fig.") and not at else ROMAN for at, word in enumerate(words)
        ]
        widths = [pymupdf.get_text_length(word, font, size) for word, font in zip(words, fonts, strict=True)]
        space = pymupdf.get_text_length(" ", ROMAN, size)
        if not last and len(words) > 1:
            space = (width - sum(widths)) / (len(words) - 1)
        assert self._page is not None
        # the space is written with the word, or the text would read back as single words far apart
        for word, font, word_pt in zip(words, fonts, widths, strict=True):
            self._page.insert_text((x, y), word + " ", fontname=font, fontsize=size)
            x += word_pt + space


def _lines(text: str, font: str, size: float, width: float) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and pymupdf.get_text_length(longer, font, size) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line]
