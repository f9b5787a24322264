"""What is drawn onto a micrograph is boxed; bright grains, dark pores and charging are left alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from semscan.engine.figures.overlays import MARGIN_PX, covered_share, find_overlays
from semscan.engine.geometry import Box

WHOLE = Box(0, 0, 500, 400)


def texture(seed=0, mean=120.0, spread=25.0):
    """Smooth blobs under noise."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(random.normal(size=(400, 500)))
    y, x = np.fft.fftfreq(400)[:, None], np.fft.rfftfreq(500)
    blobs = np.fft.irfft2(spectrum * np.exp(-((y**2 + x**2) * 900)), (400, 500))
    grey = mean + spread * blobs / blobs.std() + random.normal(0, 8, (400, 500))
    return np.clip(grey, 0, 255).astype(np.uint8)


def drawn(paint, seed=0, mode="L"):
    image = Image.fromarray(texture(seed)).convert(mode)
    paint(ImageDraw.Draw(image))
    return image


def as_jpeg(image, quality=80):
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return Image.open(held)


def covers(found, box):
    """Whether the boxes cover at least nine tenths of a box."""
    return covered_share(box, found) >= 0.9


def letter(canvas, ink=255):
    canvas.text((14, 10), "(a)", fill=ink, font=ImageFont.load_default(30))


def bar(canvas, ink=255):
    canvas.rectangle((380, 360, 470, 366), fill=ink)
    canvas.text((400, 330), "5 um", fill=ink, font=ImageFont.load_default(22))


DRAWINGS = [
    pytest.param(letter, Box(17, 17, 44, 42), id="letter"),
    pytest.param(bar, Box(380, 360, 470, 366), id="bar"),
    pytest.param(bar, Box(404, 338, 440, 350), id="text"),
    pytest.param(lambda c, ink: c.rectangle((0, 0, 40, 36), fill=ink), Box(0, 0, 40, 36), id="box of a letter"),
    pytest.param(lambda c, ink: c.line((250, 80, 250, 300), fill=ink, width=3), Box(249, 80, 251, 300), id="line"),
    pytest.param(
        lambda c, ink: c.polygon(
            [(200, 200), (200, 206), (240, 206), (240, 214), (256, 203), (240, 192), (240, 200)], ink
        ),
        Box(202, 201, 250, 205),
        id="arrow",
    ),
]


@pytest.mark.parametrize("ink", [0, 255])
@pytest.mark.parametrize("quality", [None, 80])
@pytest.mark.parametrize(("paint", "box"), DRAWINGS)
def test_what_is_drawn_is_boxed_and_hardly_anything_else(paint, box, quality, ink):
    image = drawn(lambda canvas: paint(canvas, ink))
    found = find_overlays(np.asarray(as_jpeg(image, quality) if quality else image), WHOLE)
    assert covers(found, box)
    assert covered_share(WHOLE, found) < 0.04


@pytest.mark.parametrize("seed", range(5))
def test_a_picture_without_drawings_has_no_boxes(seed):
    assert find_overlays(texture(seed), WHOLE) == []


def test_charging_and_bright_grains_are_not_drawings():
    random = np.random.default_rng(1)
    grey = texture().astype(np.float64)
    y, x = np.mgrid[:400, :500]
    for cy, cx, size in random.uniform((0, 0, 4), (400, 500, 12), (60, 3)):
        grey += 260 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / size**2)  # clipped at white, with soft edges
    assert (grey > 255).mean() > 0.03
    found = find_overlays(np.clip(grey, 0, 255).astype(np.uint8), WHOLE)
    assert covered_share(WHOLE, found) < 0.01


def test_lamellae_of_full_contrast_are_not_writing():
    y, x = np.mgrid[:400, :500]
    wave = np.sin((x + 6 * np.sin(y / 23)) / 3) + 0.25 * np.sin(y / 9 + x / 31)
    grey = np.clip(128 + 300 * wave, 0, 255).astype(np.uint8)
    assert covered_share(WHOLE, find_overlays(grey, WHOLE)) < 0.02


def test_a_frame_covers_its_lines_and_not_what_it_frames():
    image = drawn(lambda canvas: canvas.rectangle((100, 80, 400, 320), outline=255, width=3))
    found = find_overlays(np.asarray(image), WHOLE)
    assert covers(found, Box(100, 80, 400, 83)) and covers(found, Box(398, 80, 401, 320))
    assert covered_share(Box(130, 110, 370, 290), found) == 0


def test_coloured_marks_are_found_by_their_colour():
    image = drawn(lambda canvas: canvas.ellipse((200, 150, 300, 250), outline=(230, 60, 40), width=4), mode="RGB")
    view = np.asarray(image.reduce(8))
    grey = np.asarray(image.convert("L"))
    assert find_overlays(grey, WHOLE) == []
    found = find_overlays(grey, WHOLE, view)
    assert covers(found, Box(246, 150, 254, 153)) and covers(found, Box(201, 190, 204, 210))
    assert covered_share(Box(230, 180, 270, 220), found) == 0
    assert covered_share(Box(0, 0, 500, 130), found) == 0


def test_a_picture_coloured_all_over_is_no_drawing():
    tinted = np.dstack([texture(), texture() // 2, texture() // 3])
    assert find_overlays(texture(), WHOLE, tinted[::8, ::8]) == []


def test_boxes_are_in_pixels_of_the_image_and_stay_in_the_panel():
    figure = np.full((600, 800), 255, np.uint8)
    figure[120:520, 230:730] = np.asarray(drawn(lambda canvas: canvas.rectangle((0, 0, 40, 36), fill=255)))
    (found,) = find_overlays(figure, Box(230, 120, 730, 520))
    assert found == Box(230, 120, 230 + 41 + MARGIN_PX, 120 + 37 + MARGIN_PX)


def test_noise_at_both_ends_of_the_scale_is_given_up_quickly():
    grey = np.random.default_rng(0).choice([0, 255], (400, 500)).astype(np.uint8)
    assert find_overlays(grey, WHOLE) == []


def test_covered_share():
    assert covered_share(Box(10, 10, 50, 50), [Box(0, 0, 30, 30), Box(10, 10, 30, 30), Box(60, 60, 70, 70)]) == 0.25
    assert covered_share(Box(0, 0, 40, 40), []) == 0
