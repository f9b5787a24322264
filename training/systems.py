"""From the ``system`` that a recipe names to the code that trains it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from semscan.engine.errors import UsageError
from semscan.training.loop import System, train
from semscan.training.recipe import load_recipe, read_system

GENERATORS = {
    "fastgan": "fastgan",
    "stylegan2_ada": "stylegan2",
    "dcgan": "gan",
    "blotgan": "blotgan",
    "cyclegan": "cycle",
    "ddpm": "diffusion",
    "latent_ddpm": "latent",
}
"""Systems trained by :func:`semscan.training.loop.train`, and the modules whose ``SYSTEMS`` describe them."""

OTHERS = {
    "autoencoders": ("autoencoders", "train_autoencoders"),
    "detector": ("detector", "train_detector"),
    "detector_pool": ("pool", "train_pool"),
    "inpaint": ("inpaint", "train_inpaint"),
}
"""Systems with loops of their own."""


def train_recipe(
    path: Path,
    overrides: list[str],
    data: Path | None,
    run_dir: Path | None,
    resume: bool = False,
    dry_run: bool = False,
) -> Path:
    """Train what a recipe describes.

    Args:
        path: TOML file with a key ``system``.
        overrides: ``key=value`` strings.
        data: data folder, see :func:`semscan.training.data.data_root`.
        run_dir: output folder; ``runs/<name>`` when ``None``.
        resume: continue from the last checkpoint.
        dry_run: print sizes and an estimate, train nothing.

    Returns:
        The run's folder.

    Raises:
        UsageError: the recipe names no known system.
    """
    name = read_system(path, overrides)
    if name in OTHERS:
        module, function = OTHERS[name]
        done: Path = getattr(import_module(f"semscan.training.{module}"), function)(
            path, overrides, data, run_dir, resume, dry_run
        )
        return done
    system = find_system(name)
    return train(system, load_recipe(path, system.recipe, overrides), data, run_dir, resume, dry_run)


def find_system(name: str) -> System:
    """A generative system by name.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in GENERATORS:
        known = ", ".join(sorted([*GENERATORS, *OTHERS]))
        raise UsageError(f"there is no system {name!r}", f"the recipe's key `system` is one of: {known}")
    system: System = import_module(f"semscan.training.{GENERATORS[name]}").SYSTEMS[name]
    return system
