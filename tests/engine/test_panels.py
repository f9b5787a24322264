"""Compound figures with known boxes must be cut where they were put together, single micrographs not at all."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from semscan.engine.figures.gutters import find_gutters
from semscan.engine.figures.lines import Gutter, Samples, block_means, bridged_runs, lowest_and_highest, runs
from semscan.engine.figures.margins import trim_margins
from semscan.engine.figures.panels import split_figure, split_panels
from semscan.engine.figures.seams import find_seams
from semscan.engine.figures.slabs import Slab, graphics
from semscan.engine.geometry import Box


def texture(height, width, seed, contrast=40.0, mean=120.0, noise=9.0):
    """Blobs about ten pixels wide and noise, somewhat like a micrograph."""
    random = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    waves = np.fft.rfft2(random.normal(size=(height, width))) * np.exp(-((30 * np.hypot(fy, fx)) ** 2) / 2)
    blobs = np.fft.irfft2(waves, (height, width))
    blobs *= contrast / max(blobs.std(), 1e-9)
    return np.clip(mean + blobs + random.normal(0, noise, (height, width)), 0, 255).astype(np.uint8)


def as_jpeg(grey, quality):
    held = io.BytesIO()
    Image.fromarray(grey).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held))


def overlap(a, b):
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    shared = max(width, 0) * max(height, 0)
    return shared / (a.width * a.height + b.width * b.height - shared)


def assert_recovered(found, expected, least=0.95):
    assert len(found) == len(expected), found
    for box, wanted in zip(found, expected, strict=True):
        assert overlap(box, wanted) > least, (box, wanted)


def grid(rows, columns, gutter_px, ground, margin_px=0, seed=0):
    """A figure of panels with the given heights and widths, and where they are, in reading order."""
    height = sum(rows) + gutter_px * (len(rows) - 1) + 2 * margin_px
    width = sum(columns) + gutter_px * (len(columns) - 1) + 2 * margin_px
    figure = np.full((height, width), ground, np.uint8)
    boxes, y = [], margin_px
    for i, h in enumerate(rows):
        x = margin_px
        for j, w in enumerate(columns):
            boxes.append(Box(x, y, x + w, y + h))
            figure[y : y + h, x : x + w] = texture(h, w, seed + 31 * i + j)
            x += w + gutter_px
        y += h + gutter_px
    return figure, boxes


@pytest.mark.parametrize("ground", [255, 0, 128])
@pytest.mark.parametrize("gutter_px", [2, 5, 20])
def test_grids_of_any_gutter_are_recovered(ground, gutter_px):
    figure, boxes = grid([180, 240], [200, 150, 310], gutter_px, ground)
    assert split_panels(figure) == boxes


@pytest.mark.parametrize("ground", [255, 0])
@pytest.mark.parametrize("gutter_px", [3, 4, 6, 20])
def test_jpeg_does_not_hide_gutters(ground, gutter_px):
    figure, boxes = grid([187, 241], [203, 150, 309], gutter_px, ground, margin_px=13)
    assert_recovered(split_panels(as_jpeg(figure, 60)), boxes)


def test_unequal_rows_are_cut_one_after_the_other():
    figure = np.full((430, 620), 255, np.uint8)
    boxes = [Box(0, 0, 200, 210), Box(210, 0, 620, 210), Box(0, 220, 400, 430), Box(410, 220, 620, 430)]
    for seed, box in enumerate(boxes):
        figure[box.y0 : box.y1, box.x0 : box.x1] = texture(box.height, box.width, seed)
    assert split_panels(figure) == boxes


def test_letters_and_captions_between_panels_are_no_panels():
    figure, boxes = grid([200, 200], [260, 260], 40, 255, margin_px=50)
    image = Image.fromarray(figure)
    canvas = ImageDraw.Draw(image)
    for label, box in zip("abcd", boxes, strict=True):
        canvas.text((box.x0 - 36, box.y0), f"({label})", fill=0, font=ImageFont.load_default(26))
        canvas.text((box.x0 + 20, box.y1 + 8), "Sample at 5 kV", fill=0, font=ImageFont.load_default(20))
    assert split_panels(np.asarray(image)) == boxes


def test_letters_and_scale_bars_inside_panels_do_not_cut_them():
    figure, boxes = grid([260, 260], [300, 300], 8, 255)
    image = Image.fromarray(figure)
    canvas = ImageDraw.Draw(image)
    for box in boxes:
        canvas.rectangle((box.x0, box.y0, box.x0 + 40, box.y0 + 40), fill=255)
        canvas.text((box.x0 + 8, box.y0 + 2), "a", fill=0, font=ImageFont.load_default(30))
        canvas.rectangle((box.x1 - 120, box.y1 - 20, box.x1 - 10, box.y1 - 12), fill=255)
    # The white letter boxes lie in the corners, where they belong to margin and panel alike.
    assert_recovered(split_panels(np.asarray(image)), boxes)


def test_a_plot_beside_micrographs_stays_in_one_piece():
    figure = np.full((300, 980), 255, np.uint8)
    boxes = [Box(0, 0, 300, 300), Box(340, 10, 640, 290), Box(680, 0, 980, 300)]
    figure[:, :300], figure[:, 680:] = texture(300, 300, 1), texture(300, 300, 2)
    image = Image.fromarray(figure)
    canvas = ImageDraw.Draw(image)
    canvas.rectangle((340, 10, 639, 289), outline=0, width=2)
    canvas.line([(340 + i, 150 + int(90 * np.sin(i / 30))) for i in range(300)], fill=0, width=2)
    left, plot, right = split_panels(np.asarray(image))
    assert [left, right] == [boxes[0], boxes[2]]
    assert boxes[1].x0 <= plot.x0 < plot.x1 <= boxes[1].x1
    assert plot.width > 0.9 * boxes[1].width


@pytest.mark.parametrize("level", [0, 90, 200])
def test_a_micrograph_with_a_big_flat_area_is_not_cut(level):
    y, x = np.mgrid[:400, :500]
    depth = np.clip((np.abs(y - 200 - 20 * np.sin(x / 40)) - 60) / 25, 0, 1)  # a soft band across the whole width
    picture = texture(400, 500, 3) * depth + level * (1 - depth)
    assert split_panels(picture.astype(np.uint8)) == [Box(0, 0, 500, 400)]


def test_a_micrograph_with_a_round_void_is_not_cut():
    y, x = np.mgrid[:400, :500]
    picture = texture(400, 500, 4)
    picture[np.hypot(y - 200, x - 250) < 180] = 0
    assert split_panels(picture) == [Box(0, 0, 500, 400)]


@pytest.mark.parametrize("seed", range(6))
def test_low_contrast_micrographs_are_not_cut(seed):
    picture = texture(300, 400, seed, contrast=2.0)
    assert split_panels(as_jpeg(picture, 85)) == [Box(0, 0, 400, 300)]


def test_one_bright_scan_line_does_not_cut():
    picture = texture(300, 400, 8)
    picture[150] = np.clip(picture[150].astype(int) + 90, 0, 255)
    assert split_panels(picture) == [Box(0, 0, 400, 300)]


def test_flat_margins_are_taken_off():
    figure = np.full((300, 400), 255, np.uint8)
    figure[20:260, 30:390] = texture(240, 360, 5)
    assert split_panels(figure) == [Box(30, 20, 390, 260)]
    assert trim_margins(figure, Box(0, 0, 400, 300)) == Box(30, 20, 390, 260)


@pytest.mark.parametrize("ground", [255, 128])
def test_margins_are_taken_off_narrow_strips_and_wide_parts_alike(ground):
    figure = np.full((300, 1400), ground, np.uint8)
    strip, part = Box(250, 30, 900, 46), Box(100, 110, 1000, 250)
    for seed, box in enumerate((strip, part)):
        figure[box.y0 : box.y1, box.x0 : box.x1] = texture(box.height, box.width, seed, mean=40)
    assert trim_margins(figure, Box(0, 26, 1400, 50), (ground,)) == strip
    assert trim_margins(figure, Box(0, 60, 1400, 300), (ground,)) == part
    assert trim_margins(figure, Box(0, 0, 1400, 28), (ground,)) is None
    assert trim_margins(figure, Box(0, 50, 1400, 108), (ground,)) is None


def test_the_lines_of_a_frame_are_no_ringing():
    image = Image.new("L", (400, 300), 255)
    ImageDraw.Draw(image).line((20, 40, 20, 60), fill=0, width=1)  # a tick: a few dark pixels in an empty column
    ImageDraw.Draw(image).rectangle((24, 40, 380, 280), outline=0)
    assert trim_margins(np.asarray(image), Box(0, 0, 400, 300), (255,)) == Box(20, 40, 381, 281)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_an_empty_image_has_no_panels(level):
    assert split_panels(np.full((200, 300), level, np.uint8)) == []


def test_reading_order_is_by_rows_even_when_they_are_not_level():
    figure = np.full((420, 640), 255, np.uint8)
    boxes = [
        Box(0, 6, 200, 200),
        Box(220, 0, 420, 194),
        Box(440, 4, 640, 200),
        Box(0, 220, 300, 420),
        Box(320, 214, 640, 420),
    ]
    for seed, box in enumerate(boxes):
        figure[box.y0 : box.y1, box.x0 : box.x1] = texture(box.height, box.width, seed)
    assert split_panels(figure) == boxes


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3, 3), (40, 2000), (31, 31)])
def test_odd_sizes_do_no_harm(size):
    for box in split_panels(np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)):
        assert 0 <= box.x0 < box.x1 <= size[1]
        assert 0 <= box.y0 < box.y1 <= size[0]


@pytest.mark.parametrize("quality", [None, 90])
@pytest.mark.parametrize("along", [False, True])
def test_panels_that_touch_are_told_apart(quality, along):
    pair = np.concatenate([texture(180, 400, 1), texture(210, 400, 2, contrast=25, mean=150, noise=4)])
    boxes = [Box(0, 0, 400, 180), Box(0, 180, 400, 390)]
    if along:
        pair, boxes = np.ascontiguousarray(pair.T), [Box(b.y0, b.x0, b.y1, b.x1) for b in boxes]
    assert_recovered(split_panels(pair if quality is None else as_jpeg(pair, quality)), boxes)


def test_a_grid_without_gutters_is_taken_apart():
    figure, boxes = grid([160, 200], [260, 200, 310], 0, 255)
    for seed, box in enumerate(boxes):
        panel = texture(box.height, box.width, seed, 25 + 4 * seed, 90 + 40 * (seed % 3), 4 + 5 * (seed % 2))
        figure[box.y0 : box.y1, box.x0 : box.x1] = panel
    assert_recovered(split_panels(figure), boxes)


def test_a_band_of_charging_does_not_cut():
    picture = texture(300, 400, 8).astype(int)
    picture[120:190] += 50  # brighter at once, but the same picture goes on
    assert split_panels(np.clip(picture, 0, 255).astype(np.uint8)) == [Box(0, 0, 400, 300)]


def test_a_large_inset_with_a_frame_does_not_cut():
    picture = texture(300, 400, 9)
    picture[160:, 250:] = texture(140, 150, 10)
    picture[160:162, 250:] = picture[160:, 250:252] = 255
    assert split_panels(picture) == [Box(0, 0, 400, 300)]


def test_a_data_bar_stays_with_the_panel_that_it_touches():
    figure = texture(440, 500, 11)
    figure[340:] = 0
    image = Image.fromarray(figure)
    canvas = ImageDraw.Draw(image)
    for line in range(3):
        canvas.text(
            (0, 342 + 32 * line), "HV 5.00 kV  mag 10 000 x  WD 9.8 mm  det ETD", 255, ImageFont.load_default(24)
        )
    found = split_panels(np.asarray(image))
    assert len(found) == 1
    assert found[0].y0 == 0 and found[0].y1 >= 340


def test_scraps_too_small_for_a_panel_are_named():
    figure, boxes = grid([200], [260, 260], 60, 255, margin_px=20)
    scrap = Box(297, 90, 325, 118)
    figure[scrap.y0 : scrap.y1, scrap.x0 : scrap.x1] = texture(28, 28, 7, mean=90)
    found = split_figure(figure)
    assert found.panels == boxes
    assert_recovered(found.tiny, [scrap])


def test_letters_are_no_scraps():
    figure, boxes = grid([200], [260, 260], 60, 255, margin_px=20)
    image = Image.fromarray(figure)
    ImageDraw.Draw(image).text((300, 100), "(b)", 0, ImageFont.load_default(22))
    found = split_figure(np.asarray(image))
    assert (found.panels, found.tiny) == (boxes, [])


def test_plots_side_by_side_are_two_panels():
    image = Image.new("L", (900, 320), 255)
    canvas = ImageDraw.Draw(image)
    for left in (0, 480):
        canvas.rectangle((left, 10, left + 400, 310), outline=0, width=2)
        canvas.line([(left + i, 160 + int(100 * np.sin(i / 30))) for i in range(400)], fill=0, width=2)
    assert_recovered(split_panels(np.asarray(image)), [Box(0, 10, 401, 311), Box(480, 10, 881, 311)])


def test_the_paper_of_a_plot_belongs_to_it_in_a_black_figure():
    figure, boxes = grid([300], [300, 400], 12, 0, margin_px=10)
    plot = Image.new("L", (400, 300), 255)
    ImageDraw.Draw(plot).rectangle((60, 20, 380, 250), outline=0, width=3)
    figure[boxes[1].y0 : boxes[1].y1, boxes[1].x0 : boxes[1].x1] = np.asarray(plot)
    assert_recovered(split_panels(figure), boxes)


@pytest.mark.parametrize("count", [1, 7, 80])
def test_columns_are_measured_like_rows(count):
    grey = np.random.default_rng(3).integers(0, 256, (210, 90), dtype=np.uint8)
    rows, columns = grey.T[:count].copy(), grey.T[:count]
    for of_rows, of_columns in zip(lowest_and_highest(rows), lowest_and_highest(columns), strict=True):
        np.testing.assert_array_equal(of_rows, of_columns)
    np.testing.assert_array_equal(lowest_and_highest(columns)[0], rows.min(axis=1))
    np.testing.assert_array_equal(lowest_and_highest(columns)[1], rows.max(axis=1))
    np.testing.assert_array_equal(block_means(columns, 8), rows[:, :208].reshape(count, 26, 8).mean(axis=2))


def test_runs_of_true_values():
    mask = np.array([1, 0, 1, 1, 0, *[0] * 12, 1, 1, 1], bool)
    assert runs(mask) == [(0, 1), (2, 4), (17, 20)]
    assert runs(mask, 2) == [(2, 4), (17, 20)]
    assert bridged_runs(mask) == [(0, 4), (17, 20)]
    assert runs(mask[:0]) == bridged_runs(mask[:0]) == []


def test_rows_and_columns_are_searched_alike():
    figure, _ = grid([160, 200], [260, 200, 310], 0, 255)
    figure[160:, :260] = texture(200, 260, 40, 15, 190, 3)
    figure[:160, 460:] = texture(160, 310, 41, 60, 60, 15)
    figure[:, 255:265] = 255
    box, turned_box = Box(0, 0, 770, 360), Box(0, 0, 360, 770)
    samples, turned = Samples(figure), Samples(np.ascontiguousarray(figure.T))
    assert find_gutters(samples.columns(box)) == find_gutters(turned.rows(turned_box)) == [Gutter(255, 265, 255)]
    assert find_gutters(samples.rows(box)) == find_gutters(turned.columns(turned_box)) == []
    right, turned_right = Box(265, 0, 770, 360), Box(0, 265, 360, 770)
    assert [s.at for s in find_seams(samples.rows(right))] == [160]
    assert [s.at for s in find_seams(turned.columns(turned_right))] == [160]
    assert find_seams(samples.columns(right)) == find_seams(turned.rows(turned_right))


def test_flat_lines_beside_an_end_of_a_region_are_no_gutter():
    figure = texture(300, 400, 12)
    figure[100:110] = 255
    for near_end, flat in ((slice(3, 9), slice(9, 14)), (slice(291, 297), slice(285, 291))):
        figure[near_end] = np.random.default_rng(5).integers(222, 236, (6, 400))  # nearly even: a soft bright margin
        figure[flat] = 255
    assert find_gutters(Samples(figure).rows(Box(0, 0, 400, 300))) == [Gutter(100, 110, 255)]


def test_balls_that_are_drawn_on_paper_stay_in_one_piece():
    y, x = np.mgrid[:480, :1000]
    figure = np.full((480, 1000), 255, np.uint8)
    figure[:, :480] = texture(480, 480, 1)
    for cx, cy, r in ((560, 90, 80), (740, 250, 60), (900, 110, 70), (620, 400, 64)):
        near = np.hypot(y - cy, x - cx)
        ball = near < r
        figure[ball] = (230 - 150 * near[ball] / r + np.random.default_rng(r).normal(0, 4, ball.sum())).astype(np.uint8)
    assert_recovered(split_panels(figure), [Box(0, 0, 480, 480), Box(480, 10, 970, 464)], 0.9)


def test_a_line_below_graphics_does_not_make_them_one():
    above, below, rest = Box(0, 0, 300, 200), Box(0, 220, 300, 420), Box(0, 440, 300, 450)
    slabs = [Slab(above, [above], True), Slab(below, [below], True), Slab(rest, [], False)]
    assert graphics(slabs) == [above, below]
    assert graphics([slabs[0], slabs[1]._replace(clear=False)]) == [Box(0, 0, 300, 420)]  # an axis crosses the gutter
    assert graphics([slabs[0], slabs[2]]) == [Box(0, 0, 300, 450)]
    assert graphics([slabs[0], slabs[2]._replace(clear=True)]) == [above]
    assert graphics([slabs[2]]) == []
