"""Networks of others that ours is compared with, written anew from their descriptions, on one grey channel.

``Npr1m`` is the network of the NPR paper (Tan et al., arXiv 2312.10461): a bottleneck residual network cut off behind
its second stage. ``WaveletHH`` is that network on the diagonal band of one wavelet step (after SAFE, arXiv 2408.06741).
``PatchNet`` sees patches of nine pixels only (after Tiny-LaDeDa, arXiv 2406.09398). ``BlotCnn`` is a plain
convolutional network for blots: Wang et al. (Patterns 2022) report what theirs reaches, not how it is built.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semscan.training.nets.npr import GREY_STD, npr_residual


class Npr1m(nn.Module):
    """1,437,761 parameters on three equal channels.

    Args:
        channels: input channels; the grey tile is repeated.
        stride: of the first convolution.
    """

    cell_px, margin_px = 8, 0

    def __init__(self, channels: int = 3, stride: int = 2) -> None:
        super().__init__()
        self.channels = channels
        self.conv = nn.Conv2d(channels, 64, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(64)
        self.stage1 = nn.Sequential(*(Bottleneck(64 if i == 0 else 256, 64, 1) for i in range(3)))
        self.stage2 = nn.Sequential(*(Bottleneck(256 if i == 0 else 512, 128, 2 if i == 0 else 1) for i in range(4)))
        self.head = nn.Linear(512, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, tiles: Tensor) -> Tensor:
        """Logits float32 [n] of grey levels 0..255, [n, 1, T, T]; T a multiple of 16."""
        return self.evidence(tiles).mean((1, 2))

    def evidence(self, tiles: Tensor) -> Tensor:
        """Evidence map [n, h, w] whose mean is the logit."""
        x = F.relu(self.norm(self.conv(self.residuals(tiles.to(self.head.weight.dtype)))))
        x = self.stage2(self.stage1(F.max_pool2d(x, 3, 2, 1)))
        return torch.einsum("nchw,c->nhw", x.to(self.head.weight.dtype), self.head.weight[0]) + self.head.bias

    def residuals(self, tiles: Tensor) -> Tensor:
        """What the first convolution sees, from floating grey levels."""
        return npr_residual(tiles).expand(-1, self.channels, -1, -1)


class WaveletHH(Npr1m):
    """:class:`Npr1m` on the diagonal band of the wavelet bior1.3, whose high-pass has two taps like Haar's.

    The band has half the side already, so the first convolution keeps it.
    """

    def __init__(self) -> None:
        super().__init__(channels=1, stride=1)

    def residuals(self, tiles: Tensor) -> Tensor:
        """Diagonal band [n, 1, T / 2, T / 2]."""
        x = tiles / (255 * GREY_STD)
        return (x[..., ::2, ::2] - x[..., ::2, 1::2] - x[..., 1::2, ::2] + x[..., 1::2, 1::2]) / 2


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions with a shortcut; four times as wide outside (He et al., CVPR 2016).

    Args:
        wide_in: input channels.
        narrow: channels inside.
        stride: of the 3 x 3 convolution.
    """

    def __init__(self, wide_in: int, narrow: int, stride: int) -> None:
        super().__init__()
        wide = 4 * narrow
        self.inner = nn.Sequential(
            nn.Conv2d(wide_in, narrow, 1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, narrow, 3, stride, 1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or wide_in != wide:
            self.shortcut = nn.Sequential(nn.Conv2d(wide_in, wide, 1, stride, bias=False), nn.BatchNorm2d(wide))

    def forward(self, x: Tensor) -> Tensor:
        """[n, c, h, w] to [n, 4 * narrow, h / stride, w / stride]."""
        return F.relu(self.inner(x) + self.shortcut(x))


class PatchNet(nn.Module):
    """1,281 parameters: the NPR residual and three 3 x 3 convolutions of eight channels, a logit for every pixel.

    Together with the cells of the residual a logit depends on 8 x 8 pixels.
    """

    cell_px, margin_px = 1, 3

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (1, 8, 8):
            layers += [nn.Conv2d(inputs, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, tiles: Tensor) -> Tensor:
        """Logits float32 [n] of grey levels 0..255, [n, 1, T, T]; T even."""
        return self.evidence(tiles).mean((1, 2))

    def evidence(self, tiles: Tensor) -> Tensor:
        """Evidence map [n, T - 6, T - 6] whose mean is the logit."""
        dtype = self.head.weight.dtype
        cells: Tensor = self.head(self.body(npr_residual(tiles.to(dtype))))
        return cells[:, 0].to(dtype)


class BlotCnn(nn.Module):
    """Five halving convolutions on the grey levels themselves, a global mean and a linear unit."""

    WIDTHS = (1, 16, 32, 64, 128, 128)

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(self.WIDTHS):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(self.WIDTHS[-1], 1)

    def forward(self, tiles: Tensor) -> Tensor:
        """Logits float32 [n] of grey levels 0..255, [n, 1, T, T]."""
        dtype = self.head.weight.dtype
        logits: Tensor = self.head(self.body(tiles.to(dtype) / 127.5 - 1).mean((2, 3)))
        return logits[:, 0].to(dtype)
