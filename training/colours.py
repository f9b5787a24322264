"""What colour does to a grey micrograph before it is grey again: false colours, colour JPEG, four-component JPEG.

Figures are stored in colour although the micrograph in them is grey, and printers' files are stored as CMYK. Each way
back to luminance rounds in its own manner, so training has to show all of them, on both classes.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semscan.engine.luminance import to_luminance

COLOUR_JPEGS = ("grey", "4:2:0", "4:2:2", "4:4:4", "cmyk")
_SUBSAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


def false_colour(grey: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Colour a picture with a random map whose luminance rises with the grey level.

    Args:
        grey: uint8 [h, w].
        seed: of the map: two to five colours, interpolated in RGB.

    Returns:
        uint8 [h, w, 3].
    """
    rng = np.random.default_rng(seed)
    stops = int(rng.integers(2, 6))
    colours = rng.uniform(0, 255, (stops, 3))
    if rng.random() < 0.5:
        # A tint: the stops lie near the grey axis, as in duotones and in "warm" micrographs.
        colours = np.linspace(0, 255, stops)[:, None] + rng.normal(0, 25, (stops, 3))
    colours = np.clip(colours, 0, 255)
    colours = colours[np.argsort(colours @ (0.299, 0.587, 0.114))]
    colours[0], colours[-1] = colours[0] * 0.2, 255 - (255 - colours[-1]) * 0.2
    levels = np.linspace(0, 255, stops)
    table = np.stack([np.interp(np.arange(256), levels, colours[:, band]) for band in range(3)], 1)
    coloured: NDArray[np.uint8] = np.rint(table).astype(np.uint8)[grey]
    return coloured


def luminance_of(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The grey plane of RGB pixels by the definition that scanning uses; uint8 [h, w, 3] to [h, w]."""
    return to_luminance(Image.fromarray(colour))


def jpeg_through(pixels: NDArray[np.uint8], quality: int, kind: str, black: float = 1.0) -> NDArray[np.uint8]:
    """Compress a picture as one of the kinds of JPEG that figures come as, and read its luminance as a scan would.

    Args:
        pixels: uint8 [h, w], or [h, w, 3] where the picture is coloured.
        quality: of the compression, 1 to 100.
        kind: one of :data:`COLOUR_JPEGS`; a coloured picture stored as ``grey`` is made grey first.
        black: share of the common part of the inks that black replaces, for ``cmyk``.

    Returns:
        uint8 [h, w].
    """
    buffer = io.BytesIO()
    if kind == "cmyk":
        _cmyk(pixels, black).save(buffer, "JPEG", quality=quality)
    elif kind == "grey":
        grey = luminance_of(pixels) if pixels.ndim == 3 else pixels
        Image.fromarray(np.ascontiguousarray(grey)).save(buffer, "JPEG", quality=quality)
    else:
        colour = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, 2)
        image = Image.fromarray(np.ascontiguousarray(colour))
        image.save(buffer, "JPEG", quality=quality, subsampling=_SUBSAMPLING[kind])
    return to_luminance(Image.open(buffer))


def _cmyk(pixels: NDArray[np.uint8], black: float) -> Image.Image:
    """Inks that give the colours back when black and the other inks are multiplied, as when such files are read."""
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, 2)
    paper = colour.astype(np.float32)
    key = black * (255 - paper.max(2))
    inks = 255 * (1 - paper / np.maximum(255 - key, 1)[:, :, None])
    stacked = np.concatenate([inks, key[:, :, None]], 2)
    return Image.fromarray(np.clip(np.rint(stacked), 0, 255).astype(np.uint8), "CMYK")
