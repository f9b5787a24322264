"""Inception v3 (Szegedy et al., arXiv 1512.00567), for distances that compare with those of other people's papers.

The weights are other people's and are never fetched from here. Two files fit, whose layers bear the same names: that
which torchvision trained on ImageNet, and that which the authors of the Frechet distance used (arXiv 1706.08500), as
it circulates for PyTorch. The latter has 1008 classes, leaves the border out of its mean pools and takes a maximum in
the last one. Distances of the two do not compare, so :attr:`Inception.name` says which it is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from semscan.engine.errors import UsageError
from semscan.training.rundir import load_checkpoint

SIDE = 299
FID_CLASSES = 1008
BATCH = 16
MEAN_POOL, LARGEST_POOL, HALVING_POOL = "mean", "largest", "halving"

Size = int | tuple[int, int]
Step = str | list[tuple[str, int, Size, int]]
"""Of a branch: a pool, or convolutions side by side, each with its name, channels, kernel and stride."""


class Inception(nn.Module):
    """Features of tiles.

    Args:
        path: state dictionary with torchvision's names; the classifier and its helper are left out.

    Raises:
        UsageError: the file is missing or holds something else.

    Attributes:
        name: which network it is, for a page.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        state = load_checkpoint(path)
        classes = state.get("fc.weight")
        if not isinstance(classes, Tensor):
            raise UsageError(f"{path} holds no weights of Inception v3", "its keys are those of torchvision's file")
        self.is_original = len(classes) == FID_CLASSES
        self.name = "Inception v3 of the FID" if self.is_original else "Inception v3 of torchvision"
        self.body = _body(self.is_original)
        used = {key: value for key, value in state.items() if not key.startswith(("fc.", "AuxLogits."))}
        try:
            self.body.load_state_dict(used)
        except RuntimeError as error:
            raise UsageError(f"{path} holds weights of another network", str(error).partition("\n")[0]) from error
        self.requires_grad_(False).eval()

    @torch.inference_mode()
    def features(self, tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Means over the last layer, float64 [n, 2048], of uint8 [n, C, h, w]; grey tiles are taken three times."""
        parts = []
        for part in torch.split(torch.from_numpy(tiles), BATCH):
            x = part.float().expand(-1, 3, -1, -1)
            x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False)
            parts.append(self.body(self._normal(x)).mean((2, 3)))
        found: NDArray[np.float64] = torch.cat(parts).double().numpy()
        return found

    def _normal(self, x: Tensor) -> Tensor:
        if self.is_original:
            return x / 127.5 - 1
        mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        return (x / 255 - mean[:, None, None]) / spread[:, None, None]


class _Layer(nn.Module):
    """Convolution, batch normalisation, ReLU; a layer of stride 1 keeps the side, unless it is told not to."""

    def __init__(self, inputs: int, outputs: int, kernel: Size, stride: int = 1, keeps: bool = True) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        border = (height // 2, width // 2) if stride == 1 and keeps else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride, border, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Mixed(nn.Module):
    """Branches side by side, their results one behind the other."""

    def __init__(self, inputs: int, branches: list[list[Step]], counts_border: bool) -> None:
        super().__init__()
        self.branches, self.counts_border = branches, counts_border
        self.outputs = 0
        for branch in branches:
            wide = inputs
            for step in branch:
                if not isinstance(step, str):
                    for name, outputs, kernel, stride in step:
                        self.add_module(name, _Layer(wide, outputs, kernel, stride))
                    wide = sum(outputs for _, outputs, _, _ in step)
            self.outputs += wide

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._walk(branch, x) for branch in self.branches], 1)

    def _walk(self, branch: list[Step], x: Tensor) -> Tensor:
        for step in branch:
            if step == MEAN_POOL:
                x = F.avg_pool2d(x, 3, 1, 1, count_include_pad=self.counts_border)
            elif isinstance(step, str):
                x = F.max_pool2d(x, 3, 2) if step == HALVING_POOL else F.max_pool2d(x, 3, 1, 1)
            else:
                x = torch.cat([self.get_submodule(name)(x) for name, *_ in step], 1)
        return x


def _body(is_original: bool) -> nn.Sequential:
    """All layers before the classifier, under torchvision's names."""
    body = nn.Sequential()
    for name, layer in {
        "Conv2d_1a_3x3": _Layer(3, 32, 3, 2),
        "Conv2d_2a_3x3": _Layer(32, 32, 3, keeps=False),
        "Conv2d_2b_3x3": _Layer(32, 64, 3),
        "pool_1": nn.MaxPool2d(3, 2),
        "Conv2d_3b_1x1": _Layer(64, 80, 1),
        "Conv2d_4a_3x3": _Layer(80, 192, 3, keeps=False),
        "pool_2": nn.MaxPool2d(3, 2),
    }.items():
        body.add_module(name, layer)
    wide = 192
    for name, branches in {
        "Mixed_5b": _fine(32),
        "Mixed_5c": _fine(64),
        "Mixed_5d": _fine(64),
        "Mixed_6a": _halving([_at("branch3x3", 384, 3, 2)], _double(2)),
        "Mixed_6b": _long(128),
        "Mixed_6c": _long(160),
        "Mixed_6d": _long(160),
        "Mixed_6e": _long(192),
        "Mixed_7a": _halving(
            [_at("branch3x3_1", 192, 1), _at("branch3x3_2", 320, 3, 2)],
            [*_chain("branch7x7x3", [(192, 1), (192, (1, 7)), (192, (7, 1))]), _at("branch7x7x3_4", 192, 3, 2)],
        ),
        "Mixed_7b": _coarse(MEAN_POOL),
        "Mixed_7c": _coarse(LARGEST_POOL if is_original else MEAN_POOL),
    }.items():
        mixed = _Mixed(wide, branches, counts_border=not is_original)
        body.add_module(name, mixed)
        wide = mixed.outputs
    return body


def _at(name: str, outputs: int, kernel: Size, stride: int = 1) -> Step:
    """One convolution."""
    return [(name, outputs, kernel, stride)]


def _chain(name: str, layers: list[tuple[int, Size]]) -> list[Step]:
    """Convolutions behind each other, numbered from 1."""
    return [_at(f"{name}_{place}", outputs, kernel) for place, (outputs, kernel) in enumerate(layers, 1)]


def _double(stride: int) -> list[Step]:
    """Two kernels of 3 in place of one of 5."""
    return [*_chain("branch3x3dbl", [(64, 1), (96, 3)]), _at("branch3x3dbl_3", 96, 3, stride)]


def _fine(pooled: int) -> list[list[Step]]:
    """At an eighth of the side (the paper's figure 5)."""
    five = _chain("branch5x5", [(48, 1), (64, 5)])
    return [[_at("branch1x1", 64, 1)], five, _double(1), [MEAN_POOL, _at("branch_pool", pooled, 1)]]


def _halving(first: list[Step], second: list[Step]) -> list[list[Step]]:
    """Half the side, convolved and pooled (figure 10)."""
    return [first, second, [HALVING_POOL]]


def _long(inner: int) -> list[list[Step]]:
    """At a sixteenth of the side: kernels of 7, rows and columns apart (figure 6)."""
    seven = _chain("branch7x7", [(inner, 1), (inner, (1, 7)), (192, (7, 1))])
    twice = _chain(
        "branch7x7dbl", [(inner, 1), (inner, (7, 1)), (inner, (1, 7)), (inner, (7, 1)), (192, (1, 7))]
    )  # fmt: skip
    return [[_at("branch1x1", 192, 1)], seven, twice, [MEAN_POOL, _at("branch_pool", 192, 1)]]


def _coarse(pool: str) -> list[list[Step]]:
    """At a thirty-second of the side: rows and columns beside each other (figure 7)."""

    def both(name: str) -> Step:
        return [(f"{name}a", 384, (1, 3), 1), (f"{name}b", 384, (3, 1), 1)]

    three = [_at("branch3x3_1", 384, 1), both("branch3x3_2")]
    twice = [*_chain("branch3x3dbl", [(448, 1), (384, 3)]), both("branch3x3dbl_3")]
    return [[_at("branch1x1", 320, 1)], three, twice, [pool, _at("branch_pool", 192, 1)]]
