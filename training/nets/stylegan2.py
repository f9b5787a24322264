"""StyleGAN2 (Karras et al., arXiv 1912.04958): a mapping network, a generator with styles, a residual discriminator.

The generator adds up pictures of all scales (skip connections); the discriminator's blocks are residual. Widths and
depths are parameters, so that the same networks serve a processor at 64 px and a GPU at 512 px.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from semscan.training.nets.layers import (
    EqualConv,
    EqualLinear,
    Fir,
    MinibatchDeviation,
    Noise,
    StyledConv,
    leaky,
)

MAPPING_RATE = 0.01
"""Factor on the learning rate of the mapping network."""


class Mapping(nn.Module):
    """Latent vectors to intermediate ones, ``w``.

    Args:
        latent: length of both.
        depth: number of layers; 8 in the paper, 2 where pictures are few.
    """

    def __init__(self, latent: int, depth: int) -> None:
        super().__init__()
        self.latent = latent
        self.layers = nn.ModuleList(EqualLinear(latent, latent, rate=MAPPING_RATE) for _ in range(depth))

    def forward(self, z: Tensor) -> Tensor:
        """Float32 like ``z``, [n, latent] or [n, latent, k, k]; every vector is first brought to unit second moment."""
        w = (z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)).movedim(1, -1)
        for layer in self.layers:
            w = leaky(layer(w))
        return w.movedim(-1, 1)


class Synthesis(nn.Module):
    """Intermediate vectors, one per layer, to pictures.

    Args:
        size_px: side, a power of two from 8.
        channels: 1 or 3.
        base: channels at side ``s`` are ``min(base / s, widest)``.
        widest: see ``base``.
        latent: length of a ``w``.
    """

    def __init__(self, size_px: int, channels: int, base: int, widest: int, latent: int) -> None:
        super().__init__()
        sides = [2**power for power in range(2, round(math.log2(size_px)) + 1)]
        widths = [min(base // side, widest) for side in sides]
        self.start = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.layers = nn.ModuleList([_Layer(widths[0], widths[0], latent, doubles=False)])
        self.to_pictures = nn.ModuleList([_ToPicture(widths[0], channels, latent)])
        for wide, narrow in itertools.pairwise(widths):
            self.layers.append(_Layer(wide, narrow, latent, doubles=True))
            self.layers.append(_Layer(narrow, narrow, latent, doubles=False))
            self.to_pictures.append(_ToPicture(narrow, channels, latent))
        self.fir = Fir(gain=4.0)
        self.styles = len(self.layers) + 1
        """Number of ``w`` that one picture takes: one per layer, and the last one for the picture itself."""

    def forward(self, ws: Tensor) -> Tensor:
        """Draw pictures.

        Args:
            ws: float32 [n, styles, latent], or [n, styles, latent, k, k] for styles that change over the picture.

        Returns:
            [n, C, size, size], about -1..1 and not clamped; of k times the side, with the learned constant repeated.
        """
        start = self.start.expand(len(ws), -1, -1, -1)
        x = self.layers[0](start.repeat(1, 1, *ws.shape[3:]) if ws.ndim == 5 else start, ws[:, 0])
        picture: Tensor = self.to_pictures[0](x, ws[:, 1])
        for block, to_picture in enumerate(list(self.to_pictures)[1:]):
            first = 2 * block + 1
            x = self.layers[first](x, ws[:, first])
            x = self.layers[first + 1](x, ws[:, first + 1])
            picture = self.fir.doubled(picture) + to_picture(x, ws[:, first + 2])
        return picture


class StyleGenerator(nn.Module):
    """Mapping and synthesis.

    Args:
        size_px: side, a power of two from 8.
        channels: 1 or 3.
        base: channels at side ``s`` are ``min(base / s, widest)``.
        widest: see ``base``.
        latent: length of latent and intermediate vectors.
        depth: layers of the mapping network.
    """

    def __init__(self, size_px: int, channels: int, base: int, widest: int, latent: int, depth: int) -> None:
        super().__init__()
        self.mapping = Mapping(latent, depth)
        self.synthesis = Synthesis(size_px, channels, base, widest, latent)

    def forward(self, z: Tensor) -> Tensor:
        """Pictures from float32 [n, latent] or [n, latent, k, k], one style for all layers, as :class:`Synthesis`."""
        pictures: Tensor = self.synthesis(self.spread(self.mapping(z)))
        return pictures

    def spread(self, w: Tensor) -> Tensor:
        """The same ``w`` for every layer: [n, styles, latent], or with k x k behind."""
        return w[:, None].expand(-1, self.synthesis.styles, *w.shape[1:])

    def mixed(self, z: Tensor, probability: float) -> Tensor:
        """``w`` of every layer where some pictures change to those of another latent vector at a random layer.

        Args:
            z: float32 [n, latent].
            probability: that a picture is mixed.

        Returns:
            float32 [n, styles, latent].
        """
        ws = self.spread(self.mapping(z))
        others = self.spread(self.mapping(torch.randn_like(z)))
        styles, device = self.synthesis.styles, z.device
        change = torch.randint(1, styles, (len(z), 1), device=device)
        change = torch.where(torch.rand(len(z), 1, device=device) < probability, change, styles)
        is_first = torch.arange(styles, device=device)[None] < change
        return torch.where(is_first[:, :, None], ws, others)


class StyleDiscriminator(nn.Module):
    """Pictures to logits.

    Args:
        size_px: side, a power of two from 8.
        channels: 1 or 3.
        base: channels at side ``s`` are ``min(base / s, widest)``.
        widest: see ``base``.
        group: pictures whose variety is measured together.
    """

    def __init__(self, size_px: int, channels: int, base: int, widest: int, group: int = 4) -> None:
        super().__init__()
        sides = [2**power for power in range(round(math.log2(size_px)), 1, -1)]
        widths = [min(base // side, widest) for side in sides]
        self.from_picture = EqualConv(channels, widths[0], 1)
        self.blocks = nn.ModuleList(_Block(narrow, wide) for narrow, wide in itertools.pairwise(widths))
        self.deviation = MinibatchDeviation(group)
        self.last = EqualConv(widths[-1] + 1, widths[-1], 3)
        self.hidden = EqualLinear(widths[-1] * 16, widths[-1])
        self.logit = EqualLinear(widths[-1], 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits [n]; positive for genuine. A picture's logit depends a little on its group."""
        x = leaky(self.from_picture(pictures))
        for block in self.blocks:
            x = block(x)
        x = leaky(self.last(self.deviation(x)))
        logits: Tensor = self.logit(leaky(self.hidden(x.flatten(1))))
        return logits[:, 0]


class _Layer(nn.Module):
    """Styled convolution, noise, bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, latent: int, doubles: bool) -> None:
        super().__init__()
        self.conv = StyledConv(inputs, outputs, 3, latent, doubles)
        self.noise = Noise()
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.noise(self.conv(x, w))
        return leaky(x + self.bias[:, None, None].to(x.dtype))


class _ToPicture(nn.Module):
    """Styled 1 x 1 convolution to grey or colour, not demodulated."""

    def __init__(self, inputs: int, channels: int, latent: int) -> None:
        super().__init__()
        self.conv = StyledConv(inputs, channels, 1, latent, demodulates=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        picture: Tensor = self.conv(x, w).float() + self.bias[:, None, None]
        return picture


class _Block(nn.Module):
    """Residual block that halves the side; the sum of both paths keeps the variance."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        self.first = EqualConv(narrow, narrow, 3)
        self.second = EqualConv(narrow, wide, 3, halves=True)
        self.short = EqualConv(narrow, wide, 1, halves=True, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = leaky(self.second(leaky(self.first(x)))) + self.short(x)
        return total / math.sqrt(2)
