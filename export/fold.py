"""Fold the detector for inference: residual, normalisation and batch norms disappear into the convolutions.

The residual subtracts the top-left pixel of every 2 x 2 cell. A 3 x 3 convolution with stride 2 that follows sees, for
output ``i``, residual rows ``2i-1 .. 2i+1``, which come from raw rows ``2i-2 .. 2i+1``: so both together are *one*
4 x 4 convolution with stride 2 on the raw grey levels, padded by two at the top and the left. Each of its kernels sums
to zero, which is why the brightness of a tile does not matter. Batch norms are affine and merge into the convolution
in front of them (Jacob et al., CVPR 2018).

``npr64k`` starts with one 5 x 5 convolution as it is. With local normalisation ``relu(gain * y / s + bias)``, where
``s > 0`` is the root of the local contrast, equals ``relu(gain * y + bias * s) / s``: so ``s`` enters the convolution
as a second channel, and because it is constant in cells of 2 x 2 pixels, the division waits until they are pooled.

All folding is done in float64; only the result is rounded. Half precision takes the first layer apart again, into
differences of neighbouring pixels and a convolution on these (:func:`polyphase`, :func:`by_phases`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from semscan.engine.errors import UsageError
from semscan.training.nets.npr import GREY_STD, RESIDUAL_GAIN, Npr5k
from semscan.training.nets.npr64k import RESIDUAL_SCALE, Npr64k


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


@dataclass(frozen=True, slots=True, eq=False)
class FoldedNpr64k:
    """All that inference with ``npr64k``, ``npr64k_lcn`` or a teacher needs.

    Attributes:
        first: 5 x 5 convolution on raw grey levels 0..255 and, with local normalisation, on the root of the contrast;
            ReLU and 2 x 2 means behind it.
        convs: 3 x 3 convolutions, ReLU behind each and 2 x 2 means behind the first; nothing is padded.
        head_weight: float64 [channels].
        head_bias: the linear unit's bias.
    """

    first: FoldedConv
    convs: tuple[FoldedConv, ...]
    head_weight: NDArray[np.float64]
    head_bias: float

    @property
    def local(self) -> bool:
        """Whether residuals are divided by the local contrast."""
        return int(self.first.weight.shape[1]) == 2

    def side(self, tile_px: int) -> int:
        """Side of the evidence map of a tile."""
        return (tile_px - 8) // 4 - 2 * (len(self.convs) - 1)


Folded = FoldedNpr5k | FoldedNpr64k


def fold(model: nn.Module) -> Folded:
    """Fold a trained network.

    Args:
        model: an ``Npr5k`` with one channel or an ``Npr64k``; its running batch statistics are used whatever its mode.

    Returns:
        The folded parameters; exact up to the rounding of float64.

    Raises:
        UsageError: it is another network.
    """
    if isinstance(model, Npr64k):
        return _fold_64k(model)
    if not isinstance(model, Npr5k):
        raise UsageError(
            f"a network of the kind {type(model).__name__} cannot be exported, only npr5k and the family of npr64k can"
        )
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


def by_differences(first: FoldedConv) -> tuple[FoldedConv, FoldedConv]:
    """The first convolution of ``npr64k`` as two, for the same reason as in :func:`polyphase`.

    Every 5 x 5 kernel that sums to zero is a 4 x 4 kernel on the differences to the right, below and diagonally; of
    the many such kernels the one with the smallest squares is taken.

    Args:
        first: 5 x 5 convolution with stride 1 whose kernels on the grey levels sum to zero.

    Returns:
        Convolution [3, 1, 2, 2] with weights -1, 0, 1; convolution [out, 3, 4, 4]. With local normalisation one more
        channel hands the contrast through.
    """
    if first.weight.shape[2:] != (5, 5) or first.stride != 1 or any(first.pads):
        raise ValueError(f"only a 5 x 5 convolution without padding can be taken apart, not {first}")
    channels = first.weight.shape[1]
    differences = np.zeros((2 + channels, channels, 2, 2))
    differences[:3, 0, 0, 0] = -1
    for index, (row, column) in enumerate(((0, 1), (1, 0), (1, 1))):
        differences[index, 0, row, column] = 1
    built = np.zeros((3, 4, 4, 5, 5))  # the 5 x 5 kernel that each single weight of a 4 x 4 kernel makes
    for row in range(4):
        for column in range(4):
            built[:, row, column, row : row + 2, column : column + 2] = differences[:3, 0]
    solution = np.linalg.pinv(built.reshape(48, 25).T) @ first.weight[:, 0].reshape(-1, 25).T
    weight = np.zeros((len(first.weight), 2 + channels, 4, 4))
    weight[:, :3] = solution.T.reshape(-1, 3, 4, 4)
    if channels == 2:
        differences[3, 1, 0, 0] = 1
        weight[:, 3, 2, 2] = first.weight[:, 1, 2, 2]
    return FoldedConv(differences, np.zeros(len(differences)), 1, (0,) * 4), FoldedConv(weight, first.bias, 1, (0,) * 4)


def by_phases(first: FoldedConv) -> tuple[FoldedConv, FoldedConv]:
    """The first convolution of ``npr64k`` on the four pixels of every 2 x 2 cell as channels, again as two.

    One output of the second stands for a cell: all channels at the cell's first pixel, then at the pixel to its right,
    below, and below to the right. Wide and small runs faster in matrix units than narrow and large.

    Args:
        first: as in :func:`by_differences`.

    Returns:
        Convolution [12, 4, 2, 2] with weights -1, 0, 1 on the pixels of cells, row by row, padded by one at the bottom
        and the right, where it is met by weights of zero only; convolution [4 out, 12, 3, 3] on these differences. With
        local normalisation it has one more channel, for the contrast of the cells, padded by one all around.
    """
    pixels, mixed = by_differences(first)
    out, channels = len(first.weight), first.weight.shape[1]
    differences, weight = np.zeros((12, 4, 2, 2)), np.zeros((4 * out, 11 + channels, 3, 3))
    for phase, (row, column) in enumerate(itertools.product(range(2), repeat=2)):
        own = slice(phase * out, (phase + 1) * out)
        for kind, y, x in np.argwhere(pixels.weight[:3, 0]):
            place = 2 * ((row + y) % 2) + (column + x) % 2
            differences[3 * phase + kind, place, (row + y) // 2, (column + x) // 2] = pixels.weight[kind, 0, y, x]
        for y, x in itertools.product(range(4), repeat=2):
            seen = 3 * (2 * ((row + y) % 2) + (column + x) % 2)
            weight[own, seen : seen + 3, (row + y) // 2, (column + x) // 2] = mixed.weight[:, :3, y, x]
        if channels == 2:
            weight[own, 12, 1, 1] = first.weight[:, 1, 2, 2]
    none = (0,) * 4
    return FoldedConv(differences, np.zeros(12), 1, (0, 0, 1, 1)), FoldedConv(weight, np.tile(first.bias, 4), 1, none)


def mean_of_phases(channels: int) -> FoldedConv:
    """The mean over the four pixels of a cell that :func:`by_phases` puts side by side; exact in half precision."""
    weight = np.tile(np.eye(channels) / 4, 4)[:, :, None, None]
    return FoldedConv(weight, np.zeros(channels), 1, (0,) * 4)


def _fold_64k(model: Npr64k) -> FoldedNpr64k:
    kernel = _float64(nn.functional.conv_transpose2d(model.mixing.double(), model.filters.double()))
    gain, bias = _affine(model.norms[0])
    kernel *= gain[:, None, None, None]
    if model.local:
        both = np.zeros((len(kernel), 2, 5, 5))
        both[:, :1], both[:, 1, 2, 2] = kernel, bias
        first = FoldedConv(both, np.zeros_like(bias), 1, (0,) * 4)
    else:
        first = FoldedConv(kernel * RESIDUAL_SCALE, bias, 1, (0,) * 4)
    return FoldedNpr64k(
        first=first,
        convs=tuple(_merge(conv, norm) for conv, norm in zip(model.convs, model.norms[1:], strict=True)),
        head_weight=_float64(model.head_weight())[0, :, 0, 0],
        head_bias=float(_float64(model.head.bias)[0]),
    )


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
    if not isinstance(conv, nn.Conv2d) or conv.bias is not None:
        raise TypeError(f"expected a convolution without bias, not {conv}")
    gain, bias = _affine(norm)
    weight = _float64(conv.weight) * gain[:, None, None, None]
    pad = int(conv.padding[0])
    return FoldedConv(weight, bias, conv.stride[0], (pad, pad, pad, pad))


def _affine(norm: nn.Module) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a batch norm multiplies by and what it adds, float64 [channels] each."""
    if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or norm.running_var is None:
        raise TypeError(f"expected a batch norm that keeps statistics, not {norm}")
    gain = _float64(norm.weight) / np.sqrt(_float64(norm.running_var) + norm.eps)
    return gain, _float64(norm.bias) - _float64(norm.running_mean) * gain


def _float64(tensor: torch.Tensor | None) -> NDArray[np.float64]:
    if tensor is None:
        raise TypeError("expected a convolution with a bias")
    return tensor.detach().cpu().double().numpy()
