"""Genuine crops for the detector's pairs, on their own JPEG grid, with what is known of their history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semscan.engine.errors import UsageError
from semscan.training.data import Micrograph, read_panel, source_weights
from semscan.training.degrade import KERNELS
from semscan.training.filters import enlarge_by_taps

_SMOOTH_KERNELS = KERNELS[2:]


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A genuine crop.

    Attributes:
        pixels: uint8 [h, w], sides multiples of 8.
        source: where its picture comes from.
        tables: luminance quantisation table of its own JPEG, on whose 8 x 8 grid it lies; ``None`` without one.
        enlarged: factor and kernel it was enlarged with before anything else, as in :func:`enlarge`.
        at: the picture's number.
    """

    pixels: NDArray[np.uint8]
    source: str
    tables: list[int] | None
    enlarged: tuple[float, Image.Resampling | None] | None
    at: int


class GenuinePictures:
    """The pictures of a split in memory, drawn so that a source counts like the square root of its size.

    Args:
        listed: the pictures; those with a side under ``least_px`` are left out.
        rescaled_share: share of the crops that are resampled first.
        least_px: shortest side of a crop.
        others: weight of a source that is no SEM; SEM sources have 1.

    Raises:
        UsageError: there are none, or a picture cannot be read.
    """

    def __init__(self, listed: Sequence[Micrograph], rescaled_share: float, least_px: int, others: float = 1.0) -> None:
        panels = [(micrograph, read_panel(micrograph)) for micrograph in listed]
        kept = [(micrograph, panel) for micrograph, panel in panels if min(panel.shape) >= least_px + 8]
        if not kept:
            raise UsageError(f"no genuine picture is larger than {least_px + 8} px")
        self._micrographs = [micrograph for micrograph, _ in kept]
        self._panels = [panel for _, panel in kept]
        self._tables = [jpeg_tables(micrograph.path) for micrograph, _ in kept]
        self._weights = source_weights([m.source for m in self._micrographs], [p.size for p in self._panels])
        self._weights *= [others if m.split == "kind" else 1.0 for m in self._micrographs]
        self._weights /= self._weights.sum()
        self._rescaled_share, self._least_px = rescaled_share, least_px

    def draw(self, rng: np.random.Generator, side_px: int, like: Crop | None = None) -> Crop:
        """A random crop.

        Args:
            rng: decides everything.
            side_px: its side, a multiple of 8, where the picture allows it.
            like: a crop whose size it must have; it then comes from any picture and may be mirrored at its edges.
        """
        at = int(rng.choice(len(self._panels), p=self._weights))
        panel, source = self._panels[at], self._micrographs[at].source
        if like is not None:
            pixels = _cut(rng, panel, like.pixels.shape)
            short = [(0, max(0, n - have)) for n, have in zip(like.pixels.shape, pixels.shape, strict=True)]
            return Crop(np.pad(pixels, short, mode="symmetric"), source, None, None, at)
        if rng.random() >= self._rescaled_share:
            return Crop(_cut(rng, panel, (side_px, side_px)), source, self._tables[at], None, at)
        lowest = max(0.4, 1.3 * self._least_px / min(panel.shape))
        factor = float(np.exp(rng.uniform(np.log(min(1.0, lowest)), np.log(2.1))))
        kernel: Image.Resampling | None = _SMOOTH_KERNELS[int(rng.integers(len(_SMOOTH_KERNELS)))]
        if rng.random() < 0.2:
            # Doubling leaves the period that decoders leave, so genuine pictures must show it often.
            factor, kernel = 2.0, None if rng.random() < 0.4 else kernel
        wanted = int(np.ceil(side_px / factor)) + 8
        piece = _cut(rng, panel, (wanted, wanted), grid=1)
        height, width = (min(side_px, int(n * factor)) // 8 * 8 for n in piece.shape)
        pixels = enlarge(piece, factor, kernel, (height, width))
        return Crop(pixels, source, None, (factor, kernel) if factor > 1 else None, at)


def enlarge(
    picture: NDArray[np.uint8], factor: float, kernel: Image.Resampling | None, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Resample a picture and keep the middle.

    Args:
        picture: uint8 [h, w].
        factor: of the resampling; a picture need not be larger than ``shape`` divided by it.
        kernel: ``None`` doubles with the filter [1, 3, 3, 1].
        shape: height and width to keep.

    Returns:
        uint8 of ``shape``, or less where the picture has less.
    """
    needed = (min(n, int(np.ceil(side / factor)) + 1) for n, side in zip(picture.shape, shape, strict=True))
    picture = _middle(picture, tuple(needed))
    if kernel is None:
        return _middle(enlarge_by_taps(picture), shape)
    height, width = (int(np.ceil(n * factor)) for n in picture.shape)
    return _middle(np.asarray(Image.fromarray(picture).resize((width, height), kernel)), shape)


def jpeg_tables(path: Path) -> list[int] | None:
    """Luminance quantisation table of a JPEG file as Pillow gives it, ``None`` for other formats."""
    with Image.open(path) as image:
        quantization = getattr(image, "quantization", None)
    return list(quantization[0]) if quantization else None


def _cut(
    rng: np.random.Generator, panel: NDArray[np.uint8], shape: tuple[int, ...], grid: int = 8
) -> NDArray[np.uint8]:
    height, width = (min(side, n // grid * grid) for side, n in zip(shape, panel.shape, strict=True))
    y = grid * int(rng.integers(0, (panel.shape[0] - height) // grid + 1))
    x = grid * int(rng.integers(0, (panel.shape[1] - width) // grid + 1))
    return np.ascontiguousarray(panel[y : y + height, x : x + width])


def _middle(picture: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    height, width = (min(n, side) for n, side in zip(picture.shape, shape, strict=True))
    y, x = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return np.ascontiguousarray(picture[y : y + height, x : x + width])
