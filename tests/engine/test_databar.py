"""Information bars in several makers' styles are taken off to the pixel; pictures without one are left alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from semscan.engine.figures.databar import trim_data_bar
from semscan.engine.geometry import Box

TEXT = "EHT = 5.00 kV   WD = 8.7 mm   Mag = 10.00 K X   Signal A = SE2   Date: 31 Jan"


def texture(height, width, seed, mean=120.0):
    random = np.random.default_rng(seed)
    blobs = np.kron(random.normal(size=(height // 9 + 2, width // 9 + 2)), np.ones((9, 9)))[:height, :width]
    return np.clip(mean + 40 * blobs + random.normal(0, 9, (height, width)), 0, 255).astype(np.uint8)


def with_bar(height, width, bar_px, ground, ink, lines=1, seed=0, top=False):
    image = Image.fromarray(texture(height, width, seed))
    canvas = ImageDraw.Draw(image)
    start = 0 if top else height - bar_px
    canvas.rectangle((0, start, width, start + bar_px - 1), fill=ground)
    size = 0.6 * bar_px / lines
    for line in range(lines):
        y = start + (line + 0.2) * bar_px / lines
        canvas.text((8, y), TEXT, fill=ink, font=ImageFont.load_default(size))
    canvas.line((0.75 * width, start + bar_px // 2, 0.95 * width, start + bar_px // 2), fill=ink, width=3)
    return np.asarray(image)


def whole(grey):
    return Box(0, 0, grey.shape[1], grey.shape[0])


STYLES = [
    pytest.param(0, 255, 1, id="white on black, one line"),
    pytest.param(0, 255, 2, id="white on black, two lines"),
    pytest.param(255, 0, 2, id="black on white, two lines"),
    pytest.param(60, 230, 1, id="light on grey"),
    pytest.param(190, 10, 2, id="dark on grey"),
]


@pytest.mark.parametrize(("ground", "ink", "lines"), STYLES)
@pytest.mark.parametrize(("size", "bar_px"), [((480, 640), 44), ((960, 1280), 70)])
def test_bars_are_taken_off_exactly(ground, ink, lines, size, bar_px):
    grey = with_bar(*size, bar_px, ground, ink, lines)
    assert trim_data_bar(grey, whole(grey)) == Box(0, 0, size[1], size[0] - bar_px)


@pytest.mark.parametrize(("ground", "ink", "lines"), STYLES)
def test_jpeg_moves_the_edge_by_a_few_pixels_at_most(ground, ink, lines):
    grey = with_bar(484, 712, 48, ground, ink, lines)
    held = io.BytesIO()
    Image.fromarray(grey).save(held, "JPEG", quality=80)
    grey = np.asarray(Image.open(held))
    assert abs(trim_data_bar(grey, whole(grey)).y1 - (484 - 48)) <= 3


def test_a_bar_at_the_top():
    grey = with_bar(480, 640, 40, 0, 255, top=True)
    assert trim_data_bar(grey, whole(grey)) == Box(0, 40, 640, 480)


@pytest.mark.parametrize("ground", [0, 255])
def test_a_bar_at_a_side(ground):
    grey = np.ascontiguousarray(with_bar(480, 640, 40, ground, 255 - ground, lines=2).T)
    assert trim_data_bar(grey, whole(grey)) == Box(0, 0, 440, 640)
    assert trim_data_bar(grey[:, ::-1], whole(grey)) == Box(40, 0, 480, 640)


def test_small_print_that_was_scaled_down_is_a_bar_where_its_edge_is_plain():
    large = Image.fromarray(with_bar(948, 1336, 60, 0, 255, lines=2))
    grey = np.asarray(large.resize((334, 237), Image.Resampling.LANCZOS))
    assert trim_data_bar(grey, whole(grey)).y1 in (221, 222, 223)


def test_an_inset_bar_goes_with_what_is_below_it():
    grey = texture(484, 712, 2).copy()
    inset = with_bar(200, 560, 42, 0, 255)[-42:]
    grey[420:462, 40:600] = inset
    assert trim_data_bar(grey, whole(grey)) == Box(0, 0, 712, 420)


def test_the_box_of_a_panel_inside_a_figure():
    figure = np.full((700, 1500), 255, np.uint8)
    figure[100:580, 200:840] = with_bar(480, 640, 44, 0, 255)
    assert trim_data_bar(figure, Box(200, 100, 840, 580)) == Box(200, 100, 840, 536)


@pytest.mark.parametrize("seed", range(10))
def test_a_picture_without_a_bar_is_left_alone(seed):
    grey = texture(480, 640, seed)
    assert trim_data_bar(grey, whole(grey)) == whole(grey)


@pytest.mark.parametrize("level", [0, 255])
def test_a_flat_part_at_the_bottom_is_not_a_bar(level):
    grey = texture(480, 640, 1).copy()
    grey[400:] = level
    assert trim_data_bar(grey, whole(grey)) == whole(grey)


def test_a_scale_bar_alone_is_not_a_bar():
    grey = texture(480, 640, 1).copy()
    grey[440:450, 480:620] = 255
    assert trim_data_bar(grey, whole(grey)) == whole(grey)


def test_tiny_panels_are_left_alone():
    grey = with_bar(60, 400, 12, 0, 255)
    assert trim_data_bar(grey, whole(grey)) == whole(grey)
