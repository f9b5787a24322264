"""Composed western blots: what BlotGAN trains on until real ones are at hand.

Nothing here was photographed. A blot is a sheet of optical density: lanes with bands of several proteins, smears
below them, a membrane with slow stains, fine grain and specks. Film answers to density like 1 - exp(-density); a
scanner blurs and adds noise. Bands are dark on light, as most journals print them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Grey = NDArray[np.float32]


def compose_blots(seed: int, count: int, size: int) -> NDArray[np.uint8]:
    """Different blots that follow from the seed.

    Returns:
        uint8 [count, 1, size, size].
    """
    blots = np.empty((count, 1, size, size), np.uint8)
    for index, blot in enumerate(blots):
        blot[0] = compose_blot(np.random.default_rng([seed, index]), size)
    return blots


def compose_blot(rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """One blot, uint8 [size, size]; its layout scales with the size, its blur and grain do not."""
    density = _bands(rng, size)
    density = np.maximum(density + _membrane(rng, size), 0)
    light = np.exp(-density)
    light = gaussian_filter(light, rng.uniform(0.4, 1.0), mode="nearest")
    level, black = rng.uniform(190, 250), rng.uniform(0, 40)
    grey = black + (level - black) * light + rng.normal(0, rng.uniform(0.8, 4), (size, size))
    pixels: NDArray[np.uint8] = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return pixels


def _bands(rng: np.random.Generator, size: int) -> Grey:
    """Density of all bands and smears, float32 [size, size]."""
    lanes, rows = int(rng.integers(2, 9)), int(rng.integers(1, 4))
    pitch = size / lanes
    loading = np.exp(rng.normal(0, 0.25, lanes))
    total = np.zeros((size, size), np.float32)
    heights = (np.arange(rows) + rng.uniform(0.3, 0.7, rows)) * size / rows
    thickness = np.minimum(rng.uniform(0.015, 0.06, rows), 0.16 / rows) * size
    smile = rng.normal(0, 0.02) * size
    tilt = rng.normal(0, 0.03)
    for row in range(rows):
        strength = np.exp(rng.normal(0.3, 0.8, lanes)) * loading * (rng.random(lanes) > 0.15)
        total += _row(rng, size, pitch, heights[row], thickness[row], strength, (smile, tilt))
    return total


def _row(
    rng: np.random.Generator,
    size: int,
    pitch: float,
    height: float,
    thickness: float,
    strength: NDArray[np.float64],
    bend: tuple[float, float],
) -> Grey:
    """Bands of one protein in all lanes, each with a smear below it, float32 [size, size]."""
    lanes = len(strength)
    y, x = np.arange(size, dtype=np.float32)[None, :, None], np.arange(size, dtype=np.float32)[None, None, :]
    centre = ((np.arange(lanes) + 0.5) * pitch + rng.normal(0, 0.03, lanes) * pitch)[:, None, None]
    half = (rng.uniform(0.32, 0.46, lanes) * pitch)[:, None, None]
    across = (x - centre) / half
    smile, tilt = bend
    middle = height + smile * (2 * centre / size - 1) ** 2 + tilt * (centre - size / 2)
    # Each band bends by itself too: its ends run ahead or stay behind.
    middle = middle + rng.normal(0, 0.25, lanes)[:, None, None] * thickness * across**2
    sideways = np.exp(-(np.abs(across) ** rng.uniform(3, 8)))
    below = (y - middle) / thickness
    band = np.exp(-0.5 * np.abs(below) ** rng.uniform(1.8, 3))
    reach = rng.uniform(1.5, 6)
    smear = rng.uniform(0, 0.25, lanes)[:, None, None] * np.exp(-np.maximum(below, 0) / reach) * (below > 0)
    density: Grey = (strength[:, None, None] * sideways * (band + smear)).sum(0).astype(np.float32)
    return density


def _membrane(rng: np.random.Generator, size: int) -> Grey:
    """Background density: an even haze, stains, fibres' grain, now and then specks, float32 [size, size]."""
    haze = rng.uniform(0.02, 0.25)
    stains = gaussian_filter(rng.normal(0, 1, (size, size)), size / rng.uniform(4, 10), mode="wrap")
    stains *= rng.uniform(0, 0.08) / max(1e-9, float(stains.std()))
    grain = gaussian_filter(rng.normal(0, 1, (size, size)), (rng.uniform(0.5, 1.0), rng.uniform(0.5, 1.5)))
    grain *= rng.uniform(0.005, 0.04) / max(1e-9, float(grain.std()))
    specks = np.zeros((size, size))
    for _ in range(int(rng.poisson(1.0))):
        specks[rng.integers(size), rng.integers(size)] += rng.uniform(2, 12)
    background: Grey = (haze + stains + grain + gaussian_filter(specks, rng.uniform(0.5, 1.2))).astype(np.float32)
    return background
