"""The one loop that every generative system is trained by.

A system is three functions (:class:`System`): what its recipe looks like, how a :class:`Trainee` is built from it, and
where its genuine pictures come from. The trainee knows its networks, optimisers and losses; this module knows
everything around a step: the run's folder, randomness, statistics, sample grids, checkpoints, resuming, what to do
when a number is not finite, and the device.

All randomness of a step follows from (seed, step), so a run that was killed and resumed equals an uninterrupted one
bit for bit on a CPU with the same number of threads. To use a trained generator::

    trainee = load_trainee(Path("runs/fastgan_64/checkpoint.pt"))
    pictures = trainee.sample(16, seed=7)      # uint8 [16, C, H, W]

A run's folder holds ``config.json``, ``stats.jsonl``, ``samples/step_*.png``, ``checkpoint.pt``, ``previous.pt`` (the
checkpoint before) and, every ``keep_every`` steps, ``kept/step_*.pt``; all three kinds of checkpoint load alike.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from semscan.engine.errors import UsageError
from semscan.training.data import Micrograph
from semscan.training.meter import Meter
from semscan.training.pictures import grid_of, to_signed
from semscan.training.place import Place, find_place
from semscan.training.recipe import build_recipe, recipe_json, recipe_sha256
from semscan.training.rundir import (
    Stats,
    TrainingDiverged,
    load_checkpoint,
    open_run,
    save_checkpoint,
    truncate_stats,
    write_sources,
)

Batches = Callable[[np.random.Generator], NDArray[np.uint8]]
"""Genuine pictures of one step, uint8 of the trainee's ``real_shape``, from that step's generator."""


class Stateful(Protocol):
    """A network, an optimiser, or anything else that a run must remember."""

    def state_dict(self) -> dict[str, Any]:
        """What must be remembered: tensors, numbers, strings, lists and dictionaries of them."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """Go on from what :meth:`state_dict` gave."""


class Trainee(Protocol):
    """What a system must offer to be trained by :func:`train` and sampled from afterwards.

    ``real_shape`` is the shape of the genuine pictures of one step, for example (batch, channels, size, size). One
    that lacks an ingredient of the system whose name it bears also has a string ``variant``, such as
    ``fastgan-lite``, which goes into its checkpoints; one whose steps differ in cost has their ``period``.
    """

    real_shape: tuple[int, ...]

    def state(self) -> Mapping[str, Stateful]:
        """Everything that later steps depend on, by name."""

    def step(self, step: int, real: Tensor) -> dict[str, float]:
        """One update with float32 -1..1 pictures of ``real_shape``; returns what goes into the statistics.

        Torch's global generator was seeded from (seed, step); no other source of randomness may be used.
        """

    def sample(self, count: int, seed: int, size_px: int | None = None) -> NDArray[np.uint8]:
        """Generated pictures, uint8 [count, C, H, W]; the same for the same seed on a CPU.

        ``size_px`` asks for another side than that trained on; where that cannot be, :class:`UsageError` says so.
        """


@dataclass(frozen=True, slots=True)
class LoopRecipe:
    """The ``[training]`` table of a generative recipe.

    Attributes:
        steps: optimiser steps.
        batch: genuine pictures in a step (of the discriminator, where it takes several steps per generator step).
        size_px: side of a picture.
        channels: 1 for grey, 3 for colour.
        stats_every: steps that one line of ``stats.jsonl`` averages over.
        sample_every: steps between sample grids.
        save_every: steps between checkpoints.
        keep_every: steps between checkpoints that are kept for good; 0 keeps none.
        device: ``cpu`` or ``cuda``; never chosen silently.
        amp: bfloat16 autocast; fast on a CPU with AMX, slow on one without.
        compile: ``torch.compile`` of networks that are differentiated once; on CUDA only.
    """

    steps: int
    batch: int = 16
    size_px: int = 64
    channels: int = 1
    stats_every: int = 50
    sample_every: int = 500
    save_every: int = 200
    keep_every: int = 0
    device: str = "cpu"
    amp: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        if self.device not in ("cpu", "cuda"):
            raise UsageError(f"training.device = {self.device!r} is not one of cpu, cuda")
        if self.channels not in (1, 3):
            raise UsageError(f"training.channels = {self.channels} is not 1 or 3")
        if self.size_px not in (32, 64, 128, 256, 512):
            raise UsageError(f"training.size_px = {self.size_px} is not one of 32, 64, 128, 256, 512")
        if min(self.steps, self.batch, self.stats_every, self.sample_every, self.save_every) < 1 or self.keep_every < 0:
            raise UsageError("numbers of steps and pictures must be positive")


@dataclass(frozen=True, slots=True)
class System:
    """A kind of generator.

    Attributes:
        recipe: its frozen dataclass, with at least ``system``, ``name``, ``seed`` and ``training``
            (:class:`LoopRecipe`).
        build: from a recipe and a place to a fresh trainee; called after seeding.
        batches: from a recipe and the data folder to its source of genuine pictures.
        sources: from the same to the micrographs of the data folder that this draws from, for provenance.
    """

    recipe: type[Any]
    build: Callable[[Any, Place], Trainee]
    batches: Callable[[Any, Path | None], Batches]
    sources: Callable[[Any, Path | None], list[Micrograph]] = lambda recipe, data: []


def train(
    system: System, recipe: Any, data: Path | None, run_dir: Path | None, resume: bool = False, dry_run: bool = False
) -> Path:
    """Train or continue one generator.

    Args:
        system: its kind.
        recipe: an instance of ``system.recipe``.
        data: data folder, see :func:`semscan.training.data.data_root`.
        run_dir: output folder; ``runs/<name>`` when ``None``.
        resume: continue from the last checkpoint.
        dry_run: print parameters, memory and an estimate of the time; train nothing.

    Returns:
        The run's folder.

    Raises:
        TrainingDiverged: a loss or weight is not finite.
        OutputError: the folder holds a run that must not be continued.
        DeviceError: CUDA was asked for and is not there.
    """
    target = run_dir or Path("runs") / recipe.name
    loop: LoopRecipe = recipe.training
    place = find_place(loop.device, loop.amp, loop.compile)
    torch.manual_seed(seed_of(recipe.seed, -1))
    trainee = system.build(recipe, place)
    if dry_run:
        from semscan.training.estimate import print_estimate

        print_estimate(recipe, trainee, place)
        return target
    batches = system.batches(recipe, data)
    open_run(target, recipe, resume=resume, variant=getattr(trainee, "variant", recipe.system))
    if micrographs := system.sources(recipe, data):
        write_sources(target, micrographs)
    _Run(recipe, trainee, place, target).go(batches)
    return target


def load_trainee(path: Path, device: str = "cpu") -> Trainee:
    """A trained system from any of its checkpoints, ready to sample; nothing is executed from the file.

    Raises:
        UsageError: the file is no checkpoint of a generative system.
    """
    from semscan.training.systems import find_system

    stored = load_checkpoint(path)
    if "states" not in stored or "recipe" not in stored:
        raise UsageError(f"{path} is no checkpoint of a generator", "give checkpoint.pt of a run of `semscan train`")
    system = find_system(stored["recipe"]["system"])
    trainee = system.build(build_recipe(system.recipe, stored["recipe"]), find_place(device))
    _restore(trainee, stored["states"], path, some=bool(stored.get("slim")))
    return trainee


def seed_of(seed: int, step: int) -> int:
    """Seed of torch's generator for one step; -1 is the time before the first."""
    return int(np.random.SeedSequence([seed, step + 1]).generate_state(1, np.uint64)[0] >> np.uint64(1))


class _Run:
    """One training from its first or next step to its last."""

    def __init__(self, recipe: Any, trainee: Trainee, place: Place, folder: Path) -> None:
        self.recipe, self.loop, self.trainee, self.place, self.folder = recipe, recipe.training, trainee, place, folder
        self.path, self.previous = folder / "checkpoint.pt", folder / "previous.pt"
        self.saved_step = 0
        self.sums: dict[str, list[float]] = {}

    def go(self, batches: Batches) -> None:
        self._load()
        meter = Meter(self.recipe.name, self.loop.steps, self.saved_step)
        stats = Stats(self.folder / "stats.jsonl", self.recipe.name, echo=not meter.is_bar)
        began, first = time.monotonic(), self.saved_step
        for step in range(first, self.loop.steps):
            rng = np.random.default_rng([self.recipe.seed, step])
            real = to_signed(batches(rng), self.place.device)
            torch.manual_seed(seed_of(self.recipe.seed, step))
            for name, value in self.trainee.step(step, real).items():
                if not math.isfinite(value):
                    raise self._diverged(f"{name} is {value}", step)
                self.sums.setdefault(name, []).append(value)
            done = step + 1
            is_last = done == self.loop.steps
            saves = done % self.loop.save_every == 0 or is_last
            if done % self.loop.stats_every == 0 or saves:
                means = {name: math.fsum(values) / len(values) for name, values in self.sums.items()}
                self.sums.clear()
                seconds = (time.monotonic() - began) / (done - first)
                stats.write(step=done, **means, s_per_step=round(seconds, 4))
            if done % self.loop.sample_every == 0 or is_last:
                sheet = grid_of(self.trainee.sample(64, self.recipe.seed))
                (self.folder / "samples").mkdir(exist_ok=True)
                Image.fromarray(sheet).save(self.folder / "samples" / f"step_{done:07}.png")
            if saves:
                self._save(done)
            meter.update(done)
        meter.close()

    def _load(self) -> None:
        # A kill between the two renames of _save leaves the previous one alone.
        path = next((path for path in (self.path, self.previous) if path.exists()), None)
        if path:
            stored = load_checkpoint(path)
            _restore(self.trainee, stored["states"], path)
            self.saved_step = stored["step"]
        truncate_stats(self.folder / "stats.jsonl", self.saved_step)

    def _save(self, done: int) -> None:
        states = {name: part.state_dict() for name, part in self.trainee.state().items()}
        broken = next((name for name, state in states.items() if not _is_finite(state)), None)
        if broken:
            raise self._diverged(f"a value of {broken} is not finite", done - 1)
        content = {
            "recipe": recipe_json(self.recipe),
            "recipe_sha256": recipe_sha256(self.recipe),
            "variant": getattr(self.trainee, "variant", self.recipe.system),
            "step": done,
            "states": states,
        }
        if self.path.exists():
            self.path.replace(self.previous)
        save_checkpoint(self.path, content)
        self.saved_step = done
        if self.loop.keep_every and done % self.loop.keep_every == 0:
            (self.folder / "kept").mkdir(exist_ok=True)
            save_checkpoint(self.folder / "kept" / f"step_{done:07}.pt", content)

    def _diverged(self, what: str, step: int) -> TrainingDiverged:
        good = "no checkpoint had been written yet"
        if self.saved_step:
            good = f"the last good checkpoint is {self.path} of step {self.saved_step}"
        return TrainingDiverged(f"{self.recipe.name}: {what} at step {step}; {good}")


def _restore(trainee: Trainee, states: Mapping[str, Any], path: Path, *, some: bool = False) -> None:
    """Put back what a checkpoint holds; of a slim one (see :mod:`semscan.training.weights`) what sampling needs."""
    parts = {name: part for name, part in trainee.state().items() if name in states or not some}
    if set(parts) != set(states):
        raise UsageError(f"{path} holds {', '.join(sorted(states))}, not {', '.join(sorted(parts))}")
    for name, part in parts.items():
        part.load_state_dict(states[name])


def _is_finite(state: Any) -> bool:
    if isinstance(state, Tensor):
        return not state.is_floating_point() or bool(torch.isfinite(state).all())
    if isinstance(state, Mapping):
        return all(_is_finite(value) for value in state.values())
    if isinstance(state, (list, tuple)):
        return all(_is_finite(value) for value in state)
    return not isinstance(state, float) or math.isfinite(state)
