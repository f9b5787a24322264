"""Training of the autoencoder family on genuine crops of the train split.

First an L1 loss alone; then less L1, an L1 of 4 x 4 means and a hinge-GAN loss of a small patch critic, so that the
reconstructions keep the roughness of a micrograph (blurred ones would teach "smooth means made up").
"""

from __future__ import annotations

import math
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from semscan.engine.errors import UsageError
from semscan.training.crops import CropsPool, load_crops_pool
from semscan.training.data import data_root, list_micrographs, verify_files
from semscan.training.nets.autoencoders import Autoencoder, AutoencoderSpec, PatchCritic
from semscan.training.recipe import load_recipe, recipe_json
from semscan.training.rundir import (
    Stats,
    TrainingDiverged,
    load_checkpoint,
    open_run,
    save_checkpoint,
    write_sources,
)


@dataclass(frozen=True, slots=True)
class AutoencoderRecipe:
    """Recipe of :func:`train_autoencoders`.

    Attributes:
        name: folder name of the run.
        decoders: the designs to train, by name.
        seed: everything random follows from it.
        steps: optimiser steps of each autoencoder.
        batch: crops in a step.
        crop_px: side of a crop.
        lr: first learning rate of Adam, decaying along half a cosine to a fiftieth.
        l1_share: share of the steps with the L1 loss alone.
        gan_weight: weight of the critic's loss afterwards.
        kl_weight: weight of the VAE's divergence.
        vq_weight: weight of the codebook's losses.
        save_every: steps between checkpoints and lines of statistics.
        workers: autoencoders trained at once, one thread each.
    """

    name: str
    decoders: dict[str, AutoencoderSpec]
    seed: int = 1
    steps: int = 2000
    batch: int = 8
    crop_px: int = 64
    lr: float = 2e-3
    l1_share: float = 0.4
    gan_weight: float = 0.02
    kl_weight: float = 1e-4
    vq_weight: float = 0.5
    save_every: int = 100
    workers: int = 2


def train_autoencoders(
    recipe_path: Path,
    overrides: list[str],
    data: Path | None,
    run_dir: Path | None,
    resume: bool = False,
    dry_run: bool = False,
) -> Path:
    """Train every decoder of a recipe; finished ones are skipped when resuming.

    Args:
        recipe_path: TOML file, see :class:`AutoencoderRecipe`.
        overrides: ``key=value`` strings.
        data: data folder, see :func:`semscan.training.data.data_root`.
        run_dir: output folder; ``runs/<name>`` when ``None``.
        resume: continue from the last checkpoints.
        dry_run: print sizes and an estimate, train nothing.

    Returns:
        The run's folder with one ``<decoder>.pt`` each.
    """
    recipe = load_recipe(recipe_path, AutoencoderRecipe, overrides)
    target = run_dir or Path("runs") / recipe.name
    if dry_run:
        for name, spec in recipe.decoders.items():
            _estimate(recipe, name, spec)
        return target
    root = data_root(data)
    micrographs = list_micrographs(root, ["train"])
    verify_files(micrographs)
    open_run(target, recipe, resume=resume)
    write_sources(target, micrographs)
    if recipe.workers == 1:
        for name in recipe.decoders:
            train_one(recipe, name, load_crops_pool(root), target)
        return target
    with ProcessPoolExecutor(recipe.workers, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(_in_worker, recipe, name, root, target) for name in recipe.decoders]:
            done.result()
    return target


def train_one(recipe: AutoencoderRecipe, name: str, pool: CropsPool, run_dir: Path) -> None:
    """Train or continue one autoencoder.

    All randomness of a step follows from (seed, decoder, step), so a continued run equals an uninterrupted one bit
    for bit on a CPU with one thread.

    Raises:
        TrainingDiverged: a loss is not finite.
        UsageError: the checkpoint belongs to another design.
    """
    spec = recipe.decoders[name]
    key = [recipe.seed, sorted(recipe.decoders).index(name)]
    torch.manual_seed(_seed(key, -1))
    model, critic = Autoencoder(spec), PatchCritic()
    optimizer = torch.optim.Adam(model.parameters(), recipe.lr, betas=(0.5, 0.99))
    critic_optimizer = torch.optim.Adam(critic.parameters(), recipe.lr / 5, betas=(0.5, 0.99))
    path, stats = run_dir / f"{name}.pt", Stats(run_dir / f"{name}.stats.jsonl", name)
    probe = pool.draw(np.random.default_rng([*key, 10**9]), 32, recipe.crop_px)
    parts: dict[str, Any] = {
        "model": model,
        "critic": critic,
        "optimizer": optimizer,
        "critic_optimizer": critic_optimizer,
    }
    first = 0
    if path.exists():
        state = load_checkpoint(path)
        if state["spec"] != recipe_json(spec):
            raise UsageError(f"{path} belongs to another design")
        for part, module in parts.items():
            module.load_state_dict(state[part])
        first = state["step"]
    began = time.monotonic()
    for step in range(first, recipe.steps):
        torch.manual_seed(_seed(key, step))
        rng = np.random.default_rng([*key, step])
        lr = recipe.lr * (0.51 + 0.49 * math.cos(math.pi * step / recipe.steps))
        for group in optimizer.param_groups:
            group["lr"] = lr
        for group in critic_optimizer.param_groups:
            group["lr"] = lr / 5
        real = to_signed(pool.draw(rng, recipe.batch, recipe.crop_px))
        with_critic = step >= recipe.l1_share * recipe.steps
        loss, critic_loss = _step(recipe, model, critic, real, with_critic, optimizer, critic_optimizer)
        if not np.isfinite(loss):
            good = f"the last good checkpoint is {path}" if path.exists() else "no checkpoint had been written yet"
            raise TrainingDiverged(f"{name}: the loss is {loss} at step {step}; {good}")
        if (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps:
            psnr, roughness = _quality(model, probe)
            seconds = (time.monotonic() - began) / (step + 1 - first)
            stats.write(
                step=step + 1, loss=loss, critic=critic_loss, psnr_db=psnr, roughness=roughness, s_per_step=seconds
            )
            states = {part: module.state_dict() for part, module in parts.items()}
            save_checkpoint(path, {**states, "step": step + 1, "spec": recipe_json(spec), "psnr_db": psnr})


def reconstruct(model: Autoencoder, grey: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Reconstruct one picture whose sides are multiples of 8.

    Args:
        model: a trained autoencoder in evaluation mode.
        grey: uint8 [h, w].
        seed: of the noise inputs.

    Returns:
        uint8 [h, w].
    """
    torch.manual_seed(seed)
    with torch.inference_mode():
        out = model(to_signed(grey[None, None]))[0][0, 0]
    pixels: NDArray[np.uint8] = ((out + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    return pixels


def load_autoencoder(path: Path) -> Autoencoder:
    """A trained autoencoder from its checkpoint, in evaluation mode.

    Raises:
        UsageError: the file is no checkpoint of an autoencoder.
    """
    state = load_checkpoint(path)
    if "spec" not in state or "model" not in state:
        raise UsageError(
            f"{path} is no checkpoint of an autoencoder", "give a .pt file of `semscan train autoencoders`"
        )
    model = Autoencoder(AutoencoderSpec(**state["spec"]))
    model.load_state_dict(state["model"])
    return model.eval()


def to_signed(pixels: NDArray[np.uint8]) -> Tensor:
    """Grey levels 0..255 as float32 -1..1."""
    return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1)


def _step(
    recipe: AutoencoderRecipe,
    model: Autoencoder,
    critic: PatchCritic,
    real: Tensor,
    with_critic: bool,
    optimizer: torch.optim.Optimizer,
    critic_optimizer: torch.optim.Optimizer,
) -> tuple[float, float]:
    """One update of the autoencoder and, in the second phase, of the critic; returns their losses."""
    made, bottleneck = model(real)
    weight = {"vae": recipe.kl_weight, "vq": recipe.vq_weight}
    loss = bottleneck * weight.get({"_Gaussian": "vae", "_ProductVq": "vq"}.get(type(model.bottleneck).__name__, ""), 0)
    l1 = F.l1_loss(made, real)
    critic_loss = torch.zeros(())
    if with_critic:
        coarse = F.l1_loss(F.avg_pool2d(made, 4), F.avg_pool2d(real, 4))
        loss = loss + 0.3 * l1 + coarse - recipe.gan_weight * critic(made).mean()
    else:
        loss = loss + l1
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if with_critic:
        critic_loss = F.relu(1 - critic(real)).mean() + F.relu(1 + critic(made.detach())).mean()
        critic_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(critic_loss)
        critic_optimizer.step()
    return float(loss.detach()), float(critic_loss.detach())


def _quality(model: Autoencoder, probe: NDArray[np.uint8]) -> tuple[float, float]:
    """Peak signal-to-noise ratio in dB, and the gradient's standard deviation relative to the genuine one."""
    model.eval()
    torch.manual_seed(0)
    with torch.inference_mode():
        real = to_signed(probe)
        made = model(real)[0].clamp(-1, 1)
    model.train()
    error = float((made - real).square().mean())
    slopes = [float(torch.diff(x, dim=-1).std()) for x in (made, real)]
    return float(10 * np.log10(4 / error)), slopes[0] / slopes[1]


def _seed(key: list[int], step: int) -> int:
    return int(np.random.SeedSequence([*key, step + 1]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _in_worker(recipe: AutoencoderRecipe, name: str, root: Path, run_dir: Path) -> None:
    torch.set_num_threads(1)
    train_one(recipe, name, load_crops_pool(root), run_dir)


def _estimate(recipe: AutoencoderRecipe, name: str, spec: AutoencoderSpec) -> None:
    model, critic = Autoencoder(spec), PatchCritic()
    optimizers = [torch.optim.Adam(net.parameters()) for net in (model, critic)]
    real = torch.rand(recipe.batch, 1, recipe.crop_px, recipe.crop_px) * 2 - 1
    _step(recipe, model, critic, real, True, *optimizers)
    began = time.monotonic()
    for _ in range(3):
        _step(recipe, model, critic, real, True, *optimizers)
    minutes = (time.monotonic() - began) / 3 * recipe.steps / 60
    parameters = sum(p.numel() for p in model.parameters())
    memory = parameters * 16 / 2**20
    print(f"{name}: {parameters} parameters, {memory:.1f} MiB of state, about {minutes:.1f} min", file=sys.stderr)
