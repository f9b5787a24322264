"""Pictures larger than those that a generator was trained on, made in one piece and with the same traces.

Beyond its first layer a convolutional generator does not know how large its picture is. So a grid of latent vectors,
one for each cell of the size trained on, takes the place of the single one, and the layers after it grow a larger
picture over the cells' borders as they grow a small one inside. There is no cut at a cell's border, but the
content changes there, and cells that differ much show as rounded squares. Sharing part of the latent vector makes that
rarer. What a single small picture shows comes several times. The outermost cells see the zeros beyond the border as the small picture does; what they would add
beyond the size asked for is cut off evenly on both sides.
"""

from __future__ import annotations

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
    return SHARED**0.5 * shared[:, :, None, None] + (1 - SHARED) ** 0.5 * own


def cut(pictures: Tensor, size_px: int) -> Tensor:
    """The middle [n, C, size, size] of pictures [n, C, h, w] that are at least as large."""
    top = (pictures.shape[-1] - size_px) // 2 // MULTIPLE_PX * MULTIPLE_PX
    return pictures[:, :, top : top + size_px, top : top + size_px]
