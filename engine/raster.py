"""One decoded image: grey pixels and what its stored form says about the evidence in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semscan.engine.records import CueRecord

VIEW_SHRINK = 8
"""How many times smaller the usual view of an image's colours is."""


class Colours(Protocol):
    """Loads the colours of an image."""

    def __call__(self, shrink: int = VIEW_SHRINK, /) -> NDArray[np.uint8]:
        """The image in RGB.

        Args:
            shrink: 8 for a small view; 1 for all pixels, which an image from a PDF has only if it was decoded to keep
                its colours.

        Returns:
            uint8 [h, w, 3] with h = ceil(H / s), w = ceil(W / s) for some s in 1, 2, 4, 8 that is at most ``shrink``.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """A decoded image, never resampled and never re-encoded.

    Attributes:
        grey: uint8 luminance plane, shape [H, W], C-contiguous.
        encoding: how the pixels were stored: ``jpeg``, ``jpx``, ``flate``, ``lzw``, ``runlength``, ``ccitt``,
            ``jbig2``, ``raw``, ``png``, ``tiff``, ...
        components: colour components as stored (1 grey or indexed, 3 RGB/YCbCr, 4 CMYK).
        bits: bits per component as stored.
        sha256: hex digest of the stored bytes (the raw stream of a PDF image, the file of an image file).
        jpeg_q: estimated JPEG quality 1-100 (standard tables), ``None`` for other encodings.
        subsampling: ``4:4:4``, ``4:2:2``, ``4:2:0``, ... or ``None``.
        load_colour: loads the colours; ``None`` for an image stored with one component. Costs a second decode, so only
            called for panels that look like micrographs, and where pixels are asked for in colour.
        jpeg_tables: ``standard`` if the luminance table is one that ``jpeg_q`` stands for, ``other`` if it is only
            the nearest one, ``None`` for other encodings.
        luma_steps: 64 steps of a JPEG's luminance table in zigzag order, if the first pixel is that of a block.
        cues: what the stored bytes say about where the picture comes from.
    """

    grey: NDArray[np.uint8]
    encoding: str
    components: int
    bits: int
    sha256: str
    jpeg_q: int | None = None
    subsampling: str | None = None
    load_colour: Colours | None = None
    jpeg_tables: str | None = None
    luma_steps: tuple[int, ...] | None = None
    cues: tuple[CueRecord, ...] = ()
