"""Training of the detector on pairs, with binary cross-entropy as in the thesis."""

from __future__ import annotations

import copy
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from semscan.engine.errors import UsageError
from semscan.training.data import data_root, list_micrographs, verify_files
from semscan.training.nets.npr import Npr5k
from semscan.training.pairs import PairsRecipe, Pool, find_autoencoders, make_pool
from semscan.training.recipe import load_recipe
from semscan.training.rundir import Stats, load_checkpoint, open_run, save_checkpoint, write_sources


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """Optimisation.

    Attributes:
        steps: optimiser steps.
        pairs: tile pairs in a step; the batch holds twice as many tiles.
        lr: learning rate of Adam.
        cosine: let the rate decay along half a cosine to zero after a warm-up of 2 % of the steps.
        ema: decay of the averaged weights that are shipped; 0 ships the last ones.
        save_every: steps between checkpoints and lines of statistics.
    """

    steps: int = 6000
    pairs: int = 32
    lr: float = 2e-4
    cosine: bool = False
    ema: float = 0.999
    save_every: int = 200


@dataclass(frozen=True, slots=True)
class EvaluationRecipe:
    """Evaluation and calibration panels.

    Attributes:
        panels_per_source: most panels taken of one source.
        fakes_per_panel: reconstructions of each panel, by different decoders.
        resamples: of the bootstrap over sources.
        most_tiles: tiles scored of one panel, as when scanning.
    """

    panels_per_source: int = 10
    fakes_per_panel: int = 3
    resamples: int = 1000
    most_tiles: int = 16


@dataclass(frozen=True, slots=True)
class DetectorRecipe:
    """Recipe of :func:`train_detector`, of evaluation and of calibration.

    Attributes:
        name: folder name of the run.
        model_id: name of the bundle.
        autoencoders: run folders with the decoders.
        held_out: decoders, as ``run/decoder``, that the detector never trains on, to see whether it generalises.
        faithful: decoders whose reconstructions are so close to their partners that training on them only adds
            noise; evaluated, to show what is missed.
        seed: everything random follows from it.
        pairs: how pairs are made.
        training: optimisation.
        evaluation: panels of evaluation and calibration.
    """

    name: str
    model_id: str
    autoencoders: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    faithful: tuple[str, ...] = ()
    seed: int = 1
    pairs: PairsRecipe = field(default_factory=PairsRecipe)
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    evaluation: EvaluationRecipe = field(default_factory=EvaluationRecipe)


def train_detector(
    recipe_path: Path,
    overrides: list[str],
    data: Path | None,
    run_dir: Path | None,
    resume: bool = False,
    dry_run: bool = False,
) -> Path:
    """Make the pool of pairs (once per run folder) and train the network on it.

    Args:
        recipe_path: TOML file, see :class:`DetectorRecipe`.
        overrides: ``key=value`` strings.
        data: data folder, see :func:`semscan.training.data.data_root`.
        run_dir: output folder; ``runs/<name>`` when ``None``.
        resume: continue from the last checkpoint.
        dry_run: print sizes and an estimate, train nothing.

    Returns:
        The run's folder with ``detector.pt``.
    """
    recipe = load_recipe(recipe_path, DetectorRecipe, overrides)
    target = run_dir or Path("runs") / recipe.name
    if dry_run:
        _estimate(recipe)
        return target
    root = data_root(data)
    listed = list_micrographs(root, ["train"])
    verify_files(listed)
    checkpoints = find_autoencoders(recipe.autoencoders, (*recipe.held_out, *recipe.faithful))
    open_run(target, recipe, resume=resume)
    write_sources(target, listed)
    cache = target / "pool.npz"
    if cache.exists():
        with np.load(cache) as stored:
            pool = Pool(stored["tiles"], stored["decoder"], stored["names"].tolist())
    else:
        print(f"making {recipe.pairs.reconstructions * recipe.pairs.draws} pairs", file=sys.stderr, flush=True)
        pool = make_pool(recipe.pairs, recipe.seed, root, checkpoints)
        part = cache.with_suffix(".part.npz")
        np.savez(part, tiles=pool.tiles, decoder=pool.decoder, names=np.array(pool.names))
        part.replace(cache)
    if set(pool.names) != set(checkpoints):
        raise UsageError(f"{cache} was made with other decoders", "choose another --run-dir")
    fit(recipe.training, recipe.seed, pool, target)
    return target


def fit(recipe: TrainingRecipe, seed: int, pool: Pool, run_dir: Path) -> Npr5k:
    """Train or continue a detector; bit-equal to an uninterrupted run on a CPU with one thread.

    Args:
        recipe: optimisation.
        seed: of the weights, the order and the augmentation.
        pool: tile pairs.
        run_dir: holds ``detector.pt`` and ``detector.stats.jsonl``.

    Returns:
        The averaged network, in evaluation mode.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    torch.manual_seed(seed)
    model = Npr5k().train()
    averaged = copy.deepcopy(model).eval()
    optimizer = torch.optim.Adam(model.parameters(), recipe.lr)
    parts: dict[str, Any] = {"model": model, "averaged": averaged, "optimizer": optimizer}
    path, stats = run_dir / "detector.pt", Stats(run_dir / "detector.stats.jsonl", "detector")
    first = 0
    if path.exists():
        state = load_checkpoint(path)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        first = state["step"]
    began, losses, right = time.monotonic(), [], []
    for step in range(first, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(recipe, step)
        tiles, labels = draw_batch(pool, recipe.pairs, np.random.default_rng([seed, step]))
        logits = model(tiles)
        loss = F.binary_cross_entropy_with_logits(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        _average(averaged, model, min(recipe.ema, (1 + step) / (10 + step)))
        losses.append(float(loss.detach()))
        right.append(float(((logits > 0) == (labels > 0.5)).float().mean()))
        if not np.isfinite(losses[-1]):
            raise FloatingPointError(f"the loss is {losses[-1]} at step {step}")
        if (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps:
            seconds = (time.monotonic() - began) / (step + 1 - first)
            stats.write(step=step + 1, loss=float(np.mean(losses)), accuracy=float(np.mean(right)), s_per_step=seconds)
            save_checkpoint(path, {**{name: part.state_dict() for name, part in parts.items()}, "step": step + 1})
            losses, right = [], []
    return averaged.eval()


def draw_batch(pool: Pool, pairs: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random pairs, both members turned, mirrored and inverted alike.

    Returns:
        uint8 [2 * pairs, 1, T, T], genuine ones first, and float32 labels [2 * pairs].
    """
    chosen: NDArray[np.uint8] = pool.tiles[np.sort(rng.integers(0, len(pool.tiles), pairs))]
    turned = np.empty_like(chosen)
    for out, pair in zip(turned, chosen, strict=True):
        pair = np.rot90(pair, int(rng.integers(4)), (1, 2))
        if rng.random() < 0.5:
            pair = pair[:, :, ::-1]
        out[:] = 255 - pair if rng.random() < 0.2 else pair
    tiles = torch.from_numpy(np.concatenate([turned[:, 0], turned[:, 1]])[:, None])
    return tiles, torch.cat([torch.zeros(pairs), torch.ones(pairs)])


def _rate(recipe: TrainingRecipe, step: int) -> float:
    if not recipe.cosine:
        return recipe.lr
    warm = max(1, recipe.steps // 50)
    return float(recipe.lr * min(1.0, (step + 1) / warm) * 0.5 * (1 + np.cos(np.pi * step / recipe.steps)))


@torch.no_grad()
def _average(averaged: Npr5k, model: Npr5k, decay: float) -> None:
    for slow, fast in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.lerp_(fast, 1 - decay)
        else:
            slow.copy_(fast)


def _estimate(recipe: DetectorRecipe) -> None:
    model = Npr5k()
    size = recipe.pairs.tile_px
    tiles = torch.zeros(2 * recipe.training.pairs, 1, size, size, dtype=torch.uint8)
    model(tiles).sum().backward()
    began = time.monotonic()
    model(tiles).sum().backward()
    minutes = (time.monotonic() - began) * recipe.training.steps / 60
    memory = recipe.pairs.reconstructions * recipe.pairs.draws * 2 * size * size / 2**20
    print(
        f"{sum(p.numel() for p in model.parameters())} parameters, {memory:.0f} MiB of pairs, "
        f"about {minutes:.1f} min of training after the pairs are made",
        file=sys.stderr,
    )
