"""What all our GANs share, and the two classical ones: DCGAN and, on composed blots, a Wasserstein GAN.

FastGAN and StyleGAN2-ADA have modules of their own, because their losses do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from semscan.engine.errors import UsageError
from semscan.training.crops import DataRecipe, crop_batches, crop_sources
from semscan.training.loop import LoopRecipe, Stateful, System, seed_of
from semscan.training.nets.dcgan import UPSAMPLERS, DcganDiscriminator, DcganGenerator
from semscan.training.pictures import to_pixels
from semscan.training.place import Place
from semscan.training.wide import check_side, cut, latent_cells

SAMPLE_BATCH = 16
"""Samples are made in batches of this size, whatever their number, so that each depends on the seed only."""


@dataclass(frozen=True, slots=True)
class DcganRecipe:
    """Recipe of ``dcgan``; the defaults are the paper's, but for the width.

    Attributes:
        system: ``dcgan``.
        name: folder name of the run.
        training: steps, sizes and device.
        data: genuine pictures.
        seed: everything random follows from it.
        width: channels of the stage next to the picture.
        latent: length of the latent vector.
        lr: of both Adams.
        up: how the generator doubles the side, see :data:`semscan.training.nets.dcgan.UPSAMPLERS`.
    """

    system: str
    name: str
    training: LoopRecipe
    data: DataRecipe = field(default_factory=DataRecipe)
    seed: int = 1
    width: int = 64
    latent: int = 100
    lr: float = 2e-4
    up: str = "convt4"

    def __post_init__(self) -> None:
        if self.up not in UPSAMPLERS:
            raise UsageError(f"up = {self.up!r} is not one of {', '.join(UPSAMPLERS)}")


class Dcgan:
    """DCGAN with its losses, see :class:`semscan.training.loop.Trainee`."""

    def __init__(self, recipe: DcganRecipe, place: Place) -> None:
        loop = recipe.training
        self.place = place
        self.real_shape: tuple[int, ...] = (loop.batch, loop.channels, loop.size_px, loop.size_px)
        self.variant = "dcgan" if recipe.up == "convt4" else f"dcgan with {recipe.up} up-sampling"
        self.generator = DcganGenerator(loop.size_px, loop.channels, recipe.width, recipe.latent, recipe.up)
        self.discriminator = DcganDiscriminator(loop.size_px, loop.channels, recipe.width)
        place.prepare(self.generator)
        place.prepare(self.discriminator)
        self.g_adam = torch.optim.Adam(self.generator.parameters(), recipe.lr, betas=(0.5, 0.999))
        self.d_adam = torch.optim.Adam(self.discriminator.parameters(), recipe.lr, betas=(0.5, 0.999))

    def state(self) -> Mapping[str, Stateful]:
        """Networks and optimisers."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "g_adam": self.g_adam,
            "d_adam": self.d_adam,
        }

    def step(self, step: int, real: Tensor) -> dict[str, float]:
        """One update of each network with the non-saturating logistic loss."""
        z = torch.randn(len(real), self.generator.latent, device=self.place.device)
        with self.place.autocast():
            made = self.generator(z)
            real_logits, made_logits = self.discriminator(real).float(), self.discriminator(made.detach()).float()
        d_loss = F.softplus(-real_logits).mean() + F.softplus(made_logits).mean()
        update(self.d_adam, d_loss)
        with self.place.autocast():
            g_loss = F.softplus(-self.discriminator(made).float()).mean()
        update(self.g_adam, g_loss)
        return {
            "d_loss": float(d_loss.detach()),
            "g_loss": float(g_loss.detach()),
            "d_real": float(torch.sigmoid(real_logits.detach()).mean()),
            "d_made": float(torch.sigmoid(made_logits.detach()).mean()),
        }

    def sample(self, count: int, seed: int, size_px: int | None = None) -> NDArray[np.uint8]:
        """Pictures of the latest generator with the running statistics of its normalisation."""
        self.generator.eval()
        sides = (self.real_shape[-1], size_px)
        pixels = sample_with(self.generator, self.generator.latent, count, seed, self.place, *sides)
        self.generator.train()
        return pixels


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of an optimiser that has seen no other gradients than those of ``loss``."""
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()


@torch.inference_mode()
def sample_with(
    make: Callable[[Tensor], Tensor],
    latent: int,
    count: int,
    seed: int,
    place: Place,
    trained_px: int,
    size_px: int | None = None,
) -> NDArray[np.uint8]:
    """Pictures of a generator in evaluation mode.

    Args:
        make: from float32 [n, latent], or [n, latent, k, k], to pictures in -1..1; may draw noise from torch's global
            generator.
        latent: length of the latent vector.
        count: number of pictures.
        seed: decides latent vectors and noise.
        place: of the generator.
        trained_px: side of the pictures that it was trained on.
        size_px: side of the pictures, see :mod:`semscan.training.wide`; ``None`` for that trained on.

    Returns:
        uint8 [count, C, size, size]; on a CPU picture k depends on the seed, the side and on k only, not on the count.

    Raises:
        UsageError: the generator cannot make pictures of this side.
    """
    size_px = size_px or trained_px
    check_side(size_px, trained_px)
    parts = []
    with torch.random.fork_rng(devices=[]):
        for start in range(0, count, SAMPLE_BATCH):
            torch.manual_seed(seed_of(seed, start))
            z = latent_cells(SAMPLE_BATCH, latent, size_px, trained_px).to(place.device)
            parts.append(to_pixels(cut(make(z), size_px)))
    return np.concatenate(parts)[:count]


SYSTEMS = {"dcgan": System(DcganRecipe, Dcgan, crop_batches, crop_sources)}
