"""Archives made of nothing: PDFs with JPEG figures that look like micrographs to an encoder, written byte by byte.

What matters for speed is the number of pixels, what a pixel costs to decode (JPEG at the bit rate of a noisy
micrograph) and how many panels a figure has. The pictures are smooth noise with grains and shot noise; no two are the
same, so nothing is saved by recognising one. They are no micrographs: a scan has to be told to assess all images.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

POINTS_PER_PIXEL = 72 / 300
"""Figures are placed at 300 pixels per inch."""

GUTTER_PX = 12
MARGIN_PT = 36
CANVAS_PX = 2048
SIZES = ((1280, 960), (1200, 1000), (1400, 1000), (1500, 1000))
"""Width and height of a figure: 1.2 to 1.5 million pixels."""

LAYOUTS = ((1, 1), (1, 1), (2, 1), (2, 2))
"""Panels across and down, in turn."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What was written: the files in order, and how many images and panels they hold."""

    files: tuple[Path, ...]
    images: int
    panels: int
    bytes: int


def canvas(seed: int = 0) -> NDArray[np.uint8]:
    """A large texture that all pictures are windows of: grains on a slope, under noise, uint8 [2048, 2048]."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.normal(size=(CANVAS_PX, CANVAS_PX)))
    frequency = np.hypot(np.fft.fftfreq(CANVAS_PX)[:, None], np.fft.rfftfreq(CANVAS_PX)[None])
    grains = np.fft.irfft2(spectrum * np.exp(-((frequency * 40) ** 2)), s=(CANVAS_PX, CANVAS_PX))
    grains /= grains.std()
    texture = 118 + 42 * np.tanh(3 * grains) + 14 * grains + rng.normal(0, 5, grains.shape)
    return np.clip(texture, 0, 255).astype(np.uint8)


def picture(
    texture: NDArray[np.uint8], rng: np.random.Generator, width: int, height: int, across: int, down: int
) -> NDArray[np.uint8]:
    """A figure of ``across`` x ``down`` panels with white gutters, uint8 [height, width]."""
    figure = np.full((height, width), 255, np.uint8)
    panel_w, panel_h = (width - (across - 1) * GUTTER_PX) // across, (height - (down - 1) * GUTTER_PX) // down
    for row in range(down):
        for column in range(across):
            y, x = (int(rng.integers(0, CANVAS_PX - side)) for side in (panel_h, panel_w))
            window = texture[y : y + panel_h, x : x + panel_w][:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
            top, left = row * (panel_h + GUTTER_PX), column * (panel_w + GUTTER_PX)
            figure[top : top + panel_h, left : left + panel_w] = window
    return figure


def jpeg(grey: NDArray[np.uint8], *, colour: bool, quality: int = 85) -> bytes:
    """A baseline JPEG, one component or three (4:2:0)."""
    image = Image.fromarray(grey)
    buffer = io.BytesIO()
    (image.convert("RGB") if colour else image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def jpeg_heavy(folder: Path, documents: int, seed: int = 1) -> Archive:
    """PDFs with one to four full-size figures each, one a page, every other one in colour."""
    rng, texture = np.random.default_rng(seed), canvas(seed)
    files, images, panels = [], 0, 0
    for number in range(documents):
        figures = []
        for _ in range(1 + number % 4):
            across, down = LAYOUTS[images % len(LAYOUTS)]
            width, height = SIZES[int(rng.integers(len(SIZES)))]
            data = jpeg(picture(texture, rng, width, height, across, down), colour=images // 2 % 2 == 1)
            figures.append((data, width, height, 3 if images // 2 % 2 else 1))
            images, panels = images + 1, panels + across * down
        files.append(folder / f"{number:05d}.pdf")
        files[-1].write_bytes(pdf(figures))
    return Archive(tuple(files), images, panels, sum(file.stat().st_size for file in files))


def small(folder: Path, documents: int, seed: int = 2, side: int = 288) -> Archive:
    """PDFs with one small grey figure each, a thousand to a folder."""
    rng, texture = np.random.default_rng(seed), canvas(seed)
    files = []
    for number in range(documents):
        below = folder / f"{number // 1000:03d}"
        below.mkdir(exist_ok=True)
        data = jpeg(picture(texture, rng, side, side, 1, 1), colour=False)
        files.append(below / f"{number:06d}.pdf")
        files[-1].write_bytes(pdf([(data, side, side, 1)]))
    return Archive(tuple(files), documents, documents, sum(file.stat().st_size for file in files))


def pdf(figures: list[tuple[bytes, int, int, int]]) -> bytes:
    """A PDF with a page for each JPEG, given as data, width, height and number of components."""
    kids = " ".join(f"{3 + 3 * index} 0 R" for index in range(len(figures)))
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Count {len(figures)}/Kids [{kids}]>>".encode()]
    for index, figure in enumerate(figures):
        objects += _page(3 + 3 * index, *figure)
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer\n<</Size %d /Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return bytes(out) + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + end


def _page(number: int, data: bytes, width: int, height: int, components: int) -> Iterator[bytes]:
    """The page, its content and its image, as objects ``number`` and the two after it."""
    wide, high = width * POINTS_PER_PIXEL, height * POINTS_PER_PIXEL
    box = f"[0 0 {wide + 2 * MARGIN_PT:.2f} {high + 2 * MARGIN_PT:.2f}]"
    yield (
        f"<</Type/Page/Parent 2 0 R/MediaBox {box}/Contents {number + 1} 0 R"
        f"/Resources <</XObject <</I {number + 2} 0 R>>>>>>"
    ).encode()
    content = f"q {wide:.2f} 0 0 {high:.2f} {MARGIN_PT} {MARGIN_PT} cm /I Do Q".encode()
    yield b"<</Length %d>>\nstream\n" % len(content) + content + b"\nendstream"
    space = "/DeviceGray" if components == 1 else "/DeviceRGB"
    head = (
        f"<</Type/XObject/Subtype/Image/Width {width}/Height {height}/BitsPerComponent 8/ColorSpace {space}"
        f"/Filter /DCTDecode/Length {len(data)}>>\nstream\n"
    )
    yield head.encode() + data + b"\nendstream"
