"""What is drawn over panels before they are printed: letters, scale bars, arrows, insets, data bars, frames."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

RGB3 = tuple[int, int, int]
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
INKS: tuple[RGB3, ...] = (WHITE, WHITE, BLACK, (255, 230, 0), (220, 30, 30))
_STYLES = ("{}", "({})", "{})", "{}.")
_BAR_TEXTS = ("SU8010 10.0kV 8.2mm x5.00k SE(U)", "HV 15.00 kV  mag 10 000 x  WD 9.8 mm  det ETD", "EHT = 5.00 kV")
_BAR_GROUNDS: tuple[RGB3, ...] = (BLACK, BLACK, WHITE, (60, 60, 60))


def letter(pen: ImageDraw.ImageDraw, rng: np.random.Generator, index: int, size: tuple[int, int], corner: str) -> None:
    """A panel letter inside a panel of ``size``; ``corner`` is ``left`` or ``right``; boxed, outlined or bare."""
    text = letter_text(rng, index)
    points = int(np.clip(rng.uniform(0.06, 0.14) * min(size), 11, 60))
    font = ImageFont.load_default(points)
    gap = int(rng.choice((0, 2, 6, 12)))
    wide = int(font.getlength(text)) + 6
    x = gap if corner == "left" else size[0] - gap - wide
    style = rng.random()
    if style < 0.35:
        fill, ink = (WHITE, BLACK) if rng.random() < 0.7 else (BLACK, WHITE)
        pen.rectangle((x, gap, x + wide, gap + round(1.25 * points)), fill=fill)
        pen.text((x + 3, gap), text, fill=ink, font=font)
    elif style < 0.6:
        pen.text((x + 3, gap), text, fill=WHITE, font=font, stroke_width=2, stroke_fill=BLACK)
    else:
        pen.text((x + 3, gap), text, fill=INKS[rng.integers(len(INKS))], font=font)


def letter_text(rng: np.random.Generator, index: int) -> str:
    """A letter for the panel of this index, in one of the usual spellings."""
    name = chr(ord("a") + index % 26)
    return _STYLES[rng.integers(len(_STYLES))].format(name.upper() if rng.random() < 0.4 else name)


def scale_bar(pen: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int]) -> None:
    """A scale bar with its length near the lower edge."""
    ink = INKS[rng.integers(3)]
    long, thick = rng.uniform(0.12, 0.35) * size[0], rng.uniform(0.008, 0.025) * size[1] + 1
    x, y = rng.uniform(0.02, 0.6) * size[0], rng.uniform(0.88, 0.95) * size[1]
    pen.rectangle((x, y, x + long, y + thick), fill=ink)
    points = max(9, 0.06 * size[1])
    pen.text((x + long / 2, y - 2), "5 um", fill=ink, font=ImageFont.load_default(points), anchor="mb")


def arrow(pen: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int]) -> None:
    """An arrow, or a dashed or plain box, somewhere on the panel."""
    ink = INKS[rng.integers(len(INKS))]
    x, y = rng.uniform(0.2, 0.7) * size[0], rng.uniform(0.2, 0.7) * size[1]
    reach = rng.uniform(0.08, 0.2) * min(size)
    if rng.random() < 0.4:
        pen.rectangle((x, y, x + reach, y + reach), outline=ink, width=2)
        return
    pen.line((x, y, x + reach, y + reach), fill=ink, width=3)
    pen.polygon((x, y, x + 10, y + 3, x + 3, y + 10), fill=ink)


def inset(sheet: Image.Image, picture: Image.Image, rng: np.random.Generator) -> None:
    """Another picture in a corner of the panel, framed or not."""
    gap = int(rng.choice((0, 4, 10)))
    left, top = rng.random() < 0.5, rng.random() < 0.5
    x = gap if left else sheet.width - gap - picture.width
    y = gap if top else sheet.height - gap - picture.height
    sheet.paste(picture, (x, y))
    if rng.random() < 0.7:
        frame = (x, y, x + picture.width - 1, y + picture.height - 1)
        ImageDraw.Draw(sheet).rectangle(frame, outline=INKS[rng.integers(len(INKS))], width=int(rng.integers(1, 4)))


def data_bar(sheet: Image.Image, rng: np.random.Generator) -> None:
    """An instrument's information bar over the lower edge."""
    tall = max(12, round(rng.uniform(0.05, 0.1) * sheet.height))
    ground = _BAR_GROUNDS[rng.integers(len(_BAR_GROUNDS))]
    ink = BLACK if ground == WHITE else WHITE
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((0, sheet.height - tall, sheet.width, sheet.height), fill=ground)
    text = _BAR_TEXTS[rng.integers(len(_BAR_TEXTS))]
    font = ImageFont.load_default(min(0.6 * tall, 1.7 * sheet.width / len(text)))
    middle = sheet.height - tall / 2
    pen.text((0.02 * sheet.width, middle), text, fill=ink, font=font, anchor="lm")
    pen.rectangle((0.8 * sheet.width, middle - 2, 0.96 * sheet.width, middle + 1), fill=ink)


def frame(pen: ImageDraw.ImageDraw, size: tuple[int, int], ink: RGB3, width: int) -> None:
    """A line along the edges of the panel, inside it."""
    pen.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=ink, width=width)
