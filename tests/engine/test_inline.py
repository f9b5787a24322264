"""Images inside content streams."""

import base64
import zlib
from hashlib import sha256

import numpy as np
import pytest
from decoding import GREY, LIMIT, H, W, decode_inline_image
from examining import records, texture
from pdf_factory import Pdf, encode
from placing import page_placements


@pytest.mark.parametrize(
    ("head", "data"),
    [
        ("/CS /G", GREY.tobytes()),
        ("/CS /G /F /Fl", zlib.compress(GREY.tobytes())),
        ("/CS /G /F /AHx", GREY.tobytes().hex().encode() + b">"),
        ("/ColorSpace /DeviceGray /Filter [/A85 /Fl]", base64.a85encode(zlib.compress(GREY.tobytes())) + b"~>"),
        ("/CS /G /F /DCT", encode(GREY, "JPEG", quality=100)),
        ("/CS [/I /G 255 <" + bytes(range(256)).hex() + ">]", GREY.tobytes()),
    ],
)
def test_inline_images(head, data):
    pdf = Pdf()
    content = f"q 100 0 0 80 10 20 cm BI /W {W} /H {H} /BPC 8 {head} ID ".encode() + data + b"\nEI Q"
    pdf.page(content)
    with pdf.open() as doc:
        (placement,) = page_placements(doc, 0)
        raster = decode_inline_image(doc, placement, LIMIT)
    assert placement.xref == 0
    assert np.abs(raster.grey.astype(int) - GREY).max() <= (2 if "DCT" in head else 0)
    assert raster.sha256 == sha256(data).hexdigest()


def test_inline_data_may_hold_the_closing_operator():
    data = b"\x00 EI Q\n" * (H * W // 8)
    pdf = Pdf()
    pdf.page(f"BI /W {W} /H {len(data) // W} /BPC 8 /CS /G ID ".encode() + data + b" EI q 9 0 0 9 0 0 cm /I Do Q", I=99)
    pdf.objects[99] = b"<</Subtype/Image>>"
    with pdf.open() as doc:
        inline, after = page_placements(doc, 0)
        assert decode_inline_image(doc, inline, LIMIT).grey.tobytes() == data
    assert after.matrix[0] == 9


def test_an_inline_colour_space_may_be_named_in_the_resources():
    pdf = Pdf()
    space = "/ColorSpace <</Cs1 [/Indexed /DeviceGray 255 <" + bytes(range(255, -1, -1)).hex() + ">]>>"
    content = f"BI /W {W} /H {H} /BPC 8 /CS /Cs1 ID ".encode() + GREY.tobytes() + b"\nEI"
    pdf.page(content, extra=f"/MediaBox [0 0 99 99]/Resources <<{space}>>")
    with pdf.open() as doc:
        (placement,) = page_placements(doc, 0)
        assert np.array_equal(decode_inline_image(doc, placement, LIMIT).grey, 255 - GREY)


def test_inline_images_edge_to_edge_that_are_no_figure_are_images_of_their_own(tmp_path):
    content = b""
    for index in range(2):
        data = texture(200, 200, index).tobytes()
        content += b"q 200 0 0 200 %d 300 cm BI /W 200 /H 200 /CS /G /BPC 8 ID %s EI Q " % (200 * index, data)
    pdf = Pdf()
    pdf.page(content)
    assert [(r.image.source, r.image.px, r.image.parts) for r in records(tmp_path, pdf)] == [
        ("inline", (200, 200), 1)
    ] * 2


def test_what_an_image_declares_is_quoted_in_part(tmp_path):
    pdf = Pdf()
    pdf.page("q 99 0 0 99 9 9 cm /I Do Q", I=pdf.image(200, 200, bytes(40_000), bits=f"({'A' * 20_000})"))
    (record,) = records(tmp_path, pdf)
    assert record.detail.endswith("bits per component") and len(record.detail) < 80
