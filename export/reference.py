"""What every artefact is compared with: the folded network in double precision, and tiles that try it hard."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from semscan.engine.errors import UsageError
from semscan.export.fold import Folded, FoldedConv, FoldedNpr64k
from semscan.training.nets.npr64k import contrast

RANDOM_TILES = 64
SHIFT = 90
"""Grey levels between a dark tile and the same tile brighter."""
_AT_ONCE = 32


def reference_logits(folded: Folded, tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Logits in float64.

    Args:
        folded: the network.
        tiles: uint8 [n, 1, T, T].

    Returns:
        float64 [n].
    """
    logits: NDArray[np.float64] = reference_evidence(folded, tiles).mean((1, 2))
    return logits


def reference_evidence(folded: Folded, tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Evidence maps in float64, [n, h, w]."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(tiles), _AT_ONCE):
            x = torch.from_numpy(tiles[start : start + _AT_ONCE].astype(np.float64))
            if isinstance(folded, FoldedNpr64k):
                x = _features_64k(folded, x)
            else:
                x = F.max_pool2d(F.relu(_conv(folded.first, x)), 3, 2, 1)
                for first, second, shortcut in folded.blocks:
                    inner = F.relu(_conv(first, x))
                    x = F.relu(_conv(second, inner) + (_conv(shortcut, x) if shortcut else x))
            parts.append(torch.einsum("nchw,c->nhw", x, torch.from_numpy(folded.head_weight)) + folded.head_bias)
    evidence: NDArray[np.float64] = torch.cat(parts).numpy()
    return evidence


def _features_64k(folded: FoldedNpr64k, x: Tensor) -> Tensor:
    if folded.local:
        root = contrast(x).sqrt()
        repeated = F.pad(root, (1, 1, 1, 1)).repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = F.avg_pool2d(F.relu(_conv(folded.first, torch.cat([x, repeated], 1))), 2) / root
    else:
        x = F.avg_pool2d(F.relu(_conv(folded.first, x)), 2)
    for index, conv in enumerate(folded.convs):
        x = F.relu(_conv(conv, x))
        if index == 0:
            x = F.avg_pool2d(x, 2)
    return x


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


def cut_to(tiles: NDArray[np.uint8], tile_px: int) -> NDArray[np.uint8]:
    """The top left of larger tiles; uint8 [n, 1, tile_px, tile_px].

    Raises:
        UsageError: they are smaller, in colour, or no bytes.
    """
    if tiles.dtype != np.uint8 or tiles.ndim != 4 or tiles.shape[1] != 1 or min(tiles.shape[2:]) < tile_px:
        raise UsageError(f"grey tiles of {tile_px} x {tile_px} px are needed, these have shape {tiles.shape[1:]}")
    return np.ascontiguousarray(tiles[..., :tile_px, :tile_px])


def _conv(conv: FoldedConv, x: Tensor) -> Tensor:
    top, left, bottom, right = conv.pads
    padded = F.pad(x, (left, right, top, bottom))
    return F.conv2d(padded, torch.from_numpy(conv.weight), torch.from_numpy(conv.bias), conv.stride)
