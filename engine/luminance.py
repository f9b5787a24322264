"""The definition of grey: any decoded image becomes one uint8 plane here, for scanning and for training alike.

The rules, in one place because a detector that reads rounding-level traces sees every difference between them:

* Eight-bit grey stays as it is; one-bit becomes 0 and 255; palettes go through their colours.
* Colour becomes ITU-R BT.601 luma, the Y of JPEG. A JPEG that is not decoded yet hands out its own Y plane (Pillow's
  ``draft``), without the detour through RGB: faster, and exactly the plane that was compressed.
* More than eight bits keep the eight most significant bits of the depth in use, which is the smallest even number of
  bits from 8 to 32 that holds the largest value: twelve-bit data in a sixteen-bit file is not crushed to 16 grey
  levels. The low bits are cut, not rounded, so eight-bit data stored times 256 or times 257 comes back exactly.
  Sixteen-bit colour is reduced to its high bytes (by Pillow, and the same in PDFs).
* Signed data is shifted so that its minimum is 0. Floats in 0..1 are multiplied by 255 and rounded; other floats
  are cut to integers and follow the integer rule.
* Transparency is laid on white, the paper it is printed on: luma first, then the blend.
* ICC profiles are ignored: a profile maps device values to a device-independent colour, and the traces we look for
  live in the stored values.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semscan.engine.errors import ImageUnusable, Reason

_DEPTHS = range(8, 33, 2)
_ALPHA_MODES = {"LA": "LA", "La": "LA", "PA": "RGBA", "RGBA": "RGBA", "RGBa": "RGBA"}
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")


def to_luminance(image: Image.Image) -> NDArray[np.uint8]:
    """The grey plane of a Pillow image, in the current frame, at its own size.

    Args:
        image: any mode. A JPEG should not be loaded yet, so that its own Y plane can be taken.

    Returns:
        uint8 [H, W], C-contiguous, the caller's own.

    Raises:
        ImageUnusable: ``unsupported_codec`` for a mode without a defined grey.
        OSError: Pillow cannot decode the image; load untrusted images through ``imagefile.load_pixels`` first.
    """
    image.draft("L", image.size)  # only has an effect on a colour JPEG that is not decoded yet
    if image.mode in _DEEP_MODES:
        grey = reduce_depth(np.asarray(image))
        key = image.info.get("transparency")
        if isinstance(key, int):
            grey[np.asarray(image) == key] = 255
        return grey
    if image.mode in _ALPHA_MODES or image.has_transparency_data:
        if image.mode in ("1", "L", "LA", "La"):
            layered = image.convert("LA")
            grey_band = layered.getchannel(0)
        else:
            layered = image.convert("RGBA")
            grey_band = layered.convert("RGB").convert("L")
        return over_white(np.asarray(grey_band), np.asarray(layered.getchannel("A")))
    if image.mode in ("L", "YCbCr", "LAB"):
        return _pixels(image if image.mode == "L" else image.getchannel(0))
    if image.mode == "1":
        return _pixels(image.convert("L"))
    if image.mode in ("P", "RGB", "RGBX", "CMYK", "HSV"):
        colour = image if image.mode == "RGB" else image.convert("RGB")  # which would copy it
        return _pixels(colour.convert("L"))
    raise ImageUnusable(Reason.UNSUPPORTED_CODEC, f"pixels of mode {image.mode} have no defined grey")


def grey_in_place(image: Image.Image) -> NDArray[np.uint8] | None:
    """Let an image of mode ``L`` that is opened but not decoded yet be decoded straight into an array.

    That saves Pillow's own memory for it and a copy, a fifteenth of the time that a JPEG takes.

    Args:
        image: a JPEG, drafted to grey.

    Returns:
        uint8 [H, W], which holds the pixels once the image is loaded; ``None`` where that cannot be had.
    """
    if image.mode != "L" or image.has_transparency_data or not min(image.size) or not _is_shared():
        return None
    if not getattr(image, "tile", None):  # a file without any data: Pillow refuses it unless it has memory already
        return None
    # Zeros: were anything left out, it must not be what an earlier document left in this memory.
    pixels = np.zeros(image.size[::-1], np.uint8)
    image.im = _lying_over(pixels).im
    return pixels


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels of an image of mode ``L``.

    Pillow hands out pixels in pieces, which are joined and copied once more; pasting the image into another one, which
    lies over the array, copies them once.
    """
    if not min(image.size) or not _is_shared():
        return np.array(image)
    pixels = np.empty(image.size[::-1], np.uint8)
    _lying_over(pixels).paste(image)
    return pixels


def _lying_over(pixels: NDArray[np.uint8]) -> Image.Image:
    image = Image.frombuffer("L", pixels.shape[::-1], pixels, "raw", "L", 0, 1)
    image.readonly = 0
    return image


@lru_cache(maxsize=1)
def _is_shared() -> bool:
    """Whether Pillow lets an image lie over an array."""
    pixel = np.zeros((1, 1), np.uint8)
    _lying_over(pixel).paste(7, (0, 0, 1, 1))
    return bool(pixel[0, 0] == 7)


def reduce_depth(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Eight bits of a plane with more: see the rules in the module's docstring.

    Args:
        values: integers or floats, shape [H, W].

    Returns:
        uint8 [H, W], C-contiguous, a new array.
    """
    if values.size == 0 or values.dtype == np.uint8:
        return np.array(values, dtype=np.uint8, order="C")
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        values = np.where(finite, values, values[finite].min() if finite.any() else 0).astype(np.float64)
        if values.min() >= 0 and values.max() <= 1:
            return np.asarray(np.rint(values * 255), dtype=np.uint8)
        if float(np.abs(values).max()) >= 2.0**1022:
            values = values / 4  # or the range between the extremes would not be a number any more
        values = values - min(0.0, float(values.min()))
        top = float(values.max())
        if top >= 2.0**32:
            values = values * ((2.0**32 - 1) / top)
        values = values.astype(np.int64)
    low, high = int(values.min()), int(values.max())
    if low < 0:
        values = values.astype(np.int64) - low
        high -= low
    bits = next((depth for depth in _DEPTHS if high < 1 << depth), 64)
    return np.asarray(values >> (bits - 8), dtype=np.uint8)


def over_white(grey: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey plane laid on white; fully opaque pixels keep their exact value.

    Args:
        grey: uint8 [H, W].
        alpha: uint8 [H, W], 255 is opaque.

    Returns:
        uint8 [H, W], C-contiguous, a new array.
    """
    if bool((alpha == 255).all()):
        return np.array(grey, order="C")
    opacity = alpha.astype(np.uint16)
    # The largest sum is 255 * 255 + 127 = 65152, just inside uint16.
    return ((grey * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def read_luminance(source: str | Path | bytes, max_pixels: int = 1 << 30) -> NDArray[np.uint8]:
    """The grey plane of an image file's first frame, through the same code that a scan uses.

    Args:
        source: a path, or the file's bytes.
        max_pixels: images with more pixels are refused.

    Returns:
        uint8 [H, W], C-contiguous.

    Raises:
        ImageUnusable: not an image of a supported kind, damaged, or too large.
        OSError: the path cannot be read.
    """
    # Imported here because imagefile itself is built on this module.
    from semscan.engine.imagefile import decode_image_file

    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    return decode_image_file(data, max_pixels, frames=1)[0].grey
