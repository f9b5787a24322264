"""Which figure an image belongs to and what its caption says, from the text near it, and the printed page number.

A caption is a line that begins with "Fig. 2" or the like and does not go on like a sentence of the running text. An
image belongs to the nearest caption below it, with no running text in between; failing that, to one close above or
beside it. Where that leaves a caption without an image, and captions above their images would not, they stand above.
Below and above are meant as the caption is read: figures may lie on their side. Where nothing is convincing the answer
is ``None``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import pymupdf

from semscan.engine.pdf.affine import Matrix, Rect, transformed
from semscan.engine.pdf.captiontext import caption_label as caption_label
from semscan.engine.pdf.captiontext import caption_text
from semscan.engine.pdf.guard import MupdfError, calling_mupdf
from semscan.engine.pdf.placements import Placement

_HEX_LABEL = re.compile(r"<FEFF((?:[0-9A-F]{4})*)>", re.IGNORECASE)
_LONGEST_PAGE_LABEL = 40
_PROSE_CHARACTERS = 120
_BARE_LABEL_CHARACTERS = 32
_ENDS_CAPTION = (".", "!", "?")
_MOST_CONTINUED = 40
_SAME_HEIGHT, _SAME_LINE = 1.15, 0.5
_LABEL_GAP = 3.0
"""Heights of a line that a label may stand apart from its caption."""
_MAX_GAP_ABOVE_PT = 60.0
_MAX_GAP_BESIDE_PT = 40.0
_ABOVE_PENALTY_PT = 60.0
_BESIDE_PENALTY_PT = 30.0
_MID_BLOCK_PENALTY_PT = 30.0
_SLACK_PT = 6.0
_SMALLEST_OVERLAP = 0.3
_MOST_COMPARISONS = 2_000_000
_PAINTED = pymupdf.mupdf.FZ_STEXT_FILLED | pymupdf.mupdf.FZ_STEXT_STROKED


class Caption(NamedTuple):
    """A caption: its label, and the box of its text in points, turned so that it reads from left to right.

    ``quarters`` says how far: see :func:`_turned`. ``text`` is what it says in print after its
    label, on one line, at most :data:`~semscan.engine.pdf.captiontext.LONGEST_CAPTION` characters.
    """

    label: str
    box: Rect
    opens_block: bool
    quarters: int = 0
    text: str = ""


class Block(NamedTuple):
    """A block of text on the displayed page, in points.

    Attributes:
        box: around it.
        lines: text and box of each line.
        hidden: for each line whether it is invisible, like the recognised text of a scanned page.
        quarters: which way it is read: to the right, or turned from that clockwise by so many quarters.
    """

    box: Rect
    lines: list[tuple[str, Rect]]
    hidden: list[bool]
    quarters: int = 0


def figure_captions(blocks: Sequence[Block], placements: Sequence[Placement]) -> list[Caption | None]:
    """The caption of the figure that each placement belongs to.

    Args:
        blocks: the text of the page.
        placements: images drawn on this page.

    Returns:
        One caption, or ``None``, for each placement.
    """
    captions = [caption for at in range(len(blocks)) for caption in _captions_in(blocks, at)]
    prose = [block.box for block in blocks if sum(len(text) for text, _ in block.lines) >= _PROSE_CHARACTERS]
    if not captions or len(placements) * len(captions) * (1 + len(prose)) > _MOST_COMPARISONS:
        return [None] * len(placements)
    images = [placement.bbox_pt for placement in placements]
    found = _nearest(images, captions, prose, above_first=False)
    used = _labels(found)
    if len(used) < len(_labels(captions)):
        others = _nearest(images, captions, prose, above_first=True)
        if len(_labels(others)) > len(used) and others.count(None) <= found.count(None):
            return others
    return found


def _labels(captions: Sequence[Caption | None]) -> set[str]:
    return {caption.label for caption in captions if caption is not None}


def page_label(doc: pymupdf.Document, page_index: int) -> str | None:
    """The printed number of a page as the PDF declares it, or ``None`` if it declares none."""
    try:
        with calling_mupdf():
            label = str(doc[page_index].get_label())
    except MupdfError:  # page labels are a courtesy; a damaged tree of them must not cost the page
        return None
    # PyMuPDF hands out UTF-16 labels in the hexadecimal form in which the file stores them.
    label = _HEX_LABEL.sub(lambda code: bytes.fromhex(code[1]).decode("utf-16-be", "replace"), label)
    return label.strip()[:_LONGEST_PAGE_LABEL] or None


def text_blocks(page: pymupdf.Page) -> list[Block]:
    """The text of a page; none where it cannot be read."""
    try:
        with calling_mupdf():
            m = page.rotation_matrix  # text comes in the coordinates of the unrotated page
            text = page.get_text("dict", flags=pymupdf.TEXT_MEDIABOX_CLIP)
    except MupdfError:  # no readable text, no captions; the images are examined all the same
        return []
    blocks = []
    turn = None if page.rotation == 0 else (m.a, m.b, m.c, m.d, m.e, m.f)
    page_quarters = page.rotation // 90
    for raw in text["blocks"]:
        lines, hidden = [], []
        for line in raw.get("lines", ()):
            spans = line["spans"]
            lines.append(("".join(span["text"] for span in spans), _displayed(line["bbox"], turn)))
            hidden.append(not any(span.get("char_flags", _PAINTED) & _PAINTED for span in spans))
        if lines:
            quarters = (_quarters(raw["lines"][0]["dir"]) + page_quarters) % 4
            blocks.append(Block(_displayed(raw["bbox"], turn), lines, hidden, quarters))
    return blocks


def _quarters(direction: tuple[float, float]) -> int:
    """The quarter turns, clockwise, from a line that is read to the right to one that is read in this direction."""
    x, y = direction
    if abs(x) >= abs(y):
        return 0 if x >= 0 else 2
    return 1 if y > 0 else 3


def _turned(box: Rect, quarters: int) -> Rect:
    """A box in coordinates in which text that is turned by so many quarters is read from left to right."""
    x0, y0, x1, y1 = box
    return (box, (y0, -x1, y1, -x0), (-x1, -y1, -x0, -y0), (-y1, x0, -y0, x1))[quarters]


def _displayed(box: Rect, turn: Matrix | None) -> Rect:
    return box if turn is None else transformed(turn, box)


def _captions_in(blocks: Sequence[Block], at: int) -> list[Caption]:
    block = blocks[at]
    openings = []
    for index, (text, _) in enumerate(block.lines):
        label = caption_label(text)
        alone = text.rstrip()[-1:].isdigit() and len(text) <= _BARE_LABEL_CHARACTERS and index + 1 < len(block.lines)
        if label is not None and (index == 0 or label[1] or alone):
            openings.append((index, label[0]))
    captions = []
    ends = [index for index, _ in openings[1:]] + [len(block.lines)]
    for (index, name), end in zip(openings, ends, strict=False):
        lines = [_turned(box, block.quarters) for _, box in block.lines[index:end]]
        first = lines[0]
        # Side by side captions can be one block for MuPDF, so only lines below the opening one belong to it. That may
        # be in two parts, with a gap after the label.
        right = _right_of_label(lines)
        held = [_overlap(first[0], right, box[0], box[2]) > 0 for box in lines]
        own = [box for box, holds in zip(lines, held, strict=True) if holds]
        whole = (min(b[0] for b in own), first[1], max(b[2] for b in own), max(b[3] for b in own))
        said = [
            text
            for (text, _), hidden, holds in zip(block.lines[index:end], block.hidden[index:end], held, strict=True)
            if holds and not hidden
        ]
        if end == len(block.lines):
            said += _continued(blocks, at, own[-1], said)
        captions.append(Caption(name, whole, index == 0, block.quarters, caption_text(said)))
    return captions


def _right_of_label(lines: Sequence[Rect]) -> float:
    """Where the opening line of a caption ends, whose label may stand apart from the rest."""
    first = lines[0]
    if len(lines) > 1 and _overlap(first[1], first[3], lines[1][1], lines[1][3]) > _SAME_LINE:
        gap = lines[1][0] - first[2]
        return lines[1][2] if 0 <= gap <= _LABEL_GAP * (first[3] - first[1]) else first[2]
    return first[2]


def _continued(blocks: Sequence[Block], at: int, last: Rect, said: Sequence[str]) -> list[str]:
    """Lines with which a caption goes on in the next blocks: MuPDF makes a block of every line of wide-set text.

    Args:
        blocks: the text of the page.
        at: the block that the caption is in.
        last: box of its last line, turned.
        said: its lines.
    """
    more: list[str] = []
    for block in blocks[at + 1 : at + 1 + _MOST_CONTINUED]:
        if block.quarters != blocks[at].quarters or any(block.hidden) or caption_label(block.lines[0][0]) is not None:
            break
        first, height = _turned(block.lines[0][1], block.quarters), last[3] - last[1]
        below = -_SLACK_PT <= first[1] - last[3] <= height and abs(first[0] - last[0]) <= _SLACK_PT
        if not below or not height / _SAME_HEIGHT <= first[3] - first[1] <= height * _SAME_HEIGHT:
            break
        # The last line of a paragraph is shorter than the next one and ends a sentence, unless it is the bare label.
        ended = (more or said or [""])[-1].rstrip().endswith(_ENDS_CAPTION) and last[2] < first[2] - height
        if ended and (more or caption_text(said)):
            break
        more += [text for text, _ in block.lines]
        last = _turned(block.lines[-1][1], block.quarters)
    return more


def _nearest(
    images: Sequence[Rect], captions: Sequence[Caption], prose: Sequence[Rect], *, above_first: bool
) -> list[Caption | None]:
    best: list[tuple[float, str, int] | None] = [None] * len(images)
    for quarters in {caption.quarters for caption in captions}:
        text = [_turned(box, quarters) for box in prose]
        for index, image in enumerate(images):
            here = _turned(image, quarters)
            for which, caption in enumerate(captions):
                cost = _cost(here, caption, text, above_first) if caption.quarters == quarters else None
                if cost is not None:
                    this = cost, caption.label, which
                    best[index] = min(best[index] or this, this)
    return [captions[found[2]] if found else None for found in best]


def _cost(image: Rect, caption: Caption, prose: Sequence[Rect], above_first: bool) -> float | None:
    box = caption.box
    penalty = 0.0 if caption.opens_block else _MID_BLOCK_PENALTY_PT
    if _overlap(image[0], image[2], box[0], box[2]) >= _SMALLEST_OVERLAP:
        below, above = box[1] - image[3], image[1] - box[3]
        left, right = max(image[0], box[0]), min(image[2], box[2])
        if below >= -_SLACK_PT:
            if _holds_prose((left, image[3], right, box[1]), prose):
                return None
            return penalty + max(below, 0.0) + (_ABOVE_PENALTY_PT if above_first else 0.0)
        if -_SLACK_PT <= above <= _MAX_GAP_ABOVE_PT:
            return penalty + max(above, 0.0) + (0.0 if above_first else _ABOVE_PENALTY_PT)
        return None
    if _overlap(image[1], image[3], box[1], box[3]) >= _SMALLEST_OVERLAP:
        beside = max(box[0] - image[2], image[0] - box[2])
        if beside <= _MAX_GAP_BESIDE_PT:
            return penalty + max(beside, 0.0) + _BESIDE_PENALTY_PT
    return None


def _overlap(a0: float, a1: float, b0: float, b1: float) -> float:
    """Share of the shorter of two intervals that the other covers."""
    shorter = min(a1 - a0, b1 - b0)
    return (min(a1, b1) - max(a0, b0)) / shorter if shorter > 0 else 0.0


def _holds_prose(gap: Rect, prose: Sequence[Rect]) -> bool:
    """Whether a block of running text lies in the gap between an image and a caption."""
    return any(
        block[1] >= gap[1] - _SLACK_PT
        and block[3] <= gap[3] + _SLACK_PT
        and _overlap(gap[0], gap[2], block[0], block[2]) >= _SMALLEST_OVERLAP
        for block in prose
    )
