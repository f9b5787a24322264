"""Golden tiles: procedural textures whose logits every runtime must reproduce. None comes from a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def golden_tiles(tile_px: int) -> NDArray[np.uint8]:
    """Textures that reach the extremes of the graph: flat, bright, dark, smooth, noisy, periodic, enlarged.

    Args:
        tile_px: side of a tile, a multiple of 8.

    Returns:
        uint8 [8, 1, tile_px, tile_px], the same on every call.
    """
    rng = np.random.default_rng(20260)
    y, x = np.mgrid[0:tile_px, 0:tile_px].astype(np.float64)
    cloud = sum(
        np.kron(rng.random((cells, cells)), np.ones((tile_px // cells, tile_px // cells))) / cells
        for cells in (2, 4, 8)
    )
    small = rng.normal(128, 40, (tile_px // 2, tile_px // 2))
    textures = [
        np.zeros_like(x),
        40 + 160 * x / tile_px,
        rng.normal(128, 25, x.shape),
        rng.normal(20, 8, x.shape),
        rng.normal(240, 8, x.shape),
        128 + 60 * np.sin(x / 3) * np.cos(y / 5) + rng.normal(0, 4, x.shape),
        np.kron(small, np.ones((2, 2))) + rng.normal(0, 2, x.shape),
        60 + 120 * cloud + rng.normal(0, 10, x.shape),
    ]
    return np.stack([np.clip(np.rint(t), 0, 255).astype(np.uint8) for t in textures])[:, None]
