"""Native-resolution tiles of a panel.

Tiles are cut, never resized. Their origins are even in the coordinates of the stored image because the NPR residual
(Tan et al., CVPR 2024) is defined on the 2 x 2 grid of that image, so a tile scores the same wherever its panel
starts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semscan.engine.geometry import Box

FLATTEST_TILE = 2.0
"""Tiles whose grey levels spread less than this (standard deviation) hold no texture to score."""


def tile_origins(box: Box, tile_px: int, most: int) -> list[tuple[int, int]]:
    """Origins ``(x, y)`` of at most ``most`` tiles that lie inside ``box``, even and spread over it.

    Tiles never overlap. When more than ``most`` fit, fewer columns or rows are spread over the whole box.

    Args:
        box: region of the stored image that may be used, in its pixels.
        tile_px: side of a tile in pixels, even.
        most: largest number of tiles, at least 1.

    Returns:
        Origins in reading order; empty when no even-aligned tile fits.

    >>> tile_origins(Box(1, 0, 300, 130), 128, 16)
    [(2, 0), (172, 0)]
    """
    columns, rows = _fitting(box.x0, box.x1, tile_px), _fitting(box.y0, box.y1, tile_px)
    while columns * rows > most:
        if columns >= rows:
            columns -= 1
        else:
            rows -= 1
    starts_x = _spread(box.x0, box.x1, tile_px, columns)
    return [(x, y) for y in _spread(box.y0, box.y1, tile_px, rows) for x in starts_x]


def cut_tiles(grey: NDArray[np.uint8], origins: list[tuple[int, int]], tile_px: int) -> NDArray[np.uint8]:
    """Copy tiles out of a grey plane.

    Args:
        grey: uint8 [H, W].
        origins: from :func:`tile_origins`.
        tile_px: side of a tile in pixels.

    Returns:
        uint8 [n, 1, tile_px, tile_px], C-contiguous.
    """
    tiles = np.empty((len(origins), 1, tile_px, tile_px), np.uint8)
    for tile, (x, y) in zip(tiles, origins, strict=True):
        tile[0] = grey[y : y + tile_px, x : x + tile_px]
    return tiles


def panel_tiles(grey: NDArray[np.uint8], box: Box, tile_px: int, most: int) -> NDArray[np.uint8]:
    """The tiles that a panel is scored by: those of :func:`tile_origins` that hold texture.

    Args:
        grey: uint8 [H, W].
        box: the panel without its data bar.
        tile_px: side of a tile in pixels, even.
        most: largest number of tiles.

    Returns:
        uint8 [n, 1, tile_px, tile_px], n possibly 0.
    """
    tiles = cut_tiles(grey, tile_origins(box, tile_px, most), tile_px)
    textured: NDArray[np.bool_] = tiles.std(axis=(1, 2, 3)) >= FLATTEST_TILE
    return tiles[textured]


def _fitting(low: int, high: int, tile_px: int) -> int:
    """How many even-aligned tiles fit side by side."""
    return max(0, (high - low - (low & 1)) // tile_px)


def _spread(low: int, high: int, tile_px: int, count: int) -> list[int]:
    """Even starts of ``count`` tiles, from one end to the other (a single one: centred)."""
    first = low + (low & 1)
    room = high - tile_px - first
    if count == 1:
        return [first + room // 4 * 2]
    return [first + room * i // (count - 1) // 2 * 2 for i in range(count)]
