"""JPEG and JPEG 2000 in PDFs: the same pixels as the same bytes in a file."""

import base64
import io
import zlib
from hashlib import sha256

import numpy as np
import pymupdf
import pytest
from decoding import COLOUR, GREY, LIMIT, H, W, decode, luma, refusal
from pdf_factory import Pdf, encode
from PIL import Image

from semscan.engine.errors import Reason
from semscan.engine.imagefile import decode_image_file

INVERTED_CMYK = "/Decode [1 0 1 0 1 0 1 0]"


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (GREY, {"quality": 90}),
        (COLOUR, {"quality": 80, "subsampling": 0}),
        (COLOUR, {"quality": 75, "subsampling": 2}),
        (COLOUR, {"quality": 85, "progressive": True}),
    ],
)
@pytest.mark.parametrize("wrapping", ["", "/FlateDecode", "/ASCII85Decode"])
def test_a_jpeg_is_the_same_in_a_file_and_in_a_pdf(pixels, options, wrapping):
    jpeg = encode(pixels, "JPEG", **options)
    stored = {"": jpeg, "/FlateDecode": zlib.compress(jpeg), "/ASCII85Decode": base64.a85encode(jpeg) + b"~>"}[wrapping]
    pdf = Pdf()
    space = "/DeviceGray" if pixels.ndim == 2 else "/DeviceRGB"
    raster = decode(pdf, pdf.image(W, H, stored, space=space, filters=f"[{wrapping} /DCTDecode]"))
    file = decode_image_file(jpeg, LIMIT)[0]
    assert np.array_equal(raster.grey, file.grey)
    assert (raster.encoding, raster.jpeg_q, raster.subsampling) == ("jpeg", options["quality"], file.subsampling)
    assert raster.sha256 == sha256(stored).hexdigest()
    assert (raster.load_colour is None) == (pixels.ndim == 2)


def test_jpeg_grey_is_the_stored_luma_plane():
    pdf = Pdf()
    jpeg = encode(COLOUR, "JPEG", quality=90, subsampling=0)
    with Image.open(io.BytesIO(jpeg)) as image:
        image.draft("YCbCr", image.size)
        stored = np.asarray(image)[..., 0]
    assert np.array_equal(decode(pdf, pdf.jpeg(jpeg)).grey, stored)


@pytest.mark.parametrize("extra", ["", INVERTED_CMYK])
def test_cmyk_jpeg_is_inverted_only_where_the_pdf_says_so(extra):
    ink = Image.merge("CMYK", [Image.new("L", (W, H), 0)] * 3 + [Image.fromarray(255 - GREY)])
    jpeg = encode(ink, "JPEG", quality=95)  # Pillow stores CMYK inverted, as Adobe does
    pdf = Pdf()
    number = pdf.jpeg(jpeg, extra=extra)
    grey = decode(pdf, number).grey.astype(int)
    with pdf.open() as doc:
        pixmap = pymupdf.Pixmap(pymupdf.csGRAY, pymupdf.Pixmap(doc, number))
        truth = np.frombuffer(pixmap.samples, np.uint8).reshape(H, W).astype(float)
    if extra:
        assert np.abs(grey - GREY).max() < 20
        assert np.corrcoef(grey.ravel(), truth.ravel())[0, 1] > 0.98
        assert np.array_equal(grey, decode_image_file(jpeg, LIMIT)[0].grey)
    else:  # white paper is stored as 255, which without /Decode is full ink on all four plates
        assert grey.max() == 0
        assert truth.mean() < 0.25 * GREY.mean()


@pytest.mark.parametrize("colours", [1, 3])
def test_decode_inverts_a_jpeg(colours):
    jpeg = encode(GREY if colours == 1 else COLOUR, "JPEG", quality=95)
    pdf = Pdf()
    plain = decode(pdf, pdf.jpeg(jpeg)).grey.astype(int)
    inverted = decode(pdf, pdf.jpeg(jpeg, extra="/Decode [" + "1 0 " * colours + "]")).grey
    assert np.abs(inverted - (255 - plain)).max() <= (0 if colours == 1 else 9)  # chroma is clipped on its way to RGB


def test_colour_transform_zero_stops_the_ycbcr_guess():
    rgb = encode(COLOUR, "JPEG", quality=98, keep_rgb=True)
    marker = rgb.index(b"\xff\xee")
    bare = rgb[:marker] + rgb[marker + 16 :]  # without the Adobe marker the decoder would guess
    pdf = Pdf()
    told = decode(pdf, pdf.jpeg(bare, extra="/DecodeParms <</ColorTransform 0>>")).grey.astype(int)
    assert np.abs(told - luma(COLOUR)).mean() < 2


def test_a_palette_over_a_jpeg():
    pdf = Pdf()
    jpeg = encode(GREY, "JPEG", quality=90)
    space = "[/Indexed /DeviceGray 255 <" + bytes(range(255, -1, -1)).hex() + ">]"
    assert np.array_equal(decode(pdf, pdf.jpeg(jpeg, space=space)).grey, 255 - decode_image_file(jpeg, LIMIT)[0].grey)


@pytest.mark.parametrize("cut", [0.5, 0.98])
def test_a_truncated_jpeg_is_corrupt(cut):
    jpeg = encode(GREY, "JPEG", quality=90)
    pdf = Pdf()
    number = pdf.image(W, H, jpeg[: int(len(jpeg) * cut)], filters="/DCTDecode")
    assert refusal(pdf, number).reason is Reason.CORRUPT


@pytest.mark.parametrize("pixels", [GREY, COLOUR])
def test_lossless_jpeg_2000(pixels):
    jpx = encode(pixels, "JPEG2000", irreversible=False)
    pdf = Pdf()
    raster = decode(pdf, pdf.image(W, H, jpx, space="", filters="/JPXDecode"))
    assert np.array_equal(raster.grey, GREY if pixels.ndim == 2 else luma(COLOUR))
    assert (raster.encoding, raster.components) == ("jpx", 1 if pixels.ndim == 2 else 3)


def test_deep_grey_jpeg_2000_is_read_and_deep_colour_is_refused():
    deep = GREY.astype(np.uint16) * 257
    pdf = Pdf()
    jpx = encode(deep, "JPEG2000", irreversible=False)
    raster = decode(pdf, pdf.image(W, H, jpx, space="", filters="/JPXDecode"))
    assert np.array_equal(raster.grey, GREY)
    assert raster.bits == 16
    # Pillow cannot write colour with more than eight bits, so the header of an eight-bit one is made to say 16.
    colour = encode(COLOUR, "JPEG2000", no_jp2=True, irreversible=False)
    deepened = colour[:42] + b"\x0f\x01\x01" * 3 + colour[51:]
    assert colour[42:51] == b"\x07\x01\x01" * 3
    assert refusal(pdf, pdf.image(W, H, deepened, space="", filters="/JPXDecode")).reason is Reason.UNSUPPORTED_CODEC


@pytest.mark.parametrize("in_data", [0, 1])
def test_alpha_inside_jpeg_2000_counts_only_when_the_pdf_says_so(in_data):
    alpha = np.zeros((H, W), np.uint8)
    alpha[:, : W // 2] = 255
    jpx = encode(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)]), "JPEG2000", irreversible=False)
    pdf = Pdf()
    number = pdf.image(W, H, jpx, space="", filters="/JPXDecode", extra=f"/SMaskInData {in_data}")
    expected = np.where(alpha == 255, GREY, 255) if in_data else GREY
    assert np.array_equal(decode(pdf, number).grey, expected)
