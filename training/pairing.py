"""One pair after the other: a genuine crop, what a maker makes for it, and one chain with one draw for both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from semscan.engine.errors import UsageError
from semscan.engine.smoothness import smoothness
from semscan.training.data import Micrograph
from semscan.training.degrade import (
    degrade,
    draw_degradation,
    jpeg_with_tables,
    least_side,
    match_levels,
    match_moments,
    mix,
)
from semscan.training.filters import apply_filter
from semscan.training.genuine import Crop, GenuinePictures, enlarge
from semscan.training.makers import Make, MakerSource, open_maker

MOST_GAIN = 1.5
"""Most that the contrast of a picture made from nothing is raised by to equal its partner's."""


@dataclass(frozen=True, slots=True)
class PairingRecipe:
    """How made members are fitted to genuine ones.

    Attributes:
        tile_px: side of a tile.
        crop_px: side of a genuine crop, unless the maker's pictures have a size of their own; a multiple of 8.
        rescaled_share: share of genuine crops that are resampled *before* anything is made of them, so that smooth,
            shrunk and enlarged pictures occur as genuine ones.
        mixed_share: share of reconstructions blended with their partner.
        high_mixed_share: share blended in the high frequencies only.
        alike_share: share of pictures made from nothing whose partner is chosen for its smoothness.
        alike_among: crops to choose from.
        grafted_share: share of pictures made from nothing of which only the high frequencies are taken, put onto the
            partner's low ones, so that what is shown does not tell them apart.
        others_weight: weight of a source that is no SEM.
        cuts: pairs cut from one picture, by the kind of its maker: what is slow to make is used more often. Each gets
            a chain of its own.
    """

    tile_px: int = 96
    crop_px: int = 208
    rescaled_share: float = 0.35
    mixed_share: float = 0.25
    high_mixed_share: float = 0.15
    alike_share: float = 0.6
    alike_among: int = 8
    grafted_share: float = 0.4
    others_weight: float = 0.6
    cuts: dict[str, int] = field(
        default_factory=lambda: {"autoencoder": 2, "transplant": 2, "translation": 3, "repaint": 8}
    )

    def __post_init__(self) -> None:
        if self.tile_px % 16 or self.crop_px % 8 or self.crop_px < least_side(self.tile_px):
            raise UsageError(
                "pairing.tile_px must be a multiple of 16, pairing.crop_px of 8",
                f"crop_px must be at least {least_side(self.tile_px)} for tiles of {self.tile_px} px",
            )


@dataclass(frozen=True, slots=True)
class Job:
    """One made picture: its number, its maker and how many pairs are cut from it."""

    index: int
    maker: int
    pairs: int


Result = tuple[NDArray[np.uint8], list[str]]
"""Tiles uint8 [n, 2, T, T] of some jobs, and the source of each job."""


class Worker:
    """Everything a process needs, loaded once; makers when they are first used.

    Args:
        recipe: how pairs are fitted.
        seed: everything random follows from it and the number of the job.
        listed: genuine pictures.
        makers: by number.
    """

    def __init__(self, recipe: PairingRecipe, seed: int, listed: list[Micrograph], makers: list[MakerSource]) -> None:
        torch.set_num_threads(1)
        self.recipe, self.seed, self.makers = recipe, seed, makers
        self.pictures = GenuinePictures(listed, recipe.rescaled_share, least_side(recipe.tile_px), recipe.others_weight)
        self.open: dict[int, Make] = {}

    def run(self, jobs: list[Job]) -> Result:
        """The tiles of some jobs, uint8 [n, 2, T, T], and the source of each job."""
        tiles, sources = [], []
        for job in jobs:
            rng = np.random.default_rng([self.seed, job.index])
            crop, made = self._pair(job, rng)
            tiles += [self._tiles(crop.pixels, made, rng) for _ in range(job.pairs)]
            sources.append(crop.source)
        return np.stack(tiles), sources

    def _pair(self, job: Job, rng: np.random.Generator) -> tuple[Crop, NDArray[np.uint8]]:
        recipe, maker = self.recipe, self.makers[job.maker]
        make = self.open.get(job.maker) or self.open.setdefault(job.maker, open_maker(maker))
        crop = self.pictures.draw(rng, maker.side_px or recipe.crop_px)
        if maker.side_px:
            picture = make(crop.pixels, crop.pixels, rng)[0]
            if rng.random() < recipe.alike_share:
                crops = [crop, *(self.pictures.draw(rng, maker.side_px) for _ in range(recipe.alike_among - 1))]
                crop = min(crops, key=lambda c: abs(smoothness(c.pixels) - smoothness(picture)))
            if crop.enlarged and rng.random() < 0.5:
                picture = enlarge(picture, *crop.enlarged, crop.pixels.shape)
            picture = picture[: crop.pixels.shape[0], : crop.pixels.shape[1]]
            crop = dimmed(crop, MOST_GAIN * float(picture.std()))
            graft = (float(rng.uniform(0, 0.3)), True) if rng.random() < recipe.grafted_share else None
            return crop, finish(picture, crop, graft)
        other = self.pictures.draw(rng, recipe.crop_px, like=crop).pixels
        picture, mask = make(crop.pixels, other, rng)
        if mask is not None:
            # Moments and grey levels outside of the mask are genuine already.
            return crop, jpeg_with_tables(picture, crop.tables) if crop.tables else picture
        return crop, finish(picture, crop, self._blend(maker, rng))

    def _blend(self, maker: MakerSource, rng: np.random.Generator) -> tuple[float, bool] | None:
        kind, weight = rng.random(), float(rng.uniform(0, 0.7))
        if maker.kind == "untrained":
            # Without the genuine low frequencies its pictures resemble no micrograph at all.
            return weight, True
        if maker.kind == "autoencoder" and kind < self.recipe.mixed_share + self.recipe.high_mixed_share:
            return weight, kind >= self.recipe.mixed_share
        return None

    def _tiles(
        self, genuine: NDArray[np.uint8], made: NDArray[np.uint8], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """One tile of each, through one draw of the chain."""
        side = self.recipe.tile_px
        chain = draw_degradation(rng, min(genuine.shape), side)
        both = [degrade(picture, chain) for picture in (genuine, made)]
        # Even origins, as when scanning: the residual of the thesis lives on the 2 x 2 grid of the stored picture.
        y, x = (2 * int(rng.integers(0, (length - side) // 2 + 1)) for length in both[0].shape)
        return np.stack([picture[y : y + side, x : x + side] for picture in both])


def dimmed(crop: Crop, most: float) -> Crop:
    """The crop with its contrast reduced to a standard deviation of ``most`` grey levels, if it has more.

    A pale picture that was made is not raised to any contrast: the steps between its grey levels would show.
    """
    spread = float(crop.pixels.std())
    if spread <= most:
        return crop
    return replace(crop, pixels=apply_filter(crop.pixels, "contrast", most / spread, 0), tables=None)


def finish(made: NDArray[np.uint8], crop: Crop, blend: tuple[float, bool] | None = None) -> NDArray[np.uint8]:
    """Make a picture differ from its genuine partner in how it came about and in nothing else that can be helped.

    Args:
        made: uint8 [h, w], of the crop's size.
        crop: the genuine partner.
        blend: share of the genuine picture and whether only high frequencies are blended.

    Returns:
        uint8 [h, w] with the partner's mean, spread, grey levels and compression.
    """
    made = match_moments(made, crop.pixels)
    if blend:
        made = mix(made, crop.pixels, blend[0], high_only=blend[1])
    made = match_levels(made, crop.pixels)
    return jpeg_with_tables(made, crop.tables) if crop.tables else made


_worker: Worker | None = None


def start_worker(recipe: PairingRecipe, seed: int, listed: list[Micrograph], makers: list[MakerSource]) -> None:
    """Get a process ready for :func:`run_jobs`."""
    global _worker
    _worker = Worker(recipe, seed, listed, makers)


def run_jobs(jobs: list[Job]) -> Result:
    """:meth:`Worker.run` of this process."""
    assert _worker is not None
    return _worker.run(jobs)
