"""The rules of grey, one by one."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pdf_factory import colour_micrograph, encode, micrograph
from PIL import Image

from semscan.engine import luminance
from semscan.engine.errors import ImageUnusable
from semscan.engine.imagefile import decode_jpeg
from semscan.engine.luminance import grey_in_place, over_white, read_luminance, reduce_depth, to_luminance

GREY = micrograph()
COLOUR = colour_micrograph()


def bt601(colour: np.ndarray) -> np.ndarray:
    """Luma from the standard's weights, as an exact number."""
    return colour @ np.array([0.299, 0.587, 0.114])


def test_grey_and_one_bit():
    assert np.array_equal(to_luminance(Image.fromarray(GREY)), GREY)
    bits = GREY > 100
    assert np.array_equal(to_luminance(Image.fromarray(bits)), np.where(bits, 255, 0))


@pytest.mark.parametrize("mode", ["RGB", "RGBX", "P", "HSV"])
def test_colour_is_luma(mode):
    image = Image.fromarray(COLOUR)
    image = image.quantize(256) if mode == "P" else image.convert(mode)
    assert np.abs(to_luminance(image) - bt601(np.asarray(image.convert("RGB")))).max() <= 0.51


def test_cmyk_multiplies_paper_by_what_the_inks_let_through():
    ink = Image.merge("CMYK", [Image.new("L", (2, 1), value) for value in (0, 0, 0, 64)])
    assert to_luminance(ink).tolist() == [[191, 191]]


def test_the_result_is_the_callers_own():
    image = Image.fromarray(GREY)
    grey = to_luminance(image)
    grey[:] = 0
    assert np.array_equal(np.asarray(image), GREY)
    assert grey.flags.c_contiguous
    assert grey.dtype == np.uint8


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (61, 67)])
def test_pixels_are_the_same_where_pillow_does_not_lie_over_arrays(shape, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    over = to_luminance(Image.fromarray(pixels))
    monkeypatch.setattr(luminance, "_is_shared", lambda: False)
    assert np.array_equal(over, pixels) and np.array_equal(to_luminance(Image.fromarray(pixels)), pixels)


@pytest.mark.parametrize("shape", [(1, 1), (9, 7), (61, 67), (61, 67, 3)])
def test_a_jpeg_is_decoded_straight_into_its_array(shape, monkeypatch):
    held = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8)).save(held, "JPEG", progressive=True)
    image = Image.open(held)
    image.draft("L", image.size)
    grey = grey_in_place(image)
    image.load()
    assert np.array_equal(grey, to_luminance(image))
    grey[:] = 3
    assert (np.asarray(image) == 3).all()
    monkeypatch.setattr(luminance, "_is_shared", lambda: False)
    assert np.array_equal(read_luminance(held.getvalue()), to_luminance(Image.open(held)))


def test_only_grey_is_decoded_in_place():
    held = io.BytesIO()
    Image.new("CMYK", (9, 9)).save(held, "JPEG")
    image = Image.open(held)
    image.draft("L", image.size)
    assert grey_in_place(image) is None


@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_a_jpeg_without_a_scan_has_no_pixels(end):
    held = io.BytesIO()
    Image.new("L", (61, 67), 200).save(held, "JPEG")
    headers = held.getvalue().partition(b"\xff\xda")[0]
    with pytest.raises(ImageUnusable, match="damaged"):
        decode_jpeg(headers + end, 10**6, "")


@pytest.mark.parametrize("factor", [1, 4, 16, 64, 256, 257])
def test_deep_integers_that_hold_eight_bit_data_come_back_exactly(factor):
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) * factor
    assert np.array_equal(to_luminance(Image.fromarray(values)).ravel(), np.arange(256))


def test_the_depth_is_the_smallest_that_holds_the_data():
    ten_bit = np.array([[0, 512, 1023]], np.uint16)
    assert reduce_depth(ten_bit).tolist() == [[0, 128, 255]]
    assert reduce_depth(ten_bit * 2).tolist() == [[0, 64, 127]]  # in use now: twelve bits


def test_signed_float_and_odd_values():
    assert reduce_depth(np.array([[0, 2**17, 2**18 - 1]], np.int32)).tolist() == [[0, 128, 255]]
    assert reduce_depth(np.array([[-100, 0, 155]], np.int32)).tolist() == [[0, 100, 255]]
    assert reduce_depth(np.array([[0.0, 0.5, 1.0]], np.float32)).tolist() == [[0, 128, 255]]
    assert reduce_depth(np.array([[0.0, 100.7, 255.0]])).tolist() == [[0, 100, 255]]
    assert reduce_depth(np.array([[np.nan, 0.0, np.inf, 1.0]])).tolist() == [[0, 0, 0, 255]]
    assert reduce_depth(np.array([[np.nan, np.inf]])).tolist() == [[0, 0]]
    assert reduce_depth(np.array([[0.0, 1e30]])).tolist() == [[0, 255]]
    assert reduce_depth(np.array([[1.7e308, -1e292, 0.0]])).tolist() == [[255, 0, 0]]
    assert reduce_depth(np.array([[1.7e308, -1.7e308, 0.0]])).tolist() == [[255, 0, 127]]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20))
def test_any_floats_are_survived_and_keep_their_order(values):
    grey = reduce_depth(np.array([values]))[0]
    finite = [(value, int(level)) for value, level in zip(values, grey, strict=True) if np.isfinite(value)]
    ordered = sorted(finite)
    assert [level for _, level in ordered] == sorted(level for _, level in ordered)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
def test_transparent_pixels_are_white(mode):
    alpha = Image.fromarray(micrograph(seed=5))
    image = Image.fromarray(COLOUR).convert("RGBA")
    image.putalpha(alpha)
    image = image.convert("LA") if mode == "LA" else image
    if mode == "PA":
        image = Image.fromarray(COLOUR).quantize(64).convert("PA")
        image.putalpha(alpha)
    opacity = np.asarray(alpha) / 255
    plain = bt601(np.asarray(image.convert("RGB")))
    assert np.abs(to_luminance(image) - (plain * opacity + 255 * (1 - opacity))).max() <= 1.01


@pytest.mark.parametrize("pixels", [GREY, GREY.astype(np.uint16) * 200])
def test_a_transparent_grey_level_is_white(pixels):
    key = int(pixels[0, 0])
    grey = read_luminance(encode(pixels, "PNG", transparency=key))
    plain = read_luminance(encode(pixels, "PNG"))
    assert np.array_equal(grey, np.where(pixels == key, 255, plain))


def test_over_white_is_exact_at_both_ends_and_rounds_between():
    grey = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 256, axis=1)
    alpha = grey.T.copy()
    exact = (grey.astype(float) * alpha + 255.0 * (255 - alpha.astype(float))) / 255
    blended = over_white(grey, alpha)
    assert np.abs(blended - exact).max() <= 0.5
    assert np.array_equal(blended[:, 255], np.arange(256))
    assert (blended[:, 0] == 255).all()


def test_a_mode_without_grey_is_refused():
    with pytest.raises(ImageUnusable):
        to_luminance(_odd())


def _odd() -> Image.Image:
    image = Image.new("L", (2, 2))
    image._mode = "BGR;15"
    return image


def test_read_luminance_takes_a_path_and_bytes(tmp_path):
    data = encode(COLOUR, "JPEG")
    path = tmp_path / "panel.jpg"
    path.write_bytes(data)
    with Image.open(path) as image:
        direct = to_luminance(image)
    assert np.array_equal(read_luminance(path), direct)
    assert np.array_equal(read_luminance(data), direct)
    assert np.array_equal(read_luminance(str(path)), direct)
