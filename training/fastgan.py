"""Training of FastGAN: hinge losses on two scales, redrawing of genuine pictures, differentiable augmentation.

With LPIPS (weights given by the recipe) as the loss of redrawing it is the paper's FastGAN; without, the loss is the
one of :func:`semscan.training.perceptual.pyramid_loss`, and the checkpoint says ``fastgan-lite``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from semscan.training.augment import DiffAugment
from semscan.training.crops import DataRecipe, crop_batches, crop_sources
from semscan.training.gan import sample_with, update
from semscan.training.loop import LoopRecipe, Stateful, System
from semscan.training.nets.fastgan import FastganDiscriminator, FastganGenerator, second_scale, shrink
from semscan.training.perceptual import Lpips, pyramid_loss
from semscan.training.pictures import average_into
from semscan.training.place import Place


@dataclass(frozen=True, slots=True)
class FastganRecipe:
    """Recipe of ``fastgan``; the defaults are the paper's.

    Attributes:
        system: ``fastgan``.
        name: folder name of the run.
        training: steps, sizes and device.
        data: genuine pictures.
        seed: everything random follows from it.
        width: base width of generator and discriminator (``ngf``, ``ndf``).
        latent: length of the latent vector.
        lr: of both Adams.
        ema: decay of the averaged generator, which is the one that samples.
        lpips: folder with the weights of :class:`semscan.training.perceptual.Lpips`; empty uses the substitute.
    """

    system: str
    name: str
    training: LoopRecipe
    data: DataRecipe = field(default_factory=DataRecipe)
    seed: int = 1
    width: int = 64
    latent: int = 256
    lr: float = 2e-4
    ema: float = 0.999
    lpips: str = ""


class Fastgan:
    """FastGAN with its losses, see :class:`semscan.training.loop.Trainee`."""

    def __init__(self, recipe: FastganRecipe, place: Place) -> None:
        loop = recipe.training
        self.recipe, self.place = recipe, place
        self.variant = "fastgan" if recipe.lpips else "fastgan-lite"
        self.real_shape: tuple[int, ...] = (loop.batch, loop.channels, loop.size_px, loop.size_px)
        self.generator = FastganGenerator(loop.size_px, loop.channels, recipe.width, recipe.latent)
        self.averaged = copy.deepcopy(self.generator).eval()
        self.discriminator = FastganDiscriminator(loop.size_px, loop.channels, recipe.width)
        self.difference = place.prepare(Lpips(Path(recipe.lpips))) if recipe.lpips else pyramid_loss
        for network in (self.generator, self.averaged, self.discriminator):
            place.prepare(network)
        self.g_adam = torch.optim.Adam(self.generator.parameters(), recipe.lr, betas=(0.5, 0.999))
        self.d_adam = torch.optim.Adam(self.discriminator.parameters(), recipe.lr, betas=(0.5, 0.999))

    def state(self) -> Mapping[str, Stateful]:
        """Networks and optimisers."""
        return {
            "generator": self.generator,
            "averaged": self.averaged,
            "discriminator": self.discriminator,
            "g_adam": self.g_adam,
            "d_adam": self.d_adam,
        }

    def step(self, step: int, real: Tensor) -> dict[str, float]:
        """One update of the discriminator and one of the generator."""
        device = self.place.device
        z = torch.randn(len(real), self.generator.latent, device=device)
        with self.place.autocast():
            made, made_small = self.generator(z)
            change = DiffAugment.draw(len(real), device)
            made, made_small = change(made), change(made_small)
            change = DiffAugment.draw(len(real), device)
            real, real_small = change(real), change(shrink(real, second_scale(real.shape[-1])))
            real_logits, fine, coarse = self.discriminator(real, real_small)
            made_logits = self.discriminator(made.detach(), made_small.detach())[0]
            hinge = F.relu(1 - real_logits.float()).mean() + F.relu(1 + made_logits.float()).mean()
            corner = (int(torch.randint(9, ())), int(torch.randint(9, ())))
            redrawn = self.discriminator.redraw(fine, coarse, corner)
        wanted = self.discriminator.targets(real, corner)
        redrawing = torch.stack([self.difference(a.float(), b) for a, b in zip(redrawn, wanted, strict=True)]).sum()
        update(self.d_adam, hinge + redrawing)
        with self.place.autocast():
            g_loss = -self.discriminator(made, made_small)[0].float().mean()
        update(self.g_adam, g_loss)
        # Young weights are forgotten faster than the recipe's decay, or early sheets would show noise only.
        average_into(self.averaged, self.generator, min(self.recipe.ema, (1 + step) / (10 + step)))
        return {
            "d_loss": float(hinge.detach()),
            "redrawing": float(redrawing.detach()),
            "g_loss": float(g_loss.detach()),
            "d_real": float(real_logits.detach().float().mean()),
            "d_made": float(made_logits.detach().float().mean()),
        }

    def sample(self, count: int, seed: int, size_px: int | None = None) -> NDArray[np.uint8]:
        """Full-size pictures of the averaged generator."""
        sides = (self.real_shape[-1], size_px)
        return sample_with(lambda z: self.averaged(z)[0], self.recipe.latent, count, seed, self.place, *sides)


SYSTEMS = {"fastgan": System(FastganRecipe, Fastgan, crop_batches, crop_sources)}
