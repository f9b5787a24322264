"""The pages of a document: each is followed and read once, though all are read ahead for what the text says of figures.

That happens in the middle of a document, at the first panel that pixels and caption leave open. What is known of a page
by then is not looked for again, and what is learnt of a later one is kept for it, within fixed limits.
"""

from __future__ import annotations

from collections.abc import Sequence

from semscan.engine.pdf.bodytext import MOST_CHARACTERS, MOST_PAGES, Body, lines_in_print, read_body
from semscan.engine.pdf.captions import Block, text_blocks
from semscan.engine.pdf.guard import calling_mupdf
from semscan.engine.pdf.placements import Drawing, Placer

_MOST_CONTENT_BYTES = 4 << 20
"""A page with more of it is not read for what the paper says of its figures."""

_MOST_KEPT = 20_000
"""Images and marks that are kept of later pages."""


class Pages:
    """What is drawn and printed on the pages of a document.

    Args:
        placer: of the document.
        count: of its pages.
    """

    def __init__(self, placer: Placer, count: int) -> None:
        self._placer, self._count = placer, count
        self._body: Body | None = None
        self._traps: dict[int, bool] = {}
        """Of pages that were followed, whether their text had better not be read."""
        self._lines: dict[int, list[list[str]]] = {}
        """Of pages that were read before the body was."""
        self._drawings: dict[int, Drawing] = {}
        self._blocks: dict[int, list[Block]] = {}
        """Of pages that the body was read ahead of."""
        self._characters = self._kept = 0

    def drawing(self, index: int) -> Drawing:
        """What page ``index`` (from 0) draws; raises what :meth:`Placer.page` does."""
        return self._drawings.pop(index, None) or self._follow(index)

    def text(self, index: int) -> list[Block]:
        """The text of page ``index``.

        Raises:
            MupdfError: the page cannot be loaded.
        """
        if (blocks := self._blocks.pop(index, None)) is not None:
            return blocks
        blocks = self._read(index)
        if self._body is None and index < MOST_PAGES and self._has_room(lines := lines_in_print(blocks)):
            self._lines[index] = lines
        return blocks

    def body(self) -> Body:
        """What the running text says of figures: costs the extraction of the text of all pages, once."""
        if self._body is None:
            pages = map(self._printed, range(min(self._count, MOST_PAGES)))
            self._body = read_body(pages, whole=self._count <= MOST_PAGES)
            self._lines.clear()
        return self._body

    def _follow(self, index: int) -> Drawing:
        self._traps[index] = True  # what is a trap for its images is one for its text
        drawing = self._placer.page(index)
        self._traps[index] = drawing.content_bytes > _MOST_CONTENT_BYTES
        return drawing

    def _read(self, index: int) -> list[Block]:
        with calling_mupdf():
            page = self._placer.loaded(index)
        return text_blocks(page)

    def _printed(self, index: int) -> list[list[str]] | None:
        """The lines of a page as far as they are printed, by block; ``None`` if it had better not be read."""
        if index in self._lines and not self._traps.get(index):  # what counts does not depend on what was read before
            return self._lines[index]
        drawing = None
        try:
            if index not in self._traps:
                drawing = self._follow(index)
                self._kept += len(drawing.placements) + len(drawing.marks)
                if self._kept <= _MOST_KEPT:
                    self._drawings[index] = drawing
            if self._traps[index]:
                return None
            blocks = self._read(index)
        except (ValueError, ArithmeticError, MemoryError):  # told when its images are looked for
            return None
        lines = lines_in_print(blocks)
        if drawing is not None and drawing.placements and self._has_room(lines):
            self._blocks[index] = blocks
        return lines

    def _has_room(self, lines: Sequence[Sequence[str]]) -> bool:
        """Whether a page with these lines may be kept."""
        self._characters += sum(len(line) for block in lines for line in block)
        return self._characters <= MOST_CHARACTERS
