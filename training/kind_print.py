"""What happens to a picture between the instrument and the paper, for the SEM-or-not gate.

Parts are cut out, turned, reduced, marked, given a data bar, framed and compressed, in the same way for every kind of
picture: so that letters, bars, sizes and codecs do not tell the gate what a picture shows. This is allowed here because
the gate asks what is pictured and not, as the detector does, how the pixels came about.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

SMALLEST_PX = 128
_LARGEST_PX = 720
_KERNELS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
_TURNS = (
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_180,
)
_INKS = ((200, 20, 20), (20, 60, 200), (10, 140, 60), (230, 140, 10))
_GREY_SHARE = 0.35
_ALSO_GREY = ("light", "fluorescence", "photograph", "graphic")


def print_picture(image: Image.Image, label: str, random: np.random.Generator, *, again: bool) -> Image.Image:
    """A picture as a panel of a figure.

    Args:
        image: grey or RGB.
        label: its kind; kinds that are also printed without colour sometimes lose it.
        random: source of every choice.
        again: the picture is a panel already and carries its marks, so less is done to it.

    Returns:
        grey or RGB, its short side at least ``SMALLEST_PX`` unless the picture is smaller.
    """
    part = _reduced(_cut(image, random, 0.72 if again else 0.45), random, again)
    if label in _ALSO_GREY and random.random() < _GREY_SHARE:
        part = part.convert("L")
    if random.random() < 0.7:
        part = part.transpose(_TURNS[random.integers(len(_TURNS))])
    if random.random() < 0.6:
        part = _toned(part, random)
    if random.random() < (0.15 if again else 0.6):
        part = _annotated(part, random)
    if random.random() < (0.04 if again else 0.12):
        part = _with_bar(part, random)
    if random.random() < 0.15:
        part = _framed(part, random)
    return compressed(part, int(random.integers(50, 96))) if random.random() < 0.85 else part


def tinted(image: Image.Image, strong: bool, random: np.random.Generator) -> Image.Image | None:
    """A false-colour version, or one with a slight cast of colour; ``None`` where the colour came out too weak."""
    tint = random.integers(0, 256, 3)
    share = random.uniform(0.5, 1) if strong else random.uniform(0.02, 0.1)
    middle = 128 + share * (tint - 128)
    if strong and np.ptp(middle) < 50:
        return None
    ends = (random.integers(0, 60, 3), random.integers(190, 256, 3)) if strong else ((0, 0, 0), (255, 255, 255))
    low, mid, high = (tuple(int(v) for v in colour) for colour in (ends[0], middle, ends[1]))
    return compressed(ImageOps.colorize(image.convert("L"), low, high, mid=mid), int(random.integers(62, 96)))


def compressed(image: Image.Image, quality: int) -> Image.Image:
    """The picture after JPEG."""
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return Image.open(io.BytesIO(held.getvalue()))


def _cut(image: Image.Image, random: np.random.Generator, least: float) -> Image.Image:
    width, height = image.size
    share = random.uniform(least, 1) * random.uniform(0.85, 1, 2)
    w, h = (max(int(side * s), min(side, SMALLEST_PX)) for side, s in zip((width, height), share, strict=True))
    x, y = int(random.integers(0, width - w + 1)), int(random.integers(0, height - h + 1))
    return image.crop((x, y, x + w, y + h))


def _reduced(part: Image.Image, random: np.random.Generator, again: bool) -> Image.Image:
    short = min(part.size)
    wanted = float(np.exp(random.uniform(np.log(SMALLEST_PX), np.log(_LARGEST_PX))))
    factor = random.uniform(0.5, 1.15) if again else min(1.2, wanted / short)
    factor = max(factor, min(1.0, SMALLEST_PX / short), 0.02)
    if again and random.random() < 0.35:
        return part
    size = (max(1, round(part.width * factor)), max(1, round(part.height * factor)))
    return part.resize(size, _KERNELS[random.integers(len(_KERNELS))])


def _toned(part: Image.Image, random: np.random.Generator) -> Image.Image:
    """Another brightness, contrast and gamma, sometimes to clipping."""
    gamma, gain, offset = np.exp(random.normal(0, 0.2)), np.exp(random.normal(0, 0.18)), random.normal(0, 14)
    levels = np.arange(256) / 255
    curve = np.clip(255 * ((levels**gamma - 0.5) * gain + 0.5) + offset, 0, 255).astype(np.uint8)
    return part.point(curve.tolist() * len(part.getbands()))


def _annotated(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A copy with what journals burn into panels: a panel letter, a scale bar, sometimes arrows or boxes."""
    marked = image.convert("RGB")
    canvas = ImageDraw.Draw(marked)
    width, height = marked.size
    ink = ((255, 255, 255), (0, 0, 0), (255, 230, 0))[random.integers(3)]
    letter = int(random.uniform(0.05, 0.12) * height) + 8
    if random.random() < 0.8:
        if random.random() < 0.4:
            canvas.rectangle(
                (0, 0, 1.2 * letter, 1.3 * letter), fill=(255, 255, 255) if ink == (0, 0, 0) else (0, 0, 0)
            )
        canvas.text((4, 2), "(a)" if random.random() < 0.5 else "b", fill=ink, font=ImageFont.load_default(letter))
    if random.random() < 0.8:
        x, y, long = random.uniform(0.5, 0.7) * width, random.uniform(0.86, 0.94) * height, 0.2 * width
        canvas.rectangle((x, y, x + long, y + 0.015 * height + 2), fill=ink)
        canvas.text((x, y - 0.8 * letter), "5 µm", fill=ink, font=ImageFont.load_default(0.7 * letter))
    if random.random() < 0.2:
        colour = _INKS[random.integers(len(_INKS))]
        for _ in range(int(random.integers(1, 4))):
            x, y = random.uniform(0.1, 0.8) * width, random.uniform(0.1, 0.8) * height
            canvas.rectangle((x, y, x + 0.12 * width, y + 0.12 * height), outline=colour, width=2)
    return marked


def _with_bar(part: Image.Image, random: np.random.Generator) -> Image.Image:
    """Cover the bottom with an instrument's information bar."""
    canvas = ImageDraw.Draw(part)
    width, height = part.size
    high = max(10, int(random.uniform(0.05, 0.12) * height))
    dark = random.random() < 0.7
    ground, ink = ("black", "white") if dark else ("white", "black")
    canvas.rectangle((0, height - high, width, height), fill=ground)
    font = ImageFont.load_default(max(8, 0.6 * high))
    canvas.text((4, height - 0.85 * high), "15.0 kV   x5,000   WD 9.8 mm", fill=ink, font=font)
    canvas.rectangle((0.75 * width, height - 0.4 * high, 0.93 * width, height - 0.3 * high), fill=ink)
    return part


def _framed(part: Image.Image, random: np.random.Generator) -> Image.Image:
    """Leave a strip of gutter or of a neighbour on one or two sides."""
    grey = int(random.choice([0, 255, 255, 255, int(random.integers(256))]))
    sides = [int(v) for v in random.integers(0, max(2, min(part.size) // 20), 4) * (random.random(4) < 0.5)]
    return ImageOps.expand(part, tuple(sides), fill=grey if part.mode == "L" else (grey, grey, grey))


def luma_with_chroma(grey: NDArray[np.uint8], colour: NDArray[np.uint8] | None) -> Image.Image:
    """A picture from its luminance at full size and a smaller colour view.

    Args:
        grey: uint8 [h, w].
        colour: uint8 [h', w', 3] or ``None``.
    """
    luma = Image.fromarray(np.ascontiguousarray(grey))
    if colour is None or not colour.size:
        return luma
    view = Image.fromarray(np.ascontiguousarray(colour)).convert("YCbCr").resize(luma.size, Image.Resampling.BILINEAR)
    return Image.merge("YCbCr", (luma, *view.split()[1:])).convert("RGB")
