"""A reconstruction fitted to the picture it was made of, and where the decoders are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import UsageError
from semscan.training.autoencoders import reconstruct
from semscan.training.degrade import jpeg_with_tables, match_moments, mix
from semscan.training.genuine import jpeg_tables
from semscan.training.makers import FAMILIES
from semscan.training.nets.autoencoders import Autoencoder

__all__ = ["PairsRecipe", "find_autoencoders", "jpeg_tables", "make_fake"]


@dataclass(frozen=True, slots=True)
class PairsRecipe:
    """Tiles when scanning; those of the pool that a detector trains on may be smaller.

    Attributes:
        tile_px: side of a tile.
    """

    tile_px: int = 128


def find_autoencoders(runs: Sequence[str], without: Sequence[str] = ()) -> dict[str, Path]:
    """Checkpoints of finished or running autoencoder trainings, as ``run/decoder``.

    Args:
        runs: run folders.
        without: decoders to leave out, as ``run/decoder`` or by a prefix of their makers' names (``vae/run/``); other
            families are passed over.

    Raises:
        UsageError: a run has none, ``without`` names one that does not exist, or leaves none.
    """
    for run in runs:
        if not any(Path(run).glob("*.pt")):
            raise UsageError(f"no autoencoder checkpoint in {run}", f"semscan train autoencoders {Path(run).name}")
    found = {f"{Path(run).name}/{path.stem}": path for run in runs for path in sorted(Path(run).glob("*.pt"))}
    named = {item: {name for name in found if name == item or f"vae/{name}".startswith(item)} for item in without}
    missing = sorted(item for item, names in named.items() if not names and item.split("/")[0] not in FAMILIES)
    if missing:
        raise UsageError(f"decoder {missing[0]!r} is not in {', '.join(runs)}", f"there are {', '.join(found)}")
    left_out = set().union(*named.values())
    found = {name: path for name, path in found.items() if name not in left_out}
    if not found:
        raise UsageError(f"every decoder in {', '.join(runs)} is left out", "leave fewer of them out")
    return found


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
