"""Scores of panels by the tiles that a scan takes: what is calibrated and evaluated is what users run.

A panel goes through the engine's own steps: flat margins and its data bar are trimmed, tiles keep off what is drawn on
it, the grid gives way where that saves tiles, and tiles without texture are dropped. Networks that can be exported are
run as the graph that ships, all others as they are, on the same tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from semscan.engine.errors import UsageError
from semscan.engine.figures.databar import trim_data_bar
from semscan.engine.figures.overlays import find_overlays
from semscan.engine.figures.panels import split_figure
from semscan.engine.geometry import Box
from semscan.engine.region import find_region
from semscan.engine.smoothness import smoothness
from semscan.engine.tiles import cut_tiles, placed_tiles, tile_origins
from semscan.export.fold import fold
from semscan.export.graph import build_graph
from semscan.training.nets.registry import load_detector

BATCH = 32
"""Tiles scored at once, as in a scan."""

Infer = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Logits, float32 [n], of tiles, uint8 [n, 1, T, T]."""


@dataclass(frozen=True, slots=True, eq=False)
class CutPanel:
    """The tiles of one panel.

    Attributes:
        tiles: uint8 [n, 1, T, T], n >= 1.
        places: their origins ``(x, y)``.
        smoothness: of the panel without its data bar.
        assessed: whether a scan would take these tiles; if not, they are all that fit, drawings and all.
    """

    tiles: NDArray[np.uint8]
    places: list[tuple[int, int]]
    smoothness: float
    assessed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Measured panels, in the order given.

    Attributes:
        logit: float64 [n], mean of the tile logits.
        smoothness: float64 [n].
        local: float64 [n], by how much the highest region stands out, see :mod:`semscan.engine.region`; NaN for a panel
            with too few tiles. ``None`` if it was not measured.
        assessed: bool [n], whether a scan would assess the panel; ``None`` if that is not known.
    """

    logit: NDArray[np.float64]
    smoothness: NDArray[np.float64]
    local: NDArray[np.float64] | None = None
    assessed: NDArray[np.bool_] | None = None


def cut_panel(grey: NDArray[np.uint8], tile_px: int, most: int) -> CutPanel:
    """The tiles by which a scan scores a panel.

    It is known to be one panel, so one that the engine would cut apart is not. A panel without a clean textured tile,
    which a scan does not assess, gives all tiles that fit, so that classes that are compared keep their panels.

    Args:
        grey: uint8 [h, w], the panel as stored, sides of at least ``tile_px`` + 1 px.
        tile_px: side of a tile in pixels.
        most: largest number of tiles.
    """
    whole = Box(0, 0, grey.shape[1], grey.shape[0])
    boxes, _ = split_figure(grey)
    content = trim_data_bar(grey, boxes[0] if len(boxes) == 1 else whole)
    tiles, places = placed_tiles(grey, content, tile_px, most, find_overlays(grey, content, None))
    level = smoothness(grey[content.y0 : content.y1, content.x0 : content.x1])
    if len(tiles):
        return CutPanel(tiles, places, level, True)
    places = tile_origins(whole, tile_px, most)
    return CutPanel(cut_tiles(grey, places, tile_px), places, level, False)


class PanelScorer:
    """A detector, as it is or will be shipped.

    Args:
        detector: the folder of a run with ``detector.pt``, such a checkpoint, a bundle or graph (``.onnx``), or a
            network. Of a run, ``graph.onnx`` is written into the folder.
        tile_px: side of a tile.
        most_tiles: tiles taken of one panel.
    """

    def __init__(self, detector: Path | nn.Module, tile_px: int, most_tiles: int) -> None:
        self._infer = open_network(detector, tile_px)
        self._tile_px, self._most_tiles = tile_px, most_tiles

    def score(self, pictures: Iterable[NDArray[np.uint8]]) -> Scores:
        """Score panels, uint8 [h, w] each."""
        return self.score_cut(cut_panel(grey, self._tile_px, self._most_tiles) for grey in pictures)

    def score_cut(self, panels: Iterable[CutPanel]) -> Scores:
        """Score panels whose tiles are cut already, so that several networks can see the same ones."""
        logits, levels, local, assessed = [], [], [], []
        for panel, values in self.tile_logits(panels):
            region = find_region(values, panel.places, self._tile_px)
            logits.append(float(np.mean(values, dtype=np.float64)))
            levels.append(panel.smoothness)
            local.append(np.nan if region is None else region.score)
            assessed.append(panel.assessed)
        return Scores(np.array(logits), np.array(levels), np.array(local), np.array(assessed, np.bool_))

    def tile_logits(self, panels: Iterable[CutPanel]) -> Iterator[tuple[CutPanel, NDArray[np.float32]]]:
        """Each panel with the logits of its tiles, float32 [n]; tiles of several panels share a batch."""
        waiting: list[CutPanel] = []
        for panel in panels:
            waiting.append(panel)
            if sum(len(one.tiles) for one in waiting) >= BATCH:
                yield from self._scored(waiting)
                waiting = []
        if waiting:
            yield from self._scored(waiting)

    def _scored(self, panels: list[CutPanel]) -> Iterator[tuple[CutPanel, NDArray[np.float32]]]:
        tiles = np.concatenate([panel.tiles for panel in panels])
        logits = np.concatenate([self._infer(tiles[at : at + BATCH]) for at in range(0, len(tiles), BATCH)])
        ends = np.cumsum([len(panel.tiles) for panel in panels])[:-1]
        yield from zip(panels, np.split(logits, ends), strict=True)


def open_network(detector: Path | nn.Module, tile_px: int) -> Infer:
    """How to score tiles with a detector; arguments as for :class:`PanelScorer`."""
    if isinstance(detector, nn.Module):
        return _through_torch(detector)
    if detector.suffix == ".onnx":
        return _through_onnx(str(detector))
    network = load_detector(detector / "detector.pt" if detector.is_dir() else detector)
    try:
        folded = fold(network)
    except UsageError:  # a baseline, which never ships
        return _through_torch(network)
    graph = build_graph(folded, tile_px)
    if detector.is_dir():
        onnx.save(graph, detector / "graph.onnx")
    return _through_onnx(graph.SerializeToString())


def _through_onnx(graph: str | bytes) -> Infer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def infer(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        values: NDArray[np.float32] = session.run(["logit"], {"tiles": tiles})[0]
        return values

    return infer


def _through_torch(network: nn.Module) -> Infer:
    network = network.eval()

    def infer(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            values: NDArray[np.float32] = network(torch.from_numpy(tiles)).float().numpy()
            return values

    return infer
