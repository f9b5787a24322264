"""What does it cost to train the generators whose recipes are for a processor?

``python benchmarks/generator_costs.py`` takes a few steps of each such recipe with noise for pictures, one thread, and
writes the processor time of a step, which what else the machine does changes little, to
``docs/results/generators/costs.json``. ``generators.py`` makes a table of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from machine import fingerprint
from torch import nn

from semscan.training.estimate import TIMED_STEPS, state_bytes
from semscan.training.loop import seed_of
from semscan.training.place import find_place
from semscan.training.recipe import load_recipe, read_system
from semscan.training.systems import GENERATORS, find_system

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / "training" / "recipes"
P = 0.1
"""Where augmentation adapts, how often it changes something; at 0, where trainings begin, it would cost nothing."""


def recipes_for_a_processor() -> list[str]:
    """Names of the shipped recipes of generators that ask for no GPU, trained by the common loop."""
    known = [path for path in sorted(RECIPES.glob("*.toml")) if read_system(path) in GENERATORS]
    loaded = {path.stem: load_recipe(path, find_system(read_system(path)).recipe) for path in known}
    return [name for name, recipe in loaded.items() if recipe.training.device == "cpu"]


def cost(name: str, overrides: list[str]) -> dict[str, Any]:
    """Seconds of processor time of a step, parameters, and memory of networks and optimisers."""
    path = RECIPES / f"{name}.toml"
    system = find_system(read_system(path))
    recipe = load_recipe(path, system.recipe, overrides)
    loop = recipe.training
    torch.manual_seed(seed_of(recipe.seed, -1))
    trainee = system.build(recipe, find_place("cpu", loop.amp))
    real = torch.rand(trainee.real_shape) * 2 - 1
    count = max(TIMED_STEPS, getattr(trainee, "period", 1))
    taken = []
    for step in range(count + 1):
        if hasattr(trainee, "ada"):
            trainee.ada.p.fill_(P)
        began = time.process_time()
        trainee.step(step, real)
        taken.append(time.process_time() - began)
    parts = trainee.state().values()
    return {
        "recipe": name,
        "parameters": sum(p.numel() for part in parts if isinstance(part, nn.Module) for p in part.parameters()),
        "state_mib": round(sum(state_bytes(part.state_dict()) for part in parts) / 2**20, 1),
        "cpu_s": round(sum(taken[1:]) / count, 4),
        "steps": loop.steps,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="recipes; all that are for a processor without")
    parser.add_argument(
        "-o", "--output", type=Path, default=ROOT / "docs" / "results" / "generators" / "costs.json"
    )  # fmt: skip
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in options.names or recipes_for_a_processor():
        rows.append(cost(name, []))
        print(rows[-1], file=sys.stderr, flush=True)
    content = {"fingerprint": fingerprint(), "timed_steps": TIMED_STEPS, "recipes": rows}
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
