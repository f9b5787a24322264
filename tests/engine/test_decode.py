"""Images in PDFs that are stored without loss come back bit for bit."""

import base64
import zlib
from hashlib import sha256

import numpy as np
import pymupdf
import pytest
from decoding import COLOUR, GREY, LIMIT, H, W, decode, decode_pdf_image, luma, packed
from pdf_factory import Pdf, encode, fax_strip, jbig2_stream, open_pdf, png_stream
from PIL import Image

from semscan.engine.imagefile import decode_image_file


@pytest.mark.parametrize("filters", ["", "/FlateDecode", "/ASCIIHexDecode", "[/ASCII85Decode /FlateDecode]"])
def test_grey_comes_back_bit_for_bit_through_every_filter(filters):
    data = GREY.tobytes()
    if "Flate" in filters:
        data = zlib.compress(data)
    if "Hex" in filters:
        data = data.hex().encode() + b">"
    if "85" in filters:
        data = base64.a85encode(data) + b"~>"
    pdf = Pdf()
    number = pdf.image(W, H, data, filters=filters)
    raster = decode(pdf, number)
    assert np.array_equal(raster.grey, GREY)
    assert raster.grey.flags.c_contiguous
    assert raster.sha256 == sha256(data).hexdigest()
    assert (raster.components, raster.bits, raster.jpeg_q, raster.load_colour) == (1, 8, None, None)
    assert raster.encoding == ("flate" if "Flate" in filters else "raw")


def test_run_length():
    pdf = Pdf()
    data = b"".join(bytes([119]) + row.tobytes() for row in GREY) + b"\x80"
    raster = decode(pdf, pdf.image(W, H, data, filters="/RunLengthDecode"))
    assert np.array_equal(raster.grey, GREY)
    assert raster.encoding == "runlength"


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("width", [W, W - 3])
def test_few_bits_spread_to_full_scale_and_row_padding_is_dropped(bits, width):
    levels = GREY[:, :width] >> (8 - bits)
    pdf = Pdf()
    raster = decode(pdf, pdf.flate(width, H, packed(levels, bits), bits=bits))
    assert np.array_equal(raster.grey, levels * (255 // (2**bits - 1)))
    assert raster.bits == bits


def test_sixteen_bits_keep_the_most_significant_bits_in_use():
    pdf = Pdf()
    twelve_bit = ((GREY.astype(np.uint16) << 4) | 9).astype(">u2")
    full = (GREY.astype(np.uint16) * 257).astype(">u2")
    raster = decode(pdf, pdf.flate(W, H, twelve_bit.tobytes(), bits=16))
    assert np.array_equal(raster.grey, GREY)
    assert np.array_equal(decode(pdf, pdf.flate(W, H, full.tobytes(), bits=16)).grey, GREY)


@pytest.mark.parametrize("bits", [1, 4, 8, 16])
def test_an_inverting_decode_array_inverts(bits):
    top = 2**bits - 1
    levels = (GREY.astype(np.uint32) * 257) >> (16 - bits)
    data = levels.astype(">u2").tobytes() if bits == 16 else packed(levels, bits)
    pdf = Pdf()
    raster = decode(pdf, pdf.flate(W, H, data, bits=bits, extra="/Decode [1 0]"))
    assert np.array_equal(raster.grey, ((top - levels) >> 8 if bits == 16 else (top - levels) * (255 // top)))


@pytest.mark.parametrize(
    "space", ["/DeviceRGB", "[/ICCBased {icc} 0 R]", "[/CalRGB <</WhitePoint [.95 1 1.09]>>]", "[/DeviceRGB]"]
)
def test_three_components_become_luma_without_colour_management(space):
    pdf = Pdf()
    icc = pdf.stream("/N 3 /Alternate /DeviceRGB", b"no profile at all")
    raster = decode(pdf, pdf.flate(W, H, COLOUR.tobytes(), space=space.format(icc=icc)))
    assert np.array_equal(raster.grey, luma(COLOUR))
    assert raster.components == 3
    view = raster.load_colour()
    assert view.shape == (12, 15, 3)
    assert abs(view.astype(int) - np.asarray(Image.fromarray(COLOUR).reduce(8)).astype(int)).max() == 0


def test_sixteen_bit_colour_keeps_its_high_bytes():
    pdf = Pdf()
    raster = decode(
        pdf,
        pdf.flate(W, H, (COLOUR.astype(np.uint16) * 256 + 200).astype(">u2").tobytes(), space="/DeviceRGB", bits=16),
    )
    assert np.array_equal(raster.grey, luma(COLOUR))


def test_cmyk_of_black_ink_only_is_the_inverted_ink():
    cmyk = np.zeros((H, W, 4), np.uint8)
    cmyk[..., 3] = 255 - GREY
    pdf = Pdf()
    assert np.array_equal(decode(pdf, pdf.flate(W, H, cmyk.tobytes(), space="/DeviceCMYK")).grey, GREY)


def test_lab_is_read_as_its_lightness():
    lab = np.full((H, W, 3), 128, np.uint8)
    lab[..., 0] = GREY
    pdf = Pdf()
    number = pdf.flate(W, H, lab.tobytes(), space="[/Lab <</WhitePoint [.95 1 1.09]>>]")
    assert np.array_equal(decode(pdf, number).grey, GREY)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("lookup", ["hex", "literal", "stream"])
def test_palettes_are_followed(bits, lookup):
    palette = np.random.default_rng(bits).integers(0, 256, (2**bits, 3), dtype=np.uint8)
    indices = GREY >> (8 - bits)
    table = palette.tobytes()
    pdf = Pdf()
    if lookup == "stream":
        text = f"{pdf.stream('/Filter /FlateDecode', zlib.compress(table))} 0 R"
    elif lookup == "hex":
        text = f"<{table.hex()}>"
    else:
        text = "(" + "".join(f"\\{byte:03o}" for byte in table) + ")"
    number = pdf.flate(W, H, packed(indices, bits), bits=bits, space=f"[/Indexed /DeviceRGB {2**bits - 1} {text}]")
    raster = decode(pdf, number)
    assert np.array_equal(raster.grey, luma(palette[indices]))
    assert raster.components == 1
    assert raster.load_colour is not None  # a coloured palette is colour, however it is stored


def test_a_grey_palette_has_no_colour_view_and_an_index_beyond_it_takes_the_last_entry():
    pdf = Pdf()
    space = "[/Indexed /DeviceGray 99 <" + bytes(range(100, 200)).hex() + ">]"
    raster = decode(pdf, pdf.flate(W, H, GREY.tobytes(), space=space))
    assert np.array_equal(raster.grey, np.minimum(GREY, 99) + 100)
    assert raster.load_colour is None


def test_black_separation_is_exact_and_a_spot_colour_goes_through_its_tint_function():
    tint = "<</FunctionType 2/Domain [0 1]/C0 [1 1 1]/C1 [0 0 0]/N 1>>"
    pdf = Pdf()
    black = pdf.flate(W, H, GREY.tobytes(), space=f"[/Separation /Black /DeviceRGB {tint}]")
    spot = pdf.flate(W, H, GREY.tobytes(), space=f"[/Separation /Spot#20One /DeviceRGB {tint}]")
    assert np.array_equal(decode(pdf, black).grey, 255 - GREY)
    assert np.abs(decode(pdf, spot).grey.astype(int) - (255 - GREY)).max() <= 1


def test_fax_and_jbig2_come_back_bit_for_bit():
    bits = GREY > 110
    pdf = Pdf()
    fax = pdf.image(
        W, H, fax_strip(bits), bits=1, filters="/CCITTFaxDecode", extra=f"/DecodeParms <</K -1/Columns {W}/Rows {H}>>"
    )
    jbig2 = pdf.image(W, H, jbig2_stream(bits), bits=1, filters="/JBIG2Decode")
    for number, encoding in ((fax, "ccitt"), (jbig2, "jbig2")):
        raster = decode(pdf, number)
        assert np.array_equal(raster.grey, np.where(bits, 255, 0))
        assert (raster.encoding, raster.bits) == (encoding, 1)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1", "I;16"])
def test_a_png_scores_the_same_in_a_pdf_that_takes_its_data_as_they_are(mode):
    image = {
        "L": Image.fromarray(GREY),
        "RGB": Image.fromarray(COLOUR),
        "P": Image.fromarray(COLOUR).quantize(200),
        "1": Image.fromarray(GREY > 100),
        "I;16": Image.fromarray(GREY.astype(np.uint16) * 16 + 5),
    }[mode]
    png = encode(image, "PNG")
    data, palette = png_stream(png)
    bits, colours = {"1": 1, "I;16": 16}.get(mode, 8), 3 if mode == "RGB" else 1
    space = f"[/Indexed /DeviceRGB {len(palette) // 3 - 1} <{palette.hex()}>]" if palette else ""
    pdf = Pdf()
    number = pdf.image(
        W,
        H,
        data,
        bits=bits,
        space=space or ("/DeviceRGB" if mode == "RGB" else "/DeviceGray"),
        filters="/FlateDecode",
        extra=f"/DecodeParms <</Predictor 15/Colors {colours}/BitsPerComponent {bits}/Columns {W}>>",
    )
    assert np.array_equal(decode(pdf, number).grey, decode_image_file(png, LIMIT)[0].grey)


@pytest.mark.data
def test_lossless_images_of_published_papers_agree_with_mupdf(shared_data):
    compared = 0
    for path in sorted((shared_data / "pdfs").glob("*.pdf")):
        with open_pdf(path.read_bytes()) as doc:
            for number in sorted({image[0] for page in doc for image in page.get_images()}):
                entries = doc.xref_object(number)
                if "Mask" in entries or any(f"/{kind}" in entries for kind in ("DCT", "JPX", "DeviceCMYK")):
                    continue
                raster = decode_pdf_image(doc, number, 100_000_000)
                pixmap = pymupdf.Pixmap(doc, number)  # not converted, so an ICC profile plays no part here either
                if pixmap.n in (1, 3):
                    samples = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, pixmap.n)
                    truth = samples @ (np.array([0.299, 0.587, 0.114]) if pixmap.n == 3 else np.ones(1))
                    assert np.abs(raster.grey - truth).max() <= 1.01, (path.name, number)
                    compared += 1
    assert compared > 50
