"""Random crops of the genuine pictures that a network may see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semscan.engine.errors import UsageError
from semscan.engine.luminance import read_luminance
from semscan.training.data import Micrograph, data_root, list_micrographs, read_panel, source_weights, verify_files

_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")


@dataclass(frozen=True, slots=True)
class DataRecipe:
    """The ``[data]`` table of a generative recipe: which genuine pictures, and how crops of them are drawn.

    Attributes:
        folder: a folder of pictures of one's own, searched to the bottom; empty takes the data folder's micrographs.
        split: of the data folder: ``train``, ``calibrate`` or ``test``.
        sources: of the data folder: the only sources to use; empty uses all, each counting like the square root of
            its size.
        shrink_share: probability that a crop is first shrunk.
        most_shrink: most that it is shrunk by.
        toned: change the contrast of some crops and invert a few, as for the autoencoders.
    """

    folder: str = ""
    split: str = "train"
    sources: tuple[str, ...] = ()
    shrink_share: float = 0.3
    most_shrink: float = 2.0
    toned: bool = False

    def __post_init__(self) -> None:
        if self.split not in ("train", "calibrate", "test"):
            raise UsageError(f"data.split = {self.split!r} is not one of train, calibrate, test")
        if not 0 <= self.shrink_share <= 1 or not 1 <= self.most_shrink <= 64:
            raise UsageError("data.shrink_share must be 0 to 1 and data.most_shrink 1 to 64")


@dataclass(frozen=True, slots=True)
class CropsPool:
    """Genuine pictures in memory with the probability of drawing each.

    Attributes:
        pictures: uint8 [h, w] each, or [h, w, 3].
        weights: float64 [n], summing to 1.
    """

    pictures: list[NDArray[np.uint8]]
    weights: NDArray[np.float64]

    def draw(
        self,
        rng: np.random.Generator,
        count: int,
        size: int,
        *,
        shrink_share: float = 0.3,
        most_shrink: float = 2.0,
        toned: bool = True,
    ) -> NDArray[np.uint8]:
        """Random crops, mirrored and rotated; some are first shrunk, inverted or given another contrast.

        Args:
            rng: decides everything.
            count: number of crops.
            size: side of a crop.
            shrink_share: probability that a crop is shrunk.
            most_shrink: most that it is shrunk by; a picture that is too small is shrunk less, or enlarged.
            toned: whether contrast is changed.

        Returns:
            uint8 [count, C, size, size].
        """
        channels = 1 if self.pictures[0].ndim == 2 else 3
        crops = np.empty((count, channels, size, size), np.uint8)
        for crop in crops:
            picture = self.pictures[rng.choice(len(self.pictures), p=self.weights)]
            shrink = 1.0 if rng.random() < 1 - shrink_share else rng.uniform(1.0, most_shrink)
            side = min(int(size * shrink), *picture.shape[:2])
            y, x = (int(rng.integers(0, length - side + 1)) for length in picture.shape[:2])
            piece = picture[y : y + side, x : x + side]
            if side != size:
                piece = np.asarray(Image.fromarray(piece).resize((size, size), Image.Resampling.BICUBIC))
            piece = np.rot90(piece, int(rng.integers(4)))
            if rng.random() < 0.5:
                piece = piece[:, ::-1]
            if toned and rng.random() < 0.3:
                shades = np.arange(256.0) * rng.uniform(0.6, 1.2) + rng.uniform(-20, 40)
                table = np.clip(shades, 0, 255).astype(np.uint8)
                piece = table[255 - piece if rng.random() < 0.5 else piece]
            crop[:] = piece if channels == 1 else piece.transpose(2, 0, 1)
        return crops

    def draw_as(self, recipe: DataRecipe, rng: np.random.Generator, count: int, size: int) -> NDArray[np.uint8]:
        """Crops as a generative recipe wants them, uint8 [count, C, size, size]."""
        return self.draw(
            rng,
            count,
            size,
            shrink_share=recipe.shrink_share,
            most_shrink=recipe.most_shrink,
            toned=recipe.toned,
        )


def load_crops_pool(root: Path, split: str = "train", sources: Sequence[str] = ()) -> CropsPool:
    """Read the genuine micrographs of a split.

    Args:
        root: from :func:`semscan.training.data.data_root`.
        split: ``train``, ``calibrate`` or ``test``.
        sources: the only ones to read, by their data set's name; empty reads all.

    Raises:
        UsageError: a source has no picture in that split, or a file is missing or changed.
    """
    listed = list_micrographs(root, [split])
    known = {m.source.split("/")[0] for m in listed}
    if missing := sorted(set(sources) - known):
        raise UsageError(f"the {split} split has no source {missing[0]}", f"it has: {', '.join(sorted(known))}")
    if sources:
        listed = [m for m in listed if m.source.split("/")[0] in sources]
    verify_files(listed)
    pictures = [read_panel(micrograph) for micrograph in listed]
    return CropsPool(pictures, source_weights([m.source for m in listed], [p.size for p in pictures]))


def recipe_sources(domains: Sequence[DataRecipe], data: Path | None) -> list[Micrograph]:
    """The micrographs of the data folder that recipes of one split draw from; none for a folder of one's own."""
    own = [domain for domain in domains if not domain.folder]
    if not own:
        return []
    wanted = {source for domain in own for source in domain.sources} if all(d.sources for d in own) else set()
    listed = list_micrographs(data_root(data), [own[0].split])
    return [m for m in listed if not wanted or m.source.split("/")[0] in wanted]


def load_recipe_pool(recipe: DataRecipe, data: Path | None, channels: int) -> CropsPool:
    """The pictures that a generative recipe trains on, grey or colour.

    Raises:
        UsageError: there are none.
    """
    if recipe.folder:
        return _load_folder(Path(recipe.folder), channels)
    pool = load_crops_pool(data_root(data), recipe.split, recipe.sources)
    if channels == 3:
        # The data folder's micrographs are grey; a colour network sees them as such.
        return CropsPool([np.repeat(picture[:, :, None], 3, 2) for picture in pool.pictures], pool.weights)
    return pool


def crop_batches(recipe: Any, data: Path | None) -> Callable[[np.random.Generator], NDArray[np.uint8]]:
    """Genuine crops of one step, uint8 [batch, C, size, size], for a recipe with the tables ``training`` and ``data``.

    Raises:
        UsageError: there are no pictures.
    """
    loop = recipe.training
    pool = load_recipe_pool(recipe.data, data, loop.channels)
    return lambda rng: pool.draw_as(recipe.data, rng, loop.batch, loop.size_px)


def crop_sources(recipe: Any, data: Path | None) -> list[Micrograph]:
    """The micrographs that :func:`crop_batches` draws from."""
    return recipe_sources([recipe.data], data)


def _load_folder(folder: Path, channels: int) -> CropsPool:
    if not folder.is_dir():
        raise UsageError(f"data.folder = {str(folder)!r} is no folder")
    paths: Iterable[Path] = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    pictures = [read_luminance(path) if channels == 1 else _read_colour(path) for path in paths]
    if not pictures:
        raise UsageError(f"{folder} holds no pictures", f"known suffixes: {', '.join(_SUFFIXES)}")
    pixels = np.array([picture.shape[0] * picture.shape[1] for picture in pictures], np.float64)
    return CropsPool(pictures, pixels / pixels.sum())


def _read_colour(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.ascontiguousarray(np.asarray(image.convert("RGB"), np.uint8))
