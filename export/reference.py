"""What every artefact is compared with: the folded network in double precision, and tiles that try it hard."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from semscan.export.fold import FoldedConv, FoldedNpr5k

RANDOM_TILES = 64
SHIFT = 90
"""Grey levels between a dark tile and the same tile brighter."""


def reference_logits(folded: FoldedNpr5k, tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Logits in float64.

    Args:
        folded: the network.
        tiles: uint8 [n, 1, T, T].

    Returns:
        float64 [n].
    """
    with torch.inference_mode():
        x = F.relu(_conv(folded.first, torch.from_numpy(tiles.astype(np.float64))))
        x = F.max_pool2d(x, 3, 2, 1)
        for first, second, shortcut in folded.blocks:
            inner = F.relu(_conv(first, x))
            x = F.relu(_conv(second, inner) + (_conv(shortcut, x) if shortcut else x))
        cells = torch.einsum("nchw,c->nhw", x, torch.from_numpy(folded.head_weight)) + folded.head_bias
        logits: NDArray[np.float64] = cells.mean((1, 2)).numpy()
        return logits


def trial_tiles(tile_px: int, seed: int = 0) -> dict[str, NDArray[np.uint8]]:
    """Tiles by name, uint8 [n, 1, T, T] each: random, dark, the same ones brighter by :data:`SHIFT`, and constant."""
    rng = np.random.default_rng(seed)
    shape = (RANDOM_TILES, 1, tile_px, tile_px)
    dark = np.clip(np.rint(rng.normal(60, 15, shape)), 0, 255 - SHIFT).astype(np.uint8)
    constant = np.empty((8, 1, tile_px, tile_px), np.uint8)
    constant[:] = np.linspace(0, 255, 8).round().astype(np.uint8)[:, None, None, None]
    return {
        "random": rng.integers(0, 256, shape, dtype=np.uint8),
        "dark": dark,
        "bright": dark + np.uint8(SHIFT),
        "constant": constant,
    }


def _conv(conv: FoldedConv, x: Tensor) -> Tensor:
    top, left, bottom, right = conv.pads
    padded = F.pad(x, (left, right, top, bottom))
    return F.conv2d(padded, torch.from_numpy(conv.weight), torch.from_numpy(conv.bias), conv.stride)
