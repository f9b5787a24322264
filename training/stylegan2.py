"""Training of StyleGAN2 with adaptive augmentation (arXiv 1912.04958, 2006.06676).

Non-saturating logistic losses; the gradient penalty R1 every 16 steps and the path-length penalty every 4, each in an
update of its own, with the rates of the optimisers corrected for these extra updates. R1 is taken at the picture that
the discriminator sees, after augmentation. Penalties are computed in float32 even where the rest is not.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from semscan.engine.errors import UsageError
from semscan.training.ada import AdaAugment, AdaController
from semscan.training.crops import DataRecipe, crop_batches, crop_sources
from semscan.training.gan import sample_with, update
from semscan.training.loop import LoopRecipe, Stateful, System
from semscan.training.nets.stylegan2 import StyleDiscriminator, StyleGenerator
from semscan.training.pictures import average_into
from semscan.training.place import Place

R1_EVERY, PATH_EVERY = 16, 4
PATH_WEIGHT, PATH_DECAY = 2.0, 0.01
EMA_RAMP = 0.05
"""The average's half-life is at most this share of the pictures seen so far."""


@dataclass(frozen=True, slots=True)
class StyleRecipe:
    """Recipe of ``stylegan2_ada``; the defaults are the papers' for few pictures at 256 px.

    Attributes:
        system: ``stylegan2_ada``.
        name: folder name of the run.
        training: steps, sizes and device.
        data: genuine pictures.
        seed: everything random follows from it.
        base: channels at side ``s`` are ``min(base / s, widest)``.
        widest: see ``base``.
        latent: length of latent vectors.
        mapping_depth: layers of the mapping network.
        group: pictures of a minibatch deviation.
        lr: of both Adams.
        r1_gamma: weight of R1; 0.0002 * side**2 / batch is a good start.
        mixing: probability of two styles in one picture.
        ema_kimg: half-life of the averaged generator in thousands of pictures.
        ada_kimg: thousands of pictures in which augmentation can go from never to always.
    """

    system: str
    name: str
    training: LoopRecipe
    data: DataRecipe = field(default_factory=DataRecipe)
    seed: int = 1
    base: int = 16384
    widest: int = 512
    latent: int = 512
    mapping_depth: int = 2
    group: int = 4
    lr: float = 0.0025
    r1_gamma: float = 0.82
    mixing: float = 0.9
    ema_kimg: float = 5.0
    ada_kimg: float = 500.0

    def __post_init__(self) -> None:
        if self.base < self.training.size_px:
            raise UsageError(f"base = {self.base} leaves no channels at {self.training.size_px} px")


class PathLength(nn.Module):
    """Penalty on how differently the generator answers to changes of ``w`` in different places and directions."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, pictures: Tensor, ws: Tensor) -> Tensor:
        """Mean squared distance of the path lengths from their running mean, a scalar to be minimised.

        Args:
            pictures: float32 [n, C, h, w] made from ``ws``.
            ws: float32 [n, styles, latent] with gradients.
        """
        lengths = path_lengths(pictures, ws)
        self.mean.lerp_(lengths.detach().mean(), PATH_DECAY)
        return (lengths - self.mean).square().mean()


class Stylegan2:
    """StyleGAN2-ADA with its losses, see :class:`semscan.training.loop.Trainee`."""

    period = R1_EVERY
    """Steps after which the penalties' cost repeats; those of the path length are due every fourth of them."""

    def __init__(self, recipe: StyleRecipe, place: Place) -> None:
        loop = recipe.training
        self.recipe, self.place = recipe, place
        self.real_shape: tuple[int, ...] = (loop.batch, loop.channels, loop.size_px, loop.size_px)
        shape = (loop.size_px, loop.channels, recipe.base, recipe.widest)
        self.generator = StyleGenerator(*shape, recipe.latent, recipe.mapping_depth)
        self.averaged = copy.deepcopy(self.generator).eval()
        self.discriminator = StyleDiscriminator(*shape, recipe.group)
        self.ada, self.augment, self.path = AdaController(recipe.ada_kimg), AdaAugment(), PathLength()
        for network in (self.generator, self.averaged, self.discriminator, self.ada, self.augment, self.path):
            place.prepare(network, differentiated_twice=True)
        self.g_adam = lazy_adam(self.generator, recipe.lr, PATH_EVERY)
        self.d_adam = lazy_adam(self.discriminator, recipe.lr, R1_EVERY)

    def state(self) -> Mapping[str, Stateful]:
        """Networks, optimisers, the controller and the mean path length."""
        return {
            "generator": self.generator,
            "averaged": self.averaged,
            "discriminator": self.discriminator,
            "ada": self.ada,
            "path": self.path,
            "g_adam": self.g_adam,
            "d_adam": self.d_adam,
        }

    def step(self, step: int, real: Tensor) -> dict[str, float]:
        """One update of each network, and those of the penalties that are due."""
        p = float(self.ada.p)
        with torch.no_grad(), self.place.autocast():
            made = self._make(len(real))[0]
        seen = self.augment(real, p)
        made = self.augment(made, p)
        with self.place.autocast():
            real_logits, made_logits = self.discriminator(seen).float(), self.discriminator(made).float()
        d_loss = F.softplus(-real_logits).mean() + F.softplus(made_logits).mean()
        update(self.d_adam, d_loss)
        self.ada.observe(step, real_logits.detach())
        record = {
            "d_loss": float(d_loss.detach()),
            "d_real": float(real_logits.detach().mean()),
            "d_made": float(made_logits.detach().mean()),
            "r_t": float(real_logits.detach().sign().mean()),
            "p": p,
        }
        if step % R1_EVERY == 0:
            penalty = r1_penalty(self.discriminator, seen)
            update(self.d_adam, self.recipe.r1_gamma / 2 * R1_EVERY * penalty)
            record["r1"] = float(penalty.detach())
        with self.place.autocast():
            made_logits = self.discriminator(self.augment(self._make(len(real))[0], p)).float()
        g_loss = F.softplus(-made_logits).mean()
        update(self.g_adam, g_loss)
        record["g_loss"] = float(g_loss.detach())
        if step % PATH_EVERY == 0:
            penalty = self.path(*self._make(max(1, len(real) // 2)))
            update(self.g_adam, PATH_WEIGHT * PATH_EVERY * penalty)
            record["path_length"] = float(self.path.mean)
        average_into(self.averaged, self.generator, self._decay(step))
        return record

    def sample(self, count: int, seed: int, size_px: int | None = None) -> NDArray[np.uint8]:
        """Pictures of the averaged generator without truncation, noise included."""
        sides = (self.real_shape[-1], size_px)
        return sample_with(self.averaged, self.recipe.latent, count, seed, self.place, *sides)

    def _make(self, count: int) -> tuple[Tensor, Tensor]:
        """Pictures with mixed styles, and their ``w``."""
        z = torch.randn(count, self.recipe.latent, device=self.place.device)
        ws = self.generator.mixed(z, self.recipe.mixing)
        return self.generator.synthesis(ws).float(), ws

    def _decay(self, step: int) -> float:
        batch = self.recipe.training.batch
        half_life = min(self.recipe.ema_kimg * 1000, (step + 1) * batch * EMA_RAMP)
        return float(0.5 ** (batch / half_life))


def lazy_adam(network: nn.Module, lr: float, every: int) -> torch.optim.Adam:
    """Adam corrected for one more update every ``every`` steps (1912.04958, appendix B)."""
    share = every / (every + 1)
    return torch.optim.Adam(network.parameters(), lr * share, betas=(0.0, 0.99**share), eps=1e-8)


def r1_penalty(discriminator: nn.Module, pictures: Tensor) -> Tensor:
    """Mean squared norm of the logit's gradient with respect to genuine pictures (Mescheder et al., 1801.04406)."""
    pictures = pictures.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(pictures).sum(), pictures, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def path_lengths(pictures: Tensor, ws: Tensor) -> Tensor:
    """Norms of the Jacobian, transposed, times a random picture of unit expected brightness, float [n].

    The squares are added over the entries of each ``w`` and averaged over the layers that it goes to.
    """
    noise = torch.randn_like(pictures) / math.sqrt(pictures.shape[2] * pictures.shape[3])
    (gradient,) = torch.autograd.grad((pictures * noise).sum(), ws, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


SYSTEMS = {"stylegan2_ada": System(StyleRecipe, Stylegan2, crop_batches, crop_sources)}
