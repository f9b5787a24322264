"""FastGAN (Liu et al., ICLR 2021, arXiv 2101.04775): a generator and a discriminator for few pictures.

The generator lets coarse features gate the channels of features sixteen times finer (skip-layer excitation), and
draws its non-linearity from gated linear units and injected noise. The discriminator is also an encoder: two small
decoders must redraw the genuine pictures from its features, which keeps it from memorising. Sizes below the paper's
256 px have fewer levels of the same blocks.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

WIDTHS = {4: 16.0, 8: 8.0, 16: 4.0, 32: 2.0, 64: 2.0, 128: 1.0, 256: 0.5, 512: 0.25}
"""Channels at each side in px, in multiples of the network's width."""

EXCITED_BY = {64: 4, 128: 8, 256: 16, 512: 32}
"""Side in px of fine features, and of the coarse ones that gate their channels."""

COARSEST_PX = 8
"""Side of the discriminator's last features."""

DECODED_PX = 128
"""Most that a decoder draws, and the side of the second scale of large pictures."""


class SkipExcitation(nn.Module):
    """Gates the channels of fine features by coarse ones (the paper's SLE module).

    Args:
        coarse: channels of the coarse features.
        fine: channels of the fine features.
    """

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.gates = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(coarse, fine, 4),
            nn.LeakyReLU(0.1),
            nn.Conv2d(fine, fine, 1),
            nn.Sigmoid(),
        )

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """``fine`` [n, f, h, w] times gates in 0..1, one per picture and channel, from ``coarse`` [n, c, k, k]."""
        gated: Tensor = fine * self.gates(coarse)
        return gated


class LearnedNoise(nn.Module):
    """Adds white noise, the same for all channels, with one learned strength that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Features [n, c, h, w] with noise."""
        noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device, dtype=x.dtype)
        return x + self.strength * noise


class FastganGenerator(nn.Module):
    """Latent vectors to pictures of two scales.

    Args:
        size_px: side, a power of two from 32 to 512.
        channels: 1 or 3.
        width: the paper's ``ngf``; 64 there.
        latent: length of the latent vector.
    """

    def __init__(self, size_px: int, channels: int, width: int, latent: int) -> None:
        super().__init__()
        self.latent, self.size_px = latent, size_px
        self.small_px = second_scale(size_px)
        wide = {side: max(4, round(width * multiple)) for side, multiple in WIDTHS.items()}
        self.start = nn.Sequential(
            nn.ConvTranspose2d(latent, 2 * wide[4], 4, 4, bias=False), nn.BatchNorm2d(2 * wide[4]), nn.GLU(1)
        )
        sides = [4 * 2**level for level in range(1, _halvings(4, size_px) + 1)]
        # Blocks with noise and a second convolution alternate with plain ones.
        self.blocks = nn.ModuleList(
            _up_block(wide[side // 2], wide[side], with_noise=index % 2 == 0) for index, side in enumerate(sides)
        )
        self.excitations = nn.ModuleDict(
            {str(side): SkipExcitation(wide[EXCITED_BY[side]], wide[side]) for side in sides if side in EXCITED_BY}
        )
        self.to_picture = nn.Conv2d(wide[size_px], channels, 3, padding=1)
        self.to_small = nn.Conv2d(wide[self.small_px], channels, 1)
        self.apply(_initialise)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures of two scales.

        Args:
            z: float32 [n, latent], or a grid of k x k of them, [n, latent, k, k].

        Returns:
            [n, C, size, size] and [n, C, small, small] in -1..1, of k times these sides for a grid. The gates of a
            picture then follow from all of its cells.
        """
        features = {4: self.start(z.reshape(*z.shape[:2], *(z.shape[2:] or (1, 1))))}
        for level, block in enumerate(self.blocks):
            side = 8 * 2**level
            x = block(features[side // 2])
            if side in EXCITED_BY:
                x = self.excitations[str(side)](features[EXCITED_BY[side]], x)
            features[side] = x
        return torch.tanh(self.to_picture(features[self.size_px])), torch.tanh(self.to_small(features[self.small_px]))


class FastganDiscriminator(nn.Module):
    """Patch logits of two scales, and decoders that redraw genuine pictures.

    Args:
        size_px: side, a power of two from 32 to 512.
        channels: 1 or 3.
        width: the paper's ``ndf``; 64 there.
    """

    def __init__(self, size_px: int, channels: int, width: int) -> None:
        super().__init__()
        self.size_px = size_px
        wide = {side: max(4, round(width * multiple)) for side, multiple in WIDTHS.items()}
        first_px = min(size_px, 256)
        stem: list[nn.Module] = [_conv(channels, wide[first_px], 4 if size_px > 256 else 3, 2 if size_px > 256 else 1)]
        self.stem = nn.Sequential(*stem, nn.LeakyReLU(0.2))
        sides = [first_px // 2**level for level in range(1, _halvings(COARSEST_PX, first_px) + 1)]
        self.blocks = nn.ModuleList(_HalvingBlock(wide[2 * side], wide[side]) for side in sides)
        self.head = _head(wide[COARSEST_PX])
        small_px = second_scale(size_px)
        small: list[nn.Module] = [_conv(channels, wide[small_px // 2], 4, 2), nn.LeakyReLU(0.2)]
        side = small_px // 2
        while side > COARSEST_PX:
            side //= 2
            small += [_conv(wide[2 * side], wide[side], 4, 2), nn.BatchNorm2d(wide[side]), nn.LeakyReLU(0.2)]
        self.small = nn.Sequential(*small, *_head(wide[side]))
        self.decode_whole = _decoder(wide[8], channels, min(DECODED_PX, size_px))
        self.decode_part = _decoder(wide[16], channels, min(DECODED_PX, size_px // 2))
        self.apply(_initialise)

    def forward(self, picture: Tensor, small: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge pictures.

        Args:
            picture: float [n, C, size, size] in -1..1.
            small: the same, of the second scale.

        Returns:
            patch logits [n, k], and the features of 16 px [n, a, 16, 16] and of 8 px [n, b, 8, 8] for :meth:`redraw`.
        """
        x = self.stem(picture)
        features = {}
        for block in self.blocks:
            x = block(x)
            features[x.shape[-1]] = x
        logits = [self.head(x).flatten(1), self.small(small).flatten(1)]
        return torch.cat(logits, 1), features[16], features[8]

    def redraw(self, fine: Tensor, coarse: Tensor, corner: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Decode features of genuine pictures.

        Args:
            fine: features of 16 px, of which an 8 x 8 part is decoded.
            coarse: features of 8 px.
            corner: row and column, 0 to 8, of that part.

        Returns:
            the part and the whole, [n, C, p, p] and [n, C, q, q] in -1..1; :meth:`targets` gives what they should be.
        """
        y, x = corner
        return self.decode_part(fine[:, :, y : y + 8, x : x + 8]), self.decode_whole(coarse)

    def targets(self, picture: Tensor, corner: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """What :meth:`redraw` should give for a genuine picture: a quarter of it, and all of it, at most 128 px."""
        half, unit = self.size_px // 2, self.size_px // 16
        y, x = corner[0] * unit, corner[1] * unit
        part = picture[:, :, y : y + half, x : x + half]
        return shrink(part, min(DECODED_PX, half)), shrink(picture, min(DECODED_PX, self.size_px))


def second_scale(size_px: int) -> int:
    """Side of the small picture that is made and judged beside the full one."""
    return min(DECODED_PX, size_px // 2)


def shrink(picture: Tensor, side: int) -> Tensor:
    """Box means [n, C, side, side] of pictures whose side is a multiple of that."""
    return F.avg_pool2d(picture, picture.shape[-1] // side)


class _HalvingBlock(nn.Module):
    """Halves the side: mean of a path of two convolutions and of a short one behind a 2 x 2 mean."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        self.long = nn.Sequential(
            _conv(narrow, wide, 4, 2),
            nn.BatchNorm2d(wide),
            nn.LeakyReLU(0.2),
            _conv(wide, wide, 3),
            nn.BatchNorm2d(wide),
            nn.LeakyReLU(0.2),
        )
        self.short = nn.Sequential(
            nn.AvgPool2d(2), _conv(narrow, wide, 1), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        mean: Tensor = (self.long(x) + self.short(x)) / 2
        return mean


def _up_block(wide: int, narrow: int, with_noise: bool) -> nn.Sequential:
    """Doubles the side by repetition; each convolution makes twice the channels, half of which gate the others."""
    layers: list[nn.Module] = [nn.Upsample(scale_factor=2)]
    for channels in (wide, narrow) if with_noise else (wide,):
        layers.append(nn.Conv2d(channels, 2 * narrow, 3, padding=1, bias=False))
        layers += [LearnedNoise()] if with_noise else []
        layers += [nn.BatchNorm2d(2 * narrow), nn.GLU(1)]
    return nn.Sequential(*layers)


def _decoder(channels_in: int, channels_out: int, side: int) -> nn.Sequential:
    """From features of 8 px to a picture: plain up blocks whose width halves, and a convolution."""
    layers: list[nn.Module] = []
    for _ in range(_halvings(COARSEST_PX, side)):
        narrow = max(4, channels_in // 2)
        layers.append(_up_block(channels_in, narrow, with_noise=False))
        channels_in = narrow
    return nn.Sequential(*layers, nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.Tanh())


def _head(channels: int) -> nn.Sequential:
    """Patch logits, 5 x 5 from features of 8 px."""
    return nn.Sequential(
        _conv(channels, channels, 1), nn.BatchNorm2d(channels), nn.LeakyReLU(0.2), _conv(channels, 1, 4, padding=0)
    )


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int | None = None) -> nn.Module:
    padding = (kernel - 1) // 2 if padding is None else padding
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        # Under spectral normalisation `weight` is derived from the parameter of the name `...original`.
        for name, parameter in module.named_parameters():
            if name in ("weight", "parametrizations.weight.original"):
                nn.init.normal_(parameter, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _halvings(small: int, large: int) -> int:
    return round(math.log2(large / small))
