"""The U-Net that predicts the noise of a diffusion model.

Residual blocks are told the time step by a scale and a shift after their second normalisation; there is self-attention
where the picture is small (Ho et al., arXiv 2006.11239; Nichol and Dhariwal, arXiv 2102.09672). The picture may enter
as blocks of ``patch x patch`` pixels turned into channels, which makes the network about ``patch**2`` times cheaper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semscan.engine.errors import UsageError


@dataclass(frozen=True, slots=True)
class UNetSpec:
    """Design of a U-Net.

    Attributes:
        width: channels of the first level, a multiple of 8.
        multiples: channels of each level as multiples of ``width``; every level after the first halves the side.
        blocks: residual blocks of a level on the way down; one more on the way up.
        attention: levels with self-attention after every block, counted from 0.
        heads: attention heads.
        patch: side of the blocks of pixels that enter as channels; 1 for none.
        dropout: share of features dropped inside a block while training.
    """

    width: int = 64
    multiples: tuple[int, ...] = (1, 2, 2)
    blocks: int = 2
    attention: tuple[int, ...] = (2,)
    heads: int = 4
    patch: int = 1
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not self.multiples or min(self.width, self.blocks, self.heads, self.patch, *self.multiples) < 1:
            raise UsageError("every size of the U-Net must be at least 1")
        if self.width % 8 or any(self.width * m % self.heads for m in self.multiples):
            raise UsageError("the width of the U-Net must be a multiple of 8, and of its heads")
        if any(not 0 <= level < len(self.multiples) for level in self.attention):
            raise UsageError(f"attention levels run from 0 to {len(self.multiples) - 1}")

    @property
    def side_multiple(self) -> int:
        """What the sides of a picture must be a multiple of."""
        return int(self.patch * 2 ** (len(self.multiples) - 1))


class UNet(nn.Module):
    """Noise prediction with skip connections between equal sizes.

    Args:
        spec: the design.
        channels: of the picture or latent.
    """

    def __init__(self, spec: UNetSpec, channels: int = 1) -> None:
        super().__init__()
        self.spec = spec
        widths = [spec.width * multiple for multiple in spec.multiples]
        time = 4 * spec.width
        self.time = nn.Sequential(nn.Linear(spec.width, time), nn.SiLU(), nn.Linear(time, time))
        self.stem = nn.Conv2d(channels * spec.patch**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        kept, here = [widths[0]], widths[0]
        for level, width in enumerate(widths):
            for _ in range(spec.blocks):
                self.down.append(_Block(here, width, time, spec, level))
                here = width
                kept.append(here)
            if level < len(widths) - 1:
                self.down.append(nn.Conv2d(here, here, 3, 2, 1))
                kept.append(here)
        self.middle = _Block(here, here, time, spec, max(spec.attention, default=-1))
        for level, width in reversed(list(enumerate(widths))):
            for _ in range(spec.blocks + 1):
                self.up.append(_Block(here + kept.pop(), width, time, spec, level))
                here = width
            if level:
                self.up.append(nn.Conv2d(here, here, 3, padding=1))
        self.head = nn.Sequential(_norm(here), nn.SiLU(), _silent(nn.Conv2d(here, channels * spec.patch**2, 3, 1, 1)))

    def forward(self, image: Tensor, at: Tensor) -> Tensor:
        """Predict the noise in a picture.

        Args:
            image: float [n, c, h, w], sides multiples of ``spec.side_multiple``.
            at: int64 [n], time steps from 0.

        Returns:
            like ``image``.
        """
        time = self.time(time_embedding(at, self.spec.width))
        x = self.stem(F.pixel_unshuffle(image, self.spec.patch))
        kept = [x]
        for layer in self.down:
            x = layer(x, time) if isinstance(layer, _Block) else layer(x)
            kept.append(x)
        x = self.middle(x, time)
        for layer in self.up:
            if isinstance(layer, _Block):
                x = layer(torch.cat([x, kept.pop()], 1), time)
            else:
                x = layer(F.interpolate(x, scale_factor=2, mode="nearest"))
        return F.pixel_shuffle(self.head(x), self.spec.patch)


def time_embedding(at: Tensor, width: int) -> Tensor:
    """Sines and cosines of the time step at frequencies from 1 down to 1/10000 (Vaswani et al., arXiv 1706.03762).

    Args:
        at: int64 [n].
        width: even.

    Returns:
        float32 [n, width].
    """
    pace = torch.exp(torch.arange(width // 2, device=at.device) * (-math.log(10_000) / (width // 2 - 1)))
    angle = at.float()[:, None] * pace
    return torch.cat([angle.sin(), angle.cos()], 1)


class _Block(nn.Module):
    """Two convolutions beside a skip; the last starts at zero, so that a new block changes nothing."""

    def __init__(self, inputs: int, outputs: int, time: int, spec: UNetSpec, level: int) -> None:
        super().__init__()
        self.first = nn.Sequential(_norm(inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(time, 2 * outputs))
        self.norm = _norm(outputs)
        last = _silent(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.second = nn.Sequential(nn.SiLU(), nn.Dropout(spec.dropout), last)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.attention = _Attention(outputs, spec.heads) if level in spec.attention else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.time(time)[:, :, None, None].chunk(2, 1)
        y = self.norm(self.first(x)) * (1 + scale) + shift
        out: Tensor = self.attention(self.skip(x) + self.second(y))
        return out


class _Attention(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = _norm(channels)
        self.project = nn.Conv2d(channels, 3 * channels, 1)
        self.out = _silent(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        n, channels, h, w = x.shape
        mixed = self.project(self.norm(x)).reshape(n, 3, self.heads, channels // self.heads, h * w)
        query, key, value = mixed.transpose(3, 4).unbind(1)
        seen = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = x + self.out(seen.transpose(2, 3).reshape(n, channels, h, w))
        return out


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(channels, 8), channels)


def _silent(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
