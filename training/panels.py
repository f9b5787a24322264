"""Panels for calibration and evaluation, and the channels they are sent through."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semscan.training.autoencoders import load_autoencoder
from semscan.training.data import list_micrographs, read_panel
from semscan.training.degrade import KERNELS, jpeg
from semscan.training.pairs import jpeg_tables, make_fake

LARGEST_PX = 640
SMALLEST_PX = 128 + 8
STRATA = {"lossless": None, "jpeg90": (90, 98), "jpeg75": (75, 90), "jpeg60": (60, 75)}
"""Half-open ranges of JPEG quality by the name of the calibration stratum."""
CONDITIONS = ("png", "q90", "q75", "in_pdf")
_FINAL_QUALITIES = (61, 75, 75, 80, 80, 85, 87, 90, 93, 95)


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A genuine panel, a reconstruction of one, or one that a generator made.

    Attributes:
        grey: uint8 [h, w].
        source: of the genuine panel, or of the genuine partner of a made one.
        seed: the same for a panel and its reconstructions, so that they get the same channel.
        decoder: name of the autoencoder or generator, empty for a genuine panel.
        tables: luminance quantisation table of its own JPEG, if it was one.
        licence: as stated by the source.
        name: of the genuine file in the data folder, or of the partner's.
    """

    grey: NDArray[np.uint8]
    source: str
    seed: int
    decoder: str
    tables: list[int] | None
    licence: str
    name: str = ""


def genuine_panels(root: Path, split: str, most_per_source: int) -> list[Panel]:
    """Panels of one split, at most so many of a source, spread evenly over its list.

    Pictures are cut to their central 640 x 640 px at most (on their own 8 x 8 grid): as many tiles as a scan takes
    fit in there. Those with a side under 136 px are left out: cutting a grid offset off must leave a tile.
    """
    by_source = defaultdict(list)
    for micrograph in list_micrographs(root, [split]):
        by_source[micrograph.source].append(micrograph)
    panels = []
    for source, listed in by_source.items():
        for index in np.unique(np.linspace(0, len(listed) - 1, min(most_per_source, len(listed))).astype(int)):
            micrograph = listed[index]
            grey = _central(read_panel(micrograph))
            if min(grey.shape) >= SMALLEST_PX:
                tables = jpeg_tables(micrograph.path)
                seed = int(micrograph.sha256[:12], 16)
                name = micrograph.path.relative_to(root).as_posix()
                panels.append(Panel(grey, source, seed, "", tables, micrograph.licence, name))
    return panels


def reconstructions(panels: list[Panel], checkpoints: dict[str, Path], per_panel: int, first: int = 0) -> list[Panel]:
    """Pure (unblended) reconstructions, decoders dealt in turn so that each gets about the same number of panels.

    Args:
        panels: genuine panels.
        checkpoints: from :func:`semscan.training.pairs.find_autoencoders`.
        per_panel: reconstructions of each panel, by different decoders.
        first: panels that were dealt with before these.
    """
    names = sorted(checkpoints)
    models = {name: load_autoencoder(checkpoints[name]) for name in names}
    made = []
    for index, panel in enumerate(panels, first):
        for k in range(min(per_panel, len(names))):
            name = names[(index * per_panel + k) % len(names)]
            grey = make_fake(models[name], panel.grey, panel.tables, panel.seed % 2**31)
            made.append(replace(panel, grey=grey, decoder=name))
    return made


def through(panel: Panel, channel: str, *, resampled: bool = False) -> tuple[NDArray[np.uint8], int | None]:
    """Send a panel through a channel; a panel and its reconstructions get the same random draw.

    Args:
        panel: the panel.
        channel: a name of :data:`STRATA` or :data:`CONDITIONS`, or ``x2``, ``x2_q85``.
        resampled: resize it by a random factor between 0.5 and 2 first, as figures usually are; one in four exactly
            doubled.

    Returns:
        the pixels as stored and the last JPEG quality, ``None`` if stored without loss.
    """
    rng = np.random.default_rng([panel.seed, sum(channel.encode()), resampled])
    grey = panel.grey
    if resampled:
        factor = max(float(np.exp(rng.uniform(np.log(0.5), np.log(2)))), SMALLEST_PX / min(grey.shape))
        factor = 2.0 if rng.random() < 0.25 else factor
        grey = _scaled(grey, factor, KERNELS[int(rng.integers(2, len(KERNELS)))])
    if channel in ("png", "lossless"):
        return grey, None
    if channel in ("x2", "x2_q85"):
        grey = _scaled(grey, 2.0, Image.Resampling.BICUBIC)
        return (grey, None) if channel == "x2" else (jpeg(grey, 85), 85)
    if channel == "in_pdf":
        return _in_pdf(grey, rng)
    quality = {"q90": 90, "q75": 75}.get(channel)
    if quality is None:
        low, high = STRATA[channel] or (0, 0)
        quality = int(rng.integers(low, high))
    return jpeg(_shifted(grey, rng), quality), quality


def _in_pdf(grey: NDArray[np.uint8], rng: np.random.Generator) -> tuple[NDArray[np.uint8], int]:
    """What a figure goes through: perhaps a first JPEG, perhaps a resampling, the publisher's JPEG."""
    if rng.random() < 0.3:
        grey = _shifted(jpeg(grey, int(rng.integers(80, 96))), rng)
    kind = int(rng.integers(4))
    if kind:
        low, high = (0.5, 1.0) if kind < 3 else (1.0, 1.3)
        factor = max(float(rng.uniform(low, high)), SMALLEST_PX / min(grey.shape))
        grey = _scaled(grey, factor, KERNELS[int(rng.integers(2, len(KERNELS)))])
    quality = int(rng.choice(_FINAL_QUALITIES))
    if min(grey.shape) >= SMALLEST_PX:
        grey = _shifted(grey, rng)
    return jpeg(grey, quality), quality


def _shifted(grey: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return grey[int(rng.integers(8)) :, int(rng.integers(8)) :]


def _scaled(grey: NDArray[np.uint8], factor: float, kernel: Image.Resampling) -> NDArray[np.uint8]:
    width, height = (int(np.ceil(side * factor)) for side in grey.shape[::-1])
    return np.array(Image.fromarray(np.ascontiguousarray(grey)).resize((width, height), kernel))


def _central(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = (min(LARGEST_PX, side // 8 * 8) for side in grey.shape)
    y, x = ((side - used) // 16 * 8 for side, used in zip(grey.shape, (height, width), strict=True))
    return np.ascontiguousarray(grey[y : y + height, x : x + width])
