"""Training of a detector: what a recipe says, and which pairs of the pool it is given."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from semscan.training.fitting import TrainingRecipe, fit
from semscan.training.kept_back import choose
from semscan.training.nets.registry import build_network
from semscan.training.pairs import PairsRecipe
from semscan.training.pool import load_pool
from semscan.training.recipe import load_recipe
from semscan.training.rundir import open_run

__all__ = ["DetectorRecipe", "EvaluationRecipe", "TrainingRecipe", "train_detector"]


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
        autoencoders: run folders with the decoders that calibration and evaluation reconstruct with.
        pool: folder of the pairs, see :mod:`semscan.training.pool`; one pool serves all detectors.
        network: name in :mod:`semscan.training.nets.registry`.
        held_out: prefixes of makers' names (``gan/``, ``vae/autoencoders/fir``) that the detector never trains on, to
            see whether it generalises.
        faithful: decoders whose reconstructions are so close to their partners that training on them only adds
            noise, as ``vae/run/decoder``; evaluated, to show what is missed.
        kept_back: sources of the pool that the detector never trains on; the curves are measured on them.
        kept_back_every: keep every so many-th of the pool's sources back as well; 0 keeps none.
        seed: everything random follows from it.
        pairs: tiles when scanning.
        training: optimisation.
        evaluation: panels of evaluation and calibration.
    """

    name: str
    model_id: str
    autoencoders: tuple[str, ...]
    pool: str = "runs/pool"
    network: str = "npr64k"
    held_out: tuple[str, ...] = ()
    faithful: tuple[str, ...] = ()
    kept_back: tuple[str, ...] = ()
    kept_back_every: int = 0
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
    """Train a network on the pool of pairs.

    Args:
        recipe_path: TOML file, see :class:`DetectorRecipe`.
        overrides: ``key=value`` strings.
        data: not needed, the pool has been made from it.
        run_dir: output folder; ``runs/<name>`` when ``None``.
        resume: continue from the last checkpoint.
        dry_run: print sizes and an estimate, train nothing.

    Returns:
        The run's folder with ``detector.pt``.

    Raises:
        UsageError: the pool is not there, or lacks what the recipe names.
    """
    recipe = load_recipe(recipe_path, DetectorRecipe, overrides)
    target = run_dir or Path("runs") / recipe.name
    pool = load_pool(Path(recipe.pool))
    every = recipe.kept_back_every
    kept_back = [*recipe.kept_back, *(pool.sources[every - 1 :: every] if every else [])]
    choice = choose(pool, recipe.held_out, kept_back)
    if dry_run:
        _estimate(recipe, pool.tiles.shape[-1], len(choice.train))
        return target
    open_run(target, recipe, resume=resume)
    for noted in sorted(Path(recipe.pool).glob("sources_*.json")):
        shutil.copyfile(noted, target / noted.name)
    trained_on = sorted({pool.names[maker] for maker in pool.maker[choice.train].tolist()})
    (target / "makers.json").write_text(json.dumps(trained_on, indent=1) + "\n", encoding="utf-8")
    fit(recipe.training, recipe.network, recipe.seed, pool, choice, target)
    return target


def _estimate(recipe: DetectorRecipe, tile_px: int, pairs: int) -> None:
    model = build_network(recipe.network)
    side = recipe.training.crop_px or tile_px
    tiles = torch.randint(0, 256, (2 * recipe.training.pairs, 1, side, side), dtype=torch.uint8)
    times = []
    for _ in range(4):
        began = time.monotonic()
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.training.amp):
            logits = model(tiles)
        logits.float().sum().backward()
        times.append(time.monotonic() - began)
    print(
        f"{recipe.network}: {sum(p.numel() for p in model.parameters())} parameters, {pairs} pairs, "
        f"{1000 * min(times):.0f} ms a step on this CPU, about {min(times) * recipe.training.steps / 60:.1f} min",
        file=sys.stderr,
    )
