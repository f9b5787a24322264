"""Images that cannot be decoded are refused with a reason; encryption is no damage."""

import zlib
from hashlib import sha256

import numpy as np
import pymupdf
import pytest
from decoding import COLOUR, GREY, LIMIT, H, W, decode, decode_pdf_image, refusal
from pdf_factory import Pdf, bomb_pdf, encode, encrypted, open_pdf
from PIL import Image

from semscan.engine.errors import ImageUnusable, Reason
from semscan.engine.luminance import to_luminance
from semscan.engine.pdf.guard import MupdfError, calling_mupdf


def test_a_bomb_is_refused_by_its_declared_size():
    data = bomb_pdf()
    assert len(data) < 4_000
    with open_pdf(data) as doc, pytest.raises(ImageUnusable) as caught:
        decode_pdf_image(doc, 3, 200_000_000)
    assert caught.value.reason is Reason.TOO_LARGE


def test_a_jpeg_is_refused_by_its_own_size_whatever_the_pdf_declares():
    pdf = Pdf()
    number = pdf.image(8, 8, encode(GREY, "JPEG"), filters="/DCTDecode")
    assert refusal(pdf, number, limit=1000).reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"bits": 3}, Reason.CORRUPT),
        ({"bits": 16}, Reason.CORRUPT),  # twice the data that are there
        ({"space": "/DeviceRGB"}, Reason.CORRUPT),
        ({"space": "/Pattern"}, Reason.UNSUPPORTED_CODEC),
        ({"space": "[/Indexed /DeviceRGB 300 <00>]"}, Reason.UNSUPPORTED_CODEC),
        ({"filters": "/FlateDecode"}, Reason.CORRUPT),
        ({"filters": "/DCTDecode"}, Reason.CORRUPT),
        ({"filters": "/JPXDecode"}, Reason.CORRUPT),
        ({"filters": "/Nonsense"}, Reason.UNSUPPORTED_CODEC),
        ({"extra": "/ImageMask true"}, Reason.NOT_SEM),
    ],
)
def test_reasons(options, reason):
    pdf = Pdf()
    assert refusal(pdf, pdf.image(W, H, GREY.tobytes(), **options)).reason is reason


@pytest.mark.parametrize(("width", "height"), [("0", "5"), ("-3", "5"), ("(x)", "5"), ("null", "5")])
def test_senseless_sizes_are_corrupt(width, height):
    pdf = Pdf()
    number = pdf.stream(f"/Subtype/Image/Width {width}/Height {height}/BitsPerComponent 8", b"12345")
    assert refusal(pdf, number).reason is Reason.CORRUPT


def test_an_object_that_is_no_image_is_corrupt():
    pdf = Pdf()
    assert refusal(pdf, pdf.add("[1 2 3]")).reason is Reason.CORRUPT
    assert refusal(pdf, pdf.add("<</Width 3/Height 3/BitsPerComponent 8>>")).reason is Reason.CORRUPT
    assert refusal(pdf, 4711).reason is Reason.CORRUPT


def test_a_broken_tint_function_is_one_images_fault():
    pdf = Pdf()
    space = "[/Separation /Spot /DeviceRGB <</FunctionType 0/Domain [0 1]/Range [0 1]>>]"
    assert refusal(pdf, pdf.flate(W, H, GREY.tobytes(), space=space)).reason is Reason.CORRUPT


def test_what_mupdf_raises_becomes_one_kind_of_error():
    with pytest.raises(MupdfError), calling_mupdf():
        pymupdf.mupdf.fz_open_document("no such file.pdf")
    with pytest.raises(MupdfError), calling_mupdf():
        open_pdf(b"junk")
    with pytest.raises(MemoryError), calling_mupdf():
        raise RuntimeError("code=2: malloc (1234 bytes) failed")
    with pytest.raises(KeyError), calling_mupdf():
        raise KeyError("a bug of our own")


@pytest.mark.parametrize("password", ["", "open sesame"])
def test_encryption_is_undone_for_data_and_palette_strings(password):
    pdf = Pdf()
    space = "[/Indexed /DeviceGray 255 (" + "".join(f"\\{255 - value:03o}" for value in range(256)) + ")]"
    number = pdf.flate(W, H, GREY.tobytes(), space=space)
    jpeg = pdf.jpeg(encode(GREY, "JPEG"))
    pdf.page("/A Do /B Do", A=number, B=jpeg)
    with open_pdf(encrypted(pdf.build(), user_password=password)) as doc:
        if password:
            assert doc.authenticate(password)
        raster = decode_pdf_image(doc, number, LIMIT)
        assert np.array_equal(raster.grey, 255 - GREY)
        assert raster.sha256 == sha256(zlib.compress(GREY.tobytes())).hexdigest()
        assert np.array_equal(decode_pdf_image(doc, jpeg, LIMIT).grey, decode(pdf, jpeg).grey)


def test_the_colour_view_outlives_the_document():
    pdf = Pdf()
    raster = decode(pdf, pdf.jpeg(encode(COLOUR, "JPEG")))
    assert raster.load_colour().shape == (12, 15, 3)


def test_to_luminance_is_the_one_definition():
    pdf = Pdf()
    raster = decode(pdf, pdf.flate(W, H, COLOUR.tobytes(), space="/DeviceRGB"))
    assert np.array_equal(raster.grey, to_luminance(Image.fromarray(COLOUR)))
