"""From the samples of a PDF image to grey: bit depths, /Decode arrays and colour spaces (ISO 32000-1, 8.6 and 8.9.5).

Colour-managed spaces are read as the device space with as many components (ICCBased by its N, CalGray, CalRGB), and
Lab as its lightness: the stored values are what is examined, not how they print.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semscan.engine.pdf.filters import decoded_stream
from semscan.engine.pdf.syntax import MAX_NESTING, Name, Ref, Resolver, Value

Kind = Literal["grey", "rgb", "cmyk", "lab", "indexed", "ink"]

_DEVICE: dict[str, Kind] = {
    "DeviceGray": "grey",
    "CalGray": "grey",
    "G": "grey",
    "DeviceRGB": "rgb",
    "CalRGB": "rgb",
    "RGB": "rgb",
    "DeviceCMYK": "cmyk",
    "CalCMYK": "cmyk",
    "CMYK": "cmyk",
    "Lab": "lab",
}
_COMPONENTS: dict[Kind, int] = {"grey": 1, "rgb": 3, "cmyk": 4, "lab": 3}
_BY_COUNT: dict[int, Kind] = {1: "grey", 3: "rgb", 4: "cmyk"}
_PROCESS_INKS = {"Cyan": 0, "Magenta": 1, "Yellow": 2, "Black": 3, "All": 3}
_PILLOW_MODE: dict[Kind, str] = {"rgb": "RGB", "cmyk": "CMYK"}


@dataclass(frozen=True, slots=True)
class ColourSpace:
    """What the components of a sample mean.

    Attributes:
        kind: ``ink`` is Separation or DeviceN.
        components: samples per pixel.
        palette: colours of ``indexed``, a Pillow image of one row; otherwise ``None``.
        inks: for each component of ``ink`` the CMYK component that it prints with; ``None`` if one of them is a
            spot colour, whose tint only its own function knows.
    """

    kind: Kind
    components: int
    palette: Image.Image | None = None
    inks: tuple[int, ...] | None = None


def device_space(components: int) -> ColourSpace | None:
    """The device space with so many components, if there is one."""
    kind = _BY_COUNT.get(components)
    return None if kind is None else ColourSpace(kind, components)


def read_colour_space(resolver: Resolver, value: Value, depth: int = 0) -> ColourSpace | None:
    """Read a colour space; ``None`` if there is none or it makes no sense for an image."""
    value = resolver.resolve(value)
    family = resolver.resolve(value[0]) if isinstance(value, list) and value else value
    if not isinstance(family, Name) or depth > MAX_NESTING:
        return None
    kind = _DEVICE.get(family)
    if kind is not None:
        return ColourSpace(kind, _COMPONENTS[kind])
    if not isinstance(value, list) or len(value) < 2:
        return None
    if family == "ICCBased":
        count = resolver.get(value[1], "N")
        known = device_space(count) if isinstance(count, int) else None
        return known or read_colour_space(resolver, resolver.get(value[1], "Alternate"), depth + 1)
    if family in ("Indexed", "I") and len(value) >= 4:
        return _read_indexed(resolver, value, depth)
    if family in ("Separation", "DeviceN"):
        names = resolver.resolve(value[1])
        names = names if isinstance(names, list) else [names]
        inks = tuple(_PROCESS_INKS.get(str(resolver.resolve(name)), -1) for name in names)
        return ColourSpace("ink", len(inks), inks=None if -1 in inks else inks)
    return None


def has_spot_colours(resolver: Resolver, value: Value) -> bool:
    """Whether a colour space prints with inks that only its own function knows."""
    value = resolver.resolve(value)
    if not isinstance(value, list) or not value or resolver.resolve(value[0]) not in ("Separation", "DeviceN"):
        return False
    space = read_colour_space(resolver, value)
    return space is None or space.inks is None


def unpack_samples(data: bytes, width: int, height: int, components: int, bits: int) -> NDArray[Any]:
    """Samples of a decoded stream, whose rows are padded to whole bytes.

    Args:
        data: at least ``row_bytes(...) * height`` bytes.
        width: columns.
        height: rows.
        components: samples per pixel.
        bits: 1, 2, 4, 8 or 16 per sample.

    Returns:
        uint8 (or uint16 for 16 bits) [H, W, components], the stored numbers.
    """
    stride = row_bytes(width, components, bits)
    rows = np.frombuffer(data, dtype=np.uint8, count=stride * height).reshape(height, stride)
    if bits == 16:
        samples: NDArray[Any] = rows.view(">u2").astype(np.uint16)
    elif bits == 8:
        samples = rows
    else:
        shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
        samples = ((rows[:, :, None] >> shifts) & ((1 << bits) - 1)).reshape(height, -1)
    return np.ascontiguousarray(samples[:, : width * components]).reshape(height, width, components)


def row_bytes(width: int, components: int, bits: int) -> int:
    """Bytes of one stored row."""
    return (width * components * bits + 7) // 8


def render(samples: NDArray[Any], space: ColourSpace, decode: list[float] | None, bits: int) -> Image.Image | None:
    """Samples as a Pillow image in L, RGB, CMYK or I;16, ready for ``to_luminance``.

    Args:
        samples: [H, W, components] as stored.
        space: their colour space.
        decode: the /Decode array with two numbers per component, or ``None``.
        bits: bits per sample.

    Returns:
        The image, or ``None`` for spot colours.
    """
    top = (1 << bits) - 1
    if space.kind == "indexed":
        if space.palette is None:
            return None
        return _through_palette(samples[..., 0], space.palette, decode, top)
    if space.kind == "lab":
        return Image.fromarray(_to_eight(samples[..., 0], bits))
    if decode is not None:
        samples, bits = _apply_decode(samples, decode, top, bits)
    if space.kind == "grey":
        plane = samples[..., 0]
        return Image.fromarray(plane if bits == 16 else _to_eight(plane, bits))
    eight = _to_eight(samples, bits)
    if space.kind == "ink":
        if space.inks is None:
            return None
        cmyk = np.zeros((*eight.shape[:2], 4), dtype=np.uint8)
        for component, ink in enumerate(space.inks):
            cmyk[..., ink] = np.maximum(cmyk[..., ink], eight[..., component])
        return _image_of(cmyk, "CMYK")
    return _image_of(eight, _PILLOW_MODE[space.kind])


def is_default_decode(decode: list[float] | None, space: ColourSpace, bits: int) -> bool:
    """Whether a /Decode array changes nothing."""
    if decode is None or space.kind == "lab":
        return True
    return decode == [0.0, float((1 << bits) - 1) if space.kind == "indexed" else 1.0] * space.components


def _read_indexed(resolver: Resolver, value: list[Value], depth: int) -> ColourSpace | None:
    base = read_colour_space(resolver, value[1], depth + 1)
    highest, table = resolver.resolve(value[2]), value[3]
    if base is None or base.kind == "indexed" or not isinstance(highest, int) or not 0 <= highest <= 255:
        return None
    if isinstance(table, Ref) and isinstance(resolver.resolve(table), dict):
        table = decoded_stream(resolver.doc, table.xref)
    table = resolver.resolve(table)
    if not isinstance(table, bytes):
        return None
    size = (highest + 1) * base.components
    entries = np.frombuffer(table[:size].ljust(size, b"\0"), dtype=np.uint8).reshape(1, highest + 1, base.components)
    return ColourSpace("indexed", 1, palette=render(entries, base, None, 8))


def _through_palette(indices: NDArray[Any], palette: Image.Image, decode: list[float] | None, top: int) -> Image.Image:
    if decode is not None and decode != [0.0, float(top)]:
        indices = np.rint(decode[0] + indices * ((decode[1] - decode[0]) / top))
    indices = np.clip(indices, 0, palette.width - 1).astype(np.uint8)
    colours = np.asarray(palette)[0]
    if palette.mode != "RGB":
        return _image_of(colours[indices], palette.mode)
    image = _image_of(indices, "P")  # several times as fast as NumPy's looking up of three numbers
    image.putpalette(colours.tobytes())
    return image.convert("RGB")


def _image_of(pixels: NDArray[np.uint8], mode: str) -> Image.Image:
    """Pixels [H, W] or [H, W, bands] as an image that shares their memory where the mode allows."""
    pixels = np.ascontiguousarray(pixels)
    return Image.frombuffer(mode, (pixels.shape[1], pixels.shape[0]), pixels, "raw", mode, 0, 1)


def _apply_decode(samples: NDArray[Any], decode: list[float], top: int, bits: int) -> tuple[NDArray[Any], int]:
    pairs = np.array(decode, dtype=np.float64).reshape(-1, 2)
    if bool((pairs == (0.0, 1.0)).all()):
        return samples, bits
    if bool((pairs == (1.0, 0.0)).all()):
        return (top - samples.astype(np.int32)).astype(samples.dtype), bits
    low, high = pairs[:, 0], pairs[:, 1]
    values = np.clip(low + samples * ((high - low) / top), 0.0, 1.0)
    return np.rint(values * 255).astype(np.uint8), 8


def _to_eight(samples: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    if bits == 16:
        return (samples >> 8).astype(np.uint8)
    if bits == 8:
        return np.asarray(samples, dtype=np.uint8)
    return (samples * (255 // ((1 << bits) - 1))).astype(np.uint8)
