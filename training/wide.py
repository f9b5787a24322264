"""Pictures larger than those that a generator was trained on, made in one piece and with the same traces.

Beyond its first layer a convolutional generator does not know how large its picture is. So a grid of latent vectors,
one for each cell of the size trained on, takes the place of the single one, and the layers after it grow a larger
picture over the cells' borders as they grow a small one inside. There is no cut at a cell's border, but the content
changes there, and cells that differ much show as rounded squares; that they share part of their latent vector makes
this rarer. The outermost cells see the zeros beyond the border as the small picture does; what they would add beyond
the size asked for is cut off evenly on both sides.

A diffusion model normalises and attends over its whole picture, and in a larger one it settles for flat grey. So it
sees a larger picture through overlapping windows of the side trained on, whose answers are averaged at every step
(Bar-Tal et al., arXiv 2302.08113).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from semscan.engine.errors import UsageError

LARGEST_PX = 1024
MULTIPLE_PX = 16
"""A wide side is a multiple of this, so that what is cut off shifts no layer's grid of up-sampling by a fraction."""

SHARED = 0.5
"""Share of the variance of a latent vector that all cells of a picture have in common."""


def check_side(size_px: int, trained_px: int, multiple_px: int = MULTIPLE_PX) -> None:
    """Check a side that was asked for.

    Args:
        size_px: the side.
        trained_px: side of the pictures that the generator was trained on.
        multiple_px: what the side must be a multiple of.

    Raises:
        UsageError: the generator cannot make pictures of this side.
    """
    if size_px != trained_px and (size_px % multiple_px or not trained_px <= size_px <= LARGEST_PX):
        raise UsageError(
            f"a generator trained at {trained_px} px cannot make pictures of {size_px} px",
            f"the side is a multiple of {multiple_px} from {trained_px} to {LARGEST_PX}",
        )


def latent_cells(count: int, latent: int, size_px: int, trained_px: int) -> Tensor:
    """Latent vectors for pictures of a side, from torch's global generator.

    Args:
        count: number of pictures.
        latent: length of a vector.
        size_px: side of the pictures.
        trained_px: side of the pictures that the generator was trained on.

    Returns:
        float32 [count, latent] for the side trained on, otherwise [count, latent, k, k] with k * ``trained_px`` at
        least ``size_px``; each vector is standard normal.
    """
    shared = torch.randn(count, latent)
    cells = -(-size_px // trained_px)
    if size_px == trained_px:
        return shared
    own = torch.randn(count, latent, cells, cells)
    return math.sqrt(SHARED) * shared[:, :, None, None] + math.sqrt(1 - SHARED) * own


def cut(pictures: Tensor, size_px: int) -> Tensor:
    """The middle [n, C, size, size] of pictures [n, C, h, w] that are at least as large."""
    top = (pictures.shape[-1] - size_px) // 2 // MULTIPLE_PX * MULTIPLE_PX
    middle: Tensor = pictures[:, :, top : top + size_px, top : top + size_px]
    return middle


def in_windows(predict: Callable[[Tensor, Tensor], Tensor], x: Tensor, at: Tensor, side: int) -> Tensor:
    """Noise predicted in overlapping windows, averaged with weights that fall towards each window's border.

    Args:
        predict: from float [n, c, side, side] and int64 [n] to the noise.
        x: float [n, c, h, w], h and w at least ``side``.
        at: int64 [n], time steps.
        side: of a window, a multiple of 4; windows begin at multiples of a quarter of it and at the far border.

    Returns:
        like ``x``.
    """
    if max(x.shape[-2:]) <= side:
        return predict(x, at)
    rows, columns = ([*range(0, length - side, 3 * side // 4), length - side] for length in x.shape[-2:])
    ramp = torch.minimum(torch.arange(1, side + 1), torch.arange(side, 0, -1)).to(x)
    weight = ramp[:, None] * ramp[None]
    total, weights = torch.zeros_like(x), x.new_zeros(x.shape[-2:])
    for top in rows:
        for left in columns:
            here = (..., slice(top, top + side), slice(left, left + side))
            total[here] += weight * predict(x[here], at)
            weights[here] += weight
    return total / weights
