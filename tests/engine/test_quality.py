"""Traces of enlarging and of earlier compression are stated where they are plain, and only there."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from semscan.engine.figures.quality import is_coloured, quality_of
from semscan.engine.figures.recompression import LOSSLESS
from semscan.engine.geometry import Box
from semscan.engine.tiles import panel_tiles


def noise(seed=0, side=400, spread=14):
    """White noise over a slope: a camera's picture of nothing, with neither grid nor period."""
    random = np.random.default_rng(seed)
    return np.clip(np.linspace(80, 170, side) + random.normal(0, spread, (side, side)), 0, 255).astype(np.uint8)


def as_jpeg(grey, quality):
    held = io.BytesIO()
    Image.fromarray(grey).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held))


def enlarged(grey, factor):
    side = round(grey.shape[0] * factor)
    return np.asarray(Image.fromarray(grey).resize((side, side), Image.Resampling.BICUBIC))


def measured(grey, covers=(), lossless=True):
    box = Box(0, 0, grey.shape[1], grey.shape[0])
    return quality_of(grey, box, panel_tiles(grey, box, 128, 16), covers, LOSSLESS if lossless else None)


@pytest.mark.parametrize(("factor", "period"), [(1.25, 5.0), (1.4, 3.5), (1.7, 2.43), (2.5, 2.5)])
@pytest.mark.parametrize("quality", [None, 95])
def test_enlarging_leaves_its_period(factor, period, quality):
    grey = enlarged(noise(), factor)
    grey = grey if quality is None else as_jpeg(grey, quality)
    assert measured(grey, lossless=quality is None).resampling_period_px == pytest.approx(period, abs=0.06)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("quality", [None, 90, 70])
def test_a_picture_at_its_own_size_has_no_period(seed, quality):
    grey = noise(seed) if quality is None else as_jpeg(noise(seed), quality)
    assert measured(grey, lossless=quality is None).resampling_period_px is None


def test_blocks_of_an_earlier_jpeg_are_seen_in_what_is_stored_without_loss():
    blocky = as_jpeg(noise(spread=5), 60)
    assert measured(blocky).earlier_jpeg is True
    assert measured(blocky[3:, 5:]).earlier_jpeg is True
    assert measured(blocky, lossless=False).earlier_jpeg is None
    assert measured(noise()).earlier_jpeg is None


def test_the_quality_of_an_earlier_jpeg_goes_with_it():
    found = measured(as_jpeg(noise(), 80))
    assert found.earlier_jpeg is True and found.earlier_jpeg_q == pytest.approx(80, abs=1)
    assert measured(as_jpeg(noise(spread=5), 60)[3:, 5:]).earlier_jpeg_q is None


def test_shares():
    grey = noise()
    grey[:100] = 255
    grey[100:200] = 120
    found = measured(grey, [Box(0, 0, 400, 40)])
    assert found.annotated == 0.1
    assert found.saturated == pytest.approx(0.25, abs=0.01)
    assert found.flat == pytest.approx(0.5, abs=0.1)


def test_colour_over_more_than_half():
    view = np.full((40, 40, 3), 100, np.uint8)
    view[:19, :, 0] = 180
    assert not is_coloured(view)
    view[:22, :, 0] = 180
    assert is_coloured(view)


@pytest.mark.parametrize("period", [1, 2, 4])
def test_perfectly_regular_pixels_have_no_spectrum_to_read(period):
    rows, columns = np.mgrid[:400, :400] // period
    for grey in ((rows + columns) % 2, columns % 2, rows % 2):
        assert measured((grey * 200 + 20).astype(np.uint8)).flat is not None
