"""DCGAN (Radford et al., arXiv 1511.06434): a chain of transposed convolutions against a chain of strided ones.

Every stage of the paper's generator is a 4 x 4 transposed convolution of stride 2, whose evenly overlapping kernels
leave the best known checkerboard of all generators. Other up-samplers can take its place, for GANs that are alike but
for their traces. Stages are added or left out for other sizes than the paper's 64 px.
"""

from __future__ import annotations

import itertools
import math

from torch import Tensor, nn

UPSAMPLERS = ("convt4", "nearest", "bilinear", "shuffle")
"""``convt4`` is the paper's. ``nearest`` and ``bilinear`` interpolate before a 3 x 3 convolution (Odena et al., Distill
2016), ``shuffle`` rearranges four times the channels after one (Shi et al., arXiv 1609.05158)."""

WIDEST = 8
"""Widths grow by 2 per stage away from the picture, up to this multiple of the first."""


class DcganGenerator(nn.Module):
    """Latent vectors to pictures.

    Args:
        size_px: side, a power of two from 16.
        channels: 1 or 3.
        width: channels of the last hidden stage.
        latent: length of the latent vector.
        up: how a stage doubles the side, one of :data:`UPSAMPLERS`.
    """

    def __init__(self, size_px: int, channels: int, width: int, latent: int, up: str = "convt4") -> None:
        super().__init__()
        self.latent = latent
        widths = [width * min(WIDEST, 2**stage) for stage in reversed(range(_stages(size_px)))]
        layers = [nn.ConvTranspose2d(latent, widths[0], 4, 4, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for wide, narrow in itertools.pairwise(widths):
            layers += [*_doubling(up, wide, narrow), nn.BatchNorm2d(narrow), nn.ReLU()]
        layers += [*_doubling(up, widths[-1], channels), nn.Tanh()]
        self.body = nn.Sequential(*layers)
        self.apply(initialise)

    def forward(self, z: Tensor) -> Tensor:
        """Pictures [n, C, size, size] in -1..1 from float32 [n, latent], k times the side from [n, latent, k, k]."""
        pictures: Tensor = self.body(z.reshape(*z.shape[:2], *(z.shape[2:] or (1, 1))))
        return pictures


class DcganDiscriminator(nn.Module):
    """Pictures to logits; batch normalisation everywhere but in the first and last layer.

    Args:
        size_px: side, a power of two from 16.
        channels: 1 or 3.
        width: channels of the first hidden stage.
    """

    def __init__(self, size_px: int, channels: int, width: int) -> None:
        super().__init__()
        widths = [width * min(WIDEST, 2**stage) for stage in range(_stages(size_px))]
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for narrow, wide in itertools.pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, bias=False))
        self.apply(initialise)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits [n]; positive for genuine."""
        logits: Tensor = self.body(pictures)
        return logits.flatten()


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), gains of batch normalisation from N(1, 0.02), as in the paper."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _doubling(up: str, wide: int, narrow: int) -> list[nn.Module]:
    """Layers that double the side."""
    if up == "convt4":
        return [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False)]
    if up == "shuffle":
        return [nn.Conv2d(wide, 4 * narrow, 3, padding=1, bias=False), nn.PixelShuffle(2)]
    return [nn.Upsample(scale_factor=2, mode=up), nn.Conv2d(wide, narrow, 3, padding=1, bias=False)]


def _stages(size_px: int) -> int:
    """Doublings between 4 px and the picture."""
    return round(math.log2(size_px)) - 2
