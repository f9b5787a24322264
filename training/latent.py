"""Diffusion in the latent space of our own autoencoder (``latent_ddpm``).

Rombach et al., arXiv 2112.10752: a trained variational autoencoder turns crops into latents of an eighth of the side,
a U-Net learns their distribution, and samples go through the decoder, so they carry that decoder's traces. The
autoencoder comes from a run of ``semscan train autoencoders`` and is stored in the checkpoint, which thus stands alone.
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
from semscan.training.autoencoders import load_autoencoder
from semscan.training.crops import DataRecipe, crop_batches, crop_sources
from semscan.training.diffusion import Denoiser, check_sampling
from semscan.training.loop import Batches, LoopRecipe, Stateful, System
from semscan.training.nets.autoencoders import Autoencoder, AutoencoderSpec
from semscan.training.nets.unet import UNetSpec
from semscan.training.pictures import to_pixels
from semscan.training.place import Place
from semscan.training.wide import check_side

BOUND = 6.0
"""Standard deviations within which a predicted clean latent is held."""


@dataclass(frozen=True, slots=True)
class LatentRecipe:
    """Recipe of the system ``latent_ddpm``.

    Attributes:
        name: of the run.
        training: the loop's part.
        autoencoder: checkpoint of a trained autoencoder; read when training begins.
        decoder: design of that autoencoder.
        system: ``latent_ddpm``.
        seed: everything random follows from it.
        data: which genuine pictures, and how crops of them are drawn.
        unet: the network's design.
        timesteps: noising steps of the schedule.
        sampling_steps: network evaluations of DDIM.
        eta: 0 is deterministic DDIM, 1 the ancestral sampler.
        velocity: what the network's output is, see :class:`semscan.training.diffusion.DdpmRecipe`.
        lr: learning rate of Adam after ``warm_up`` steps of linear growth.
        warm_up: see ``lr``.
        ema: decay of the averaged weights, which samples come from; smaller in the first steps.
    """

    name: str
    training: LoopRecipe
    autoencoder: str
    decoder: AutoencoderSpec
    system: str = "latent_ddpm"
    seed: int = 1
    data: DataRecipe = field(default_factory=DataRecipe)
    unet: UNetSpec = field(default_factory=lambda: UNetSpec(multiples=(1, 2), attention=(1,)))
    timesteps: int = 1000
    sampling_steps: int = 50
    eta: float = 1.0
    velocity: bool = True
    lr: float = 2e-4
    warm_up: int = 100
    ema: float = 0.999

    def __post_init__(self) -> None:
        check_sampling(self)
        if self.training.channels != 1:
            raise UsageError("the autoencoders are grey, so training.channels must be 1 for latent_ddpm")
        if self.training.size_px % (multiple := 2**self.decoder.depth * self.unet.side_multiple):
            raise UsageError(f"training.size_px must be a multiple of {multiple} for this U-Net and decoder")


class LatentSpace(nn.Module):
    """A frozen autoencoder with latents brought to mean 0 and variance 1, channel by channel.

    Args:
        spec: design of the autoencoder.
    """

    mean: Tensor
    deviation: Tensor
    is_measured: Tensor

    def __init__(self, spec: AutoencoderSpec) -> None:
        super().__init__()
        self.autoencoder = Autoencoder(spec).requires_grad_(False).eval()
        self.register_buffer("mean", torch.zeros(1, spec.latent, 1, 1))
        self.register_buffer("deviation", torch.ones(1, spec.latent, 1, 1))
        self.register_buffer("is_measured", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def encode(self, image: Tensor) -> Tensor:
        """Normalised latents [n, latent, h / 2**depth, w / 2**depth] of float [n, 1, h, w]; the first call measures."""
        latent = self.autoencoder.bottleneck(self.autoencoder.encoder(image))[0]
        if not self.is_measured:
            self.mean.copy_(latent.mean((0, 2, 3), keepdim=True))
            self.deviation.copy_(latent.std((0, 2, 3), keepdim=True).clamp(min=1e-3))
            self.is_measured.fill_(True)
        normal: Tensor = (latent - self.mean) / self.deviation
        return normal

    @torch.no_grad()
    def decode(self, latent: Tensor) -> Tensor:
        """Pictures of normalised latents; the decoder's noise inputs come from torch's global generator."""
        picture: Tensor = self.autoencoder.decoder(latent * self.deviation + self.mean)
        return picture


class LatentDdpm:
    """The trainee of ``latent_ddpm``."""

    def __init__(self, recipe: LatentRecipe, place: Place) -> None:
        loop, spec = recipe.training, recipe.decoder
        self.size_px, self.shrinks = loop.size_px, 2**spec.depth
        self.multiple_px = self.shrinks * recipe.unet.side_multiple
        self.space = LatentSpace(spec)
        self.recipe = recipe
        self.space.to(place.device)
        self.denoiser = Denoiser(recipe, place, spec.latent, loop.size_px // self.shrinks, BOUND)
        self.real_shape: tuple[int, ...] = (loop.batch, 1, loop.size_px, loop.size_px)

    def state(self) -> Mapping[str, Stateful]:
        """See :class:`semscan.training.loop.Trainee`."""
        return {**self.denoiser.state(), "space": self.space}

    def step(self, step: int, real: Tensor) -> dict[str, float]:
        """See :class:`semscan.training.loop.Trainee`."""
        # Not before: what a checkpoint holds must not depend on the file that its run began with.
        if not self.space.is_measured and Path(self.recipe.autoencoder).is_file():
            self.space.autoencoder.load_state_dict(_load(self.recipe).state_dict())
        return self.denoiser.learn(step, self.space.encode(real))

    def sample(self, count: int, seed: int, size_px: int | None = None) -> NDArray[np.uint8]:
        """See :class:`semscan.training.loop.Trainee`; a larger picture begins with more noise."""
        size_px = size_px or self.size_px
        self.check_side(size_px)
        latent = self.denoiser.draw(count, seed, size_px // self.shrinks)
        with torch.random.fork_rng(devices=[latent.device] if latent.is_cuda else []):
            torch.manual_seed(seed)
            return to_pixels(torch.cat([self.space.decode(part) for part in torch.split(latent, 32)]))

    def check_side(self, size_px: int) -> None:
        """Raises UsageError where no picture of this side can be made."""
        check_side(size_px, self.size_px, self.multiple_px)


def _batches(recipe: LatentRecipe, data: Path | None) -> Batches:
    """Crops; called before the first step, so a missing or different autoencoder is refused here."""
    if not Path(recipe.autoencoder).is_file():
        raise UsageError(
            f"the autoencoder {recipe.autoencoder} cannot be read",
            "train it first with `semscan train autoencoders`, or name another with --set autoencoder=PATH",
        )
    _load(recipe)
    return crop_batches(recipe, data)


def _load(recipe: LatentRecipe) -> Autoencoder:
    model = load_autoencoder(Path(recipe.autoencoder))
    if model.spec != recipe.decoder:
        raise UsageError(f"{recipe.autoencoder} is not of the design in the recipe's [decoder]: {model.spec}")
    return model


SYSTEMS = {"latent_ddpm": System(LatentRecipe, LatentDdpm, _batches, crop_sources)}
