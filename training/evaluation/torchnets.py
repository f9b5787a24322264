"""Networks that are compared but not shipped: straight from their weights, without a calibration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from semscan.training.nets.registry import read_detector
from semscan.training.scoring import CutPanel, PanelScorer, cut_panel

TILES = 4
"""Tiles of a panel: enough to rank, and every network sees the same ones."""


def cut(pictures: Iterable[NDArray[np.uint8]], tile_px: int) -> list[CutPanel]:
    """The tiles of pictures, uint8 [h, w] each, that all networks are given."""
    return [cut_panel(grey, tile_px, TILES) for grey in pictures]


class Network:
    """Mean logits of panels.

    Args:
        path: checkpoint with averaged weights.
        tile_px: side of a tile.
    """

    def __init__(self, path: Path, tile_px: int) -> None:
        torch.set_num_threads(1)
        self.name, net = read_detector(path)
        self.parameters = sum(p.numel() for p in net.parameters())
        self._scorer = PanelScorer(net, tile_px, TILES)

    def logits(self, panels: Sequence[CutPanel]) -> NDArray[np.float64]:
        """Float64 [n]."""
        return self._scorer.score_cut(panels).logit
