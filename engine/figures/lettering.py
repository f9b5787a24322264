"""Reads the panel letters that are part of an image: looks at one corner of all panels after the other.

Nearly all letters stand at the top left, so the other corners are looked at only where nothing was read there; and of
many panels only a few are, unless they bear something like a letter.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.engine.bundle import LETTERS
from semscan.engine.errors import ModelError
from semscan.engine.figures.corners import GLYPH_PX, Corner, Shapes, find_shapes
from semscan.engine.figures.glyphnet import GlyphNetwork
from semscan.engine.figures.series import CASES, CLASSES, MOST_PANELS, Series, read_series
from semscan.engine.geometry import Box

NAME = LETTERS
FORMAT = 1
METADATA_KEY = "semscan_letters"
_PROMISING = 0.7
_ENOUGH = 3


class LetterReader:
    """The reader; its network is opened when the first image with several panels comes.

    Args:
        path: of the model file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._network: GlyphNetwork | None = None

    @classmethod
    def load(cls) -> LetterReader:
        """The reader that ships with the package."""
        return cls(Path(str(files("semscan.engine.models") / f"{NAME}.onnx")))

    def open(self) -> GlyphNetwork:
        """Open the model file, once.

        Raises:
            ModelError: the file is missing, damaged or of another format.
        """
        if self._network is None:
            network = GlyphNetwork(self._path, GLYPH_PX)
            try:
                form = json.loads(network.metadata.get(METADATA_KEY, "{}")).get("format")
            except (ValueError, AttributeError) as error:
                raise ModelError(f"the reader of panel letters cannot be read: {error}", "reinstall semscan") from error
            if form != FORMAT or network.classes != CLASSES:
                raise ModelError(f"the reader of panel letters has format {form}, not {FORMAT}", "update semscan")
            self._network = network
        return self._network

    def read(self, grey: NDArray[np.uint8], panels: Sequence[Box]) -> tuple[str | None, ...]:
        """The letters of the panels of one image; ``None`` where there is none, or doubt.

        Args:
            grey: uint8 [H, W], the stored image.
            panels: in reading order, in its pixels.
        """
        best = Series((None,) * len(panels), 0.0)
        if not 1 < len(panels) <= MOST_PANELS:
            return best.letters
        count = len(panels)
        for corners in ((Corner.TOP_LEFT,), (Corner.TOP_RIGHT, Corner.BOTTOM_LEFT, Corner.BELOW)):
            some = sorted({0, 1, count - 1} | ({2 % count, count // 2} if len(corners) == 1 else set()))
            for corner, shapes in zip(corners, find_shapes(grey, panels, corners, some), strict=True):
                found = self._series(grey, panels, corner, shapes, some)
                if found.score > best.score:
                    best = found
            if best.count >= min(_ENOUGH, count):
                break
        return best.letters

    def _series(
        self, grey: NDArray[np.uint8], panels: Sequence[Box], corner: Corner, shapes: Shapes, looked_at: Sequence[int]
    ) -> Series:
        """What a corner says, given the shapes of some panels there; the others are looked at if that is promising."""
        network = self.open()
        said = network.probabilities(shapes.glyphs)
        if not (said[:, :CASES] + said[:, CASES:-1] >= _PROMISING).any():
            return Series((None,) * len(panels), 0.0)
        if others := [index for index in range(len(panels)) if index not in looked_at]:
            (more,) = find_shapes(grey, panels, (corner,), others)
            shapes, said = shapes.with_others(more), np.concatenate([said, network.probabilities(more.glyphs)])
        return read_series(panels, shapes, said)
