"""What a JPEG says about itself, read from its markers without decoding a pixel (ITU-T T.81, Annex B).

The quality estimate sorts images into calibration strata, so it must mean the same for everyone: it is the factor of
the Independent JPEG Group's scaling rule that gives the luminance table (T.81 Annex K.1) in the file, or for tables of
other makers the one whose table lies closest, by least squares of logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import ImageUnusable, Reason

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE_MARKERS = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_BARE_MARKERS = frozenset((0x01, 0xD8, *range(0xD0, 0xD8)))
_SCAN, _END, _TABLES, _APP0, _APP14 = 0xDA, 0xD9, 0xDB, 0xE0, 0xEE

# T.81 Table K.1 in rows, and where each of its entries goes in the zigzag order in which files store tables.
_ANNEX_K_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_SUBSAMPLING = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1", (4, 2): "4:1:0"}


@dataclass(frozen=True, slots=True)
class JpegFacts:
    """A JPEG's frame header and tables.

    Attributes:
        width_px: columns.
        height_px: rows.
        components: 1 grey, 3 colour, 4 CMYK or YCCK.
        precision_bits: bits per sample, 8 for nearly all files.
        progressive: whether the frame is progressive.
        subsampling: ``4:2:0`` and the like; ``None`` for one component.
        quality: 1-100, the standard table nearest to the luminance table; ``None`` when the file has no such table.
        standard: whether that is the luminance table; ``None`` like ``quality``.
        luma_steps: the luminance table, 64 numbers in zigzag order; ``None`` like ``quality``.
        jfif: whether a JFIF marker is present.
        adobe_transform: the colour transform of the Adobe marker (0 none, 1 YCbCr, 2 YCCK); ``None`` without marker.
    """

    width_px: int
    height_px: int
    components: int
    precision_bits: int
    progressive: bool
    subsampling: str | None
    quality: int | None
    standard: bool | None
    luma_steps: tuple[int, ...] | None
    jfif: bool
    adobe_transform: int | None

    @property
    def tables(self) -> str | None:
        """``standard`` or ``other``, like :attr:`standard`."""
        return None if self.standard is None else "standard" if self.standard else "other"


def jpeg_facts(data: bytes) -> JpegFacts:
    """Read the markers of a JPEG up to its first scan.

    Args:
        data: the whole file or stream.

    Raises:
        ImageUnusable: ``corrupt`` when there is no frame header before the first scan.
    """
    tables: dict[int, NDArray[np.int64]] = {}
    frame: tuple[int, bytes] | None = None
    jfif, adobe_transform = False, None
    for marker, body in jpeg_segments(data):
        if marker == _TABLES:
            tables.update(_quantisation_tables(body))
        elif marker in _FRAME_MARKERS and frame is None:
            frame = marker, body
        elif marker == _APP0 and body.startswith(b"JFIF\0"):
            jfif = True
        elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            adobe_transform = body[11]
    if frame is None or len(frame[1]) < 9 or len(frame[1]) < 6 + 3 * frame[1][5]:
        raise ImageUnusable(Reason.CORRUPT, "the JPEG has no frame header")
    marker, body = frame
    components = body[5]
    luma_table = tables.get(body[8])
    luma_steps = None if luma_table is None else tuple(luma_table.tolist())
    quality, standard = _quality_of(luma_steps) if luma_steps else (None, None)
    return JpegFacts(
        width_px=int.from_bytes(body[3:5]),
        height_px=int.from_bytes(body[1:3]),
        components=components,
        precision_bits=body[0],
        progressive=marker in _PROGRESSIVE_MARKERS,
        subsampling=_subsampling(body) if components >= 3 else None,
        quality=quality,
        standard=standard,
        luma_steps=luma_steps,
        jfif=jfif,
        adobe_transform=adobe_transform,
    )


def jpeg_segments(data: bytes) -> list[tuple[int, bytes]]:
    """Marker segments before the entropy-coded data, as marker and body, from the first start of an image on.

    Garbage between segments is skipped, as decoders do.
    """
    found: list[tuple[int, bytes]] = []
    position = data.find(b"\xff\xd8")
    while 0 <= position < len(data) - 1:
        marker = data[position + 1]
        if marker in _BARE_MARKERS or marker in (0x00, 0xFF):
            step = 1 if marker == 0xFF else 2
        elif marker in (_SCAN, _END):
            break
        else:
            length = int.from_bytes(data[position + 2 : position + 4])
            found.append((marker, data[position + 4 : position + 2 + length]))
            step = 2 + max(length, 2)
        position = data.find(b"\xff", position + step)
    return found


def _quantisation_tables(body: bytes) -> dict[int, NDArray[np.int64]]:
    tables: dict[int, NDArray[np.int64]] = {}
    while body:
        wide, number = body[0] >> 4, body[0] & 15
        size = 128 if wide else 64
        if len(body) < 1 + size:
            break
        tables[number] = np.frombuffer(body, dtype=">u2" if wide else "u1", count=64, offset=1).astype(np.int64)
        body = body[1 + size :]
    return tables


def _subsampling(frame: bytes) -> str:
    factors = [frame[7 + 3 * index] for index in range(frame[5])]
    luma, chroma = factors[0], factors[1]
    horizontal, vertical = (luma >> 4) / max(chroma >> 4, 1), (luma & 15) / max(chroma & 15, 1)
    name = _SUBSAMPLING.get((int(horizontal), int(vertical)))
    if name is None or (horizontal, vertical) != (int(horizontal), int(vertical)):
        return f"{luma >> 4}x{luma & 15}:{chroma >> 4}x{chroma & 15}"
    return name


def zigzag() -> list[tuple[int, int]]:
    """Rows and columns of the entries of a table in the order in which files store them."""
    return sorted(
        ((row, column) for row in range(8) for column in range(8)),
        key=lambda at: (at[0] + at[1], at[0] if (at[0] + at[1]) % 2 else at[1]),
    )


@lru_cache(maxsize=1)
def standard_tables() -> NDArray[np.int64]:
    """Luminance tables of qualities 1 to 100, int64 [100, 64], zigzag order."""
    base = np.array([_ANNEX_K_LUMINANCE[row][column] for row, column in zigzag()], dtype=np.int64)
    scales = np.array([5000 // quality if quality < 50 else 200 - 2 * quality for quality in range(1, 101)])
    scaled: NDArray[np.int64] = (base[None, :] * scales[:, None] + 50) // 100
    return np.clip(scaled, 1, 255)


@lru_cache(maxsize=256)
def _quality_of(table: tuple[int, ...]) -> tuple[int, bool]:
    """The nearest quality, and whether it is met exactly."""
    # Logarithms: a step of 2 for 1 changes the data as much as 20 for 10 does, whatever the frequency.
    own = np.log(np.maximum(np.array(table, dtype=np.float64), 1.0))
    distance = np.square(np.log(standard_tables()) - own).mean(axis=1)
    nearest = int(distance.argmin())
    return nearest + 1, bool((standard_tables()[nearest] == table).all())
