"""What the gate measures on every picture, as published and as printed by us; measured once and kept in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semscan.engine.figures.texture import texture_summary
from semscan.engine.figures.views import COLOUR_NAMES, PATCH_PX, colour_summary, is_coloured, take_views
from semscan.engine.imagefile import colour_view
from semscan.engine.luminance import to_luminance
from semscan.training.kind_data import LABELS, Picture
from semscan.training.kind_print import print_picture, tinted

PRINTS = {"preprints": 12, "papers": 6, "micrographs": 10, "photographs": 3, "made": 3}
"""Printed versions of each picture, by origin; pictures that are groups of their own get as many as preprints do."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredSet:
    """Measurements of many panels; the arrays share their first axis.

    Attributes:
        texture: float32 [n, t].
        colours: float32 [n, 6]; zeros for panels without colour.
        coloured: bool [n], colour lies over most of the panel.
        labels: index into ``LABELS``.
        names: of the pictures.
        groups: of the pictures.
        origins: of the pictures.
        judged: bool [n], what figures of merit are counted on: real panels as published, one printed version of others.
        held: bool [n], not to be used for fitting the shipped gate.
    """

    texture: NDArray[np.float32]
    colours: NDArray[np.float32]
    coloured: NDArray[np.bool_]
    labels: NDArray[np.int64]
    names: NDArray[np.str_]
    groups: NDArray[np.str_]
    origins: NDArray[np.str_]
    judged: NDArray[np.bool_]
    held: NDArray[np.bool_]

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> MeasuredSet:
        """The chosen panels."""
        return MeasuredSet(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def save(self, path: Path) -> None:
        """Keep it for another run."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> MeasuredSet:
        """Read what :meth:`save` wrote."""
        with np.load(path) as stored:
            return cls(**{field.name: stored[field.name] for field in fields(cls)})


def build(found: Iterable[Picture]) -> MeasuredSet:
    """Measure every picture: as it is where it is a panel, and printed."""
    rows: list[tuple[object, ...]] = []
    for picture in found:
        image = picture.load()
        if picture.panel:
            _add(rows, image, picture, picture.label, judged=True)
        for count in range(PRINTS["preprints" if picture.panel and picture.origin != "papers" else picture.origin]):
            random = picture.random(count)
            version = print_picture(image, picture.label, random, again=picture.panel)
            _add(rows, version, picture, picture.label, judged=count == 0 and not picture.panel)
            if picture.label in ("sem", "tem") and picture.origin != "made" and count % 4 == 0:
                strong = random.random() < 0.5
                if (other := tinted(version, strong, random)) is not None:
                    _add(rows, other, picture, "other" if strong else picture.label, judged=False)
    columns = list(zip(*rows, strict=True))
    return MeasuredSet(*(np.array(column) for column in columns))


def _add(rows: list[tuple[object, ...]], image: Image.Image, picture: Picture, label: str, *, judged: bool) -> None:
    if min(image.size) < PATCH_PX:
        return
    colour = np.zeros(len(COLOUR_NAMES), np.float32)
    if image.mode != "L":
        colour = colour_summary(colour_view(image.convert("RGB")))
    rows.append(
        (
            texture_summary(take_views(to_luminance(image))),
            colour,
            is_coloured(colour),
            LABELS.index(label),
            picture.name,
            picture.group,
            picture.origin,
            judged,
            picture.held,
        )
    )


def weights(data: MeasuredSet, most_counted: float = 40.0) -> NDArray[np.float64]:
    """How often each panel is drawn in training.

    A group counts like the square root of its size up to a limit, so that a prolific source does not decide; kinds then
    get fixed shares, and what was really published counts more than what was drawn.

    Args:
        data: the panels.
        most_counted: size from which on a group counts no more.

    Returns:
        float64 [n], summing to 1.
    """
    sizes = Counter(zip(data.groups.tolist(), data.labels.tolist(), strict=True))
    chance = np.array(
        [
            min(sizes[key], most_counted) ** 0.5 / sizes[key] * ORIGIN_WEIGHT[origin]
            for key, origin in zip(
                zip(data.groups.tolist(), data.labels.tolist(), strict=True), data.origins.tolist(), strict=True
            )
        ]
    )
    for index, label in enumerate(LABELS):
        rows = data.labels == index
        if rows.any():
            chance[rows] *= KIND_SHARE[label] / chance[rows].sum()
    total: NDArray[np.float64] = chance / chance.sum()
    return total


ORIGIN_WEIGHT = {"preprints": 3.0, "papers": 3.0, "micrographs": 2.0, "photographs": 1.0, "made": 0.7}
KIND_SHARE = {
    "sem": 0.32, "tem": 0.2, "light": 0.09, "fluorescence": 0.06, "gel": 0.05, "photograph": 0.08, "graphic": 0.08,
    "other": 0.12,
}  # fmt: skip
