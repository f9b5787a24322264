"""Image files: every depth and mode, damage, bombs, and what a JPEG says about itself."""

import io
import tracemalloc
from hashlib import sha256

import numpy as np
import pytest
from pdf_factory import bomb_png, colour_micrograph, encode, micrograph
from PIL import Image

from semscan.engine.errors import ImageUnusable, Reason
from semscan.engine.imagefile import decode_image_file
from semscan.engine.jpegfacts import jpeg_facts

LIMIT = 1_000_000
GREY = micrograph()
COLOUR = colour_micrograph()
LUMA = np.asarray(Image.fromarray(COLOUR).convert("L"))


def decode(data: bytes):
    (raster,) = decode_image_file(data, LIMIT)
    return raster


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR])
def test_lossless_files(kind, pixels):
    data = encode(pixels, kind)
    raster = decode(data)
    assert np.array_equal(raster.grey, GREY if pixels.ndim == 2 else LUMA)
    assert (raster.encoding, raster.sha256) == (kind.lower(), sha256(data).hexdigest())
    assert (raster.components, raster.bits, raster.jpeg_q) == (1 if pixels.ndim == 2 else 3, 8, None)
    assert (raster.load_colour is None) == (pixels.ndim == 2)
    if raster.load_colour:
        assert raster.load_colour().shape == (12, 15, 3)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits(bits):
    image = Image.fromarray(GREY >> (8 - bits)).convert("P")
    image.putpalette([level * (255 // (2**bits - 1)) for level in range(2**bits) for _ in range(3)])
    raster = decode(encode(image, "PNG", bits=bits))
    assert np.array_equal(raster.grey, (GREY >> (8 - bits)) * (255 // (2**bits - 1)))
    assert raster.load_colour is None  # a palette of greys holds no colour


def test_a_coloured_palette_has_a_colour_view():
    image = Image.fromarray(COLOUR).quantize(64)
    raster = decode(encode(image, "TIFF"))
    assert np.array_equal(raster.grey, np.asarray(image.convert("RGB").convert("L")))
    assert raster.load_colour().shape == (12, 15, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits(kind):
    raster = decode(encode(GREY.astype(np.uint16) * 16 + 3, kind))
    assert np.array_equal(raster.grey, GREY)
    assert raster.bits == 16


def test_float_tiff():
    raster = decode(encode((GREY / 255).astype(np.float32), "TIFF"))
    assert np.array_equal(raster.grey, GREY)
    assert raster.bits == 32


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
def test_many_pages(compression):
    pages = [Image.fromarray(micrograph(seed=seed)) for seed in range(3)]
    data = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression=compression)
    rasters = decode_image_file(data, LIMIT)
    assert len(rasters) == 3
    assert all(np.array_equal(raster.grey, np.asarray(page)) for raster, page in zip(rasters, pages, strict=True))
    assert len(decode_image_file(data, LIMIT, frames=1)) == 1


def test_a_tiff_that_holds_a_jpeg_is_not_called_lossless():
    assert decode(encode(GREY, "TIFF", compression="jpeg")).encoding == "jpeg"


@pytest.mark.parametrize("pixels", [GREY, COLOUR])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_grey_is_near_the_pixels_and_its_colour_view_is_small(pixels, progressive):
    raster = decode(encode(pixels, "JPEG", quality=95, subsampling=0, progressive=progressive))
    truth = GREY if pixels.ndim == 2 else LUMA
    assert np.abs(raster.grey.astype(int) - truth).mean() < 2
    assert (raster.encoding, raster.bits, raster.jpeg_q) == ("jpeg", 8, 95)
    if pixels.ndim == 3:
        assert raster.subsampling == "4:4:4"
        assert raster.load_colour().shape == (12, 15, 3)


def test_cmyk_jpeg():
    ink = Image.merge("CMYK", [Image.new("L", GREY.shape[::-1], 0)] * 3 + [Image.fromarray(255 - GREY)])
    raster = decode(encode(ink, "JPEG", quality=95))
    assert np.abs(raster.grey.astype(int) - GREY).mean() < 2
    assert raster.components == 4
    assert raster.load_colour().shape == (12, 15, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_truncated_files_are_corrupt(kind, keep):
    data = encode(COLOUR, kind, **({"compression": "tiff_deflate"} if kind == "TIFF" else {}))
    with pytest.raises(ImageUnusable) as caught:
        decode_image_file(data[: int(len(data) * keep)], LIMIT)
    assert caught.value.reason is Reason.CORRUPT
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\x89PNG\r\n\x1a\n", b"II*\0" + b"\xff" * 9]
)
def test_what_is_no_image_is_corrupt(data):
    with pytest.raises(ImageUnusable) as caught:
        decode_image_file(data, LIMIT)
    assert caught.value.reason is Reason.CORRUPT


def test_a_bomb_is_refused_before_memory_is_taken():
    data = bomb_png()
    assert len(data) < 2048
    tracemalloc.start()
    with pytest.raises(ImageUnusable) as caught:
        decode_image_file(data, 200_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.reason is Reason.TOO_LARGE
    assert peak < 10_000_000


def test_our_limit_replaces_pillows(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow itself would refuse from 20 pixels on
    assert decode(encode(GREY, "PNG")).grey.shape == GREY.shape
    assert Image.MAX_IMAGE_PIXELS == 10
    with pytest.raises(ImageUnusable) as caught:
        decode_image_file(encode(GREY, "JPEG"), GREY.size - 1)
    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("quality", range(1, 101, 3))
def test_the_quality_of_standard_tables_is_found_exactly(quality):
    # Above 98 and at the bottom, clamping makes neighbouring tables equal; the table is the same then.
    found = jpeg_facts(encode(GREY, "JPEG", quality=quality)).quality
    tables = []
    for q in (quality, found):
        with Image.open(io.BytesIO(encode(GREY, "JPEG", quality=q))) as image:
            tables.append(image.quantization[0])
    assert tables[0] == tables[1]


def test_other_tables_get_the_nearest_quality():
    steps = [max(1, round(step * 1.08)) for step in _standard(75)]
    assert abs(jpeg_facts(encode(GREY, "JPEG", qtables=[steps, steps])).quality - 73) <= 1


def _standard(quality: int) -> list[int]:
    with Image.open(io.BytesIO(encode(GREY, "JPEG", quality=quality))) as image:
        return list(image.quantization[0])


@pytest.mark.parametrize(("setting", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_facts(setting, name):
    facts = jpeg_facts(encode(COLOUR, "JPEG", subsampling=setting, progressive=True))
    assert (facts.width_px, facts.height_px, facts.components) == (120, 96, 3)
    assert (facts.subsampling, facts.precision_bits, facts.progressive) == (name, 8, True)
    assert facts.jfif
    assert facts.adobe_transform is None
    cmyk = jpeg_facts(encode(Image.new("CMYK", (8, 8)), "JPEG"))
    assert (cmyk.components, cmyk.adobe_transform, cmyk.jfif) == (4, 0, False)
    assert jpeg_facts(encode(GREY, "JPEG")).subsampling is None


def test_facts_of_every_prefix_are_facts_or_a_reason():
    data = encode(COLOUR, "JPEG")
    for length in range(0, 700, 7):
        try:
            facts = jpeg_facts(data[:length])
        except ImageUnusable as error:
            assert error.reason is Reason.CORRUPT
        else:
            assert facts.components == 3
