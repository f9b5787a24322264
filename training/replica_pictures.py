"""Pictures of the replica of the thesis: genuine crops and what small GANs made, all as large as the GANs make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.training.crops import CropsPool, DataRecipe
from semscan.training.degrade import jpeg
from semscan.training.packs import list_packs, read_pack

SIDE_PX = 64
"""Side of what the GANs make and of the genuine crops, before both are resized."""

_CROPS = DataRecipe(shrink_share=0.5, most_shrink=4.0)
"""Genuine crops are drawn as the GANs' training crops were."""

Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures of both classes.

    Attributes:
        grey: uint8 [n, 64, 64].
        maker: name of each one's GAN, empty for genuine crops.
        whole: number of the picture that each one was cut from; genuine crops are dealt before they are cut.
    """

    grey: Grey
    maker: NDArray[np.str_]
    whole: NDArray[np.intp]

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Pictures:
        return Pictures(self.grey[chosen], self.maker[chosen], self.whole[chosen])

    @property
    def made(self) -> NDArray[np.bool_]:
        """Which are generated."""
        are_made: NDArray[np.bool_] = self.maker != ""
        return are_made


def both(one: Pictures, other: Pictures) -> Pictures:
    """Two collections in one."""
    pairs = zip((one.grey, one.maker, one.whole), (other.grey, other.maker, other.whole), strict=True)
    return Pictures(*(np.concatenate(pair) for pair in pairs))


def gan_pictures(folder: Path, names: Sequence[str], count: int) -> Pictures:
    """Pictures of GANs from their packs, those of the latest checkpoints first.

    Args:
        folder: with packs. A tile of 128 px or more gives its four corners, which do not overlap.
        names: generators; each gives an equal share, what one lacks is not made up for.
        count: of all together.
    """
    found: dict[str, list[tuple[int, Path]]] = {name: [] for name in names}
    tiles = {}
    for path in list_packs(folder):
        pack = read_pack(path)
        if (name := pack.manifest["generator"]) in found and pack.masks is None:
            found[name].append((-int(pack.manifest["step"]), path))
            tiles[path] = pack.tiles[:, 0]
    grey: list[NDArray[np.uint8]] = []
    maker: list[str] = []
    whole: list[int] = []
    for name, packs in found.items():
        latest = [tile for _, path in sorted(packs) for tile in tiles[path]]
        cut = [(corner, len(whole) + at) for at, tile in enumerate(latest) for corner in _corners(tile)]
        cut = cut[: count // len(names)]
        grey += [corner for corner, _ in cut]
        whole += [at for _, at in cut]
        maker += [name] * len(cut)
    pixels = np.array(grey, np.uint8).reshape(-1, SIDE_PX, SIDE_PX)
    return Pictures(pixels, np.array(maker, np.str_), np.array(whole, np.intp))


def deal(made: Pictures, seed: int) -> list[Pictures]:
    """Generated pictures dealt 60/30/10 to training, test and validation, all that was cut from one on one side."""
    wholes = np.unique(made.whole)
    return [made[np.isin(made.whole, wholes[chosen])] for chosen in split(len(wholes), seed)]


def genuine_crops(pool: CropsPool, count: int, seed: int) -> Pictures:
    """Crops of genuine micrographs as the GANs were trained on."""
    grey = pool.draw_as(_CROPS, np.random.default_rng([seed, 8]), count, SIDE_PX)[:, 0]
    return Pictures(grey, np.full(count, "", np.str_), np.full(count, -1, np.intp))


def split_pool(pool: CropsPool, seed: int) -> list[CropsPool]:
    """Micrographs dealt 60/30/10 to training, test and validation: no micrograph is on two sides."""
    parts = []
    for chosen in split(len(pool.pictures), seed):
        weights = pool.weights[chosen]
        parts.append(CropsPool([pool.pictures[i] for i in chosen], weights / weights.sum()))
    return parts


def split(count: int, seed: int) -> list[NDArray[np.intp]]:
    """Indices dealt 60/30/10 to training, test and validation."""
    order = np.random.default_rng([seed, 9]).permutation(count)
    return np.split(order, [round(0.6 * count), round(0.9 * count)])


def stored(pictures: Pictures, low: int, high: int, seed: int) -> Pictures:
    """Both classes compressed alike: JPEG of a quality that is drawn without regard to the class."""
    qualities = np.random.default_rng([seed, 10]).integers(low, high + 1, len(pictures.grey))
    grey = [jpeg(picture, int(q)) for picture, q in zip(pictures.grey, qualities, strict=True)]
    return Pictures(np.array(grey), pictures.maker, pictures.whole)


def _corners(tile: Grey) -> list[Grey]:
    far = len(tile) - SIDE_PX
    starts = (0, far) if far >= SIDE_PX else (far // 2,)
    return [tile[y : y + SIDE_PX, x : x + SIDE_PX] for y in starts for x in starts]
