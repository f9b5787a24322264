"""Which pairs of a pool train a detector and which are kept back, and what is measured on those.

What is kept back are whole sources of genuine pictures, with everything that was made for them: their pairs tell how
a detector does on genuine pictures of sources it has not seen. Sources of the calibrate and test splits decide nothing
about the training, or the rates that are stated later would be too good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from semscan.engine.errors import UsageError
from semscan.training.metrics import auc
from semscan.training.place import Place
from semscan.training.pool import Pool

MOST_KEPT = 768
"""Pairs that a curve is measured on, spread evenly over the makers."""
_BATCH = 64
_TILES_PER_SOURCE = 96


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Rows of a pool.

    Attributes:
        train: int64, rows to train on.
        kept: int64, rows of kept-back sources, of all makers, those held out included.
    """

    train: NDArray[np.int64]
    kept: NDArray[np.int64]


def choose(pool: Pool, held_out: Sequence[str], kept_sources: Sequence[str]) -> Choice:
    """Divide a pool.

    Args:
        pool: the pool.
        held_out: prefixes of makers' names that are not trained on.
        kept_sources: sources that are not trained on.

    Raises:
        UsageError: a source or prefix is unknown, or nothing is left to train on.
    """
    unknown = [source for source in kept_sources if source not in pool.sources]
    unknown += [prefix for prefix in held_out if not any(name.startswith(prefix) for name in pool.names)]
    if unknown:
        known = ", ".join([*pool.sources, *pool.names])
        raise UsageError(f"{unknown[0]!r} is not in the pool", f"there are {known}")
    held = np.array([name.startswith(tuple(held_out)) for name in pool.names])[pool.maker]
    kept = np.array([source in kept_sources for source in pool.sources])[pool.source]
    train = np.flatnonzero(~held & ~kept)
    if not len(train):
        raise UsageError("no pair of the pool is left to train on", "hold out less")
    chosen: list[int] = []
    rows = [np.flatnonzero(kept & (pool.maker == maker)).tolist() for maker in range(len(pool.names))]
    turn = 0
    while len(chosen) < MOST_KEPT and any(len(of_maker) > turn for of_maker in rows):
        chosen += [of_maker[turn] for of_maker in rows if len(of_maker) > turn]
        turn += 1
    return Choice(train, np.array(sorted(chosen[:MOST_KEPT]), np.int64))


def logits_of(network: nn.Module, tiles: NDArray[np.uint8], place: Place) -> NDArray[np.float64]:
    """Logits of tiles uint8 [n, T, T], float64 [n]."""
    found = []
    with torch.inference_mode(), place.autocast():
        for first in range(0, len(tiles), _BATCH):
            part = torch.from_numpy(np.ascontiguousarray(tiles[first : first + _BATCH])[:, None]).to(place.device)
            found.append(network(part).double().cpu().numpy())
    return np.concatenate(found)


def auc_by_family(network: nn.Module, pool: Pool, rows: NDArray[np.int64], place: Place) -> dict[str, float]:
    """AUC of the made tiles of some pairs against all their genuine tiles.

    Returns:
        by family, and ``kept`` for all of them.
    """
    genuine, made = (logits_of(network, pool.tiles[rows, member], place) for member in (0, 1))
    families = np.array([name.split("/")[0] for name in pool.names])[pool.maker[rows]]
    found = {"kept": auc(genuine, made)}
    for family in sorted(set(families.tolist())):
        found[family] = auc(genuine, made[families == family])
    return found


def genuine_scores(
    network: nn.Module, pool: Pool, rows: NDArray[np.int64], place: Place, rng: np.random.Generator
) -> dict[int, float]:
    """Mean logit of some genuine tiles of every source among ``rows``, by the source's number."""
    scores = {}
    for source in np.unique(pool.source[rows]).tolist():
        of_source = rows[pool.source[rows] == source]
        drawn = np.sort(rng.choice(of_source, min(len(of_source), _TILES_PER_SOURCE), replace=False))
        scores[source] = float(logits_of(network, pool.tiles[drawn, 0], place).mean())
    return scores
