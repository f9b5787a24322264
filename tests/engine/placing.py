"""What the tests of placements share."""

import pymupdf

from semscan.engine.pdf.placements import Placement, Placer


def page_placements(doc: pymupdf.Document, index: int) -> list[Placement]:
    """The images that a page draws."""
    return Placer(doc).page(index).placements
