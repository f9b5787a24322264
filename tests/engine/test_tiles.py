"""Tiles lie on the even grid, inside their panel, and never overlap."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semscan.engine.geometry import Box
from semscan.engine.tiles import cut_tiles, panel_tiles, tile_origins

sides = st.integers(0, 900)


@given(x=st.integers(0, 50), y=st.integers(0, 50), w=sides, h=sides, most=st.integers(1, 20))
def test_tiles_are_even_inside_apart_and_at_most_as_many_as_asked(x, y, w, h, most):
    box = Box(x, y, x + w, y + h)
    origins = tile_origins(box, 64, most)
    assert len(origins) <= most and len(set(origins)) == len(origins)
    for left, top in origins:
        assert left % 2 == top % 2 == 0
        assert box.x0 <= left and left + 64 <= box.x1 and box.y0 <= top and top + 64 <= box.y1
    for i, (ax, ay) in enumerate(origins):
        for bx, by in origins[i + 1 :]:
            assert abs(ax - bx) >= 64 or abs(ay - by) >= 64


@given(x=st.integers(0, 9), y=st.integers(0, 9), w=st.integers(66, 400), h=st.integers(66, 400))
def test_a_tile_is_found_wherever_one_fits_evenly(x, y, w, h):
    assert tile_origins(Box(x, y, x + w, y + h), 64, 1)


def test_cut_tiles_copies_the_pixels_at_each_origin():
    grey = np.arange(200 * 300, dtype=np.uint32).reshape(200, 300).astype(np.uint8)
    tiles = cut_tiles(grey, [(2, 4), (100, 60)], 64)
    assert tiles.shape == (2, 1, 64, 64) and tiles.dtype == np.uint8
    assert (tiles[1, 0] == grey[60:124, 100:164]).all()


def test_flat_tiles_are_left_out_of_a_panel():
    grey = np.full((64, 192), 90, np.uint8)
    grey[:, 64:128] = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    tiles = panel_tiles(grey, Box(0, 0, 192, 64), 64, 16)
    assert tiles.shape == (1, 1, 64, 64) and (tiles[0, 0] == grey[:, 64:128]).all()
    assert panel_tiles(grey, Box(0, 0, 64, 64), 64, 16).shape == (0, 1, 64, 64)
    assert panel_tiles(grey, Box(0, 0, 60, 64), 64, 16).shape == (0, 1, 64, 64)
