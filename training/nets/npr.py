"""The thesis network ``npr5k``: a small residual network on neighbouring-pixel relations.

The NPR residual of Tan et al. (CVPR 2024) is every 2 x 2 cell minus its top-left pixel: what an up-sampler with
factor two leaves behind lives in these differences. The convolutions, pooling and global average that follow make the
class-activation map exact: the logit is the mean of the evidence map.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RESIDUAL_GAIN = 2 / 3
GREY_STD = 0.226
"""Grey levels are divided by 255 and by this; the mean that is usually subtracted cancels in the residual."""


class Npr5k(nn.Module):
    """4,969 parameters on grey tiles (5,113 with three channels).

    Args:
        channels: input channels.

    Attributes:
        cell_px: side of a cell of the evidence map.
        margin_px: what the evidence map leaves out on each side.
    """

    cell_px, margin_px = 8, 0

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.block1 = BasicBlock(8, 8, 1)
        self.block2 = BasicBlock(8, 16, 2)
        self.head = nn.Linear(16, 1)

    def forward(self, tiles: Tensor) -> Tensor:
        """Logits.

        Args:
            tiles: [n, c, T, T] grey levels 0..255 in any floating type or uint8; T a multiple of 8.

        Returns:
            [n], positive where more like a reconstruction.
        """
        return self.evidence(tiles).mean((1, 2))

    def evidence(self, tiles: Tensor) -> Tensor:
        """Evidence map [n, T / 8, T / 8] whose mean is the logit; the bias is in every cell."""
        x = F.relu(self.bn1(self.conv1(npr_residual(tiles.to(self.conv1.weight.dtype)))))
        x = self.block2(self.block1(F.max_pool2d(x, 3, 2, 1)))
        return torch.einsum("nchw,c->nhw", x, self.head.weight[0]) + self.head.bias


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm and a shortcut (He et al., CVPR 2016).

    Args:
        wide_in: input channels.
        wide_out: output channels.
        stride: of the first convolution; the shortcut is a 1 x 1 convolution where the shape changes.
    """

    def __init__(self, wide_in: int, wide_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(wide_in, wide_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide_out)
        self.conv2 = nn.Conv2d(wide_out, wide_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or wide_in != wide_out:
            self.shortcut = nn.Sequential(nn.Conv2d(wide_in, wide_out, 1, stride, bias=False), nn.BatchNorm2d(wide_out))

    def forward(self, x: Tensor) -> Tensor:
        """[n, c, h, w] to [n, c', h / stride, w / stride]."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


def npr_residual(tiles: Tensor) -> Tensor:
    """Every 2 x 2 cell minus its top-left pixel, normalised, times 2/3.

    Args:
        tiles: [n, c, h, w] grey levels 0..255, h and w even.
    """
    x = tiles / (255 * GREY_STD)
    corners = F.interpolate(x[..., ::2, ::2], scale_factor=2.0, mode="nearest")
    return (x - corners) * RESIDUAL_GAIN
