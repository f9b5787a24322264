"""Pairs of a genuine picture and its reconstruction, sent through one chain with one draw: the detector's diet."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from semscan.engine.errors import UsageError
from semscan.training.autoencoders import load_autoencoder, reconstruct
from semscan.training.data import Micrograph, list_micrographs, read_panel, source_weights
from semscan.training.degrade import KERNELS, degrade, draw_degradation, jpeg_with_tables, match_moments, mix
from semscan.training.nets.autoencoders import Autoencoder


@dataclass(frozen=True, slots=True)
class PairsRecipe:
    """How the training pairs are made.

    Attributes:
        reconstructions: genuine crops that are reconstructed, shared evenly by the autoencoders.
        draws: degraded tile pairs cut from each.
        crop_px: side of a crop where the picture allows it, a multiple of 8.
        tile_px: side of a tile.
        rescaled_share: share of the crops that are resampled *before* reconstruction, so that smooth and shrunk
            pictures occur as genuine ones.
        mixed_share: share of the reconstructions blended with their partner.
        high_mixed_share: share blended in the high frequencies only.
        workers: processes.
    """

    reconstructions: int = 2000
    draws: int = 6
    crop_px: int = 320
    tile_px: int = 128
    rescaled_share: float = 0.35
    mixed_share: float = 0.3
    high_mixed_share: float = 0.2
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Pool:
    """Degraded tile pairs.

    Attributes:
        tiles: uint8 [n, 2, T, T]; index 0 is genuine, 1 made.
        decoder: int16 [n], index into ``names``.
        names: the autoencoders.
    """

    tiles: NDArray[np.uint8]
    decoder: NDArray[np.int16]
    names: list[str]


def find_autoencoders(runs: Sequence[str], without: Sequence[str] = ()) -> dict[str, Path]:
    """Checkpoints of finished or running autoencoder trainings, as ``run/decoder``.

    Args:
        runs: run folders.
        without: decoders to leave out, as ``run/decoder``.

    Raises:
        UsageError: a run has none, ``without`` names one that does not exist, or leaves none.
    """
    for run in runs:
        if not any(Path(run).glob("*.pt")):
            raise UsageError(f"no autoencoder checkpoint in {run}", f"semscan train autoencoders {Path(run).name}")
    found = {f"{Path(run).name}/{path.stem}": path for run in runs for path in sorted(Path(run).glob("*.pt"))}
    missing = sorted(set(without) - set(found))
    if missing:
        raise UsageError(f"decoder {missing[0]!r} is not in {', '.join(runs)}", f"there are {', '.join(found)}")
    found = {name: path for name, path in found.items() if name not in without}
    if not found:
        raise UsageError(f"every decoder in {', '.join(runs)} is left out", "leave fewer of them out")
    return found


def make_pool(recipe: PairsRecipe, seed: int, root: Path, checkpoints: dict[str, Path]) -> Pool:
    """Make the pool of the train split; the same for any number of workers.

    Args:
        recipe: sizes and shares.
        seed: everything random follows from it and the index of the crop.
        root: data folder.
        checkpoints: from :func:`find_autoencoders`.
    """
    names = sorted(checkpoints)
    paths = [checkpoints[name] for name in names]
    chunks = [list(range(k, recipe.reconstructions, recipe.workers)) for k in range(recipe.workers)]
    if recipe.workers == 1:
        parts = [_chunk(recipe, seed, root, paths, chunks[0])]
    else:
        with ProcessPoolExecutor(recipe.workers, mp_context=get_context("spawn")) as pool:
            jobs = [pool.submit(_chunk, recipe, seed, root, paths, chunk) for chunk in chunks]
            parts = [job.result() for job in jobs]
    tiles = np.empty((recipe.reconstructions, recipe.draws, 2, recipe.tile_px, recipe.tile_px), np.uint8)
    for chunk, part in zip(chunks, parts, strict=True):
        tiles[chunk] = part
    decoder = np.repeat(np.arange(recipe.reconstructions) % len(names), recipe.draws).astype(np.int16)
    return Pool(tiles.reshape(-1, 2, recipe.tile_px, recipe.tile_px), decoder, names)


def make_fake(
    model: Autoencoder,
    genuine: NDArray[np.uint8],
    tables: list[int] | None,
    seed: int,
    blend: tuple[float, bool] | None = None,
) -> NDArray[np.uint8]:
    """A reconstruction that differs from its partner in how it came about and in nothing else that can be helped.

    Args:
        model: the autoencoder.
        genuine: uint8 [h, w], sides multiples of 8, on the 8 x 8 grid of its own JPEG if it had one.
        tables: luminance quantisation table of that JPEG: the reconstruction gets the same compression.
        seed: of the noise inputs.
        blend: share of the genuine picture and whether only high frequencies are blended.

    Returns:
        uint8 [h, w].
    """
    made = match_moments(reconstruct(model, genuine, seed), genuine)
    if blend:
        made = mix(made, genuine, blend[0], high_only=blend[1])
    return jpeg_with_tables(made, tables) if tables else made


def jpeg_tables(path: Path) -> list[int] | None:
    """Luminance quantisation table of a JPEG file as Pillow gives it, ``None`` for other formats."""
    with Image.open(path) as image:
        quantization = getattr(image, "quantization", None)
    return list(quantization[0]) if quantization else None


def _chunk(recipe: PairsRecipe, seed: int, root: Path, paths: list[Path], indices: list[int]) -> NDArray[np.uint8]:
    torch.set_num_threads(1)
    listed = list_micrographs(root, ["train"])
    pictures = [read_panel(micrograph) for micrograph in listed]
    weights = source_weights([m.source for m in listed], [p.size for p in pictures])
    models = [load_autoencoder(path) for path in paths]
    out = np.empty((len(indices), recipe.draws, 2, recipe.tile_px, recipe.tile_px), np.uint8)
    for pairs, index in zip(out, indices, strict=True):
        rng = np.random.default_rng([seed, index])
        chosen = int(rng.choice(len(listed), p=weights))
        genuine, tables = _crop(recipe, rng, listed[chosen], pictures[chosen])
        kind = rng.random()
        blend = None
        if kind < recipe.mixed_share + recipe.high_mixed_share:
            blend = (float(rng.uniform(0, 0.8)), kind >= recipe.mixed_share)
        made = make_fake(models[index % len(models)], genuine, tables, index, blend)
        for pair in pairs:
            chain = draw_degradation(rng, min(genuine.shape), recipe.tile_px)
            both = [degrade(picture, chain) for picture in (genuine, made)]
            # Even origins, as when scanning: the residual lives on the 2 x 2 grid of the stored picture.
            y, x = (2 * int(rng.integers(0, (side - recipe.tile_px) // 2 + 1)) for side in both[0].shape)
            for tile, picture in zip(pair, both, strict=True):
                tile[:] = picture[y : y + recipe.tile_px, x : x + recipe.tile_px]
    return out


def _crop(
    recipe: PairsRecipe, rng: np.random.Generator, micrograph: Micrograph, picture: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], list[int] | None]:
    """A crop on the picture's own 8 x 8 grid; resampled crops have no JPEG history that matters."""
    tables = jpeg_tables(micrograph.path)
    if rng.random() < recipe.rescaled_share:
        smallest = 2 * recipe.tile_px / min(picture.shape)
        factor = float(np.exp(rng.uniform(np.log(min(1.0, max(0.4, smallest))), np.log(2.1))))
        factor = 2.0 if rng.random() < 0.15 else factor
        size = tuple(int(np.ceil(side * factor)) for side in picture.shape[::-1])
        kernel = KERNELS[int(rng.integers(2, len(KERNELS)))]
        picture = np.asarray(Image.fromarray(picture).resize((size[0], size[1]), kernel))
        tables = None
    height, width = (min(recipe.crop_px, side // 8 * 8) for side in picture.shape)
    y = 8 * int(rng.integers(0, (picture.shape[0] - height) // 8 + 1))
    x = 8 * int(rng.integers(0, (picture.shape[1] - width) // 8 + 1))
    return np.ascontiguousarray(picture[y : y + height, x : x + width]), tables
