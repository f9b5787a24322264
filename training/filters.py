"""Everyday processing of micrographs, as authors and instruments do it: nothing in here is a sign of fabrication."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.ndimage import uniform_filter

FILTERS = ("blur", "unsharp", "median", "gamma", "noise", "clahe", "wiener", "bilateral", "contrast")
MARKS = ("letter", "bar", "arrow", "frame")


def apply_filter(grey: NDArray[np.uint8], name: str, strength: float, seed: int) -> NDArray[np.uint8]:
    """Apply one of :data:`FILTERS`.

    Args:
        grey: uint8 [h, w].
        name: which.
        strength: sigma in pixels of ``blur``; share of ``unsharp``; exponent of ``gamma``; grey levels of ``noise``,
            ``wiener`` and ``bilateral``; clip limit of ``clahe``; gain of ``contrast``; ``median`` ignores it.
        seed: of the noise.

    Returns:
        uint8 [h, w].
    """
    if name in ("blur", "unsharp", "median"):
        chosen = {
            "blur": ImageFilter.GaussianBlur(strength),
            "unsharp": ImageFilter.UnsharpMask(radius=1.5, percent=int(100 * strength), threshold=0),
            "median": ImageFilter.MedianFilter(3),
        }[name]
        return np.array(Image.fromarray(np.ascontiguousarray(grey)).filter(chosen))
    if name == "clahe":
        return clahe(grey, strength)
    x = grey.astype(np.float32)
    if name == "gamma":
        return to_grey_levels(255 * (x / 255) ** strength)
    if name == "contrast":
        return to_grey_levels((x - x.mean()) * strength + x.mean())
    if name == "wiener":
        return to_grey_levels(_wiener(x, strength))
    if name == "bilateral":
        return to_grey_levels(_bilateral(x, strength))
    return to_grey_levels(x + np.random.default_rng(seed).normal(0, strength, x.shape).astype(np.float32))


def clahe(grey: NDArray[np.uint8], limit: float, blocks: int = 4) -> NDArray[np.uint8]:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994).

    Args:
        grey: uint8 [h, w].
        limit: most that a bin may hold, as a multiple of the mean.
        blocks: histograms across and down.

    Returns:
        uint8 [h, w].
    """
    height, width = grey.shape
    rows, columns = (np.arange(n) * blocks // n for n in (height, width))
    block = rows[:, None] * blocks + columns[None]
    counts = np.bincount((block * 256 + grey).ravel(), minlength=blocks * blocks * 256).reshape(-1, 256).astype(float)
    total = counts.sum(1, keepdims=True)
    kept = np.minimum(counts, limit * total / 256)
    kept += (total - kept.sum(1, keepdims=True)) / 256
    maps = 255 * np.cumsum(kept, 1) / total
    # Between the centres of four blocks their maps are interpolated.
    (y0, y1, fy), (x0, x1, fx) = (_between(n, blocks) for n in (height, width))
    out = np.zeros(grey.shape)
    for by, wy in ((y0, 1 - fy), (y1, fy)):
        for bx, wx in ((x0, 1 - fx), (x1, fx)):
            out += wy[:, None] * wx[None] * maps[by[:, None] * blocks + bx[None], grey]
    return to_grey_levels(out)


def enlarge_by_taps(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Double the size by zero insertion and the filter [1, 3, 3, 1] / 4, as StyleGAN2 enlarges; the edge is mirrored.

    Args:
        grey: uint8 [h, w].

    Returns:
        uint8 [2 h, 2 w].
    """
    x = grey.astype(np.float32)
    for axis in (0, 1):
        x = np.moveaxis(x, axis, 0)
        padded = np.concatenate([x[:1], x, x[-1:]])
        doubled = np.empty((2 * len(x), *x.shape[1:]), np.float32)
        doubled[::2] = 0.25 * padded[:-2] + 0.75 * x
        doubled[1::2] = 0.75 * x + 0.25 * padded[2:]
        x = np.moveaxis(doubled, 0, axis)
    return to_grey_levels(x)


def draw_mark(grey: NDArray[np.uint8], name: str, place: tuple[float, float], seed: int) -> NDArray[np.uint8]:
    """Draw one of :data:`MARKS` as authors put them on panels.

    Args:
        grey: uint8 [h, w].
        name: which.
        place: its position as shares of the width and the height.
        seed: of its size, its shade and whether a patch lies under it.

    Returns:
        uint8 [h, w], a copy.
    """
    rng = np.random.default_rng(seed)
    image = Image.fromarray(np.ascontiguousarray(grey))
    pen, shade = ImageDraw.Draw(image), int(rng.choice([0, 255]))
    size = int(rng.integers(10, 34))
    x, y = (int(share * side) for share, side in zip(place, image.size, strict=True))
    if rng.random() < 0.3:
        pen.rectangle((x - 3, y - 3, x + size + 3, y + size + 3), fill=255 - shade)
    if name == "letter":
        pen.text((x, y), chr(97 + int(rng.integers(26))), fill=shade, font=ImageFont.load_default(size))
    elif name == "bar":
        pen.rectangle((x, y, x + 2 * size, y + int(rng.integers(2, 6))), fill=shade)
    elif name == "frame":
        pen.rectangle((x, y, x + 2 * size, y + size), outline=shade, width=int(rng.integers(1, 4)))
    else:
        end = (x + int(rng.integers(-size, size + 1)), y + size)
        pen.line((x, y, *end), fill=shade, width=int(rng.integers(1, 5)))
        pen.polygon((end[0] - 4, end[1] - 4, end[0] + 4, end[1] - 4, end[0], end[1] + 4), fill=shade)
    return np.array(image)


def to_grey_levels(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Rounded and clipped to 0..255."""
    levels: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return levels


def _between(length: int, blocks: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Lower and upper block of each pixel and how far it is on the way between their centres."""
    place = np.clip((np.arange(length) + 0.5) * blocks / length - 0.5, 0, blocks - 1)
    low = np.minimum(place.astype(np.intp), max(0, blocks - 2))
    return low, np.minimum(low + 1, blocks - 1), place - low


def _wiener(x: NDArray[np.float32], noise: float) -> NDArray[np.float32]:
    """Local means, and what differs from them by more than the noise."""
    mean = uniform_filter(x, 5, mode="mirror")
    variance = np.maximum(uniform_filter(x * x, 5, mode="mirror") - mean * mean, 1e-3)
    smoothed: NDArray[np.float32] = mean + np.maximum(1 - noise * noise / variance, 0) * (x - mean)
    return smoothed


def _bilateral(x: NDArray[np.float32], noise: float) -> NDArray[np.float32]:
    """Mean of the 5 x 5 neighbours that are about as bright (Tomasi and Manduchi, ICCV 1998)."""
    padded = np.pad(x, 2, mode="reflect")
    total, weights = np.zeros_like(x), np.zeros_like(x)
    for dy in range(5):
        for dx in range(5):
            near = padded[dy : dy + x.shape[0], dx : dx + x.shape[1]]
            far = ((dy - 2) ** 2 + (dx - 2) ** 2) / 8
            weight = np.exp(-((near - x) ** 2) / (2 * (2 * noise) ** 2) - far)
            total, weights = total + weight * near, weights + weight
    return total / weights
