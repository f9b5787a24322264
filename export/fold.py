"""Fold the detector for inference: residual, normalisation and batch norms disappear into the convolutions.

The residual subtracts the top-left pixel of every 2 x 2 cell. A 3 x 3 convolution with stride 2 that follows sees, for
output ``i``, residual rows ``2i-1 .. 2i+1``, which come from raw rows ``2i-2 .. 2i+1``: so both together are *one*
4 x 4 convolution with stride 2 on the raw grey levels, padded by two at the top and the left. Each of its kernels sums
to zero, which is why the brightness of a tile does not matter. Batch norms are affine and merge into the convolution
in front of them (Jacob et al., CVPR 2018).

All folding is done in float64; only the result is rounded. Half precision takes the same layer apart again, into the
differences inside each cell and a convolution on cells (:func:`polyphase`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from semscan.training.nets.npr import GREY_STD, RESIDUAL_GAIN, Npr5k


@dataclass(frozen=True, slots=True, eq=False)
class FoldedConv:
    """A convolution with its batch norm merged.

    Attributes:
        weight: float64 [out, in, kh, kw].
        bias: float64 [out].
        stride: the same in both directions.
        pads: rows and columns added: top, left, bottom, right.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    stride: int
    pads: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class FoldedNpr5k:
    """All that inference needs.

    Attributes:
        first: 4 x 4 convolution on raw grey levels 0..255, ReLU behind it.
        blocks: for each residual block the two convolutions and the shortcut's, ``None`` for an identity shortcut.
        head_weight: float64 [channels].
        head_bias: the linear unit's bias.
    """

    first: FoldedConv
    blocks: tuple[tuple[FoldedConv, FoldedConv, FoldedConv | None], ...]
    head_weight: NDArray[np.float64]
    head_bias: float


def fold(model: Npr5k) -> FoldedNpr5k:
    """Fold a trained network.

    Args:
        model: one-channel network; its running batch statistics are used whatever its mode.

    Returns:
        The folded parameters; exact up to the rounding of float64.
    """
    blocks = []
    for block in (model.block1, model.block2):
        shortcut = None
        if isinstance(block.shortcut, nn.Sequential):
            shortcut = _merge(block.shortcut[0], block.shortcut[1])
        blocks.append((_merge(block.conv1, block.bn1), _merge(block.conv2, block.bn2), shortcut))
    return FoldedNpr5k(
        first=_fold_residual(_merge(model.conv1, model.bn1)),
        blocks=tuple(blocks),
        head_weight=_float64(model.head.weight)[0],
        head_bias=float(_float64(model.head.bias)[0]),
    )


def polyphase(first: FoldedConv) -> tuple[FoldedConv, FoldedConv]:
    """The folded first convolution as two: differences inside each 2 x 2 cell, then a 2 x 2 convolution on cells.

    The differences are whole numbers from -255 to 255, which half precision holds exactly, so brightness cancels
    before anything is rounded; in a single convolution it cancels only as far as the rounded weights sum to zero.

    Args:
        first: 4 x 4 convolution with stride 2 whose 2 x 2 cells sum to zero.

    Returns:
        Convolution [3, 1, 2, 2] with stride 2 and weights -1, 0, 1; convolution [out, 3, 2, 2] with stride 1.
    """
    if first.weight.shape[1:] != (1, 4, 4) or first.stride != 2 or first.pads != (2, 2, 0, 0):
        raise ValueError(f"only a folded residual can be taken apart, not {first}")
    places = ((0, 1), (1, 0), (1, 1))
    differences = np.zeros((3, 1, 2, 2))
    differences[:, 0, 0, 0] = -1
    weight = np.empty((len(first.weight), 3, 2, 2))
    for index, (row, column) in enumerate(places):
        differences[index, 0, row, column] = 1
        weight[:, index] = first.weight[:, 0, row::2, column::2]
    return FoldedConv(differences, np.zeros(3), 2, (0, 0, 0, 0)), FoldedConv(weight, first.bias, 1, (1, 1, 0, 0))


def _fold_residual(conv: FoldedConv) -> FoldedConv:
    """Put residual and normalisation into a 3 x 3 convolution with stride 2 and padding 1."""
    if conv.weight.shape[1:] != (1, 3, 3) or conv.stride != 2 or conv.pads != (1, 1, 1, 1):
        raise ValueError(f"only a one-channel 3 x 3 convolution with stride 2 and padding 1 folds, not {conv}")
    scaled = conv.weight * (RESIDUAL_GAIN / (255 * GREY_STD))
    wide = np.zeros((len(scaled), 1, 4, 4))
    for row in range(3):
        for column in range(3):
            # Index 0 of the wide kernel is raw row 2i-2, the first row of the cell above; index 2 is row 2i.
            wide[:, :, row + 1, column + 1] += scaled[:, :, row, column]
            wide[:, :, (row + 1) // 2 * 2, (column + 1) // 2 * 2] -= scaled[:, :, row, column]
    return FoldedConv(wide, conv.bias, 2, (2, 2, 0, 0))


def _merge(conv: nn.Module, norm: nn.Module) -> FoldedConv:
    """A convolution without bias and the batch norm behind it as one convolution."""
    if not (isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)) or conv.bias is not None:
        raise TypeError(f"expected a bias-free convolution and its batch norm, not {conv} and {norm}")
    if norm.running_mean is None or norm.running_var is None:
        raise TypeError("the batch norm keeps no running statistics")
    gain = _float64(norm.weight) / np.sqrt(_float64(norm.running_var) + norm.eps)
    weight = _float64(conv.weight) * gain[:, None, None, None]
    pad = int(conv.padding[0])
    bias = _float64(norm.bias) - _float64(norm.running_mean) * gain
    return FoldedConv(weight, bias, conv.stride[0], (pad, pad, pad, pad))


def _float64(tensor: torch.Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().double().numpy()
