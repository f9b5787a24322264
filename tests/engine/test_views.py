"""The views that the SEM-or-not gate sees: fixed sizes, means of the right pixels, colour in six numbers."""

from __future__ import annotations

import numpy as np
import pytest

from semscan.engine.figures.views import (
    COLOUR_NAMES,
    PATCH_PX,
    PATCHES,
    THUMB_PX,
    colour_summary,
    is_coloured,
    take_views,
)


@pytest.mark.parametrize("size", [(48, 48), (49, 3000), (4000, 60), (500, 140), (900, 1340)])
def test_views_have_fixed_sizes_for_panels_of_any_size(size):
    views = take_views(np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8))
    assert views.thumb.shape == (THUMB_PX, THUMB_PX) and views.thumb.dtype == np.uint8
    assert views.patches.shape == (PATCHES, PATCH_PX, PATCH_PX) and views.patches.dtype == np.uint8


def test_a_panel_smaller_than_a_patch_has_no_views():
    with pytest.raises(ValueError, match="holds no square"):
        take_views(np.zeros((47, 300), np.uint8))


def test_the_thumbnail_is_the_mean_of_blocks_where_the_grid_fits():
    grey = np.random.default_rng(1).integers(0, 256, (3 * THUMB_PX, 3 * THUMB_PX), dtype=np.uint8)
    blocks = grey.reshape(THUMB_PX, 3, THUMB_PX, 3).astype(int).sum(axis=(1, 3)) // 9
    np.testing.assert_array_equal(take_views(grey).thumb, blocks)


def test_four_patches_are_native_pixels_and_two_are_means_of_a_coarser_grid():
    grey = np.arange(1200 * 1000, dtype=np.int64).reshape(1200, 1000)
    grey = (grey * 2654435761 % 256).astype(np.uint8)
    patches = take_views(grey).patches
    windows = np.lib.stride_tricks.sliding_window_view(grey, (PATCH_PX, PATCH_PX))
    for patch in patches[:4]:
        assert (windows[:, :, :3, :3] == patch[:3, :3]).all(axis=(2, 3)).any()
    assert patches[4:].std() < 0.5 * patches[:4].std()  # means of 3 x 3 pixels of noise


def test_views_do_not_depend_on_the_memory_layout():
    grey = np.random.default_rng(2).integers(0, 256, (300, 410), dtype=np.uint8)
    framed = np.zeros((309, 417), np.uint8)
    framed[4:-5, 3:-4] = grey
    one, two = take_views(grey), take_views(framed[4:-5, 3:-4])
    np.testing.assert_array_equal(one.thumb, two.thumb)
    np.testing.assert_array_equal(one.patches, two.patches)


def test_grey_has_no_colour_and_a_tint_has_one():
    grey = np.random.default_rng(3).integers(0, 256, (60, 80, 1), dtype=np.uint8)
    none = colour_summary(np.repeat(grey, 3, axis=2))
    assert none.shape == (len(COLOUR_NAMES),)
    assert not none.any() and not is_coloured(none)
    tint = colour_summary((grey * np.array([1.0, 0.6, 0.3])).astype(np.uint8))
    assert is_coloured(tint)
    assert tint[COLOUR_NAMES.index("tint_unity")] > 0.9


def test_colour_on_less_than_half_of_a_panel_does_not_make_it_coloured():
    colour = np.full((100, 100, 3), 120, np.uint8)
    colour[:45] = (255, 0, 0)
    assert not is_coloured(colour_summary(colour))
    colour[:55] = (255, 0, 0)
    assert is_coloured(colour_summary(colour))
