"""The loop that trains a detector on pairs: binary cross-entropy, averaged weights, a curve on kept-back sources."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from semscan.engine.errors import UsageError
from semscan.training.kept_back import Choice, auc_by_family, genuine_scores
from semscan.training.nets.registry import build_network, load_detector
from semscan.training.place import Place, find_place
from semscan.training.pool import Pool
from semscan.training.rundir import Stats, TrainingDiverged, load_checkpoint, save_checkpoint, truncate_stats

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """Optimisation.

    Attributes:
        steps: optimiser steps.
        pairs: tile pairs in a step; the batch holds twice as many tiles.
        crop_px: side of the random crop of a pool's tile, at even offsets; 0 takes the whole tile.
        optimizer: ``adam`` or ``adamw``.
        lr: learning rate.
        weight_decay: of ``adamw``.
        cosine: let the rate decay along half a cosine to zero after a warm-up of 2 % of the steps.
        ema: decay of the averaged weights that are shipped; 0 ships the last ones.
        amp: bfloat16 in the forward pass; on CPUs with matrix units for it as on GPUs.
        device: ``cpu`` or ``cuda``.
        save_every: steps between checkpoints and lines of statistics.
        keep_best: ship the averaged weights with the best curve on the kept-back sources instead of the last ones.
        mine_every: steps between looks for hard sources; 0 never looks.
        mining: how strongly pairs of sources whose genuine tiles score high are preferred; 1 doubles about what is a
            standard deviation above the others.
        teacher: checkpoint of another detector whose opinion is learned as well.
        teacher_weight: its weight, 0 to 1; the labels get the rest.
    """

    steps: int = 6000
    pairs: int = 32
    crop_px: int = 0
    optimizer: str = "adam"
    lr: float = 2e-4
    weight_decay: float = 0.01
    cosine: bool = False
    ema: float = 0.999
    amp: bool = False
    device: str = "cpu"
    save_every: int = 200
    keep_best: bool = False
    mine_every: int = 0
    mining: float = 1.0
    teacher: str = ""
    teacher_weight: float = 0.5

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise UsageError(f"training.optimizer = {self.optimizer!r} is not one of {', '.join(OPTIMIZERS)}")
        if min(self.steps, self.pairs, self.save_every) < 1 or self.crop_px % 16:
            raise UsageError("training.steps, pairs and save_every must be at least 1, crop_px a multiple of 16")


def fit(recipe: TrainingRecipe, network: str, seed: int, pool: Pool, choice: Choice, run_dir: Path) -> nn.Module:
    """Train or continue a detector; bit-equal to an uninterrupted run on a CPU with one thread.

    Args:
        recipe: optimisation.
        network: name in the registry.
        seed: of the weights, the order and the augmentation.
        pool: tile pairs.
        choice: which of them train and which are kept back.
        run_dir: holds ``detector.pt`` and ``detector.stats.jsonl``.

    Returns:
        The averaged network, in evaluation mode.

    Raises:
        TrainingDiverged: the loss is not finite.
        UsageError: the checkpoint is of another network.
    """
    run = _Fit(recipe, network, seed, pool, choice, run_dir)
    while run.step < recipe.steps:
        run.advance()
    return run.averaged.eval()


def draw_batch(
    pool: Pool, rows: NDArray[np.int64], chances: NDArray[np.float64], pairs: int, crop_px: int, seed: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Random pairs, both members cropped, turned, mirrored and inverted alike.

    Args:
        pool: the pool.
        rows: those to draw from.
        chances: probability of each, summing to 1.
        pairs: how many.
        crop_px: side of a crop, 0 for the whole tile.
        seed: decides everything.

    Returns:
        uint8 [2 * pairs, 1, T, T], genuine ones first, and float32 labels [2 * pairs].
    """
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(rows, pairs, p=chances))
    side = crop_px or pool.tiles.shape[-1]
    turned = np.empty((pairs, 2, side, side), np.uint8)
    for out, row in zip(turned, drawn, strict=True):
        y, x = (2 * int(rng.integers(0, (pool.tiles.shape[-1] - side) // 2 + 1)) for _ in range(2))
        pair = np.rot90(pool.tiles[row, :, y : y + side, x : x + side], int(rng.integers(4)), (1, 2))
        if rng.random() < 0.5:
            pair = pair[:, :, ::-1]
        out[:] = 255 - pair if rng.random() < 0.2 else pair
    tiles = torch.from_numpy(np.concatenate([turned[:, 0], turned[:, 1]])[:, None])
    return tiles, torch.cat([torch.zeros(pairs), torch.ones(pairs)])


class _Fit:
    """One training from its first or next step to its last."""

    def __init__(
        self, recipe: TrainingRecipe, network: str, seed: int, pool: Pool, choice: Choice, run_dir: Path
    ) -> None:
        self.recipe, self.network, self.seed, self.pool, self.choice = recipe, network, seed, pool, choice
        self.place: Place = find_place(recipe.device, recipe.amp)
        torch.manual_seed(seed)
        self.model = self.place.prepare(build_network(network)).train()
        self.averaged, self.best = (copy.deepcopy(self.model).eval().requires_grad_(False) for _ in range(2))
        kind = OPTIMIZERS[recipe.optimizer]
        decay = {"weight_decay": recipe.weight_decay} if recipe.optimizer == "adamw" else {}
        self.optimizer = kind(self.model.parameters(), recipe.lr, **decay)
        self.teacher = load_detector(Path(recipe.teacher)).to(self.place.device) if recipe.teacher else None
        self.path, self.stats_path = run_dir / "detector.pt", run_dir / "detector.stats.jsonl"
        self.step, self.best_auc = 0, -1.0
        self.hardness = torch.zeros(len(pool.sources), dtype=torch.float64)
        if self.path.exists():
            self._load()
        truncate_stats(self.stats_path, self.step)
        self.stats = Stats(self.stats_path, run_dir.name)
        self.losses: list[float] = []
        self.right: list[float] = []
        self.chances = self._chances()
        self.began, self.first = time.monotonic(), self.step

    def advance(self) -> None:
        """One step, with what is due after it."""
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = _rate(recipe, self.step)
        # Some networks draw random numbers; they follow from the step, whatever came before.
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.step]).generate_state(1)[0]))
        tiles, labels = draw_batch(
            self.pool, self.choice.train, self.chances, recipe.pairs, recipe.crop_px, [self.seed, self.step]
        )
        tiles, labels = tiles.to(self.place.device), labels.to(self.place.device)
        with self.place.autocast():
            logits = self.model(tiles)
        logits = logits.float()
        loss = F.binary_cross_entropy_with_logits(logits, labels)
        if self.teacher is not None:
            with torch.no_grad(), self.place.autocast():
                opinion = torch.sigmoid(self.teacher(tiles).float())
            copied = F.binary_cross_entropy_with_logits(logits, opinion)
            loss = (1 - recipe.teacher_weight) * loss + recipe.teacher_weight * copied
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        _average(self.averaged, self.model, min(recipe.ema, (1 + self.step) / (10 + self.step)))
        self.losses.append(float(loss.detach()))
        self.right.append(float(((logits > 0) == (labels > 0.5)).float().mean()))
        if not np.isfinite(self.losses[-1]):
            good = f"the last good checkpoint is {self.path}" if self.path.exists() else "no checkpoint was written yet"
            raise TrainingDiverged(f"the detector's loss is {self.losses[-1]} at step {self.step}; {good}")
        self.step += 1
        if recipe.mine_every and self.step % recipe.mine_every == 0:
            self._mine()
        if self.step % recipe.save_every == 0 or self.step == recipe.steps:
            self._report()

    def _report(self) -> None:
        seconds = (time.monotonic() - self.began) / (self.step - self.first)
        curve = auc_by_family(self.averaged, self.pool, self.choice.kept, self.place) if len(self.choice.kept) else {}
        if curve and curve["kept"] > self.best_auc:
            self.best_auc = curve["kept"]
            self.best.load_state_dict(self.averaged.state_dict())
        if self.recipe.keep_best and self.step == self.recipe.steps and curve:
            self.averaged.load_state_dict(self.best.state_dict())
        self.stats.write(
            step=self.step,
            loss=float(np.mean(self.losses)),
            accuracy=float(np.mean(self.right)),
            s_per_step=round(seconds, 4),
            **{f"auc_{name}": round(value, 4) for name, value in curve.items()},
        )
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts().items()}
        save_checkpoint(
            self.path,
            {
                **state,
                "network": self.network,
                "step": self.step,
                "best_auc": self.best_auc,
                "hardness": self.hardness,
            },
        )
        self.losses, self.right = [], []

    def _load(self) -> None:
        state = load_checkpoint(self.path)
        if state["network"] != self.network:
            raise UsageError(f"{self.path} is of the network {state['network']}", "choose another --run-dir")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.best_auc, self.hardness = state["step"], state["best_auc"], state["hardness"]

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "averaged": self.averaged, "best": self.best, "optimizer": self.optimizer}

    def _mine(self) -> None:
        """Hardness of a source: how its genuine tiles score above the others, in standard deviations."""
        rng = np.random.default_rng([self.seed, self.step, 1])
        scores = genuine_scores(self.averaged, self.pool, self.choice.train, self.place, rng)
        known = np.array(list(scores.values()))
        spread = known.std() or 1.0
        for source, score in scores.items():
            self.hardness[source] = np.clip((score - known.mean()) / spread, -1.5, 1.5)
        self.chances = self._chances()

    def _chances(self) -> NDArray[np.float64]:
        weights = np.exp2(self.recipe.mining * self.hardness.numpy())[self.pool.source[self.choice.train]]
        chances: NDArray[np.float64] = weights / weights.sum()
        return chances


def _rate(recipe: TrainingRecipe, step: int) -> float:
    if not recipe.cosine:
        return recipe.lr
    warm = max(1, recipe.steps // 50)
    return float(recipe.lr * min(1.0, (step + 1) / warm) * 0.5 * (1 + np.cos(np.pi * step / recipe.steps)))


@torch.no_grad()
def _average(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    for slow, fast in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.lerp_(fast, 1 - decay)
        else:
            slow.copy_(fast)
