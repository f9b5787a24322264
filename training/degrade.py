"""One random chain of everyday processing, applied with the same draw to a genuine picture and to its counterpart.

Whatever differs between the two classes is learned, so nothing here may depend on the class: the draw is made once
per pair, and :func:`degrade` sees only the draw and the pixels.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from semscan.training.colours import COLOUR_JPEGS, false_colour, jpeg_through, luminance_of
from semscan.training.filters import FILTERS, MARKS, apply_filter, draw_mark, enlarge_by_taps, to_grey_levels

KERNELS = (
    Image.Resampling.NEAREST,
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.HAMMING,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
_MOST_OFFSET = 7
_FORMATS = (0.5, 0.22, 0.06, 0.12, 0.1)
"""Probabilities of the kinds of JPEG, in the order of ``COLOUR_JPEGS``."""


@dataclass(frozen=True, slots=True)
class JpegStep:
    """Cut ``offset`` = (x, y) pixels off the top left, then compress and decompress at ``quality``.

    Attributes:
        quality: 1 to 100.
        offset: pixels cut off the left and the top.
        kind: one of :data:`semscan.training.colours.COLOUR_JPEGS`.
        black: share of black in the inks of a ``cmyk`` one.
    """

    quality: int
    offset: tuple[int, int]
    kind: str = "grey"
    black: float = 1.0


@dataclass(frozen=True, slots=True)
class Degradation:
    """One draw of the chain, in the order of application; ``None`` or an empty tuple leaves a step out.

    Attributes:
        phase: pixels cut off the left and the top.
        scale: first resampling factor and kernel; ``None`` for a kernel doubles as StyleGAN2 does.
        filters: names of :data:`semscan.training.filters.FILTERS` with their strengths.
        noise_seed: of the noise, the same for both pictures of a pair.
        marks: names of :data:`semscan.training.filters.MARKS` with their place, and seeds.
        tint: seed of a map of false colours.
        jpegs: compressions; false colours go through the first of them, or back to luminance at once.
        rescale: second resampling, after the compressions, mostly as in a screenshot.
    """

    phase: tuple[int, int]
    scale: tuple[float, Image.Resampling | None] | None
    filters: tuple[tuple[str, float], ...]
    noise_seed: int
    jpegs: tuple[JpegStep, ...]
    rescale: tuple[float, Image.Resampling] | None
    marks: tuple[tuple[str, tuple[float, float], int], ...] = ()
    tint: int | None = None


def least_side(tile_px: int) -> int:
    """Shortest side of a picture that every draw of the chain leaves a tile of."""
    return tile_px + 3 * _MOST_OFFSET + 1


def draw_degradation(rng: np.random.Generator, side_px: int, tile_px: int) -> Degradation:
    """Draw a chain that leaves at least one tile.

    Args:
        rng: source of all randomness.
        side_px: shorter side of the picture that it will be applied to, at least :func:`least_side`.
        tile_px: side of the tile that must remain.
    """
    phase = (_offset(rng), _offset(rng))
    jpegs = tuple(_draw_jpeg(rng) for _ in range(int(rng.choice(3, p=(0.25, 0.55, 0.2)))))
    # What offsets cut off later must be there after shrinking.
    cut = max((sum(step.offset[axis] for step in jpegs) for axis in (0, 1)), default=0)
    left = side_px - max(phase)
    smallest = (tile_px + cut) / left
    scale: tuple[float, Image.Resampling | None] | None = _draw_scale(rng, 0.65, max(0.45, smallest), 2.1, KERNELS)
    if scale and rng.random() < 0.15:
        # Doubling leaves a trace with the decoders' own period, so genuine pictures must show it often.
        scale = (2.0, None if rng.random() < 0.3 else scale[1])
    # What the first factor takes away, the second may not take again.
    after = max(1, int(left * min(1.0, scale[0] if scale else 1.0)) - cut)
    screen = KERNELS if rng.random() < 0.3 else (Image.Resampling.NEAREST, Image.Resampling.BILINEAR)
    rescale = _draw_scale(rng, 0.15, max(0.7, tile_px / after), 1.4, screen)
    count = int(rng.choice(3, p=(0.55, 0.37, 0.08)))
    filters = [_draw_filter(rng) for _ in range(count)]
    if rng.random() < 0.25:
        # Dim and pale pictures: a few dozen grey levels, as unedited micrographs often have.
        filters.insert(0, ("contrast", float(np.exp(rng.uniform(np.log(0.2), np.log(1.3))))))
    marks = []
    if rng.random() < 0.1:
        for _ in range(int(rng.integers(1, 3))):
            place = (float(rng.uniform(0.05, 0.85)), float(rng.uniform(0.05, 0.85)))
            marks.append((str(rng.choice(MARKS)), place, int(rng.integers(2**31))))
    return Degradation(
        phase=phase,
        scale=scale,
        filters=tuple(filters),
        noise_seed=int(rng.integers(2**31)),
        jpegs=jpegs,
        rescale=rescale,
        marks=tuple(marks),
        tint=int(rng.integers(2**31)) if rng.random() < 0.08 else None,
    )


def degrade(grey: NDArray[np.uint8], chain: Degradation) -> NDArray[np.uint8]:
    """Apply a drawn chain.

    Args:
        grey: uint8 [h, w].
        chain: from :func:`draw_degradation`.

    Returns:
        uint8 [h', w'] as it would be stored.
    """
    pixels = np.ascontiguousarray(grey[chain.phase[1] :, chain.phase[0] :])
    if chain.scale:
        factor, kernel = chain.scale
        # What enlarging adds beyond the picture's own size would be cut off by the tile anyway.
        height, width = (int(np.ceil(side / max(1.0, factor))) for side in pixels.shape)
        pixels = pixels[:height, :width]
        pixels = _resample(pixels, factor, kernel) if kernel is not None else enlarge_by_taps(pixels)
    for name, strength in chain.filters:
        pixels = apply_filter(pixels, name, strength, chain.noise_seed)
    for name, place, seed in chain.marks:
        pixels = draw_mark(pixels, name, place, seed)
    if chain.tint is not None:
        pixels = false_colour(pixels, chain.tint)
    for step in chain.jpegs:
        pixels = jpeg_through(pixels[step.offset[1] :, step.offset[0] :], step.quality, step.kind, step.black)
    if pixels.ndim == 3:
        pixels = luminance_of(pixels)
    if chain.rescale:
        pixels = _resample(pixels, *chain.rescale)
    return pixels


def jpeg(grey: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Compress and decompress as grey JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey)).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def jpeg_with_tables(grey: NDArray[np.uint8], tables: list[int]) -> NDArray[np.uint8]:
    """Compress and decompress with the luminance table of another file (64 entries as Pillow gives them)."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey)).save(buffer, "JPEG", qtables=[tables])
    return np.array(Image.open(buffer))


def match_moments(made: NDArray[np.uint8], genuine: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give ``made`` the mean and standard deviation of ``genuine``, so that neither can tell them apart."""
    x = made.astype(np.float64)
    spread = x.std()
    gain = genuine.std() / spread if spread > 0 else 1.0
    return to_grey_levels((x - x.mean()) * gain + genuine.mean())


def mix(
    made: NDArray[np.uint8], genuine: NDArray[np.uint8], weight: float, *, high_only: bool = False
) -> NDArray[np.uint8]:
    """Blend a reconstruction with its genuine partner.

    Args:
        made: uint8 [h, w].
        genuine: uint8 [h, w].
        weight: share of the genuine picture, 0 to 1.
        high_only: take the low frequencies (Gaussian, sigma 2) from the genuine picture and blend only the rest.
    """
    a, b = made.astype(np.float64), genuine.astype(np.float64)
    blend = (1 - weight) * a + weight * b
    if high_only:
        low_made, low_genuine = (_low(x) for x in (made, genuine))
        blend = low_genuine + (1 - weight) * (a - low_made) + weight * (b - low_genuine)
    return to_grey_levels(blend)


def _low(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(Image.fromarray(grey).filter(ImageFilter.GaussianBlur(2)), np.float64)


def match_levels(made: NDArray[np.uint8], genuine: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Move every pixel to the nearest grey level that ``genuine`` has: stretched contrast leaves gaps between them."""
    present = np.unique(genuine).astype(np.int64)
    upper = np.clip(np.searchsorted(present, np.arange(256)), 1, max(1, len(present) - 1))
    low, high = present[np.minimum(upper - 1, len(present) - 1)], present[np.minimum(upper, len(present) - 1)]
    nearest = np.where(np.arange(256) - low <= high - np.arange(256), low, high).astype(np.uint8)
    moved: NDArray[np.uint8] = nearest[made]
    return moved


def _offset(rng: np.random.Generator) -> int:
    return int(rng.integers(_MOST_OFFSET + 1))


def _draw_jpeg(rng: np.random.Generator) -> JpegStep:
    kind = str(rng.choice(COLOUR_JPEGS, p=_FORMATS))
    return JpegStep(int(rng.integers(40, 99)), (_offset(rng), _offset(rng)), kind, float(rng.random()))


def _draw_filter(rng: np.random.Generator) -> tuple[str, float]:
    name = str(rng.choice(FILTERS))
    low, high = {
        "blur": (0.3, 1.2),
        "unsharp": (0.3, 1.5),
        "median": (3, 3),
        "noise": (0.5, 6.0),
        "clahe": (1.2, 4.0),
        "wiener": (2.0, 10.0),
        "bilateral": (2.0, 12.0),
        "contrast": (0.6, 1.4),
    }.get(name, (0.0, 0.0))
    return name, float(np.exp(rng.uniform(-0.5, 0.5))) if name == "gamma" else float(rng.uniform(low, high))


def _draw_scale(
    rng: np.random.Generator, probability: float, low: float, high: float, kernels: tuple[Image.Resampling, ...]
) -> tuple[float, Image.Resampling] | None:
    factor, kernel = float(np.exp(rng.uniform(np.log(min(low, 1.0)), np.log(high)))), int(rng.integers(len(kernels)))
    return (factor, kernels[kernel]) if rng.random() < probability else None


def _resample(grey: NDArray[np.uint8], factor: float, kernel: Image.Resampling) -> NDArray[np.uint8]:
    height, width = (max(1, int(np.ceil(side * factor))) for side in grey.shape)
    return np.array(Image.fromarray(np.ascontiguousarray(grey)).resize((width, height), kernel))
