"""What composed figures are made of: micrographs, photographs and graphics of a wanted size.

Two sources with one interface. ``Textures`` makes everything from noise and needs no data; the tests use it.
``SharedPictures`` cuts from the genuine micrographs of a data folder and takes the rest from ``Textures``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from semscan.engine.figures.databar import trim_data_bar
from semscan.engine.geometry import Box
from semscan.engine.luminance import to_luminance
from semscan.training.drawings import draw_graphic

RGB = NDArray[np.uint8]
_PAPER_LUMA = 225
_SHRINKS = (1.0, 1.0, 1.3, 1.7, 2.0, 2.6)
_NATURAL_BAR_SHARE = 0.25


class Content(Protocol):
    """A source of pictures."""

    def picture(self, rng: np.random.Generator, kind: str, width: int, height: int) -> RGB:
        """A picture of this kind, uint8 [height, width, 3]."""


class Textures:
    """Pictures from noise and drawings alone."""

    def picture(self, rng: np.random.Generator, kind: str, width: int, height: int) -> RGB:
        """See :class:`Content`."""
        if kind == "graphic":
            return graphic(rng, width, height)
        if kind == "photograph":
            return _photograph(rng, width, height)
        if kind == "light":
            tint = np.array([0.95, 0.6, 0.8]) + rng.normal(0, 0.05, 3)
            return _clip(255 * tint - _micrograph(rng, width, height)[..., None] * np.array([0.2, 0.6, 0.3]))
        grey = _micrograph(rng, width, height)
        if kind == "fluorescence":
            colour = np.eye(3)[rng.integers(3)]
            return _clip(np.clip(grey - 110, 0, None)[..., None] * 2.2 * colour)
        return _clip(np.repeat(grey[..., None], 3, axis=2))


class SharedPictures:
    """Genuine micrographs of a data folder with ``micrographs.csv``; journal panels (EMPS) are left out.

    Args:
        data: the folder.
        most: pictures of one source to use at most, so that no source dominates.
    """

    def __init__(self, data: Path, most: int = 12) -> None:
        self._textures = Textures()
        self._files: dict[str, dict[str, list[tuple[Path, bool]]]] = {}
        with (data / "micrographs.csv").open(newline="", encoding="utf-8") as table:
            for row in csv.DictReader(table):
                kind = _kind_of(row)
                if row["source"].startswith("emps") or kind is None:
                    continue
                files = self._files.setdefault(kind, {}).setdefault(row["source"], [])
                if len(files) < most:
                    files.append((data / row["file"], row["databar"] == "yes"))
        self._pixels: dict[Path, RGB] = {}

    def picture(self, rng: np.random.Generator, kind: str, width: int, height: int) -> RGB:
        """See :class:`Content`."""
        sources = self._files.get(kind)
        if not sources:
            return self._textures.picture(rng, kind, width, height)
        files = sources[sorted(sources)[rng.integers(len(sources))]]
        path, has_bar = files[rng.integers(len(files))]
        whole = self._load(path)
        if has_bar and rng.random() < _NATURAL_BAR_SHARE:
            return _with_its_bar(whole, width, height)
        if has_bar:
            whole = _without_bar(whole)
        return _cut(rng, whole, width, height)

    def _load(self, path: Path) -> RGB:
        if path not in self._pixels:
            with Image.open(path) as image:
                colour = image.mode in ("RGB", "RGBA", "P", "YCbCr")
                pixels = np.asarray(image.convert("RGB")) if colour else to_luminance(image)
            self._pixels[path] = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
        return self._pixels[path]


def graphic(rng: np.random.Generator, width: int, height: int) -> RGB:
    """A plot, table or diagram with the white margins that such panels have."""
    pad = max(6, round(0.03 * min(width, height)))
    drawn = draw_graphic(rng).resize((max(8, width - 2 * pad), max(8, height - 2 * pad)), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (width, height), drawn.getpixel((0, 0)))
    sheet.paste(drawn, (pad, pad))
    return np.asarray(sheet)


def ink_box(picture: RGB) -> Box | None:
    """The part of a graphic that is not white or nearly white paper; ``None`` for an empty one."""
    ink = np.asarray(Image.fromarray(picture).convert("L")) < _PAPER_LUMA
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _kind_of(row: dict[str, str]) -> str | None:
    if row["kind"] == "sem":
        return "sem"
    text = " ".join((row["source"], row["modality"])).lower()
    for word, kind in (("fluorescence", "fluorescence"), ("histology", "light"), ("tem", "tem")):
        if word in text:
            return kind
    return None


def _cut(rng: np.random.Generator, whole: RGB, width: int, height: int) -> RGB:
    """A random part of a picture, reduced by a random factor, enlarged only when the picture is too small."""
    shrink = min(_SHRINKS[rng.integers(len(_SHRINKS))], whole.shape[1] / width, whole.shape[0] / height)
    w, h = min(whole.shape[1], round(width * shrink)), min(whole.shape[0], round(height * shrink))
    x, y = rng.integers(0, whole.shape[1] - w + 1), rng.integers(0, whole.shape[0] - h + 1)
    part = Image.fromarray(whole[y : y + h, x : x + w])
    return np.asarray(part if part.size == (width, height) else part.resize((width, height), Image.Resampling.BICUBIC))


def _with_its_bar(whole: RGB, width: int, height: int) -> RGB:
    """The lower part of a picture in its whole width, so that the instrument's bar stays as it is."""
    tall = min(whole.shape[0], round(height * whole.shape[1] / width))
    part = Image.fromarray(whole[whole.shape[0] - tall :])
    return np.asarray(part.resize((width, height), Image.Resampling.BICUBIC))


def _without_bar(whole: RGB) -> RGB:
    grey = np.asarray(Image.fromarray(whole).convert("L"))
    box = trim_data_bar(grey, Box(0, 0, grey.shape[1], grey.shape[0]))
    if box == (0, 0, grey.shape[1], grey.shape[0]):  # a bar that was not recognised is somewhere at the bottom
        box = box._replace(y1=round(0.86 * box.y1))
    return whole[box.y0 : box.y1]


def _micrograph(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float64]:
    """Grains, blobs or rough surfaces of random scale, contrast and noise, float [height, width], about 0 to 255."""
    makers: list[Callable[[np.random.Generator, int, int], NDArray[np.float64]]] = [_rough, _rough, _blobs, _grains]
    relief = makers[rng.integers(len(makers))](rng, width, height)
    relief = (relief - relief.mean()) / (relief.std() + 1e-9)
    mean, contrast, noise = rng.uniform(70, 170), rng.uniform(18, 48), rng.uniform(2, 14)
    return np.clip(mean + contrast * relief + rng.normal(0, noise, relief.shape), 0, 255)


def _rough(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float64]:
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.maximum(np.hypot(fy, fx), 1 / rng.uniform(40, 160))
    waves = np.fft.rfft2(rng.standard_normal((height, width))) * frequency ** -rng.uniform(1.2, 2.4)
    return np.asarray(np.fft.irfft2(waves, (height, width)))


def _blobs(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float64]:
    """Round particles on a dark ground."""
    canvas = Image.new("L", (width, height), 40)
    pen = ImageDraw.Draw(canvas)
    largest = rng.uniform(8, 0.3 * min(width, height) + 9)
    for _ in range(int(min(600, 4 * width * height / largest**2))):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), largest * rng.uniform(0.2, 0.6)
        shade = int(rng.uniform(90, 230))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=shade, outline=min(255, shade + 40), width=2)
    return np.asarray(canvas, np.float64) + 12 * rng.standard_normal((height, width))


def _grains(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float64]:
    """Flat grains with dark boundaries, computed at a quarter of the size."""
    h, w = height // 4 + 1, width // 4 + 1
    y, x = np.mgrid[:h, :w]
    count = int(rng.integers(8, 40))
    centres = rng.uniform(0, 1, (count, 2)) * (h, w)
    distance = np.hypot(y[..., None] - centres[:, 0], x[..., None] - centres[:, 1])
    two = np.partition(distance, 1, axis=2)[..., :2]
    shade = rng.uniform(-1, 1, count)[distance.argmin(axis=2)] - 1.5 * (two[..., 1] - two[..., 0] < 1.2)
    large = Image.fromarray(shade.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(large, np.float64)


def _photograph(rng: np.random.Generator, width: int, height: int) -> RGB:
    """Something like a landscape: layers of rough ridges under a sky."""
    y, x = np.mgrid[:height, :width]
    sky = np.stack([150 + 60 * y / height, 180 + 30 * y / height, 240 - 40 * y / height], axis=-1)
    picture = sky + 12 * _unit(_rough(rng, width, height))[..., None]
    for layer in range(4):
        bends = np.interp(x[0], np.linspace(0, width, 24), rng.normal(0, 0.06 * height, 24).cumsum() * 0.4)
        green = np.array([70, 110, 60]) + rng.normal(0, 25, 3) - 12 * layer
        body = green + 26 * _unit(_rough(rng, width, height))[..., None]
        picture = np.where((y > (0.35 + 0.15 * layer) * height + bends)[..., None], body, picture)
    return _clip(picture)


def _unit(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((plane - plane.mean()) / (plane.std() + 1e-9))


def _clip(picture: NDArray[np.float64]) -> RGB:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
