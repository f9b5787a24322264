"""What shows through an image in a PDF: soft masks, stencil masks and colour keys (ISO 32000-1, 8.9.6 and 11.6.5.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semscan.engine.luminance import over_white
from semscan.engine.pdf.syntax import Ref, Resolver, Value, numbers
from semscan.engine.raster import VIEW_SHRINK, Colours, Raster

SampleArray: TypeAlias = NDArray[Any]
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Stored samples [H, W, components], before /Decode: what a colour key is compared with."""

    values: SampleArray


@dataclass(frozen=True, slots=True, eq=False)
class Alpha:
    """Opacity of an image.

    Attributes:
        plane: uint8 [H, W] of the image's size, 255 is opaque.
        matte: grey level with which the stored colours are already blended, or ``None`` if they are not.
    """

    plane: NDArray[np.uint8]
    matte: float | None = None


DecodeMask = Callable[[Resolver, dict[str, Value], int, int], Raster]


def has_colour_key(resolver: Resolver, entries: dict[str, Value]) -> bool:
    """Whether the image makes a range of its colours transparent."""
    return isinstance(resolver.get(entries, "Mask"), list)


def read_alpha(
    resolver: Resolver,
    entries: dict[str, Value],
    shape: tuple[int, ...],
    samples: Samples | None,
    max_pixels: int,
    decode: DecodeMask,
) -> Alpha | None:
    """The opacity of an image; a soft mask wins over the others.

    Args:
        resolver: of the image's document.
        entries: the image's dictionary.
        shape: the image's rows and columns, px.
        samples: its stored samples, needed for a colour key only.
        max_pixels: larger masks are refused.
        decode: decodes the mask's own image.

    Returns:
        ``None`` where everything is opaque.

    Raises:
        ImageUnusable: the mask cannot be decoded, so what is seen of the image is unknown.
    """
    soft, mask = entries.get("SMask"), entries.get("Mask")
    soft_entries, mask_entries = resolver.resolve(soft), resolver.resolve(mask)
    if isinstance(soft, Ref) and isinstance(soft_entries, dict):
        plane = _fit(decode(resolver, soft_entries, soft.xref, max_pixels).grey, shape)
        return Alpha(plane, _matte(resolver, soft_entries))
    if isinstance(mask, Ref) and isinstance(mask_entries, dict):
        # In a stencil a sample that reads 1 after /Decode leaves the paper bare.
        return Alpha(255 - _fit(decode(resolver, mask_entries, mask.xref, max_pixels).grey, shape))
    if isinstance(mask_entries, list) and samples is not None:
        count = samples.values.shape[2]
        bounds = numbers([resolver.resolve(bound) for bound in mask_entries], 2 * count)
        if bounds is not None:
            low, high = bounds[0::2], bounds[1::2]
            keyed = ((samples.values >= low) & (samples.values <= high)).all(axis=2)
            return Alpha(np.where(keyed, np.uint8(0), np.uint8(255)))
    return None


class InvisibleError(Exception):
    """An image is fully transparent: drawing it leaves no trace."""


def on_white(raster: Raster, alpha: Alpha) -> Raster:
    """The raster as it looks on paper, its colour view included.

    Raises:
        InvisibleError: nothing of it is seen.
    """
    if not alpha.plane.any():
        raise InvisibleError
    return replace(
        raster,
        grey=_blend(raster.grey, alpha.plane, alpha.matte),
        load_colour=None if raster.load_colour is None else _Blended(raster.load_colour, alpha),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Blended:
    load: Colours
    alpha: Alpha

    def __call__(self, shrink: int = VIEW_SHRINK) -> NDArray[np.uint8]:
        view = self.load(shrink)
        small = _fit(self.alpha.plane, view.shape[:2])
        return np.stack([_blend(view[..., band], small, self.alpha.matte) for band in range(3)], axis=-1)


def _blend(grey: NDArray[np.uint8], plane: NDArray[np.uint8], matte: float | None) -> NDArray[np.uint8]:
    if matte is None or bool((plane == 255).all()):
        return over_white(grey, plane)
    # Stored = matte + alpha * (colour - matte), seen = alpha * colour + (1 - alpha) * white.
    return np.clip(np.rint(grey + (1 - plane / 255.0) * (255.0 - matte)), 0, 255).astype(np.uint8)


def _matte(resolver: Resolver, soft_entries: dict[str, Value]) -> float | None:
    colour = resolver.get(soft_entries, "Matte")
    if (grey := numbers(colour, 1)) is not None:
        return 255 * grey[0]
    if (rgb := numbers(colour, 3)) is not None:
        return 255 * sum(weight * part for weight, part in zip(_LUMA, rgb, strict=True))
    if (cmyk := numbers(colour, 4)) is not None:
        return 255 * (1 - cmyk[3]) * sum(weight * (1 - part) for weight, part in zip(_LUMA, cmyk[:3], strict=True))
    return None


def _fit(plane: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    if plane.shape == tuple(shape[:2]):
        return plane
    return np.array(Image.fromarray(plane).resize((shape[1], shape[0]), Image.Resampling.NEAREST))
