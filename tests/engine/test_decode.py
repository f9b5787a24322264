"""Images in PDFs: lossless ones come back bit for bit, JPEGs as their codec says, broken ones with a reason."""

import base64
import io
import zlib
from hashlib import sha256

import numpy as np
import pymupdf
import pytest
from pdf_factory import (
    Pdf,
    bomb_pdf,
    colour_micrograph,
    encode,
    encrypted,
    fax_strip,
    jbig2_stream,
    micrograph,
    open_pdf,
    png_stream,
)
from PIL import Image

from semscan.engine.errors import ImageUnusable, Reason
from semscan.engine.imagefile import decode_image_file
from semscan.engine.luminance import to_luminance
from semscan.engine.pdf.decode import decode_inline_image, decode_pdf_image
from semscan.engine.pdf.guard import MupdfError, calling_mupdf
from semscan.engine.pdf.placements import page_placements

LIMIT = 1_000_000
GREY = micrograph()
COLOUR = colour_micrograph()
H, W = GREY.shape
INVERTED_CMYK = "/Decode [1 0 1 0 1 0 1 0]"


def decode(pdf: Pdf, number: int, limit: int = LIMIT):
    with pdf.open() as doc:
        return decode_pdf_image(doc, number, limit)


def refusal(pdf: Pdf, number: int, limit: int = LIMIT) -> ImageUnusable:
    with pytest.raises(ImageUnusable) as caught:
        decode(pdf, number, limit)
    return caught.value


def packed(indices: np.ndarray, bits: int) -> bytes:
    """Rows of small numbers, packed and padded as PDF stores them."""
    expanded = (indices[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(expanded.reshape(len(indices), -1).astype(np.uint8), axis=1).tobytes()


def luma(colour: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(colour).convert("L"))


# Lossless data


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


# JPEG


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


# JPEG 2000


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


# Masks


def test_a_soft_mask_lays_the_image_on_white():
    alpha = micrograph(seed=9)
    pdf = Pdf()
    mask = pdf.flate(W, H, alpha.tobytes())
    grey = decode(pdf, pdf.flate(W, H, GREY.tobytes(), extra=f"/SMask {mask} 0 R")).grey
    exact = GREY * (alpha / 255) + 255 * (1 - alpha / 255)
    assert np.abs(grey - exact).max() <= 0.5 + 1e-9


def test_an_opaque_soft_mask_changes_nothing_and_a_smaller_one_is_stretched_without_blur():
    pdf = Pdf()
    opaque = pdf.flate(5, 4, b"\xff" * 20)
    half = pdf.flate(2, 1, b"\xff\x00")
    assert np.array_equal(decode(pdf, pdf.flate(W, H, GREY.tobytes(), extra=f"/SMask {opaque} 0 R")).grey, GREY)
    grey = decode(pdf, pdf.flate(W, H, GREY.tobytes(), extra=f"/SMask {half} 0 R")).grey
    assert np.array_equal(grey[:, : W // 2], GREY[:, : W // 2])
    assert (grey[:, W // 2 :] == 255).all()


def test_matte_is_taken_out_again():
    pdf = Pdf()
    mask = pdf.flate(W, H, np.full((H, W), 128, np.uint8).tobytes(), extra="/Matte [0]")
    blended = (GREY * (128 / 255)).round().astype(np.uint8)
    grey = decode(pdf, pdf.flate(W, H, blended.tobytes(), extra=f"/SMask {mask} 0 R")).grey
    assert np.abs(grey - (GREY * (128 / 255) + 255 * (127 / 255))).max() <= 1.01


def test_a_soft_mask_over_a_jpeg_reaches_the_colour_view_too():
    pdf = Pdf()
    clear = pdf.flate(W, H, bytes(W * H))
    raster = decode(pdf, pdf.jpeg(encode(COLOUR, "JPEG"), extra=f"/SMask {clear} 0 R"))
    assert (raster.grey == 255).all()
    assert (raster.load_colour() == 255).all()


def test_a_stencil_mask_blanks_where_it_reads_one():
    bits = GREY > 100
    pdf = Pdf()
    mask = pdf.flate(W, H, packed(bits.astype(np.uint8), 1), bits=1, space="", extra="/ImageMask true")
    grey = decode(pdf, pdf.flate(W, H, GREY.tobytes(), extra=f"/Mask {mask} 0 R")).grey
    assert np.array_equal(grey, np.where(bits, 255, GREY))


@pytest.mark.parametrize("stored", ["flate", "jpeg"])
def test_a_colour_key_blanks_its_range(stored):
    pdf = Pdf()
    if stored == "flate":
        number = pdf.flate(W, H, GREY.tobytes(), extra="/Mask [90 120]")
        plain = GREY
    else:
        number = pdf.jpeg(encode(GREY, "JPEG", quality=90), extra="/Mask [90 120]")
        plain = decode_image_file(encode(GREY, "JPEG", quality=90), LIMIT)[0].grey
    assert np.array_equal(decode(pdf, number).grey, np.where((plain >= 90) & (plain <= 120), 255, plain))


def test_a_mask_that_is_its_own_mask_ends():
    pdf = Pdf()
    number = pdf.flate(W, H, GREY.tobytes(), extra="/SMask 3 0 R")
    assert number == 3
    assert decode(pdf, number).grey.shape == GREY.shape


# Inline images


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


# Refusals and damage


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
