"""Training of BlotGAN: a Wasserstein GAN with gradient penalty (arXiv 1704.00028) on composed western blots.

The critic's mean over genuine pictures minus that over generated ones estimates the Wasserstein distance of the two;
training has converged when the curve of ``wasserstein`` in the statistics is flat. The blots are composed by
:mod:`semscan.training.blots`, unless the recipe names a folder of real ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from semscan.engine.errors import UsageError
from semscan.training.blots import compose_blots
from semscan.training.crops import DataRecipe, load_recipe_pool
from semscan.training.gan import sample_with, update
from semscan.training.loop import Batches, LoopRecipe, Stateful, System
from semscan.training.nets.blotgan import BlotCritic, BlotGenerator
from semscan.training.place import Place

PENALTY_WEIGHT = 10.0


@dataclass(frozen=True, slots=True)
class BlotRecipe:
    """Recipe of ``blotgan``; the defaults are those of arXiv 1704.00028 and of the Patterns example.

    Attributes:
        system: ``blotgan``.
        name: folder name of the run.
        training: steps, sizes and device; the batch is that of one critic step.
        data: only ``folder`` counts: real blots, of which crops are taken; empty composes them.
        seed: everything random follows from it.
        composed: number of blots that are composed.
        width: channels of both networks at full size.
        latent: length of the latent vector.
        lr: of both Adams.
        critic_steps: steps of the critic per step of the generator.
    """

    system: str
    name: str
    training: LoopRecipe
    data: DataRecipe = field(default_factory=DataRecipe)
    seed: int = 1
    composed: int = 3000
    width: int = 32
    latent: int = 128
    lr: float = 1e-4
    critic_steps: int = 5

    def __post_init__(self) -> None:
        if self.composed < 1 or self.critic_steps < 1:
            raise UsageError("composed and critic_steps must be positive")
        if self.training.channels != 1 and not self.data.folder:
            raise UsageError("composed blots are grey", "--set training.channels=1, or give data.folder")


class Blotgan:
    """BlotGAN with its losses, see :class:`semscan.training.loop.Trainee`."""

    def __init__(self, recipe: BlotRecipe, place: Place) -> None:
        loop = recipe.training
        self.recipe, self.place = recipe, place
        self.variant = "blotgan" if recipe.data.folder else "blotgan on composed blots"
        self.real_shape: tuple[int, ...] = (recipe.critic_steps * loop.batch, loop.channels, loop.size_px, loop.size_px)
        self.generator = BlotGenerator(loop.size_px, loop.channels, recipe.width, recipe.latent)
        self.critic = BlotCritic(loop.size_px, loop.channels, recipe.width)
        place.prepare(self.generator)
        place.prepare(self.critic, differentiated_twice=True)
        self.g_adam = torch.optim.Adam(self.generator.parameters(), recipe.lr, betas=(0.0, 0.9))
        self.d_adam = torch.optim.Adam(self.critic.parameters(), recipe.lr, betas=(0.0, 0.9))

    def state(self) -> Mapping[str, Stateful]:
        """Networks and optimisers."""
        return {"generator": self.generator, "critic": self.critic, "g_adam": self.g_adam, "d_adam": self.d_adam}

    def step(self, step: int, real: Tensor) -> dict[str, float]:
        """Several updates of the critic, each on pictures of its own, and one of the generator."""
        batch = self.recipe.training.batch
        distances, penalties = [], []
        for part in torch.split(real, batch):
            with torch.no_grad(), self.place.autocast():
                made = self._make(batch).float()
            with self.place.autocast():
                distance = self.critic(part).float().mean() - self.critic(made).float().mean()
            penalty = gradient_penalty(self.critic, part, made)
            update(self.d_adam, PENALTY_WEIGHT * penalty - distance)
            distances.append(float(distance.detach()))
            penalties.append(float(penalty.detach()))
        with self.place.autocast():
            g_loss = -self.critic(self._make(batch)).float().mean()
        update(self.g_adam, g_loss)
        return {
            "wasserstein": float(np.mean(distances)),
            "penalty": float(np.mean(penalties)),
            "g_loss": float(g_loss.detach()),
        }

    def sample(self, count: int, seed: int, size_px: int | None = None) -> NDArray[np.uint8]:
        """Pictures of the latest generator with the running statistics of its normalisation."""
        self.generator.eval()
        sides = (self.real_shape[-1], size_px)
        pixels = sample_with(self.generator, self.recipe.latent, count, seed, self.place, *sides)
        self.generator.train()
        return pixels

    def _make(self, count: int) -> Tensor:
        pictures: Tensor = self.generator(torch.randn(count, self.recipe.latent, device=self.place.device))
        return pictures


def gradient_penalty(critic: nn.Module, real: Tensor, made: Tensor) -> Tensor:
    """Mean squared difference from 1 of the critic's slope at random points between pairs of pictures."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = torch.lerp(made.detach(), real, share).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


def blot_batches(recipe: BlotRecipe, data: Path | None) -> Batches:
    """Composed blots, half of them mirrored, or crops of real ones."""
    loop, count = recipe.training, recipe.critic_steps * recipe.training.batch
    if recipe.data.folder:
        pool = load_recipe_pool(recipe.data, data, loop.channels)
        return lambda rng: pool.draw_as(recipe.data, rng, count, loop.size_px)
    blots = compose_blots(recipe.seed, recipe.composed, loop.size_px)

    def draw(rng: np.random.Generator) -> NDArray[np.uint8]:
        chosen = blots[rng.integers(0, len(blots), count)]
        mirrored = rng.random(count) < 0.5
        chosen[mirrored] = chosen[mirrored, :, :, ::-1]
        return chosen

    return draw


SYSTEMS = {"blotgan": System(BlotRecipe, Blotgan, blot_batches)}
