"""Every network that can be trained as a detector, by name, and how a trained one is read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from semscan.engine.errors import UsageError
from semscan.training.nets.baselines import BlotCnn, Npr1m, PatchNet, WaveletHH
from semscan.training.nets.npr import Npr5k
from semscan.training.nets.npr64k import Npr64k

TEACHER_WIDTHS = (32, 64, 96, 96, 96)
"""Four times the multiply-adds of ``npr64k``; for distillation, never shipped."""

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "npr5k": Npr5k,
    "npr64k": Npr64k,
    "npr64k_lcn": lambda: Npr64k(local=True),
    "npr64k_lcn_one_sided": lambda: Npr64k(local=True, one_sided=True),
    "npr_teacher": lambda: Npr64k(TEACHER_WIDTHS),
    "npr1m": Npr1m,
    "ladeda": PatchNet,
    "wavelet_hh": WaveletHH,
    "patterns_cnn": BlotCnn,
}
"""All take grey levels 0..255, uint8 or floating [n, 1, T, T] with T a multiple of 16 from 64, and give logits float32
[n]. Those whose evidence map is exact have a method ``evidence`` with the logit as its mean."""


def build_network(name: str) -> nn.Module:
    """A network with fresh weights, in training mode.

    Raises:
        UsageError: there is no such network.
    """
    if name not in NETWORKS:
        raise UsageError(f"there is no network {name!r}", f"networks: {', '.join(NETWORKS)}")
    return NETWORKS[name]()


def load_detector(path: Path) -> nn.Module:
    """The averaged network of a checkpoint, in evaluation mode; no code from the file is run.

    Args:
        path: a file with ``averaged``, the weights, and ``network``, the name; without a name it is ``npr5k``. Weights
            in half precision are widened.

    Raises:
        UsageError: the file is no such checkpoint, or its weights are of another network.
    """
    return read_detector(path)[1]


def read_detector(path: Path) -> tuple[str, nn.Module]:
    """Name and network of a checkpoint; see :func:`load_detector`."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        name, weights = state.get("network", "npr5k"), state["averaged"]
    except Exception as error:  # what a damaged file raises is not documented
        raise UsageError(f"{path} is not a checkpoint of a detector: {error}", "semscan train writes one") from error
    model = build_network(name)
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise UsageError(f"the weights in {path} are not those of {name}", "train it again") from error
    return name, model.eval()


def evidence_grid(tile_px: int, cells: int) -> tuple[int, int]:
    """Side of a cell and margin of an evidence map, both in pixels, from the map's side alone.

    Cells are powers of two and margins narrower than the map, which settles both for tiles from 96 px; the bundle's
    entry ``evidence`` and the networks' ``cell_px`` and ``margin_px`` say the same.

    Args:
        tile_px: side of the tile.
        cells: side of the map.

    Returns:
        ``cell_px`` and ``margin_px``: cell ``(i, j)`` stands for the pixels from row ``margin_px + cell_px * i`` and
        column ``margin_px + cell_px * j``.
    """
    cell = 1 << (tile_px // cells).bit_length() - 1
    return cell, (tile_px - cell * cells) // 2
