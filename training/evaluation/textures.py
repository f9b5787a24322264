"""Classical texture synthesis, without anything learned: stands beside what generators make, and is named as such."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semscan.training.filters import to_grey_levels


def random_phase(grey: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture with the same power spectrum and mean, and random phases (Galerne et al., IEEE TIP 20, 2011).

    Args:
        grey: uint8 [h, w].
        rng: of the phases.

    Returns:
        uint8 [h, w].
    """
    x = grey.astype(np.float64)
    noise = np.angle(np.fft.rfft2(rng.normal(size=x.shape)))
    made = np.fft.irfft2(np.abs(np.fft.rfft2(x - x.mean())) * np.exp(1j * noise), x.shape)
    return to_grey_levels(made + x.mean())


def quilted(grey: NDArray[np.uint8], rng: np.random.Generator, block_px: int = 32) -> NDArray[np.uint8]:
    """Blocks of the picture itself, each chosen among random ones to fit its neighbours, blended where they overlap.

    After Efros and Freeman (SIGGRAPH 2001), with a soft edge instead of a minimal cut.

    Args:
        grey: uint8 [h, w], both sides above ``block_px``.
        rng: of the blocks.
        block_px: side of a block; a quarter of it overlaps.

    Returns:
        uint8 [h, w].
    """
    overlap = block_px // 4
    step = block_px - overlap
    height, width = grey.shape
    rows, columns = -(-height // step), -(-width // step)
    total = np.zeros((rows * step + overlap, columns * step + overlap))
    weight = np.zeros_like(total)
    edge = np.minimum(1.0, (np.arange(block_px) + 1) / (overlap + 1))
    soft = np.outer(np.minimum(edge, edge[::-1]), np.minimum(edge, edge[::-1]))
    for row in range(rows):
        for column in range(columns):
            place = np.s_[row * step : row * step + block_px, column * step : column * step + block_px]
            known = weight[place] > 0
            tried: list[tuple[float, int, NDArray[np.float64]]] = []
            for _ in range(12):
                y, x = int(rng.integers(height - block_px + 1)), int(rng.integers(width - block_px + 1))
                block = grey[y : y + block_px, x : x + block_px].astype(np.float64)
                there = total[place][known] / weight[place][known]
                tried.append((float(((block[known] - there) ** 2).sum()), len(tried), block))
            total[place] += soft * min(tried)[2]
            weight[place] += soft
    return to_grey_levels((total / weight)[:height, :width])
