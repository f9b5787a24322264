"""Diffusion: the cosine schedule, the loss of noise prediction, DDIM sampling, and the training of ``ddpm``.

Ho et al., arXiv 2006.11239; Nichol and Dhariwal, arXiv 2102.09672 (schedule); Song et al., arXiv 2010.02502 (DDIM).
``kept`` is everywhere the share of the clean picture's variance that is left after step t, the papers' alpha-bar.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from semscan.engine.errors import UsageError
from semscan.training.crops import DataRecipe, crop_batches, crop_sources
from semscan.training.loop import LoopRecipe, Stateful, System
from semscan.training.nets.unet import UNet, UNetSpec
from semscan.training.pictures import average_into, to_pixels
from semscan.training.place import Place
from semscan.training.wide import check_side, in_windows

Predictor = Callable[[Tensor, Tensor], Tensor]


def cosine_schedule(steps: int, offset: float = 0.008, most: float = 0.999) -> Tensor:
    """Share of variance kept after each of ``steps`` noising steps (arXiv 2102.09672, equation 17).

    Args:
        steps: number of steps T.
        offset: the paper's s, so that the first step is not too small.
        most: bound of the variance that one step may add.

    Returns:
        float32 [steps], falling from nearly 1 to nearly 0.
    """
    time = torch.arange(steps + 1, dtype=torch.float64) / steps
    course = torch.cos((time + offset) / (1 + offset) * math.pi / 2).square()
    added = (1 - course[1:] / course[:-1]).clamp(max=most)
    return torch.cumprod(1 - added, 0).float()


def add_noise(clean: Tensor, noise: Tensor, at: Tensor, kept: Tensor) -> Tensor:
    """The picture after step ``at``, in one go.

    Args:
        clean: float [n, c, h, w].
        noise: like ``clean``, standard normal.
        at: int64 [n].
        kept: from :func:`cosine_schedule`.
    """
    share = kept[at][:, None, None, None]
    return share.sqrt() * clean + (1 - share).sqrt() * noise


def noise_loss(predict: Predictor, clean: Tensor, noise: Tensor, at: Tensor, kept: Tensor) -> Tensor:
    """Mean squared error of the predicted noise (arXiv 2006.11239, equation 14)."""
    return F.mse_loss(predict(add_noise(clean, noise, at, kept), at).float(), noise)


def visited(steps: int, of: int) -> list[int]:
    """The time steps that a sampler with ``steps`` steps visits, evenly spread and falling to 0."""
    return sorted({round(t) for t in np.linspace(0, of - 1, min(steps, of))}, reverse=True)


def sampler_step(
    predict: Predictor,
    x: Tensor,
    now: int,
    then: int,
    kept: Tensor,
    *,
    eta: float = 0.0,
    noise: Tensor | None = None,
    bound: float = 1.0,
) -> Tensor:
    """One step of DDIM from time ``now`` to the earlier time ``then`` (arXiv 2010.02502, equation 12).

    Args:
        predict: the network.
        x: the noisy picture at ``now``.
        now: time step of ``x``.
        then: earlier time step; -1 is the clean picture.
        kept: from :func:`cosine_schedule`.
        eta: 0 is deterministic, 1 is the ancestral sampler of DDPM.
        noise: standard normal like ``x``; needed when ``eta`` is not 0.
        bound: the predicted clean picture is held within -bound..bound.
    """
    before, after = kept[now], kept[then] if then >= 0 else kept.new_ones(())
    guessed = predict(x, torch.full((len(x),), now, device=x.device)).float()
    clean = ((x - (1 - before).sqrt() * guessed) / before.sqrt()).clamp(-bound, bound)
    direction = (x - before.sqrt() * clean) / (1 - before).sqrt()
    spread = eta * ((1 - after) / (1 - before) * (1 - before / after)).clamp(min=0).sqrt()
    out = after.sqrt() * clean + (1 - after - spread.square()).clamp(min=0).sqrt() * direction
    return out + spread * noise if noise is not None and eta else out


@torch.no_grad()
def sample_ddim(
    predict: Predictor, noise: Noise, kept: Tensor, steps: int, eta: float = 0.0, bound: float = 1.0
) -> Tensor:
    """DDIM from noise to pictures.

    Args:
        predict: the network.
        noise: what the pictures start from, and for ``eta`` above 0 what each step adds.
        kept: from :func:`cosine_schedule`.
        steps: number of evaluations of the network.
        eta: see :func:`sampler_step`.
        bound: of the predicted clean picture.

    Returns:
        float32 like what ``noise`` draws, within -bound..bound.
    """
    x, times = noise.draw(), visited(steps, len(kept))
    for now, then in zip(times, [*times[1:], -1], strict=True):
        added = noise.draw() if eta else None
        x = sampler_step(predict, x, now, then, kept, eta=eta, noise=added, bound=bound)
    return x


class Noise:
    """Standard normal numbers of several pictures; those of one follow from its seed alone, whatever is beside it.

    Args:
        seeds: of each picture.
        shape: of one picture, (c, h, w).
        device: where the numbers go; they are made on the CPU.
    """

    def __init__(self, seeds: Sequence[Sequence[int]], shape: Sequence[int], device: torch.device) -> None:
        self._rngs = [np.random.default_rng(list(seed)) for seed in seeds]
        self._shape, self._device = tuple(shape), device

    def draw(self) -> Tensor:
        """The next float32 [n, c, h, w]."""
        rows = [rng.standard_normal(self._shape, np.float32) for rng in self._rngs]
        return torch.from_numpy(np.stack(rows)).to(self._device)


@dataclass(frozen=True, slots=True)
class DdpmRecipe:
    """Recipe of the system ``ddpm``.

    Attributes:
        name: of the run.
        training: the loop's part.
        system: ``ddpm``.
        seed: everything random follows from it.
        data: which genuine pictures, and how crops of them are drawn.
        unet: the network's design.
        timesteps: noising steps of the schedule.
        sampling_steps: network evaluations of DDIM.
        eta: 0 is deterministic DDIM, which asks for a long training; 1 is the ancestral sampler, whose noise corrects
            what a network of few steps gets wrong early. Both follow from the seed.
        velocity: let the network's output be the velocity of Salimans and Ho (arXiv 2202.00512), from which the noise
            follows. It needs not learn to pass on its input, which latents of many channels make slow.
        lr: learning rate of Adam after ``warm_up`` steps of linear growth.
        warm_up: see ``lr``.
        ema: decay of the averaged weights, which samples come from; smaller in the first steps.
    """

    name: str
    training: LoopRecipe
    system: str = "ddpm"
    seed: int = 1
    data: DataRecipe = field(default_factory=DataRecipe)
    unet: UNetSpec = field(default_factory=UNetSpec)
    timesteps: int = 1000
    sampling_steps: int = 50
    eta: float = 1.0
    velocity: bool = False
    lr: float = 2e-4
    warm_up: int = 100
    ema: float = 0.999

    def __post_init__(self) -> None:
        check_sampling(self)
        if self.training.size_px % self.unet.side_multiple:
            raise UsageError(f"training.size_px must be a multiple of {self.unet.side_multiple} for this U-Net")


def check_sampling(recipe: Any) -> None:
    """Check the keys that pictures and latents share.

    Raises:
        UsageError: one is impossible.
    """
    if min(recipe.timesteps, recipe.sampling_steps) < 2 or recipe.warm_up < 1:
        raise UsageError("timesteps and sampling_steps must be at least 2, warm_up at least 1")
    if not 0 <= recipe.eta <= 1:
        raise UsageError("eta must be 0 to 1")


class Denoiser:
    """A U-Net with its moving average, its optimiser and its schedule: what pictures and latents share.

    Args:
        recipe: of ``ddpm`` or ``latent_ddpm``.
        place: where it runs.
        channels: of what is denoised.
        side: its side in training; what is larger is denoised in windows, see :func:`semscan.training.wide.in_windows`.
        bound: of the clean thing, see :func:`sampler_step`.
    """

    def __init__(self, recipe: Any, place: Place, channels: int, side: int, bound: float = 1.0) -> None:
        self.side = side
        self.recipe, self.place, self.channels, self.bound = recipe, place, channels, bound
        self.unet = UNet(recipe.unet, channels)
        self.slow = copy.deepcopy(self.unet).requires_grad_(False).eval().to(place.device)
        place.prepare(self.unet)
        self.optimizer = torch.optim.Adam(self.unet.parameters(), recipe.lr)
        self.kept = cosine_schedule(recipe.timesteps).to(place.device)

    def state(self) -> dict[str, Stateful]:
        """Networks and optimiser, by name."""
        return {"unet": self.unet, "average": self.slow, "optimizer": self.optimizer}

    def learn(self, step: int, clean: Tensor) -> dict[str, float]:
        """One update with float [n, c, h, w]; time steps are spread evenly over the batch, which calms the loss."""
        n, of = len(clean), len(self.kept)
        at = ((torch.arange(n) + torch.rand(n)) / n * of).long().clamp(max=of - 1).to(clean.device)
        noise = torch.randn_like(clean)
        with self.place.autocast():
            loss = noise_loss(self._predictor(self.unet), clean, noise, at, self.kept)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.lr * min(1.0, (step + 1) / self.recipe.warm_up)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self.optimizer.step()
        average_into(self.slow, self.unet, min(self.recipe.ema, (step + 1) / (step + 10)))
        return {"loss": loss.item(), "gradient_norm": norm.item()}

    def draw(self, count: int, seed: int, size: int) -> Tensor:
        """DDIM samples [count, channels, size, size] of the averaged network; sample i follows from (seed, i)."""
        recipe, parts = self.recipe, []
        for first in range(0, count, 32):
            seeds = [(seed, index) for index in range(first, min(count, first + 32))]
            noise = Noise(seeds, (self.channels, size, size), self.place.device)
            parts.append(sample_ddim(self.predict, noise, self.kept, recipe.sampling_steps, recipe.eta, self.bound))
        return torch.cat(parts)

    def predict(self, x: Tensor, at: Tensor) -> Tensor:
        """Noise in a noisy thing, by the averaged network."""
        return in_windows(self._predictor(self.slow), x, at, self.side)

    def _predictor(self, net: torch.nn.Module) -> Predictor:
        if not self.recipe.velocity:
            return net

        def mixed(x: Tensor, at: Tensor) -> Tensor:
            share = self.kept[at][:, None, None, None]
            noise: Tensor = (1 - share).sqrt() * x + share.sqrt() * net(x, at).float()
            return noise

        return mixed


class Ddpm:
    """The trainee of ``ddpm``."""

    def __init__(self, recipe: DdpmRecipe, place: Place) -> None:
        loop = recipe.training
        self.size_px, self.multiple_px = loop.size_px, recipe.unet.side_multiple
        self.denoiser = Denoiser(recipe, place, loop.channels, loop.size_px)
        self.real_shape: tuple[int, ...] = (loop.batch, loop.channels, loop.size_px, loop.size_px)

    def state(self) -> Mapping[str, Stateful]:
        """See :class:`semscan.training.loop.Trainee`."""
        return self.denoiser.state()

    def step(self, step: int, real: Tensor) -> dict[str, float]:
        """See :class:`semscan.training.loop.Trainee`."""
        return self.denoiser.learn(step, real)

    def sample(self, count: int, seed: int, size_px: int | None = None) -> NDArray[np.uint8]:
        """See :class:`semscan.training.loop.Trainee`; a larger picture begins with more noise."""
        size_px = size_px or self.size_px
        self.check_side(size_px)
        return to_pixels(self.denoiser.draw(count, seed, size_px))

    def check_side(self, size_px: int) -> None:
        """Raises UsageError where no picture of this side can be made."""
        check_side(size_px, self.size_px, self.multiple_px)


SYSTEMS = {"ddpm": System(DdpmRecipe, Ddpm, crop_batches, crop_sources)}
