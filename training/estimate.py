"""What a training would cost: parameters, memory and time, measured on a few steps with made-up pictures."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from semscan.training.loop import Trainee
    from semscan.training.place import Place

WARM_UP_STEPS = 1
TIMED_STEPS = 3
"""At least; where penalties are due every so many steps, a whole period of them is timed."""


def print_estimate(recipe: Any, trainee: Trainee, place: Place) -> None:
    """Print what it is, parameters, memory and the estimated time of ``recipe.training.steps`` on standard error.

    The pictures are noise, so no data are needed; the trainee is changed by the steps and must be thrown away.
    """
    real = torch.rand(trainee.real_shape, device=place.device) * 2 - 1
    _say(f"{recipe.name}: {getattr(trainee, 'variant', recipe.system)}")
    for name, part in trainee.state().items():
        if isinstance(part, nn.Module) and (count := sum(p.numel() for p in part.parameters())):
            _say(f"{name}: {count:,} parameters")
    for step in range(WARM_UP_STEPS):
        trainee.step(step, real)
    _wait(place)
    timed = max(TIMED_STEPS, getattr(trainee, "period", 1))
    began = time.monotonic()
    for step in range(WARM_UP_STEPS, WARM_UP_STEPS + timed):
        trainee.step(step, real)
    _wait(place)
    seconds = (time.monotonic() - began) / timed
    state = sum(state_bytes(part.state_dict()) for part in trainee.state().values())
    _say(f"memory: {state / 2**20:.1f} MiB of state, {_peak_mib(place):.0f} MiB at the most so far, all included")
    minutes = seconds * recipe.training.steps / 60
    _say(f"time: {seconds:.2f} s a step, {recipe.training.steps:,} steps, about {minutes:.0f} min on this machine")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _wait(place: Place) -> None:
    if place.device.type == "cuda":
        torch.cuda.synchronize()


def state_bytes(state: Any) -> int:
    """Bytes of all tensors in a ``state_dict``."""
    if isinstance(state, Tensor):
        return state.numel() * state.element_size()
    if isinstance(state, dict):
        return sum(state_bytes(value) for value in state.values())
    return sum(state_bytes(value) for value in state) if isinstance(state, (list, tuple)) else 0


def _peak_mib(place: Place) -> float:
    """Most memory so far: of the device on CUDA, else of this process."""
    if place.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:  # Windows has no such count
        return float("nan")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 2**10)
