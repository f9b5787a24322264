"""What all our GANs share, and the two classical ones: DCGAN and, on composed blots, a Wasserstein GAN.

FastGAN and StyleGAN2-ADA have modules of their own, because their losses do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from semscan.training.crops import DataRecipe, load_recipe_pool
from semscan.training.loop import Batches, LoopRecipe, Stateful, System
from semscan.training.nets.dcgan import DcganDiscriminator, DcganGenerator
from semscan.training.pictures import to_pixels
from semscan.training.place import Place

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
    """

    system: str
    name: str
    training: LoopRecipe
    data: DataRecipe = field(default_factory=DataRecipe)
    seed: int = 1
    width: int = 64
    latent: int = 100
    lr: float = 2e-4


class Dcgan:
    """DCGAN with its losses, see :class:`semscan.training.loop.Trainee`."""

    def __init__(self, recipe: DcganRecipe, place: Place) -> None:
        loop = recipe.training
        self.place = place
        self.real_shape = (loop.batch, loop.channels, loop.size_px, loop.size_px)
        self.generator = DcganGenerator(loop.size_px, loop.channels, recipe.width, recipe.latent)
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

    def sample(self, count: int, seed: int) -> NDArray[np.uint8]:
        """Pictures of the latest generator with the running statistics of its normalisation."""
        return sample_with(self.generator, self.generator.latent, count, seed, self.place)


def micrograph_batches(recipe: DcganRecipe, data: Path | None) -> Batches:
    """Crops of genuine micrographs, as the ``[data]`` table says."""
    loop = recipe.training
    pool = load_recipe_pool(recipe.data, data, loop.channels)
    return lambda rng: pool.draw_as(recipe.data, rng, loop.batch, loop.size_px)


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of an optimiser that has seen no other gradients than those of ``loss``."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


@torch.inference_mode()
def sample_with(generator: nn.Module, latent: int, count: int, seed: int, place: Place) -> NDArray[np.uint8]:
    """Pictures of a generator that takes float32 [n, latent]; its mode is left as it was.

    Returns:
        uint8 [count, C, H, W]; picture k depends on the seed and on k only.
    """
    was_training = generator.training
    generator.eval()
    parts = []
    with torch.random.fork_rng(devices=[]):
        for start in range(0, count, SAMPLE_BATCH):
            # Layers with noise inputs draw from the global generator, so it is seeded per batch.
            torch.manual_seed(seed * 1_000_003 + start)
            z = torch.randn(SAMPLE_BATCH, latent).to(place.device)
            parts.append(to_pixels(generator(z)))
    generator.train(was_training)
    return np.concatenate(parts)[:count]


SYSTEMS = {"dcgan": System(DcganRecipe, Dcgan, micrograph_batches)}
