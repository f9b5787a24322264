"""One random chain of everyday processing, applied with the same draw to a genuine picture and to its reconstruction.

Whatever differs between the two classes is learned, so nothing here may depend on the class: the draw is made once
per pair, and :func:`degrade` sees only the draw and the pixels.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

KERNELS = (
    Image.Resampling.NEAREST,
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.HAMMING,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


@dataclass(frozen=True, slots=True)
class JpegStep:
    """Cut ``offset`` = (x, y) pixels off the top left, then compress and decompress at ``quality``."""

    quality: int
    offset: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Degradation:
    """One draw of the chain, in the order of application; ``None`` or an empty tuple leaves a step out.

    Attributes:
        phase: pixels cut off the left and the top.
        scale: first resampling factor and kernel.
        filter: one of ``blur``, ``unsharp``, ``median``, ``gamma``, ``noise`` with its strength.
        noise_seed: of the noise, the same for both pictures of a pair.
        jpegs: compressions.
        rescale: second resampling, after the compressions.
    """

    phase: tuple[int, int]
    scale: tuple[float, Image.Resampling] | None
    filter: tuple[str, float] | None
    noise_seed: int
    jpegs: tuple[JpegStep, ...]
    rescale: tuple[float, Image.Resampling] | None


def draw_degradation(rng: np.random.Generator, side_px: int, tile_px: int) -> Degradation:
    """Draw a chain that leaves at least one tile.

    Args:
        rng: source of all randomness.
        side_px: shorter side of the picture that it will be applied to.
        tile_px: side of the tile that must remain.
    """
    smallest = tile_px / (side_px - 7 - 2 * 7 - 2)
    scale = _draw_scale(rng, 0.65, max(0.5, smallest), 2.1)
    if scale and rng.random() < 0.15:
        # Doubling leaves a trace with the decoders' own period, so genuine pictures must show it often.
        scale = (2.0, scale[1])
    # What the first factor takes away, the second may not take again.
    rescale = _draw_scale(rng, 0.15, max(0.7, smallest / (scale[0] if scale else 1.0)), 1.3)
    strength = {
        "blur": rng.uniform(0.3, 1.2),
        "unsharp": rng.uniform(0.3, 1.5),
        "median": 3.0,
        "gamma": float(np.exp(rng.uniform(-0.5, 0.5))),
        "noise": rng.uniform(0.5, 6.0),
    }
    name = str(rng.choice(list(strength)))
    count = int(rng.choice(3, p=(0.25, 0.55, 0.2)))
    jpegs = tuple(JpegStep(int(rng.integers(40, 99)), (_offset(rng), _offset(rng))) for _ in range(count))
    return Degradation(
        phase=(_offset(rng), _offset(rng)),
        scale=scale,
        filter=(name, float(strength[name])) if rng.random() < 0.4 else None,
        noise_seed=int(rng.integers(2**31)),
        jpegs=jpegs,
        rescale=rescale,
    )


def degrade(grey: NDArray[np.uint8], chain: Degradation) -> NDArray[np.uint8]:
    """Apply a drawn chain.

    Args:
        grey: uint8 [h, w].
        chain: from :func:`draw_degradation`.

    Returns:
        uint8 [h', w'] as it would be stored.
    """
    image = Image.fromarray(np.ascontiguousarray(grey[chain.phase[1] :, chain.phase[0] :]))
    if chain.scale:
        # What enlarging adds beyond the picture's own size would be cut off by the tile anyway.
        kept = (int(np.ceil(side / max(1.0, chain.scale[0]))) for side in image.size)
        image = _resample(image.crop((0, 0, *kept)), *chain.scale)
    if chain.filter:
        image = _filter(image, *chain.filter, chain.noise_seed)
    for step in chain.jpegs:
        image = image.crop((*step.offset, *image.size))
        image = Image.fromarray(jpeg(np.asarray(image), step.quality))
    if chain.rescale:
        image = _resample(image, *chain.rescale)
    return np.array(image)


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
    return _to_pixels((x - x.mean()) * gain + genuine.mean())


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
    return _to_pixels(blend)


def _low(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(Image.fromarray(grey).filter(ImageFilter.GaussianBlur(2)), np.float64)


def _to_pixels(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _offset(rng: np.random.Generator) -> int:
    return int(rng.integers(8))


def _draw_scale(
    rng: np.random.Generator, probability: float, low: float, high: float
) -> tuple[float, Image.Resampling] | None:
    factor, kernel = float(np.exp(rng.uniform(np.log(min(low, 1.0)), np.log(high)))), int(rng.integers(len(KERNELS)))
    return (factor, KERNELS[kernel]) if rng.random() < probability else None


def _resample(image: Image.Image, factor: float, kernel: Image.Resampling) -> Image.Image:
    width, height = (max(1, int(np.ceil(side * factor))) for side in image.size)
    return image.resize((width, height), kernel)


def _filter(image: Image.Image, name: str, strength: float, seed: int) -> Image.Image:
    if name == "blur":
        return image.filter(ImageFilter.GaussianBlur(strength))
    if name == "unsharp":
        return image.filter(ImageFilter.UnsharpMask(radius=1.5, percent=int(100 * strength), threshold=0))
    if name == "median":
        return image.filter(ImageFilter.MedianFilter(int(strength)))
    grey = np.asarray(image, np.float64)
    if name == "gamma":
        return Image.fromarray(_to_pixels(255 * (grey / 255) ** strength))
    noise = np.random.default_rng(seed).normal(0, strength, grey.shape)
    return Image.fromarray(_to_pixels(grey + noise))
