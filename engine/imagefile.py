"""Image files (PNG, JPEG, TIFF, BMP) to rasters, and the guarded use of Pillow that PDF images share.

A JPEG is decoded by one function, :func:`decode_jpeg`, whether it comes from a file or from a PDF, so that the same
bytes give the same grey plane bit for bit.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from semscan.engine.errors import ImageUnusable, Reason
from semscan.engine.jpegfacts import jpeg_facts
from semscan.engine.luminance import grey_in_place, to_luminance
from semscan.engine.provenance import read_cues
from semscan.engine.raster import VIEW_SHRINK, Colours, Raster
from semscan.engine.records import CueRecord

FILE_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")

# What Pillow raises for damaged data; it has no common base class for it.
_PILLOW_DAMAGE = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, OverflowError, RuntimeError),
    *(struct.error, zlib.error),
)
_DEEP_BITS = {"1": 1, "I": 32, "F": 32}


def decode_image_file(data: bytes, max_pixels: int, frames: int | None = None) -> list[Raster]:
    """Decode every frame of an image file.

    Args:
        data: the file's bytes: PNG, JPEG, TIFF (also with many pages) or BMP.
        max_pixels: a frame with more pixels is refused before memory for it is allocated.
        frames: decode only so many frames from the start.

    Returns:
        One raster per frame. All carry the digest of the file. Only a TIFF has more than one; the second picture
        that cameras append to a JPEG is ignored.

    Raises:
        ImageUnusable: ``corrupt``, ``too_large`` or ``unsupported_codec``; one bad frame makes the file unusable.
    """
    digest = sha256(data).hexdigest()
    if data.startswith(b"\xff\xd8"):
        return [decode_jpeg(data, max_pixels, digest)]
    cues = read_cues(data)
    with open_image(data, FILE_FORMATS, max_pixels) as image:
        if image.format != "TIFF":
            return [_frame_raster(image, digest, cues, _Again(data, max_pixels))]
        with _pillow_damage():
            total = getattr(image, "n_frames", 1)
        rasters = []
        for index in range(total if frames is None else min(frames, total)):
            with _pillow_damage():
                image.seek(index)
            check_size(*image.size, max_pixels)
            rasters.append(_frame_raster(image, digest, cues, _Again(data, max_pixels, index)))
        return rasters


def decode_jpeg(data: bytes, max_pixels: int, digest: str) -> Raster:
    """Decode one JPEG to its luma plane (grey and colour) or through RGB (CMYK, taken as inverted, as Adobe does).

    Args:
        data: the JPEG, from its start-of-image marker on.
        max_pixels: larger images are refused before memory for them is allocated.
        digest: what :attr:`Raster.sha256` shall be.

    Raises:
        ImageUnusable: ``corrupt`` (also when the data end early), ``too_large`` or ``unsupported_codec``.
    """
    facts = jpeg_facts(data)
    check_size(facts.width_px, facts.height_px, max_pixels)
    if facts.precision_bits != 8:
        raise ImageUnusable(Reason.UNSUPPORTED_CODEC, f"a JPEG with {facts.precision_bits} bits per sample")
    with open_image(data, ("JPEG", "MPO"), max_pixels) as image:
        image.draft("L", image.size)
        grey = grey_in_place(image)
        under = image.im if grey is not None else None
        load_pixels(image)
        if grey is None or image.im is not under:  # otherwise it was decoded into other memory
            grey = to_luminance(image)
    return Raster(
        grey=grey,
        encoding="jpeg",
        components=facts.components,
        bits=facts.precision_bits,
        sha256=digest,
        jpeg_q=facts.quality,
        subsampling=facts.subsampling,
        load_colour=partial(jpeg_colour, data, max_pixels) if facts.components > 1 else None,
        jpeg_tables=facts.tables,
        luma_steps=facts.luma_steps,
        cues=read_cues(data),
    )


def jpeg_colour(data: bytes, max_pixels: int, shrink: int = VIEW_SHRINK) -> NDArray[np.uint8]:
    """An RGB view of a JPEG, decoded at a reduced scale.

    Args:
        data: the JPEG.
        max_pixels: larger images are refused.
        shrink: 1, 2, 4 or 8; images smaller than that are shrunk less.

    Returns:
        uint8 [ceil(H / s), ceil(W / s), 3] with s at most ``shrink``.

    Raises:
        ImageUnusable: as :func:`decode_jpeg`.
    """
    with open_image(data, ("JPEG", "MPO"), max_pixels) as image:
        image.draft("RGB", (max(1, image.width // shrink), max(1, image.height // shrink)))
        load_pixels(image)
        return np.array(image.convert("RGB"))


@contextmanager
def open_image(data: bytes, formats: tuple[str, ...], max_pixels: int) -> Iterator[Image.Image]:
    """Open bytes with Pillow and check the declared size; :func:`load_pixels` then decodes.

    Pillow's own limit on pixels is replaced by ours, and its warnings about odd metadata are dropped: they are no
    news to the user and would be lost in a worker anyway.

    Args:
        data: the file's bytes.
        formats: Pillow's names of the formats to try.
        max_pixels: larger images are refused here, before a pixel is decoded.

    Yields:
        The image, not loaded yet.

    Raises:
        ImageUnusable: ``corrupt`` or ``too_large``.
    """
    pillow_limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _pillow_damage():
                image = Image.open(io.BytesIO(data), formats=formats)
            with image:
                check_size(*image.size, max_pixels)
                yield image
    finally:
        Image.MAX_IMAGE_PIXELS = pillow_limit


def load_pixels(image: Image.Image) -> None:
    """Decode an opened image.

    Raises:
        ImageUnusable: ``corrupt`` when the data are damaged or end early.
    """
    with _pillow_damage():
        image.load()


@contextmanager
def _pillow_damage() -> Iterator[None]:
    """Turn what Pillow raises for damaged data into a reason; for nothing but Pillow's open, seek and load."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise ImageUnusable(Reason.CORRUPT, "the header of the image data is damaged or of an unknown kind") from error
    except _PILLOW_DAMAGE as error:
        clause = " ".join(str(error).split()).rstrip(".")
        raise ImageUnusable(Reason.CORRUPT, f"the image data are damaged ({clause})") from error


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse an image by its declared size.

    Raises:
        ImageUnusable: ``corrupt`` for an empty image, ``too_large`` for one with more than ``max_pixels`` pixels.
    """
    if width < 1 or height < 1:
        raise ImageUnusable(Reason.CORRUPT, f"declared size {width} x {height} px")
    if width * height > max_pixels:
        raise ImageUnusable(Reason.TOO_LARGE, f"{width} x {height} px is more than the limit of {max_pixels} pixels")


def colour_view(image: Image.Image, shrink: int = VIEW_SHRINK) -> NDArray[np.uint8]:
    """An RGB view of a decoded image, by block means if smaller: uint8 [ceil(H / shrink), ceil(W / shrink), 3]."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or image.has_transparency_data:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, layered)
    image = image if image.mode == "RGB" else image.convert("RGB")  # which would copy it
    return np.array(image.reduce(shrink) if shrink > 1 else image)


@dataclass(frozen=True, slots=True)
class _Again:
    """Decodes a frame of a file once more, for its colours: those of all frames are not kept."""

    data: bytes
    max_pixels: int
    frame: int = 0

    def __call__(self, shrink: int = VIEW_SHRINK) -> NDArray[np.uint8]:
        with open_image(self.data, FILE_FORMATS, self.max_pixels) as image:
            with _pillow_damage():
                image.seek(self.frame)
            load_pixels(image)
            return colour_view(image, shrink)


@dataclass(frozen=True, slots=True, eq=False)
class KeptView:
    """A small view of an image that was taken when it was decoded, and how to get all of its colours."""

    view: NDArray[np.uint8]
    whole: Colours | None = None

    def __call__(self, shrink: int = VIEW_SHRINK) -> NDArray[np.uint8]:
        """See :class:`semscan.engine.raster.Colours`; raises ``ValueError`` where only the small view was kept."""
        if shrink == VIEW_SHRINK:
            return self.view.copy()
        if self.whole is None:
            raise ValueError("the colours of this image were not kept")
        return self.whole(shrink)


def _frame_raster(image: Image.Image, digest: str, cues: tuple[CueRecord, ...], again: _Again) -> Raster:
    bands, mode = image.getbands(), image.mode
    compression = image.info.get("compression") if image.format == "TIFF" else None
    load_pixels(image)
    grey = to_luminance(image)
    load_colour = None
    if mode == "P" or len(set(bands) - {"A", "a"}) > 1:
        view = colour_view(image)
        if mode != "P" or bool((view != view[..., :1]).any()):
            load_colour = KeptView(view, again)
    return Raster(
        grey=grey,
        # A TIFF may hold lossy pixels, which belong to another stratum than its name suggests.
        encoding="jpeg" if compression in ("jpeg", "tiff_jpeg") else str(image.format).lower(),
        components=len(set(bands) - {"A", "a"}),
        bits=16 if mode.startswith("I;16") else _DEEP_BITS.get(mode, 8),
        sha256=digest,
        load_colour=load_colour,
        cues=cues,
    )
