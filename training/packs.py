"""Packs: generated tiles in one compressed file with its manifest, small enough to be kept beside the code.

A pack is a ``.npz`` file with ``tiles`` uint8 [n, C, h, w], where some are local ``masks`` bool [n, h, w], and
``manifest``, UTF-8 JSON as uint8 [bytes]. It is read without unpickling anything. Genuine pixels never enter a pack,
nor do an autoencoder's reconstructions, which are near copies; the detector makes those itself.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import OutputError, UsageError
from semscan.training.synthesize import GROUP, Made, Maker

MOST_LIKENESS = 0.7
"""Tiles made from genuine ones may be correlated with them this much at most; copies are, brighter or inverted too."""

FOLDER = Path(__file__).resolve().parent / "packs"
TEST_FOLDER = FOLDER / "test"
"""Packs of generators that saw sources of the test split only: for testing, never for training."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Tiles read back.

    Attributes:
        tiles: uint8 [n, C, h, w].
        masks: bool [n, h, w], true where a tile was made anew; ``None`` where all of it was.
        manifest: generator, system, variant, recipe, its digest, step, seed, split trained on, seconds trained,
            statistics on the way.
    """

    tiles: NDArray[np.uint8]
    masks: NDArray[np.bool_] | None
    manifest: dict[str, Any]


def write_pack(maker: Maker, count: int, path: Path) -> Path:
    """Make tiles and write them.

    Args:
        maker: from :func:`semscan.training.synthesize.open_maker`.
        count: number of tiles.
        path: new ``.npz`` file.

    Raises:
        OutputError: the file exists.
        UsageError: the tiles would be genuine pictures or near copies of them.
    """
    if maker.origin.system == "autoencoders":
        raise UsageError("reconstructions are near copies of genuine pictures and enter no pack", "write a folder")
    if path.exists():
        raise OutputError(f"{path} exists", "choose another -o")
    tiles, masks = [], []
    for made in maker.groups(count):
        if made.genuine is not None and not (likeness := _likeness(made)) <= MOST_LIKENESS:
            raise UsageError(
                f"the tiles are near copies of genuine pictures (correlation {likeness:.2f}) and enter no pack",
                "write a folder",
            )
        if made.masks is not None:
            masks.append(made.masks)
        tiles.append(made.tiles)
    manifest = {**asdict(maker.origin), **maker.details, "count": count, "group": GROUP}
    arrays: dict[str, Any] = {"tiles": np.concatenate(tiles)}
    if masks:
        arrays["masks"] = np.concatenate(masks)
    text = json.dumps(manifest, indent=1).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez_compressed(file, manifest=np.frombuffer(text, np.uint8), **arrays)
    return path


def read_pack(path: Path) -> Pack:
    """Read a pack.

    Raises:
        UsageError: the file is no pack.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            masks = stored.get("masks")
            return Pack(stored["tiles"], masks, json.loads(stored["manifest"].tobytes()))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is no pack of tiles: {error}") from error


def list_packs(folder: Path = FOLDER) -> Sequence[Path]:
    """The packs of a folder, by name; those of folders inside it are not looked at."""
    return sorted(folder.glob("*.npz"))


def _likeness(made: Made) -> float:
    """Median absolute correlation of tiles with the genuine ones they were made from, outside their masks."""
    assert made.genuine is not None
    shape = made.tiles.shape
    outside = np.ones(shape, bool) if made.masks is None else np.broadcast_to(~made.masks[:, None], shape)
    found = []
    for tile, genuine, used in zip(made.tiles, made.genuine, outside, strict=True):
        a, b = tile[used].astype(float), genuine[used].astype(float)
        a, b = a - a.mean(), b - b.mean()
        # A flat tile resembles whatever it was made from, as far as can be told.
        found.append(abs(a @ b) / np.sqrt((a @ a) * (b @ b)) if a.any() and b.any() else 1.0)
    return float(np.median(found))
