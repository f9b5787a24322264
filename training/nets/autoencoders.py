"""Autoencoders with clearly different decoders: their reconstructions are the paired made-up pictures.

The up-sampler of a decoder leaves the trace that the detector is to learn, so the family spans the common ones:
nearest and bilinear interpolation with a convolution, transposed convolutions with an even and an uneven overlap
(Odena et al., Distill 2016), pixel shuffle (Shi et al., CVPR 2016), and FIR-filtered up-sampling as in StyleGAN2
(Karras et al., CVPR 2020). One is a VAE (Kingma & Welling, ICLR 2014), one quantises its latents by products of small
codebooks (van den Oord et al., NeurIPS 2017; Jegou et al., TPAMI 2011).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semscan.engine.errors import UsageError

UPSAMPLERS = ("nearest", "bilinear", "convt4", "convt3", "shuffle", "fir")


@dataclass(frozen=True, slots=True)
class AutoencoderSpec:
    """Design of one autoencoder.

    Attributes:
        up: up-sampler, one of :data:`UPSAMPLERS`.
        depth: number of halvings; the latent has 1 / 2**depth of the side.
        latent: latent channels.
        width: channels at full resolution; level k has ``width * (k + 1)``.
        norm: ``none``, ``batch`` or ``group``.
        act: ``relu``, ``leaky`` or ``silu``.
        bottleneck: ``plain``, ``vae`` or ``vq``.
    """

    up: str
    depth: int
    latent: int
    width: int = 24
    norm: str = "none"
    act: str = "relu"
    bottleneck: str = "plain"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("up", self.up, UPSAMPLERS),
            ("norm", self.norm, ("none", "batch", "group")),
            ("act", self.act, ("relu", "leaky", "silu")),
            ("bottleneck", self.bottleneck, ("plain", "vae", "vq")),
        ):
            if value not in known:
                raise UsageError(f"decoder {name} = {value!r} is not one of {', '.join(known)}")


class Autoencoder(nn.Module):
    """Encoder, bottleneck and a decoder with learned noise inputs after every up-sampler.

    Args:
        spec: the design.
    """

    def __init__(self, spec: AutoencoderSpec) -> None:
        super().__init__()
        self.spec = spec
        widths = [spec.width * (level + 1) for level in range(spec.depth + 1)]
        down: list[nn.Module] = [nn.Conv2d(1, widths[0], 3, padding=1), _act(spec)]
        for narrow, wide in itertools.pairwise(widths):
            down += [nn.Conv2d(narrow, wide, 4, 2, 1), _norm(spec, wide), _act(spec)]
            down += [nn.Conv2d(wide, wide, 3, padding=1), _norm(spec, wide), _act(spec)]
        latents = spec.latent * (2 if spec.bottleneck == "vae" else 1)
        self.encoder = nn.Sequential(*down, nn.Conv2d(widths[-1], latents, 3, padding=1))
        self.bottleneck = {"plain": _Plain, "vae": _Gaussian, "vq": _ProductVq}[spec.bottleneck](spec.latent)
        up: list[nn.Module] = [nn.Conv2d(spec.latent, widths[-1], 3, padding=1), _act(spec)]
        for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True):
            up += [_Up(spec.up, wide, narrow), _Noise(narrow), _norm(spec, narrow), _act(spec)]
            up += [nn.Conv2d(narrow, narrow, 3, padding=1), _norm(spec, narrow), _act(spec)]
        self.decoder = nn.Sequential(*up, nn.Conv2d(widths[0], 1, 3, padding=1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruct.

        Args:
            image: float32 [n, 1, h, w] in -1..1, h and w multiples of ``2**depth``.

        Returns:
            the reconstruction, like ``image`` (not clamped), and the scalar loss of the bottleneck.
        """
        latent, loss = self.bottleneck(self.encoder(image))
        return self.decoder(latent), loss


class PatchCritic(nn.Module):
    """Small patch discriminator that sees the picture and, four times amplified, what a 3 x 3 mean removes from it."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2, 24, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(24, 48, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, 64, 3, 1, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 1, 3, 1, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Patch logits [n, 1, h / 4, w / 4] of float32 [n, 1, h, w]."""
        high = image - F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
        logits: Tensor = self.body(torch.cat([image, 4 * high], 1))
        return logits


class _Up(nn.Module):
    def __init__(self, kind: str, wide: int, narrow: int) -> None:
        super().__init__()
        self.kind = kind
        self.taps: Tensor
        self.conv: nn.Module
        if kind == "convt4":
            self.conv = nn.ConvTranspose2d(wide, narrow, 4, 2, 1)
        elif kind == "convt3":
            self.conv = nn.ConvTranspose2d(wide, narrow, 3, 2, 1, output_padding=1)
        elif kind == "shuffle":
            self.conv = nn.Sequential(nn.Conv2d(wide, 4 * narrow, 3, padding=1), nn.PixelShuffle(2))
        else:
            self.conv = nn.Conv2d(wide, narrow, 3, padding=1)
        if kind == "fir":
            taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4  # sum 2: keeps the mean after zero insertion
            self.register_buffer("taps", torch.outer(taps, taps).expand(wide, 1, 4, 4).clone())

    def forward(self, x: Tensor) -> Tensor:
        if self.kind in ("nearest", "bilinear"):
            x = F.interpolate(x, scale_factor=2, mode=self.kind)
        elif self.kind == "fir":
            x = F.conv_transpose2d(x, self.taps, stride=2, padding=1, groups=x.shape[1])
        out: Tensor = self.conv(x)
        return out


class _Noise(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * torch.randn(x.shape[0], 1, x.shape[2], x.shape[3], device=x.device)


class _Plain(nn.Module):
    def __init__(self, latent: int) -> None:
        super().__init__()

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor]:
        return code, code.new_zeros(())


class _Gaussian(nn.Module):
    """Reparametrised normal latents; the loss is the mean Kullback-Leibler divergence to the unit normal."""

    def __init__(self, latent: int) -> None:
        super().__init__()

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_var = code.chunk(2, 1)
        log_var = log_var.clamp(-20, 10)
        divergence = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).mean()
        return mean + (0.5 * log_var).exp() * torch.randn_like(mean), divergence


class _ProductVq(nn.Module):
    """Groups of four latent channels, each snapped to the nearest of 256 codewords (straight-through gradient)."""

    GROUP, WORDS = 4, 256

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.words = nn.Parameter(torch.randn(latent // self.GROUP, self.WORDS, self.GROUP) * 0.3)

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor]:
        n, channels, h, w = code.shape
        groups = channels // self.GROUP
        flat = code.reshape(n, groups, self.GROUP, h * w).permute(1, 0, 3, 2).reshape(groups, -1, self.GROUP)
        with torch.no_grad():
            nearest = torch.cdist(flat, self.words).argmin(2)
            if self.training:
                self._revive(flat, nearest)
        chosen = torch.gather(self.words, 1, nearest[..., None].expand(-1, -1, self.GROUP))
        loss = F.mse_loss(chosen, flat.detach()) + 0.25 * F.mse_loss(flat, chosen.detach())
        straight = flat + (chosen - flat).detach()
        out = straight.reshape(groups, n, h * w, self.GROUP).permute(1, 0, 3, 2).reshape(n, channels, h, w)
        return out, loss

    def _revive(self, flat: Tensor, nearest: Tensor) -> None:
        """Move a few unused codewords onto random codes of the batch, or they would never be used."""
        for group in range(len(flat)):
            unused = torch.bincount(nearest[group], minlength=self.WORDS).eq(0).nonzero()[:, 0]
            unused = unused[torch.rand(len(unused)) < 0.01]
            self.words.data[group, unused] = flat[group, torch.randint(flat.shape[1], (len(unused),))]


def _norm(spec: AutoencoderSpec, channels: int) -> nn.Module:
    if spec.norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(4, channels) if spec.norm == "group" else nn.Identity()


def _act(spec: AutoencoderSpec) -> nn.Module:
    if spec.act == "relu":
        return nn.ReLU()
    return nn.LeakyReLU(0.2) if spec.act == "leaky" else nn.SiLU()
