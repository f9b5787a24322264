"""What the example paper's figures are made of besides micrographs: labels, plots and a photograph-like picture."""

from __future__ import annotations

import numpy as np
import pymupdf
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from simulate import blur, rough

Grey = NDArray[np.uint8]


def scale_bar(grey: Grey, label: str) -> Grey:
    """Burn a white scale bar with its length into the lower right corner."""
    image = Image.fromarray(grey)
    pen = ImageDraw.Draw(image)
    right, bottom = image.width - 14, image.height - 12
    pen.rectangle((right - 64, bottom - 4, right, bottom), 255)
    pen.text((right - 32, bottom - 8), label, 255, font(14), anchor="mb", stroke_width=1, stroke_fill=0)
    return np.asarray(image)


def letter(sheet: Image.Image, corner: tuple[int, int], name: str) -> None:
    """A letter on a white square in the corner of a panel."""
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((corner[0] + 6, corner[1] + 6, corner[0] + 29, corner[1] + 29), "white")
    pen.text((corner[0] + 18, corner[1] + 18), name, "black", font(18), anchor="mm")


def landscape(size: tuple[int, int]) -> Image.Image:
    """Hills under an evening sky, from noise: stands for a photograph."""
    rng = np.random.default_rng(5)
    width, height = size
    y, x = np.mgrid[:height, :width] / height
    sky = np.stack([0.95 - 0.35 * (1 - y), 0.72 - 0.15 * (1 - y) * y, 0.55 + 0.4 * (1 - y)], -1)
    clouds = np.clip(blur(rough(rng, (height, width), 3.0), 2.0) * 0.6 - 0.2, 0, 1)[..., None] * (1 - y)[..., None]
    picture = sky * (1 - 0.6 * clouds) + 0.6 * clouds
    for distance in range(5):
        ridge = (
            0.45
            + 0.11 * distance
            + 0.05 * np.interp(x[0], np.linspace(0, 1.4, 40), rng.normal(0, 0.55, 40).cumsum() * 0.4)
        )
        haze = 0.75 - 0.17 * distance
        green = np.array([0.16, 0.30, 0.14]) * (1 - haze) + np.array([0.62, 0.60, 0.68]) * haze
        grain = 1 + 0.22 * rough(rng, (height, width), 1.6, 25)[..., None] * (1 - haze)
        picture = np.where((y > ridge[None])[..., None], green * grain, picture)
    picture += rng.normal(0, 0.012, picture.shape)
    return Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))


def load_plot(size: tuple[int, int]) -> Image.Image:
    """Two invented load curves, as pixels."""
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = 62, 22, size[0] - 16, size[1] - 52
    pen.rectangle((left, top, right, bottom), outline="black", width=2)
    for tick in range(6):
        x, y = left + (right - left) * tick / 5, bottom - (bottom - top) * tick / 5
        pen.line((x, bottom, x, bottom - 6), "black", 2)
        pen.line((left, y, left + 6, y), "black", 2)
        pen.text((x, bottom + 6), f"{tick * 0.4:.1f}", "black", font(13), anchor="mt")
        pen.text((left - 6, y), f"{tick * 100}", "black", font(13), anchor="rm")
    pen.text(((left + right) / 2, size[1] - 10), "extension / mm", "black", font(15), anchor="mb")
    pen.text((left + 12, top + 14), "load / N", "black", font(15))
    for colour, stiffness, last in (((190, 40, 40), 5.5, 0.78), ((30, 80, 170), 3.5, 0.93)):
        t = np.linspace(0, last, 80)
        load = (1 - np.exp(-stiffness * t)) * 0.85 - 0.15 * t**4
        points = [(left + (right - left) * a, bottom - (bottom - top) * b) for a, b in zip(t, load, strict=True)]
        pen.line(points, colour, 3, joint="curve")
    return image


def curve(page: pymupdf.Page, rect: pymupdf.Rect) -> None:
    """A schematic curve in vector graphics."""
    box = pymupdf.Rect(rect.x0 + 34, rect.y0 + 4, rect.x1 - 6, rect.y1 - 24)
    page.draw_rect(box, width=0.7)
    for tick in range(5):
        x, y = box.x0 + box.width * tick / 4, box.y1 - box.height * tick / 4
        page.draw_line((x, box.y1), (x, box.y1 - 3), width=0.6)
        page.draw_line((box.x0, y), (box.x0 + 3, y), width=0.6)
        page.insert_text((x - 5, box.y1 + 9), str(20 + 20 * tick), fontname="helv", fontsize=6.5)
        page.insert_text((box.x0 - 16, y + 2), f"{tick / 4:.2f}", fontname="helv", fontsize=6.5)
    page.insert_text((box.x0 + box.width / 2 - 24, box.y1 + 19), "JPEG quality", fontname="helv", fontsize=7)
    page.insert_text((box.x0 - 22, box.y1 - 18), "surviving share", fontname="helv", fontsize=7, rotate=90)
    for steep, dashes in ((3.0, None), (5.5, "[3 2] 0")):
        share = [(t / 40) ** steep for t in range(41)]
        points = [(box.x0 + box.width * t / 40, box.y1 - box.height * 0.95 * s) for t, s in enumerate(share)]
        page.draw_polyline(points, width=1.1, color=(0.1, 0.25, 0.55), dashes=dashes)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that the figure does not depend on the machine."""
    return ImageFont.load_default(size)
