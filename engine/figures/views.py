"""What the SEM-or-not gate looks at of a panel: views of a fixed size, so that its cost does not grow with the panel.

Three scales. A thumbnail of the whole panel shows what is pictured; a few squares of native pixels show the finest
structure; squares at the scale between them show texture. Only the pixels that are needed are read. Colour is summed
up in a few numbers, because all that it has to tell is whether and how a panel is coloured.

The thumbnail and the coarser squares are means over neighbouring pixels. That is allowed here, and only here: the gate
asks what a picture shows. What is scored are native pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THUMB_PX = 96
"""Side of the thumbnail; a panel of any shape is squeezed into it."""
PATCH_PX = 48
"""Side of a square of native pixels. A panel must be at least that large."""
PATCHES = 6
NATIVE_PATCHES = 4
"""The first four patches are of native pixels, the others of the scale between native and thumbnail."""
COLOUR_NAMES = ("median_chroma", "chroma", "coloured_share", "tint_unity", "chroma_spread", "dark_colour")

_SAMPLES = 3
_NATIVE_CENTRES = ((0.27, 0.27), (0.27, 0.73), (0.73, 0.27), (0.73, 0.73))
_MIDDLE_CENTRES = ((0.5, 0.3), (0.5, 0.7))
_COLOURED = 28
_COLOUR_SIDE = 64
_COLOURED_MEDIAN = 9 / 16


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Fixed-size views of one panel.

    Attributes:
        thumb: uint8 [96, 96], the whole panel.
        patches: uint8 [6, 48, 48].
    """

    thumb: NDArray[np.uint8]
    patches: NDArray[np.uint8]


def take_views(grey: NDArray[np.uint8]) -> Views:
    """The views of a panel.

    Args:
        grey: uint8 [h, w], native pixels, both sides at least ``PATCH_PX``.

    Raises:
        ValueError: the panel is smaller than a patch.
    """
    height, width = grey.shape
    if min(height, width) < PATCH_PX:
        raise ValueError(f"a panel of {width} x {height} px holds no square of {PATCH_PX} px")
    patches = np.empty((PATCHES, PATCH_PX, PATCH_PX), np.uint8)
    for index, centre in enumerate(_NATIVE_CENTRES):
        patches[index] = _square(grey, centre, 1)
    # Half way, in logarithms, between one pixel and the pitch of the thumbnail.
    pitch = max(1, min(round((min(height, width) / THUMB_PX) ** 0.5), min(height, width) // PATCH_PX))
    for index, centre in enumerate(_MIDDLE_CENTRES, len(_NATIVE_CENTRES)):
        patches[index] = _square(grey, centre, pitch)
    return Views(_thumb(grey), patches)


def colour_summary(colour: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How a panel is coloured; zeros for one that is grey.

    Args:
        colour: uint8 [h, w, 3], a small view of the panel.

    Returns:
        float32 [6], in the order of ``COLOUR_NAMES``.
    """
    thin = _thin(colour)
    pixels = thin.reshape(-1, 3).astype(np.float32)
    strength = chroma(thin).ravel().astype(np.float32)
    brightest = np.maximum(np.maximum(pixels[:, 0], pixels[:, 1]), pixels[:, 2])
    # Two opponent axes; their mean vector is long when one tint lies over the whole picture.
    opponent = np.stack([pixels[:, 0] - pixels[:, 1], (pixels[:, 0] + pixels[:, 1]) / 2 - pixels[:, 2]], axis=1)
    total = float(np.hypot(opponent[:, 0], opponent[:, 1]).sum())
    unity = float(np.hypot(*opponent.sum(axis=0))) / total if total > len(pixels) else 0.0
    return np.array(
        [
            median_chroma(colour) / 16,
            float(np.log1p(strength.mean())),
            float((strength > _COLOURED).mean()),
            unity,
            float(np.log1p(strength.std())),
            float(np.mean(strength > 0.5 * brightest + 8)),
        ],
        np.float32,
    )


def chroma(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The largest of R, G and B less the smallest, uint8 [h, w]; several times as fast as reducing the last axis."""
    red, green, blue = (colour[..., band] for band in range(3))
    return np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)


def median_chroma(colour: NDArray[np.uint8]) -> float:
    """Median of the chroma of a view, uint8 [h, w, 3]; from a histogram, because NumPy's own takes long to start."""
    strength = chroma(_thin(colour)).ravel()
    below = np.cumsum(np.bincount(strength, minlength=256))
    return float(np.searchsorted(below, [(strength.size - 1) // 2, strength.size // 2], "right").sum()) / 2


def is_coloured(summary: NDArray[np.float32]) -> bool:
    """Whether colour lies over more than half of a panel, so that it is not an SEM micrograph as recorded.

    Electrons have no colour. Of the SEM panels in the preprints none passes the limit (a median chroma, largest less
    smallest of R, G and B, of 9), whatever letters, arrows and boxes are painted on it.

    Args:
        summary: from :func:`colour_summary`.
    """
    return bool(summary[COLOUR_NAMES.index("median_chroma")] >= _COLOURED_MEDIAN)


def _thin(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return colour[:: max(1, colour.shape[0] // _COLOUR_SIDE), :: max(1, colour.shape[1] // _COLOUR_SIDE)]


def _thumb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each pixel is the mean of a grid of 3 x 3 pixels spread over its cell."""
    steps = (np.arange(_SAMPLES * THUMB_PX) + 0.5) / (_SAMPLES * THUMB_PX)
    rows, columns = ((steps * side).astype(np.intp) for side in grey.shape)
    fine = grey.take(rows, axis=0)
    lines = np.add(fine[0::_SAMPLES], fine[1::_SAMPLES], dtype=np.uint16) + fine[2::_SAMPLES]
    points = lines.take(columns, axis=1)
    total = points[:, 0::_SAMPLES] + points[:, 1::_SAMPLES] + points[:, 2::_SAMPLES]
    means: NDArray[np.uint8] = (total // _SAMPLES**2).astype(np.uint8)
    return means


def _square(grey: NDArray[np.uint8], centre: tuple[float, float], pitch: int) -> NDArray[np.uint8]:
    side = PATCH_PX * pitch
    top, left = (round(at * (extent - side)) for at, extent in zip(centre, grey.shape, strict=True))
    square = grey[top : top + side, left : left + side]
    return square if pitch == 1 else _means(square, pitch)


def _means(pixels: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Means of ``step`` x ``step`` pixels, rounded down."""
    rows = pixels[0::step].astype(np.uint32)
    for offset in range(1, step):
        rows += pixels[offset::step]
    total = rows[:, 0::step].copy()
    for offset in range(1, step):
        total += rows[:, offset::step]
    return (total // (step * step)).astype(np.uint8)
