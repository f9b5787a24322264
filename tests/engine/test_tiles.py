"""Tiles lie on the even grid, inside their panel, and never overlap."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semscan.engine.geometry import Box
from semscan.engine.tiles import clean_origins, cut_tiles, panel_tiles, tile_origins

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


boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    *(st.integers(-20, 700), st.integers(-20, 700), st.integers(1, 200), st.integers(1, 200)),
)


@given(
    x=st.integers(0, 9),
    y=st.integers(0, 9),
    w=sides,
    h=sides,
    most=st.integers(1, 20),
    avoid=st.lists(boxes, max_size=12),
)
def test_tiles_that_dodge_touch_nothing_and_are_no_fewer_than_the_clean_ones_of_the_grid(x, y, w, h, most, avoid):
    box = Box(x, y, x + w, y + h)
    origins = clean_origins(box, 64, most, avoid)
    kept = [(left, top) for left, top in tile_origins(box, 64, most) if not meets(left, top, avoid)]
    assert len(kept) <= len(origins) <= most
    for i, (left, top) in enumerate(origins):
        assert left % 2 == top % 2 == 0 and not meets(left, top, avoid)
        assert box.x0 <= left and left + 64 <= box.x1 and box.y0 <= top and top + 64 <= box.y1
        assert all(abs(left - a) >= 64 or abs(top - b) >= 64 for a, b in origins[i + 1 :])
    assert origins == sorted(origins, key=lambda origin: origin[::-1])


def meets(left, top, avoid):
    return any(left < b.x1 and left + 64 > b.x0 and top < b.y1 and top + 64 > b.y0 for b in avoid)


def test_the_grid_gives_way_to_a_letter_in_the_corner():
    assert clean_origins(Box(0, 0, 160, 160), 128, 16, [Box(4, 4, 20, 20)]) == [(20, 0)]
    assert clean_origins(Box(1, 0, 145, 133), 128, 16, [Box(2, 0, 16, 9)]) == [(16, 0)]
    assert clean_origins(Box(0, 0, 160, 160), 128, 16, [Box(70, 70, 80, 80)]) == []


def test_a_wide_panel_gives_as_many_tiles_beside_a_line_as_fit():
    # Of three regular columns a line in the middle hits one; a line through the first is dodged by two.
    across = [Box(0, 0, 400, 260), [Box(196, 0, 200, 260)]]
    assert len(tile_origins(across[0], 128, 16)) == 6
    assert clean_origins(across[0], 128, 16, across[1]) == [(0, 0), (272, 0), (0, 132), (272, 132)]
    aside = [Box(124, 0, 140, 260)]
    assert clean_origins(across[0], 128, 16, aside) == [(140, 0), (268, 0), (140, 128), (268, 128)]


def test_without_anything_in_the_way_the_regular_grid_is_used():
    box = Box(3, 5, 700, 500)
    assert clean_origins(box, 128, 16, [Box(0, 0, 3, 500), Box(700, 0, 800, 9)]) == tile_origins(box, 128, 16)
