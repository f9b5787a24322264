"""Native-resolution tiles of a panel.

Tiles are cut, never resized. Their origins are even in the coordinates of the stored image because the NPR residual
(Tan et al., CVPR 2024) is defined on the 2 x 2 grid of that image, so a tile scores the same wherever its panel
starts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semscan.engine.geometry import Box

FLATTEST_TILE = 2.0
"""Tiles whose grey levels spread less than this (standard deviation) hold no texture to score."""

_EVERY_ROW = 8

_LATTICE = 96
"""Tiles that dodge something start on a lattice with at most so many steps a side, so that its cost is bounded."""


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


def clean_origins(box: Box, tile_px: int, most: int, avoid: Sequence[Box]) -> list[tuple[int, int]]:
    """Origins of at most ``most`` tiles inside ``box`` that touch none of the boxes to avoid.

    Those of :func:`tile_origins` that touch nothing are taken, unless more tiles fit when the grid gives way: rows of
    tiles are then placed anew between the boxes, each row filled from its left end, with as many tiles in total as
    such rows can hold (a dynamic programme over a lattice of even origins).

    Args:
        box: region of the stored image that may be used, in its pixels.
        tile_px: side of a tile in pixels, even.
        most: largest number of tiles, at least 1.
        avoid: boxes in pixels of the stored image.

    Returns:
        Origins in reading order, which never overlap; those of :func:`tile_origins` when nothing is in the way.
    """
    regular = tile_origins(box, tile_px, most)
    inner = [other for other in avoid if _touch(box, other)]
    if not inner or not regular:
        return regular
    blocks = np.array(inner, dtype=np.int64)
    left, top = np.array(regular).T[:, :, None]
    meets = (left < blocks[:, 2]) & (left + tile_px > blocks[:, 0])
    meets &= (top < blocks[:, 3]) & (top + tile_px > blocks[:, 1])
    kept = [origin for origin, met in zip(regular, meets.any(axis=1), strict=True) if not met]
    if len(kept) == len(regular):
        return kept
    packed = _packed(box, tile_px, blocks)
    if len(packed) <= len(kept):
        return kept
    if len(packed) <= most:
        return packed
    return [packed[len(packed) * i // most] for i in range(most)]


def panel_tiles(
    grey: NDArray[np.uint8], box: Box, tile_px: int, most: int, avoid: Sequence[Box] = ()
) -> NDArray[np.uint8]:
    """The tiles that a panel is scored by: those of :func:`clean_origins` that hold texture.

    Args:
        grey: uint8 [H, W].
        box: the panel without its data bar.
        tile_px: side of a tile in pixels, even.
        most: largest number of tiles.
        avoid: boxes that no tile may touch, such as letters and arrows.

    Returns:
        uint8 [n, 1, tile_px, tile_px], n possibly 0.
    """
    return placed_tiles(grey, box, tile_px, most, avoid)[0]


def placed_tiles(
    grey: NDArray[np.uint8], box: Box, tile_px: int, most: int, avoid: Sequence[Box] = ()
) -> tuple[NDArray[np.uint8], list[tuple[int, int]]]:
    """The tiles of :func:`panel_tiles` and their origins ``(x, y)`` in pixels of the stored image."""
    origins = clean_origins(box, tile_px, most, avoid)
    tiles = cut_tiles(grey, origins, tile_px)
    textured = _textured(tiles)
    if textured.all():
        return tiles, origins
    return tiles[textured], [origin for origin, kept in zip(origins, textured.tolist(), strict=True) if kept]


def _textured(tiles: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether the grey levels of each tile spread enough.

    Some of its pixels deviate from their own mean by no more than from that of the tile: where every few rows alone
    deviate by what is asked of the whole tile, the others need not be read. The sums are of whole numbers, hence exact.
    """
    size = math.prod(tiles.shape[1:])
    enough = _squared_deviations(tiles[:, :, ::_EVERY_ROW]) >= FLATTEST_TILE**2 * size
    rest = np.flatnonzero(~enough)
    if len(rest):
        enough[rest] = _squared_deviations(tiles[rest]) >= FLATTEST_TILE**2 * size
    return enough


def _squared_deviations(tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Sum of squared deviations of each tile's pixels from their mean, float64 [n]; much faster than ``var``."""
    pixels = tiles.reshape(len(tiles), math.prod(tiles.shape[1:])).astype(np.float64)
    total = pixels.sum(axis=1)
    deviations: NDArray[np.float64] = np.einsum("ij,ij->i", pixels, pixels) - total * total / pixels.shape[1]
    return deviations


def _touch(one: Box, other: Box) -> bool:
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


def _packed(box: Box, tile_px: int, blocks: NDArray[np.int64]) -> list[tuple[int, int]]:
    """As many tiles in rows as fit between the blocks, int64 [n, 4] of x0, y0, x1, y1; in reading order."""
    step = 2
    while max(box.width, box.height) - tile_px > _LATTICE * step:
        step *= 2
    x0, y0 = box.x0 + (box.x0 & 1), box.y0 + (box.y0 & 1)
    clean = np.ones((1 + (box.y1 - tile_px - y0) // step, 1 + (box.x1 - tile_px - x0) // step), np.bool_)
    # A tile at lattice place k meets a block of [low, high) if low - tile_px < start + k * step < high.
    first = np.maximum(0, (blocks[:, :2] - tile_px - (x0, y0)) // step + 1)
    last = np.maximum(0, -((x0, y0) - blocks[:, 2:]) + step - 1) // step
    for (left, top), (right, bottom) in zip(first.tolist(), last.tolist(), strict=True):
        clean[top:bottom, left:right] = False
    jump = -(-tile_px // step)
    rows, columns = clean.shape
    across = np.zeros((rows, columns + jump), np.int64)  # tiles that fit at a place and to the right of it
    for x in range(columns - 1, -1, -1):
        across[:, x] = np.maximum(across[:, x + 1], (across[:, x + jump] + 1) * clean[:, x])
    below = [0] * (rows + jump)
    for y in range(rows - 1, -1, -1):
        below[y] = max(below[y + 1], int(across[y, 0]) + below[y + jump])
    origins = []
    y = 0
    while y < rows:
        if int(across[y, 0]) + below[y + jump] < below[y] or not across[y, 0]:  # a lower start holds more
            y += 1
            continue
        x = -jump
        for place in np.flatnonzero(clean[y]).tolist():
            if place >= x + jump:
                x = place
                origins.append((x0 + x * step, y0 + y * step))
        y += jump
    return origins


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
