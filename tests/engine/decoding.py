"""What the tests of PDF image decoding share."""

import numpy as np
import pytest
from pdf_factory import Pdf, colour_micrograph, micrograph
from PIL import Image

from semscan.engine.errors import ImageUnusable
from semscan.engine.pdf.decode import open_inline_image, open_pdf_image
from semscan.engine.raster import Raster

LIMIT = 1_000_000
GREY = micrograph()
COLOUR = colour_micrograph()
H, W = GREY.shape


def decode_pdf_image(doc, number: int, limit: int) -> Raster:
    """Read and decode an image XObject."""
    return open_pdf_image(doc, number, limit).decode()


def decode_inline_image(doc, placement, limit: int) -> Raster:
    """Read and decode an inline image."""
    return open_inline_image(doc, placement, limit).decode()


def decode(pdf: Pdf, number: int, limit: int = LIMIT) -> Raster:
    """Decode one object of a PDF."""
    with pdf.open() as doc:
        return decode_pdf_image(doc, number, limit)


def refusal(pdf: Pdf, number: int, limit: int = LIMIT) -> ImageUnusable:
    """Why an object of a PDF is not decoded."""
    with pytest.raises(ImageUnusable) as caught:
        decode(pdf, number, limit)
    return caught.value


def packed(indices: np.ndarray, bits: int) -> bytes:
    """Rows of small numbers, packed and padded as PDF stores them."""
    expanded = (indices[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(expanded.reshape(len(indices), -1).astype(np.uint8), axis=1).tobytes()


def luma(colour: np.ndarray) -> np.ndarray:
    """Luma by Pillow, uint8."""
    return np.asarray(Image.fromarray(colour).convert("L"))
