"""The generator of 34 layers and the critic of 15 that made western blots in Wang et al., Patterns 2022, example 1.

The source gives the depths, the two residual blocks and 256 px, no more; the rest is chosen here. Layers are counted
as for residual networks: convolutions and fully connected layers on the way from input to output, short cuts not
included. The depths are the same at every size. The critic has no batch normalisation, which would tie the pictures
of a batch together and make its gradient penalty meaningless (Gulrajani et al., arXiv 1704.00028).
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

GENERATOR_BLOCKS = 16
"""Residual blocks of two convolutions; with the first and the last layer 34."""

CRITIC_PLAIN = 9
"""Plain convolutions of the critic besides the first; with that, two residual blocks and the last layer 15."""

SLOPE = 0.2
"""Of the critic's leaky ReLUs."""

WIDEST = 8
"""Widths grow by 2 per halving of the side, up to this multiple of the first."""


class BlotGenerator(nn.Module):
    """Latent vectors to pictures.

    Args:
        size_px: side, a power of two from 32 to 512.
        channels: 1 or 3.
        width: channels at full size.
        latent: length of the latent vector.
    """

    def __init__(self, size_px: int, channels: int, width: int, latent: int) -> None:
        super().__init__()
        self.latent = latent
        doublings = _doublings(size_px)
        widths = [width * min(WIDEST, 2**level) for level in range(doublings, -1, -1)]
        self.start = nn.Linear(latent, widths[0] * 16)
        blocks: list[nn.Module] = []
        for level in range(doublings):
            blocks.append(_GeneratorBlock(widths[level], widths[level + 1], doubles=True))
            # Sixteen blocks over the sides, the coarse ones first.
            more = GENERATOR_BLOCKS // doublings + (level < GENERATOR_BLOCKS % doublings) - 1
            blocks += [_GeneratorBlock(widths[level + 1], widths[level + 1], doubles=False) for _ in range(more)]
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(widths[-1])
        self.last = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Pictures [n, C, size, size] in -1..1 from float32 [n, latent], k times the side from [n, latent, k, k]."""
        cells = z.reshape(*z.shape[:2], *(z.shape[2:] or (1, 1))).movedim(1, 3)
        x = self.start(cells).unflatten(3, (-1, 4, 4)).permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)
        pictures: Tensor = self.last(F.relu(self.norm(self.blocks(x)))).tanh()
        return pictures


class BlotCritic(nn.Module):
    """Pictures to a number whose mean over genuine ones exceeds that over generated ones by their distance.

    Args:
        size_px: side, a power of two from 32 to 512.
        channels: 1 or 3.
        width: channels at full size.
    """

    def __init__(self, size_px: int, channels: int, width: int) -> None:
        super().__init__()
        halvings = _doublings(size_px)
        widths = [width * min(WIDEST, 2**level) for level in range(halvings + 1)]
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(SLOPE)]
        for level in range(1, halvings + 1):
            layers += [nn.Conv2d(widths[level - 1], widths[level], 4, 2, 1), nn.LeakyReLU(SLOPE)]
            # What halving leaves of the nine is spread from the coarsest side upwards, where it costs least.
            spare, from_end = CRITIC_PLAIN - halvings, halvings - level
            for _ in range(spare // halvings + (from_end < spare % halvings)):
                layers += [nn.Conv2d(widths[level], widths[level], 3, padding=1), nn.LeakyReLU(SLOPE)]
            if size_px >> level in (16, 8):
                layers.append(_CriticBlock(widths[level]))
        self.body = nn.Sequential(*layers)
        self.last = nn.Linear(widths[-1] * 16, 1)
        for module in self.modules():
            # Fifteen layers without normalisation: torch's own initial weights would let the slope vanish.
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, SLOPE)
                nn.init.zeros_(module.bias)

    def forward(self, pictures: Tensor) -> Tensor:
        """Float [n], unbounded."""
        values: Tensor = self.last(self.body(pictures).flatten(1))
        return values[:, 0]


class _GeneratorBlock(nn.Module):
    """Residual block of two convolutions, normalised before; may double the side by repetition."""

    def __init__(self, wide: int, narrow: int, doubles: bool) -> None:
        super().__init__()
        self.first_norm, self.second_norm = nn.BatchNorm2d(wide), nn.BatchNorm2d(narrow)
        self.first = nn.Conv2d(wide, narrow, 3, padding=1)
        self.second = nn.Conv2d(narrow, narrow, 3, padding=1)
        self.doubles = doubles
        self.short_cut = nn.Conv2d(wide, narrow, 1) if wide != narrow else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.first_norm(x))
        short = self.short_cut(x)  # a 1 x 1 convolution and repetition commute; this way round is cheaper
        if self.doubles:
            inner, short = (F.interpolate(t, scale_factor=2, mode="nearest") for t in (inner, short))
        inner = F.relu(self.second_norm(self.first(inner)))
        out: Tensor = short + self.second(inner)
        return out


class _CriticBlock(nn.Module):
    """Residual block of two convolutions without normalisation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.second(F.leaky_relu(self.first(x), SLOPE)), SLOPE)


def _doublings(size_px: int) -> int:
    """Between 4 px and the picture."""
    return round(math.log2(size_px)) - 2
