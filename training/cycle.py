"""Two domains: pictures of one material are turned into pictures of another and back (``cyclegan``).

Zhu et al., arXiv 1703.10593: least-squares adversarial losses, a cycle that must return to its start, a generator that
must leave pictures of its own target alone, and discriminators that are shown a pool of earlier translations
(Shrivastava et al., arXiv 1612.07828). The layout of the genuine picture survives, so its translation is a hard,
content-preserving example.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from semscan.engine.errors import UsageError
from semscan.training.crops import DataRecipe, load_recipe_pool, recipe_sources
from semscan.training.data import Micrograph
from semscan.training.loop import Batches, LoopRecipe, Stateful, System
from semscan.training.nets.cyclegan import PatchDiscriminator, ResnetGenerator
from semscan.training.pictures import to_pixels, to_signed
from semscan.training.place import Place

PROBE = 64


@dataclass(frozen=True, slots=True)
class CycleRecipe:
    """Recipe of the system ``cyclegan``.

    Attributes:
        name: of the run.
        training: the loop's part.
        domain_a: genuine pictures that are translated.
        domain_b: genuine pictures that translations are to look like.
        system: ``cyclegan``.
        seed: everything random follows from it.
        width: channels of the first layers.
        blocks: residual blocks of a generator; the paper has 6 up to 128 px and 9 above.
        skip: add the picture to what a generator makes of it, see :class:`ResnetGenerator`; the paper does not.
        lr: learning rate of Adam, constant at first.
        decay_from: share of the steps after which it falls linearly to nothing.
        cycle_weight: weight of each of the two cycles.
        identity_weight: weight of leaving a picture of the target alone, as a multiple of ``cycle_weight``.
        pool: translations that a discriminator's pool remembers.
    """

    name: str
    training: LoopRecipe
    domain_a: DataRecipe
    domain_b: DataRecipe
    system: str = "cyclegan"
    seed: int = 1
    width: int = 64
    blocks: int = 9
    skip: bool = False
    lr: float = 2e-4
    decay_from: float = 0.5
    cycle_weight: float = 10.0
    identity_weight: float = 0.5
    pool: int = 50

    def __post_init__(self) -> None:
        if min(self.width, self.blocks) < 1 or self.pool < 0:
            raise UsageError("width and blocks must be at least 1, pool at least 0")
        if not 0 <= self.decay_from <= 1:
            raise UsageError("decay_from must be 0 to 1")


class Losses(NamedTuple):
    """What the generators are judged by, each a scalar; and the translations, to be shown to the discriminators."""

    adversarial: Tensor
    cycle: Tensor
    identity: Tensor
    as_a: Tensor
    as_b: Tensor


def generator_losses(
    to_a: nn.Module, to_b: nn.Module, judge_a: nn.Module, judge_b: nn.Module, real_a: Tensor, real_b: Tensor
) -> Losses:
    """The three unweighted losses of both generators (arXiv 1703.10593, equations 1 and 2 and section 5.2).

    Args:
        to_a: generator from domain B to domain A.
        to_b: generator from domain A to domain B.
        judge_a: discriminator of domain A, logit 1 for genuine.
        judge_b: of domain B.
        real_a: genuine pictures of domain A, float [n, c, h, w] in -1..1.
        real_b: of domain B.
    """
    as_b, as_a = to_b(real_a), to_a(real_b)
    adversarial = (judge_b(as_b) - 1).square().mean() + (judge_a(as_a) - 1).square().mean()
    cycle = F.l1_loss(to_a(as_b), real_a) + F.l1_loss(to_b(as_a), real_b)
    identity = F.l1_loss(to_a(real_a), real_a) + F.l1_loss(to_b(real_b), real_b)
    return Losses(adversarial, cycle, identity, as_a, as_b)


def discriminator_loss(judge: nn.Module, real: Tensor, made: Tensor) -> Tensor:
    """Least squares, halved so that the discriminator learns more slowly than the generator."""
    loss: Tensor = ((judge(real) - 1).square().mean() + judge(made.detach()).square().mean()) / 2
    return loss


class PicturePool:
    """Earlier translations: half of what a discriminator is shown is drawn from here and replaced.

    Args:
        size: pictures to remember; 0 shows the newest only.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept: list[Tensor] = []

    def exchange(self, made: Tensor) -> Tensor:
        """Pictures to show instead of ``made`` [n, c, h, w], detached, decided by torch's global generator."""
        shown = []
        for picture in made.detach():
            if len(self.kept) < self.size:
                self.kept.append(picture)
            elif self.size and torch.rand(()) < 0.5:
                place = int(torch.randint(self.size, ()))
                picture, self.kept[place] = self.kept[place], picture
            shown.append(picture.to(made.device))  # those of a checkpoint were loaded on the CPU
        return torch.stack(shown)

    def state_dict(self) -> dict[str, Any]:
        """The remembered pictures."""
        return {"kept": list(self.kept)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the pictures of a checkpoint."""
        self.kept = list(state_dict["kept"])


class CycleGan:
    """The trainee of ``cyclegan``. Its first genuine pictures of domain A are kept to show translations of."""

    def __init__(self, recipe: CycleRecipe, place: Place) -> None:
        loop = recipe.training
        self.recipe, self.place = recipe, place
        self.variant = "cyclegan with a skip" if recipe.skip else "cyclegan"
        self.real_shape: tuple[int, ...] = (2, loop.batch, loop.channels, loop.size_px, loop.size_px)
        self.to_a, self.to_b = (
            place.prepare(ResnetGenerator(loop.channels, recipe.width, recipe.blocks, recipe.skip)) for _ in range(2)
        )
        self.judge_a, self.judge_b = (
            place.prepare(PatchDiscriminator(loop.channels, recipe.width)) for _ in range(2)
        )  # fmt: skip
        betas = (0.5, 0.999)
        makers, judges = (
            itertools.chain(*(net.parameters() for net in nets))
            for nets in ((self.to_a, self.to_b), (self.judge_a, self.judge_b))
        )
        self.maker_optimizer = torch.optim.Adam(makers, recipe.lr, betas=betas)
        self.judge_optimizer = torch.optim.Adam(judges, recipe.lr, betas=betas)
        self.pool_a, self.pool_b = PicturePool(recipe.pool), PicturePool(recipe.pool)
        self.probe = PicturePool(PROBE)

    def state(self) -> Mapping[str, Stateful]:
        """See :class:`semscan.training.loop.Trainee`."""
        return {
            "to_a": self.to_a,
            "to_b": self.to_b,
            "judge_a": self.judge_a,
            "judge_b": self.judge_b,
            "maker_optimizer": self.maker_optimizer,
            "judge_optimizer": self.judge_optimizer,
            "pool_a": self.pool_a,
            "pool_b": self.pool_b,
            "probe": self.probe,
        }

    def step(self, step: int, real: Tensor) -> dict[str, float]:
        """See :class:`semscan.training.loop.Trainee`."""
        recipe, (real_a, real_b) = self.recipe, real
        if len(self.probe.kept) < PROBE:
            self.probe.kept += real_a[: PROBE - len(self.probe.kept)].cpu().unbind()
        rate = self._rate(step)
        for group in self.maker_optimizer.param_groups + self.judge_optimizer.param_groups:
            group["lr"] = rate
        for judge in (self.judge_a, self.judge_b):
            judge.requires_grad_(False)
        with self.place.autocast():
            losses = generator_losses(self.to_a, self.to_b, self.judge_a, self.judge_b, real_a, real_b)
            total = losses.adversarial + recipe.cycle_weight * (losses.cycle + recipe.identity_weight * losses.identity)
        self.maker_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        self.maker_optimizer.step()
        for judge in (self.judge_a, self.judge_b):
            judge.requires_grad_(True)
        with self.place.autocast():
            judged_a = discriminator_loss(self.judge_a, real_a, self.pool_a.exchange(losses.as_a))
            judged_b = discriminator_loss(self.judge_b, real_b, self.pool_b.exchange(losses.as_b))
        self.judge_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(judged_a + judged_b)
        self.judge_optimizer.step()
        return {
            "adversarial": losses.adversarial.item(),
            "cycle": losses.cycle.item(),
            "identity": losses.identity.item(),
            "discriminator_a": judged_a.item(),
            "discriminator_b": judged_b.item(),
        }

    @torch.no_grad()
    def translate(self, pictures: NDArray[np.uint8], to: str = "b") -> NDArray[np.uint8]:
        """Turn genuine pictures of one domain into the other.

        Args:
            pictures: uint8 [n, C, h, w], sides multiples of 4.
            to: ``a`` or ``b``.
        """
        maker = {"a": self.to_a, "b": self.to_b}[to]
        signed = to_signed(pictures, self.place.device)
        return to_pixels(torch.cat([maker(part) for part in torch.split(signed, 16)]))

    def sample(self, count: int, seed: int, size_px: int | None = None) -> NDArray[np.uint8]:
        """See :class:`semscan.training.loop.Trainee`; translations to B of kept pictures of A, repeated if too few.

        Raises:
            UsageError: the checkpoint has seen no picture, or pictures of another side are wanted.
        """
        if size_px not in (None, self.recipe.training.size_px):
            raise UsageError(
                "the pictures that this CycleGAN kept have one side only", "translate larger ones of the data folder"
            )
        if not self.probe.kept:
            raise UsageError("this CycleGAN has seen no picture to translate", "train it for at least one step")
        order = np.random.default_rng(seed).permutation(len(self.probe.kept))
        chosen = torch.stack([self.probe.kept[order[i % len(order)]] for i in range(count)])
        return self.translate(to_pixels(chosen))

    def _rate(self, step: int) -> float:
        recipe = self.recipe
        constant = recipe.decay_from * recipe.training.steps
        left = (recipe.training.steps - step) / max(1.0, recipe.training.steps - constant)
        return recipe.lr * min(1.0, left)


def _batches(recipe: CycleRecipe, data: Path | None) -> Batches:
    loop = recipe.training
    domains = (recipe.domain_a, recipe.domain_b)
    pools = [load_recipe_pool(domain, data, loop.channels) for domain in domains]

    def draw(rng: np.random.Generator) -> NDArray[np.uint8]:
        drawn = [p.draw_as(d, rng, loop.batch, loop.size_px) for p, d in zip(pools, domains, strict=True)]
        return np.stack(drawn)

    return draw


def _sources(recipe: CycleRecipe, data: Path | None) -> list[Micrograph]:
    return recipe_sources([recipe.domain_a, recipe.domain_b], data)


SYSTEMS = {"cyclegan": System(CycleRecipe, CycleGan, _batches, _sources)}
