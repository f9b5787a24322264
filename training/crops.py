"""Random crops of the genuine pictures that may train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semscan.training.data import list_micrographs, read_panel, source_weights


@dataclass(frozen=True, slots=True)
class CropsPool:
    """Genuine pictures in memory with the probability of drawing each.

    Attributes:
        pictures: uint8 [h, w] each.
        weights: float64 [n], summing to 1.
    """

    pictures: list[NDArray[np.uint8]]
    weights: NDArray[np.float64]

    def draw(self, rng: np.random.Generator, count: int, size: int) -> NDArray[np.uint8]:
        """Random crops, mirrored and rotated; some are first shrunk, inverted or given another contrast.

        Returns:
            uint8 [count, 1, size, size].
        """
        crops = np.empty((count, 1, size, size), np.uint8)
        for crop in crops:
            picture = self.pictures[rng.choice(len(self.pictures), p=self.weights)]
            side = min(size if rng.random() < 0.7 else int(size * rng.uniform(1.0, 2.0)), *picture.shape)
            y, x = (int(rng.integers(0, length - side + 1)) for length in picture.shape)
            piece = picture[y : y + side, x : x + side]
            if side != size:
                piece = np.asarray(Image.fromarray(piece).resize((size, size), Image.Resampling.BICUBIC))
            piece = np.rot90(piece, int(rng.integers(4)))
            if rng.random() < 0.5:
                piece = piece[:, ::-1]
            if rng.random() < 0.3:
                shades = np.arange(256.0) * rng.uniform(0.6, 1.2) + rng.uniform(-20, 40)
                table = np.clip(shades, 0, 255).astype(np.uint8)
                piece = table[255 - piece if rng.random() < 0.5 else piece]
            crop[0] = piece
        return crops


def load_crops_pool(root: Path) -> CropsPool:
    """Read the train split."""
    listed = list_micrographs(root, ["train"])
    pictures = [read_panel(micrograph) for micrograph in listed]
    return CropsPool(pictures, source_weights([m.source for m in listed], [p.size for p in pictures]))
