"""The pixels of an image in a PDF, from its raw stream: nothing is re-encoded, resampled or colour-managed on the way.

JPEG and JPEG 2000 data go to Pillow as they are stored, so that a JPEG gives the same plane as the same bytes in a
file. Everything else passes MuPDF's lossless stream filters and becomes grey by the module ``colourspace``. MuPDF's
pixmaps serve only spot colours, whose tint functions it can evaluate, and its image extraction serves nothing: it
re-encodes silently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Protocol

import numpy as np
import pymupdf
from PIL import Image

from semscan.engine.errors import ImageUnusable, Reason
from semscan.engine.imagefile import KeptView, check_size, colour_view, decode_jpeg, load_pixels, open_image
from semscan.engine.jpegfacts import jpeg_facts
from semscan.engine.luminance import to_luminance
from semscan.engine.pdf import colourspace, masks
from semscan.engine.pdf.codestreams import jpx_bits, with_colour_transform
from semscan.engine.pdf.filters import (
    ENCODINGS,
    Filter,
    decoded_stream,
    image_damage,
    raw_stream,
    run_filters,
    stream_filters,
)
from semscan.engine.pdf.guard import calling_mupdf
from semscan.engine.pdf.identity import decoding_entries, image_identity
from semscan.engine.pdf.syntax import Ref, Resolver, Value, numbers
from semscan.engine.provenance import read_cues
from semscan.engine.raster import Raster

_JPEG_START, _JPEG_SEARCH_BYTES = b"\xff\xd8\xff", 1024
_DEPTHS = (1, 2, 4, 8, 16)
_ONE_BIT_FILTERS = ("CCITTFaxDecode", "JBIG2Decode")


class InlineSource(Protocol):
    """What is needed of a placement to decode its inline image."""

    @property
    def inline(self) -> tuple[dict[str, Value], bytes] | None:
        """Dictionary (colour space already looked up) and stored bytes."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image as it is stored, read but not decoded.

    Attributes:
        resolver: of its document.
        xref: its object number, 0 for an inline image.
        entries: what decoding may look at of its dictionary.
        filters: of its stream, outermost first.
        max_pixels: larger images, and masks, are refused.
        raw: the stored bytes, before all filters.
        sha256: their digest.
        keeps_colour: its raster can load all of its colours; otherwise that of a JPEG only.
    """

    resolver: Resolver
    xref: int
    entries: dict[str, Value]
    filters: list[Filter]
    max_pixels: int
    raw: bytes
    sha256: str
    keeps_colour: bool = False

    @property
    def identity(self) -> str | None:
        """The same for images that decode to the same raster, in any document; ``None`` if that is unknown."""
        if colourspace.has_spot_colours(self.resolver, self.get("ColorSpace", "CS")):
            return None  # MuPDF decodes them, and may look at anything
        return image_identity(self.resolver, self.entries, self.sha256, inline=not self.xref)

    def decode(self) -> Raster:
        """Decode to grey, soft mask and colour key laid on white.

        A mask of another size than the image is resized to it by nearest neighbour; the image itself never is.

        Returns:
            The raster; its ``load_colour`` does not need the document any more.

        Raises:
            ImageUnusable: ``corrupt``, ``too_large`` or ``unsupported_codec``.
            MemoryError: decoding needs more memory than there is.
        """
        if self.codec == "DCTDecode":
            raster, key = _decode_dct(self, run_filters(self.raw, self.filters[:-1]))
        elif self.codec == "JPXDecode":
            raster, key = _decode_jpx(self, run_filters(self.raw, self.filters[:-1])), None
        else:
            raster, key = _decode_lossless(self)
        alpha = masks.read_alpha(self.resolver, self.entries, raster.grey.shape, key, self.max_pixels, _mask_plane)
        return raster if alpha is None else masks.on_white(raster, alpha)

    def get(self, key: str, short: str = "") -> Value:
        """An entry, resolved, under its name or the short one of inline images."""
        return self.resolver.get(self.entries, key, short)

    @property
    def codec(self) -> str:
        """The innermost filter, empty without any."""
        return self.filters[-1][0] if self.filters else ""

    @property
    def size(self) -> tuple[int, int]:
        """Declared width and height, px."""
        width, height = self.get("Width", "W"), self.get("Height", "H")
        if not isinstance(width, int | float) or not isinstance(height, int | float):
            raise ImageUnusable(Reason.CORRUPT, "the image declares no size")
        return int(width), int(height)

    def space(self, components: int) -> colourspace.ColourSpace | None:
        """The declared colour space if it suits the number of stored components, otherwise the device space."""
        declared = colourspace.read_colour_space(self.resolver, self.get("ColorSpace", "CS"))
        if declared is not None and declared.components == components:
            return declared
        return colourspace.device_space(components)

    def decode_array(self, components: int) -> list[float] | None:
        """The /Decode array, if it suits the number of components."""
        return numbers(self.get("Decode", "D"), 2 * components)


def open_pdf_image(doc: pymupdf.Document, xref: int, max_pixels: int, resolver: Resolver | None = None) -> StoredImage:
    """Read an image XObject.

    Args:
        doc: the open, decrypted document.
        xref: object number of the image.
        max_pixels: images that declare more pixels are refused before anything is decoded.
        resolver: of the document, if there is one that has read objects of it.

    Raises:
        ImageUnusable: ``corrupt``, ``too_large``, or ``not_sem`` for a stencil mask.
    """
    resolver = resolver or Resolver(doc)
    entries = resolver.resolve(Ref(xref))
    if not isinstance(entries, dict):
        raise ImageUnusable(Reason.CORRUPT, f"object {xref} is not an image")
    return _open(resolver, xref, entries, max_pixels, lambda: raw_stream(doc, xref))


def open_inline_image(doc: pymupdf.Document, placement: InlineSource, max_pixels: int) -> StoredImage:
    """Read an image that stands in a content stream; otherwise as :func:`open_pdf_image`.

    Args:
        doc: the open document.
        placement: where the image is drawn, holding its dictionary and data.
        max_pixels: larger images are refused.

    Raises:
        ImageUnusable: as :func:`open_pdf_image`.
        ValueError: the placement holds no inline image.
    """
    if placement.inline is None:
        raise ValueError("the placement is not that of an inline image")
    entries, data = placement.inline
    return _open(Resolver(doc), 0, entries, max_pixels, lambda: data)


def _open(
    resolver: Resolver, xref: int, entries: dict[str, Value], max_pixels: int, read: Callable[[], bytes]
) -> StoredImage:
    entries = decoding_entries(entries)
    stored = StoredImage(resolver, xref, entries, stream_filters(resolver, entries), max_pixels, b"", "")
    check_size(*stored.size, max_pixels)
    if stored.get("ImageMask", "IM") is True:
        raise ImageUnusable(Reason.NOT_SEM, "a stencil mask: a shape without grey levels")
    raw = read()
    return replace(stored, raw=raw, sha256=sha256(raw).hexdigest())


def _mask_plane(resolver: Resolver, entries: dict[str, Value], xref: int, max_pixels: int) -> Raster:
    """The samples of a mask: an image without masks and stencil flag of its own."""
    own = {key: value for key, value in entries.items() if key not in ("SMask", "Mask", "ImageMask", "SMaskInData")}
    own["ColorSpace"] = None  # always one grey component, whatever it says
    return _open(resolver, xref, own, max_pixels, lambda: raw_stream(resolver.doc, xref)).decode()


def _decode_dct(stored: StoredImage, data: bytes) -> tuple[Raster, masks.Samples | None]:
    start = data.find(_JPEG_START, 0, _JPEG_SEARCH_BYTES)
    data = with_colour_transform(data[max(start, 0) :], stored.filters[-1][1].get("ColorTransform"))
    facts = jpeg_facts(data)
    count = facts.components
    space, decode = stored.space(count), stored.decode_array(count)
    if space is None:
        raise ImageUnusable(Reason.UNSUPPORTED_CODEC, f"a JPEG with {count} components")
    plain = space.kind == ("grey" if count == 1 else "rgb") and colourspace.is_default_decode(decode, space, 8)
    if plain and not masks.has_colour_key(stored.resolver, stored.entries):
        return decode_jpeg(data, stored.max_pixels, stored.sha256), None
    check_size(facts.width_px, facts.height_px, stored.max_pixels)
    with open_image(data, ("JPEG", "MPO"), stored.max_pixels) as image:
        load_pixels(image)
        samples = np.asarray(image)
    samples = samples.reshape(*samples.shape[:2], -1)
    if count == 4:
        samples = 255 - samples  # Pillow takes every CMYK JPEG for an inverted one; a PDF says so by /Decode
    raster = _raster_of(stored, _rendered(samples, space, decode, 8), count, 8)
    if plain:  # a colour key is tested on the colours, but the grey stays the stored luma
        raster = replace(raster, grey=decode_jpeg(data, stored.max_pixels, stored.sha256).grey)
    raster = replace(
        raster,
        jpeg_q=facts.quality,
        jpeg_tables=facts.tables,
        subsampling=facts.subsampling,
        cues=read_cues(data),
    )
    return raster, masks.Samples(samples)


def _decode_jpx(stored: StoredImage, data: bytes) -> Raster:
    count, depth = jpx_bits(data)
    if count > 1 and depth > 8:  # Pillow wraps white around to black when it rounds such samples to eight bits
        raise ImageUnusable(Reason.UNSUPPORTED_CODEC, f"a colour JPEG 2000 image with {depth} bits per component")
    with open_image(data, ("JPEG2000",), stored.max_pixels) as image:
        load_pixels(image)
    samples = np.asarray(image)
    bands = 1 if samples.ndim == 2 else samples.shape[2]
    bits = 16 if image.mode.startswith("I") else 8
    declared = colourspace.read_colour_space(stored.resolver, stored.get("ColorSpace", "CS"))
    # /Decode does not apply to JPEG 2000, except through a palette, where it would be the default one anyway.
    if declared is not None and declared.components == bands and declared.kind not in ("grey", "rgb"):
        return _raster_of(
            stored, _rendered(samples.reshape(*samples.shape[:2], bands), declared, None, bits), bands, bits
        )
    if image.mode in ("LA", "RGBA") and stored.get("SMaskInData") not in (1, 2):
        image = image.convert(image.mode[:-1])
    return _raster_of(stored, image, len(set(image.getbands()) - {"A"}), bits)


def _decode_lossless(stored: StoredImage) -> tuple[Raster, masks.Samples | None]:
    if stored.codec and stored.codec not in ENCODINGS:
        raise ImageUnusable(Reason.UNSUPPORTED_CODEC, f"the filter {stored.codec[:40]} is unknown")
    width, height = stored.size
    bits = 1 if stored.codec in _ONE_BIT_FILTERS else stored.get("BitsPerComponent", "BPC")
    bits = 8 if bits is None and stored.codec == "RunLengthDecode" else bits
    if not isinstance(bits, int) or bits not in _DEPTHS:
        raise ImageUnusable(Reason.CORRUPT, f"{bits!r:.40} bits per component")
    declared = colourspace.read_colour_space(stored.resolver, stored.get("ColorSpace", "CS"))
    space = declared or (colourspace.device_space(1) if stored.entries.get("ColorSpace") is None else None)
    if space is None:
        raise ImageUnusable(Reason.UNSUPPORTED_CODEC, "the colour space is unknown or damaged")
    if space.kind == "ink" and space.inks is None:
        return _raster_of(stored, _spot_colours(stored), space.components, bits), None
    data = decoded_stream(stored.resolver.doc, stored.xref) if stored.xref else run_filters(stored.raw, stored.filters)
    expected = colourspace.row_bytes(width, space.components, bits) * height
    if len(data) < expected:
        raise ImageUnusable(Reason.CORRUPT, f"the data end after {len(data)} of {expected} bytes")
    samples = colourspace.unpack_samples(data, width, height, space.components, bits)
    image = _rendered(samples, space, stored.decode_array(space.components), bits)
    return _raster_of(stored, image, space.components, bits), masks.Samples(samples)


def _rendered(
    samples: masks.SampleArray, space: colourspace.ColourSpace, decode: list[float] | None, bits: int
) -> Image.Image:
    image = colourspace.render(samples, space, decode, bits)
    if image is None:
        raise ImageUnusable(Reason.UNSUPPORTED_CODEC, "spot colours in this kind of image data")
    return image


def _spot_colours(stored: StoredImage) -> Image.Image:
    """Separation and DeviceN with spot colours, through their tint functions as MuPDF evaluates them."""
    if not stored.xref:
        raise ImageUnusable(Reason.UNSUPPORTED_CODEC, "spot colours in an inline image")
    with image_damage(), calling_mupdf():
        pixmap = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.Pixmap(stored.resolver.doc, stored.xref))
        if pixmap.alpha:
            pixmap = pymupdf.Pixmap(pixmap, 0)
    return Image.frombytes("RGB", (pixmap.width, pixmap.height), pixmap.samples)


def _raster_of(stored: StoredImage, image: Image.Image, components: int, bits: int) -> Raster:
    colour = None
    if image.mode not in ("L", "LA", "I;16", "I"):
        view = colour_view(image)
        if components > 1 or bool((view != view[..., :1]).any()):
            colour = KeptView(view, partial(colour_view, image) if stored.keeps_colour else None)
    return Raster(
        grey=to_luminance(image),
        encoding=ENCODINGS.get(stored.codec, "raw"),
        components=components,
        bits=bits,
        sha256=stored.sha256,
        load_colour=colour,
    )
