"""PDFs with a micrograph, a caption and a text, and what is found in them, for tests of what words make of a panel."""

from __future__ import annotations

from dataclasses import replace

from examining import TASK, texture
from pdf_factory import Pdf

from semscan.engine.examine import Examiner
from semscan.engine.figures.kind import Kind
from semscan.engine.pdf import wire

DOUBT, SHUT = Kind("uncertain", 0.5, 0.2, 0.4), Kind("uncertain", 0.5, 0.2)
LIKELY, SURE = Kind("sem", 0.6, 0.6, 2.4), Kind("sem", 0.99, 0.99)
OTHER = Kind("tem", 0.9, 0.01)

DRAW = "q 320 0 0 240 100 400 cm /I Do Q"


def text(x, y, words, size=9):
    return f"BT /F {size} Tf {x} {y} Td ({words.replace('(', chr(92) + '(').replace(')', chr(92) + ')')}) Tj ET"


class Paper:
    """A PDF whose pages draw the same image over captions."""

    def __init__(self):
        self.pdf = Pdf()
        pixels = texture(240, 320)
        self.image = self.pdf.flate(320, 240, pixels.tobytes())
        self.font = self.pdf.add("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")

    def page(self, caption=None, letters=(), content=DRAW, **images):
        said = [text(100, 380, f"Figure 1. {caption}")] if caption is not None else []
        said += [text(x, 645, letter) for letter, x in letters]
        drawn = " ".join(f"/{name} {number} 0 R" for name, number in (images or {"I": self.image}).items())
        resources = f"/Resources<</Font<</F {self.font} 0 R>>/XObject<<{drawn}>>>>"
        self.pdf.page(" ".join([content, *said]), f"/MediaBox [0 0 612 792]{resources}")
        return self

    def prose(self, *paragraphs, turn=""):
        """A page of text alone."""
        said, y = [], 740
        for paragraph in paragraphs:
            for at in range(0, len(paragraph), 90):
                said.append(text(60, y, paragraph[at : at + 90]))
                y -= 10
            y -= 20
        self.pdf.page(" ".join(said), f"/MediaBox [0 0 612 792]{turn}/Resources<</Font<</F {self.font} 0 R>>>>")
        return self


def look(folder, paper, **changes):
    """All panels that are found."""
    file = folder / "document"
    file.write_bytes(paper.pdf.build())
    messages = []
    Examiner().examine(replace(TASK, **({"file": str(file), "all_images": False} | changes)), messages.append)
    return [message for message in messages if isinstance(message, wire.Found)]
