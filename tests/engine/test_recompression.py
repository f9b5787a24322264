"""An earlier JPEG compression is named where it is plain, with its quality; nothing is named where there is none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from examining import texture
from PIL import Image, ImageFilter

from semscan.engine.figures.recompression import LOSSLESS, earlier_quality
from semscan.engine.figures.seen import Seen
from semscan.engine.geometry import Box
from semscan.engine.imagefile import decode_image_file
from semscan.engine.jpegfacts import standard_tables


def picture(seed=0, side=400):
    """Texture with large and small structure, as micrographs have."""
    random = np.random.default_rng(seed)
    rough = Image.fromarray(random.integers(0, 256, (side, side), np.uint8))
    sheets = [np.asarray(rough.filter(ImageFilter.GaussianBlur(radius)), np.float64) for radius in (1, 4)]
    levels = sum((sheet - sheet.mean()) / sheet.std() for sheet in sheets)
    return np.clip(128 + 25 * levels + random.normal(0, 4, levels.shape), 0, 255).astype(np.uint8)


def jpeg(grey, quality):
    held = io.BytesIO()
    Image.fromarray(grey).save(held, "JPEG", quality=quality)
    return held.getvalue()


def decoded(data):
    return decode_image_file(data, 10**7)[0]


def earlier(grey, steps, box=None):
    return earlier_quality(grey, box or Box(0, 0, grey.shape[1], grey.shape[0]), steps)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("quality", [60, 70, 80, 90, 97])
def test_one_compression_is_not_taken_for_two(seed, quality):
    raster = decoded(jpeg(picture(seed), quality))
    assert raster.luma_steps == tuple(standard_tables()[quality - 1].tolist())
    assert earlier(raster.grey, raster.luma_steps) is None
    assert earlier(picture(seed), LOSSLESS) is None


@pytest.mark.parametrize(("first", "second"), [(40, 60), (60, 75), (70, 85), (80, 92), (88, 96)])
def test_the_quality_of_a_coarser_one_before_is_found(first, second):
    raster = decoded(jpeg(decoded(jpeg(picture(), first)).grey, second))
    assert earlier(raster.grey, raster.luma_steps) == pytest.approx(first, abs=1)


@pytest.mark.parametrize("quality", [50, 70, 90])
def test_a_jpeg_that_is_stored_without_loss_is_found(quality):
    grey = decoded(jpeg(picture(), quality)).grey
    assert earlier(grey, LOSSLESS) == pytest.approx(quality, abs=1)


def test_a_panel_is_measured_on_the_grid_of_its_image():
    grey = decoded(jpeg(picture(side=600), 70)).grey
    assert earlier(grey, LOSSLESS, Box(101, 53, 597, 590)) == pytest.approx(70, abs=1)
    assert earlier(np.ascontiguousarray(grey[3:, 5:]), LOSSLESS) is None  # another grid is not looked for


def test_what_cannot_be_measured_is_nothing():
    steps = tuple(standard_tables()[74].tolist())
    assert earlier(np.full((400, 400), 90, np.uint8), steps) is None  # no texture
    assert earlier(texture(40, 40, 1), steps) is None  # few blocks
    assert earlier(texture(9, 400, 1), steps, Box(0, 1, 400, 9)) is None  # no whole block
    assert earlier(picture(), (0,) * 64) is None and earlier(picture(), (65535,) * 64) is None  # a hostile table


def test_the_part_of_an_image_that_is_seen_keeps_its_table_only_on_the_grid():
    raster = decoded(jpeg(picture(side=256), 80))
    kept, _, box = Seen((0, 0.25, 1, 1)).of(raster)
    assert (box.y0, kept.luma_steps) == (64, raster.luma_steps)
    lost, _, box = Seen((0, 0.3, 1, 1)).of(raster)
    assert box.y0 % 8 and lost.luma_steps is None
