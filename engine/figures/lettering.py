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

from semscan.engine.errors import ModelError
from semscan.engine.figures.corners import GLYPH_PX, Corner, find_shapes
from semscan.engine.figures.glyphnet import GlyphNetwork
from semscan.engine.figures.series import CLASSES, MOST_PANELS, Series, read_series
from semscan.engine.geometry import Box

NAME = "letters-1"
FORMAT = 1
METADATA_KEY = "semscan_letters"
_PROMISING = 0.4
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
        network, count = self.open(), len(panels)
        for corner in Corner:
            some = (0, 1, 2, count // 2, count - 1) if corner is Corner.TOP_LEFT else (0, 1, count - 1)
            first = range(count) if count <= len(some) else some
            others = [index for index in range(count) if index not in first]
            shapes = find_shapes(grey, panels, corner, first)
            said = network.probabilities(shapes.glyphs)
            if not (said[:, :-1] >= _PROMISING).any():
                continue
            if others:
                more = find_shapes(grey, panels, corner, others)
                shapes, said = shapes.with_others(more), np.concatenate([said, network.probabilities(more.glyphs)])
            found = read_series(panels, shapes, said)
            if found.score > best.score:
                best = found
            if best.count >= min(_ENOUGH, len(panels)):
                break
        return best.letters
