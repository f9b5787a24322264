"""Pictures with a panel letter drawn onto them or beside them, and with much that is no panel letter.

Micrographs of the training split and drawings, on paper of any level, in many sizes; letters in the fonts of a folder,
bare, boxed or outlined, with brackets and dots; words, numbers, units, scale bars, arrows and frames beside them. The
whole is then reduced, blurred and compressed as figures are.
"""

from __future__ import annotations

import io
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from semscan.engine.figures.corners import Corner
from semscan.engine.geometry import Box
from semscan.engine.luminance import to_luminance
from semscan.training.data import list_micrographs
from semscan.training.drawings import draw_graphic

Rect = tuple[float, float, float, float]

_FAMILIES = (
    "LiberationSans-", "LiberationSerif-", "NimbusSans-", "NimbusRoman-", "FreeSans", "FreeSerif", "texgyreheros-",
    "texgyretermes-", "Carlito", "Caladea", "DejaVuSans", "DejaVuSerif", "NotoSans-", "NotoSerif-", "OpenSans-",
    "Roboto-", "Lato-", "LiberationSansNarrow-", "texgyreheroscn-", "Inter-", "Cantarell-", "LinLibertine_R",
    "lmroman10", "lmsans10", "texgyrepagella-", "texgyreschola-", "texgyrebonum-", "texgyreadventor-",
    "LiberationMono-", "NimbusMonoPS-", "ComicNeue-", "GFSArtemisia", "URWGothic-", "C059-", "P052-",
)  # fmt: skip
_USUAL = 8
"""The first families look like those that journals use; every second letter is in one of them."""
_ODD = ("Thin", "Hairline", "Math", "caps", "dunh", "quot", "Extra", "Symbol")
_SLANTED = ("Italic", "italic", "Oblique", "oblique", "Ita")
_WRAPS = ("{}", "{}", "{}", "({})", "({})", "{})", "{}.", "[{}]")
_WORDS = (
    "nm", "\u00b5m", "um", "SEM", "TEM", "Al", "Si", "Mo", "Cr", "Pores", "crack", "x 500", "1 \u00b5m", "500 nm",
    "20 kV", "Fe K", "S1", "a1", "b2", "A3", "0 h", "24 h", "1", "2", "3", "10", "After", "Before", "(i)", "(ii)",
    "Mag", "HV", "WD 9.8 mm", "10 min", "T = 300 K", "I", "II", "III", "pH 7", "grain", "SE", "BSE", "EDS", "Na",
    "0 s", "12%", "8 K/s",
)  # fmt: skip
_BAR_WORDS = (
    "HV 15.00 kV", "EHT = 5.00 kV", "SU8010", "10.0kV", "x5.00k", "WD 9.8 mm", "Mag = 10.00 K X", "det ETD", "SE(U)",
    "Signal A = InLens", "Date: 3 May 2019", "FEI", "JEOL", "X1,000", "20kV", "SEI", "HFW 29.8 um", "TESCAN", "D4.9",
)  # fmt: skip
_AT_LEFT, _AT_TOP = (Corner.TOP_LEFT, Corner.BOTTOM_LEFT), (Corner.TOP_LEFT, Corner.TOP_RIGHT)
_MOST_OF_A_SOURCE = 12


@dataclass(frozen=True, slots=True, eq=False)
class Lettered:
    """A picture.

    Attributes:
        grey: uint8 [h, w].
        panel: in its pixels.
        corner: where the letter is, if there is one.
        letter: as drawn; ``None`` for a picture without.
        ink: box of the letter itself.
        dark: whether the letter is darker than what is around it.
    """

    grey: NDArray[np.uint8]
    panel: Box
    corner: Corner
    letter: str | None
    ink: Rect
    dark: bool


def usual_fonts(folder: Path) -> list[list[Path]]:
    """Font files below a folder by family, the usual families first; families that are not there are left out."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".ttf", ".otf", ".t1"))
    good = [path for path in files if not any(word in path.name for word in _ODD)]
    found = [[path for path in good if path.name.startswith(name)] for name in _FAMILIES]
    return [family for family in found if family]


def backgrounds(root: Path) -> list[NDArray[np.uint8]]:
    """Genuine micrographs outside the test split, a few of each source, without journal panels, which have letters."""
    counts: dict[str, int] = {}
    planes = []
    for micrograph in list_micrographs(root, ("train", "calibrate")):
        if micrograph.source.startswith("emps") or "preprint" in str(micrograph.path):
            continue
        counts[micrograph.source] = counts.get(micrograph.source, 0) + 1
        if counts[micrograph.source] <= _MOST_OF_A_SOURCE:
            with Image.open(micrograph.path) as image:
                planes.append(to_luminance(image))
    return planes


def draw_lettered(
    random: np.random.Generator, planes: Sequence[NDArray[np.uint8]], fonts: Sequence[Sequence[Path]]
) -> Lettered:
    """One picture.

    Args:
        random: source of every choice.
        planes: uint8 [h, w] each.
        fonts: files by family.
    """
    size = np.exp(random.uniform(np.log(110), np.log(900)))
    ratio = random.uniform(0.6, 1.7)
    width, height = max(96, int(size * ratio**0.5)), max(96, int(size / ratio**0.5))
    margin = int(random.choice((0, 0, 6, 20, 45, 60)))
    paper = int(random.choice((255, 255, 255, 0, 128, 245)))
    sheet = Image.new("L", (width + 2 * margin, height + 2 * margin), paper)
    sheet.paste(_content(random, planes, width, height), (margin, margin))
    pen = ImageDraw.Draw(sheet)
    panel = Box(margin, margin, margin + width, margin + height)
    corner = list(Corner)[int(np.searchsorted((0.52, 0.72, 0.88, 1.0), random.random()))]
    outside = margin >= 20 and (corner is Corner.BELOW or random.random() < 0.35)
    if corner is Corner.BELOW and not outside:
        corner = Corner.TOP_LEFT
    _clutter(pen, random, panel, fonts, corner)
    letter, ink, dark = None, (0.0, 0.0, 0.0, 0.0), False
    if random.random() < 0.85:
        letter, ink, dark = _letter(sheet, random, panel, fonts, corner, outside, margin)
    grey, scale = _printed(sheet, random)
    here = Box(*(round(value * scale) for value in panel))
    x0, y0, x1, y1 = (value * scale for value in ink)
    return Lettered(grey, here, corner, letter, (x0, y0, x1, y1), dark)


def _content(random: np.random.Generator, planes: Sequence[NDArray[np.uint8]], width: int, height: int) -> Image.Image:
    if random.random() < 0.06:
        return draw_graphic(random).convert("L").resize((width, height), Image.Resampling.LANCZOS)
    whole = planes[int(random.integers(len(planes)))]
    shrink = min(random.choice((1.0, 1.4, 2.0, 3.0)), whole.shape[1] / width, whole.shape[0] / height)
    w, h = min(whole.shape[1], int(width * shrink)), min(whole.shape[0], int(height * shrink))
    x, y = random.integers(0, whole.shape[1] - w + 1), random.integers(0, whole.shape[0] - h + 1)
    part = Image.fromarray(np.ascontiguousarray(whole[y : y + h, x : x + w])).resize((width, height))
    if random.random() < 0.35:
        gain, level = random.uniform(0.3, 1.6), random.uniform(-60, 60)
        part = part.point([int(min(max((v - 128) * gain + 128 + level, 0), 255)) for v in range(256)])
    return part


@lru_cache(maxsize=1024)
def _font(path: Path, points: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), points)


def _any_font(random: np.random.Generator, fonts: Sequence[Sequence[Path]], points: float) -> ImageFont.FreeTypeFont:
    most = min(_USUAL, len(fonts)) if random.random() < 0.5 else len(fonts)
    family = fonts[int(random.integers(most))]
    upright = [path for path in family if not any(word in path.name for word in _SLANTED)]
    files = upright if upright and random.random() < 0.75 else family
    return _font(files[int(random.integers(len(files)))], max(7, round(points)))


def _letter(
    sheet: Image.Image,
    random: np.random.Generator,
    panel: Box,
    fonts: Sequence[Sequence[Path]],
    corner: Corner,
    outside: bool,
    margin: int,
) -> tuple[str, Rect, bool]:
    """Draw a panel letter; what it is, where its ink is, and whether it is dark."""
    pen = ImageDraw.Draw(sheet)
    letters = string.ascii_lowercase if random.random() < 0.6 else string.ascii_uppercase
    letter = letters[min(int(random.integers(26)), int(random.integers(26)))]
    before, after = _WRAPS[random.integers(len(_WRAPS))].split("{}")
    points = float(np.clip(np.exp(random.uniform(np.log(0.045), np.log(0.16))) * panel.short_side, 10, 80))
    if outside:
        points = min(points, 0.95 * margin)
    font = _any_font(random, fonts, points)
    text = before + letter + after
    if random.random() < 0.06 and after == ")":
        text += " " + _WORDS[random.integers(len(_WORDS))]
    wide, tall = font.getlength(text), points
    gap = float(random.choice((1, 3, 6, 12, 0.05 * panel.short_side)))
    at_left, at_top = corner in _AT_LEFT, corner in _AT_TOP
    x = panel.x0 + gap if at_left else panel.x1 - gap - wide
    y = panel.y0 + gap if at_top else panel.y1 - gap - 1.15 * tall
    if outside and corner is Corner.BELOW:
        x, y = (panel.x0 + panel.x1 - wide) / 2, panel.y1 + random.uniform(0, 0.3) * margin
    elif outside and at_left and random.random() < 0.4:
        x = max(0.0, panel.x0 - wide - random.uniform(1, 6))
    elif outside:
        x += random.uniform(-0.5, 0) * gap
        y = panel.y0 - 1.2 * tall if at_top else panel.y1 + 1
    x, y = float(min(max(x, 0), sheet.width - wide)), float(min(max(y, 0), sheet.height - 1.1 * tall))
    around = np.asarray(sheet.crop((int(x), int(y), int(x + wide) + 1, int(y + tall) + 1)))
    level = float(np.median(around)) if around.size else 128.0
    box = pen.textbbox((x, y), text, font=font)
    style = random.random()
    ink = 255 if level < 128 else 0
    if not outside and random.random() < 0.25:
        ink = int(random.choice((255, 0, 226, 85, 40, 200)))
    stroke = 0
    if not outside and style < 0.3:
        ground = int(random.choice((255, 255, 0)))
        ink = 255 - ground
        pad = float(random.uniform(1, 0.4 * points + 2))
        pen.rectangle((box[0] - pad, box[1] - pad, box[2] + pad, box[3] + pad), fill=ground)
        level = ground
    elif not outside and style < 0.45:
        stroke = int(random.choice((1, 2, 2, 3))) if points > 14 else int(random.choice((1, 2)))
        level = 255 - ink
    pen.text((x, y), text, fill=ink, font=font, stroke_width=stroke, stroke_fill=255 - ink)
    own = font.getbbox(letter)
    shift = x + font.getlength(before)
    found: Rect = (shift + own[0], y + own[1], shift + own[2], y + own[3])
    return letter, found, ink < level


def _clutter(
    pen: ImageDraw.ImageDraw,
    random: np.random.Generator,
    panel: Box,
    fonts: Sequence[Sequence[Path]],
    taken: Corner,
) -> None:
    """Words, bars, arrows and frames, at the other corners and along the edges."""
    short = panel.short_side
    if taken in _AT_TOP and random.random() < 0.25:
        _data_bar(pen, random, panel, fonts)
    for at_top, at_left in product((True, False), repeat=2):
        here = (at_top, at_left) == (taken in _AT_TOP, taken in _AT_LEFT)
        if (here and random.random() < 0.85) or random.random() < 0.45:
            continue
        font = _any_font(random, fonts, float(np.clip(random.uniform(0.04, 0.14) * short, 9, 70)))
        word = _WORDS[random.integers(len(_WORDS))]
        if random.random() < 0.3:
            word = "".join(string.ascii_letters[i] for i in random.integers(0, 52, int(random.integers(2, 7))))
        wide = font.getlength(word)
        gap = random.uniform(0.01, 0.06) * short
        x = panel.x0 + gap if at_left else panel.x1 - gap - wide
        y = panel.y0 + gap if at_top else panel.y1 - gap - 1.2 * font.size
        ink = int(random.choice((255, 255, 0)))
        if random.random() < 0.3:
            pen.rectangle((x - 4, y - 2, x + wide + 4, y + 1.2 * font.size), fill=255 - ink)
        pen.text((x, y), word, fill=ink, font=font)
    if random.random() < 0.4:
        x, y = panel.x0 + random.uniform(0.03, 0.7) * panel.width, panel.y0 + random.uniform(0.85, 0.95) * panel.height
        pen.rectangle((x, y, x + random.uniform(0.1, 0.3) * panel.width, y + 0.01 * short + 1), fill=255)
    for _ in range(int(random.integers(0, 4))):
        x, y = (panel[k] + random.uniform(0.02, 0.95) * (panel[k + 2] - panel[k]) for k in (0, 1))
        reach, ink = random.uniform(0.03, 0.12) * short, int(random.choice((255, 255, 0)))
        form = random.random()
        if form < 0.4:
            pen.line((x, y, x + reach, y + reach), fill=ink, width=3)
            pen.polygon((x, y, x + 9, y + 3, x + 3, y + 9), fill=ink)
        elif form < 0.7:
            pen.ellipse((x, y, x + reach, y + reach), outline=ink, width=2)
        else:
            pen.rectangle((x, y, x + reach, y + reach), outline=ink, width=2)
    if random.random() < 0.15:
        pen.rectangle((panel.x0, panel.y0, panel.x1 - 1, panel.y1 - 1), outline=int(random.choice((0, 255))), width=2)


def _data_bar(
    pen: ImageDraw.ImageDraw, random: np.random.Generator, panel: Box, fonts: Sequence[Sequence[Path]]
) -> None:
    """An instrument's line of writing over the lower edge."""
    tall = max(12.0, random.uniform(0.04, 0.11) * panel.height)
    ground = int(random.choice((0, 0, 255, 60)))
    pen.rectangle((panel.x0, panel.y1 - tall, panel.x1 - 1, panel.y1 - 1), fill=ground)
    text = "  ".join(_BAR_WORDS[i] for i in random.integers(0, len(_BAR_WORDS), int(random.integers(2, 6))))
    font = _any_font(random, fonts, min(0.65 * tall, 1.8 * panel.width / len(text)))
    pen.text((panel.x0 + 0.02 * panel.width, panel.y1 - 0.9 * tall), text, fill=255 - ground, font=font)


def _printed(sheet: Image.Image, random: np.random.Generator) -> tuple[NDArray[np.uint8], float]:
    """The picture as a figure holds it, and its change of size."""
    scale = float(random.uniform(0.5, 1.4)) if random.random() < 0.4 else 1.0
    scale = max(scale, 100 / min(sheet.size))
    if scale != 1.0:
        kernel = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)[random.integers(3)]
        sheet = sheet.resize((round(scale * sheet.width), round(scale * sheet.height)), kernel)
    if random.random() < 0.15:
        sheet = sheet.filter(ImageFilter.GaussianBlur(float(random.uniform(0.3, 1.1))))
    if random.random() < 0.75:
        held = io.BytesIO()
        sheet.save(held, "JPEG", quality=int(random.integers(55, 97)))
        sheet = Image.open(io.BytesIO(held.getvalue()))
    return np.asarray(sheet), scale
