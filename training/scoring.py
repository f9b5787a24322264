"""Scores of panels through the exported graph and the engine's own tiles: calibration measures what a scan runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from semscan.engine.geometry import Box
from semscan.engine.smoothness import smoothness
from semscan.engine.tiles import cut_tiles, panel_tiles, tile_origins
from semscan.export.fold import fold
from semscan.export.graph import build_graph
from semscan.training.nets.registry import load_detector


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Measured panels, in the order given.

    Attributes:
        logit: float64 [n], mean of the tile logits.
        smoothness: float64 [n].
    """

    logit: NDArray[np.float64]
    smoothness: NDArray[np.float64]


class PanelScorer:
    """The trained detector of a run, as it will be shipped.

    Args:
        run_dir: folder with ``detector.pt``; ``graph.onnx`` is written into it.
        tile_px: side of a tile.
        most_tiles: tiles taken of one panel.
    """

    def __init__(self, run_dir: Path, tile_px: int, most_tiles: int) -> None:
        import onnxruntime

        path = run_dir / "graph.onnx"
        onnx.save(build_graph(fold(load_detector(run_dir / "detector.pt")), tile_px), path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._tile_px, self._most_tiles = tile_px, most_tiles

    def score(self, pictures: Iterable[NDArray[np.uint8]]) -> Scores:
        """Score panels, uint8 [h, w] each, by the tiles that a scan takes.

        A panel without any textured tile, which a scan does not assess, is scored by all its tiles, so that the
        classes that are compared keep their panels.
        """
        logits, levels = [], []
        for grey in pictures:
            box = Box(0, 0, grey.shape[1], grey.shape[0])
            tiles = panel_tiles(grey, box, self._tile_px, self._most_tiles)
            if not len(tiles):
                tiles = cut_tiles(grey, tile_origins(box, self._tile_px, self._most_tiles), self._tile_px)
            (values,) = self._session.run(["logit"], {"tiles": tiles})
            logits.append(float(np.mean(values, dtype=np.float64)))
            levels.append(smoothness(grey))
        return Scores(np.array(logits), np.array(levels))
