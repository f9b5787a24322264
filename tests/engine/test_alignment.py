"""Lines that other panels point at are cut when anything changes there; straight lines of drawings never."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from semscan.engine.figures.alignment import cut_along_others
from semscan.engine.figures.lines import Samples, levels_in_common
from semscan.engine.figures.panels import split_panels
from semscan.engine.figures.seams import find_seams
from semscan.engine.geometry import Box
from tests.engine.test_panels import as_jpeg, assert_recovered, texture

SIDE = 180


def alike(seed):
    """Two panels side by side with the same levels and the same grain."""
    return np.concatenate([texture(SIDE, SIDE, seed), texture(SIDE, SIDE, seed + 1)], axis=1)


def alike_but_in_level(seed):
    """Two panels with the same grain, one a little brighter."""
    return np.concatenate([texture(SIDE, SIDE, seed), texture(SIDE, SIDE, seed + 1, mean=150)], axis=1)


def two_rows(below):
    """Two panels that touch plainly above two others or one wide one."""
    above = np.concatenate([texture(SIDE, SIDE, 5, mean=60), texture(SIDE, SIDE, 6, mean=190)], axis=1)
    return np.concatenate([above, np.full((12, 2 * SIDE), 255, np.uint8), below])


def boxes(columns_below):
    low = SIDE + 12
    above = [Box(0, 0, SIDE, SIDE), Box(SIDE, 0, 2 * SIDE, SIDE)]
    width = 2 * SIDE // columns_below
    return above + [Box(i * width, low, (i + 1) * width, low + SIDE) for i in range(columns_below)]


@pytest.mark.parametrize("seed", (40, 80, 120, 160))
def test_a_faint_seam_is_found_where_other_panels_touch(seed):
    below = alike(seed)
    assert not find_seams(Samples(below).columns(Box(0, 0, 2 * SIDE, SIDE)))
    assert split_panels(below) == [Box(0, 0, 2 * SIDE, SIDE)]
    assert_recovered(split_panels(two_rows(below)), boxes(2))


@pytest.mark.parametrize("seed", range(8))
def test_a_panel_as_wide_as_two_others_stays_whole(seed):
    assert_recovered(split_panels(two_rows(texture(SIDE, 2 * SIDE, 100 + seed))), boxes(1))


def test_gutters_around_a_region_ask_for_a_plainer_seam_in_it():
    samples, box = Samples(alike_but_in_level(40)), Box(0, 0, 2 * SIDE, SIDE)
    (seam,) = find_seams(samples.columns(box))
    assert (seam.at, seam.score < 4) == (SIDE, True)
    assert not find_seams(samples.columns(box), parted=True)
    narrow = Samples(two_rows(alike(1))[:SIDE, 70:290])
    assert find_seams(narrow.columns(Box(0, 0, 220, SIDE)), parted=True)
    assert not find_seams(narrow.columns(Box(0, 0, 220, SIDE)), parted=True, parallel=True)  # parts below 128 px


def test_pieces_of_many_panels_are_left_alone():
    figure = texture(400, 400, 3)
    many = [Box(0, 0, 200, 200), Box(200, 0, 400, 200), Box(0, 200, 400, 400)] * 30
    assert cut_along_others(Samples(figure), many) is many


def test_panels_too_low_to_be_measured_are_left_alone():
    figure = texture(230, 400, 3)
    panels = [Box(0, 0, 200, 200), Box(200, 0, 400, 200), Box(0, 200, 400, 230)]
    assert panels[2] in cut_along_others(Samples(figure), panels)


@pytest.mark.parametrize(("quality", "seed"), ((None, 4), (85, 4), (85, 7), (92, 7)))
def test_the_lines_of_a_mesh_are_no_seams_and_no_gutters(quality, seed):
    random = np.random.default_rng(seed)
    sheet = Image.new("L", (1200, 1000), 187)
    pen = ImageDraw.Draw(sheet)
    for at in np.cumsum(random.integers(10, 40, 80)).tolist():
        pen.line((at, 0, at + int(random.integers(-6, 7)), 1000), fill=134, width=2)
        pen.line((0, at, 1200, at + int(random.integers(-6, 7))), fill=134, width=3)
    grey = np.asarray(sheet.resize((480, 400), Image.Resampling.LANCZOS))
    figure = np.full((400, 1000), 255, np.uint8)
    figure[:, :480], figure[:, 500:] = grey, texture(400, 500, 7)
    stored = figure if quality is None else as_jpeg(figure, quality)
    assert_recovered(split_panels(stored), [Box(0, 0, 480, 400), Box(500, 0, 1000, 400)])


@pytest.mark.parametrize(("seed", "width"), ((4, 240), (4, 280), (12, 300)))
def test_an_edge_that_fades_along_the_line_is_no_seam(seed, width):
    """The edge of an inset, and beyond it hardly a change."""
    figure = texture(480, 480, seed, mean=150, contrast=12, noise=3)
    figure[200:, width:] += 4
    figure[200:, :width] = texture(280, width, seed + 1, mean=60)
    assert split_panels(figure) == [Box(0, 0, 480, 480)]


@pytest.mark.parametrize("level", (81, 120, 170))
def test_gutters_are_found_through_the_noise_of_compression(level):
    noise = np.clip(np.random.default_rng(1).normal(0, 3.4, (12, 400)), -11, 11)
    noise[0, :40:2] = 11
    noise[:, 1::40] = -11
    above, below = texture(200, 400, 2, contrast=70), texture(200, 400, 3, contrast=70)
    figure = np.concatenate([above, np.rint(level + noise).astype(np.uint8), below])
    assert_recovered(split_panels(figure), [Box(0, 0, 400, 200), Box(0, 212, 400, 412)])


def test_bands_of_one_picture_have_most_levels_in_common():
    figure = np.concatenate([texture(100, 300, 1, mean=90), texture(100, 300, 2, mean=180)])
    assert levels_in_common(figure, 50, 52) > 0.8
    assert levels_in_common(figure, 100, 100) < 0.6
    assert levels_in_common(figure, 0, 200) == 0.0
