"""Small weights for a fresh clone: what evaluation needs of a checkpoint, in half precision, and nothing else.

A slim file has the same layout as the checkpoint it comes from, so whatever reads one reads the other. Only matrices
and kernels are halved; biases and the statistics of normalisations stay as they are, because a variance may be too
small for half precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semscan.engine.errors import UsageError
from semscan.training.rundir import load_checkpoint, save_checkpoint

FOLDER = Path(__file__).resolve().parent / "weights"

_SAMPLING = {
    "ddpm": ("average",),
    "latent_ddpm": ("average", "space"),
    "cyclegan": ("to_a", "to_b"),
    "blotgan": ("generator",),
}


def save_weights(checkpoint: Path, path: Path) -> Path:
    """Write the slim file of a checkpoint of an autoencoder, a detector or a system of ``_SAMPLING``.

    Args:
        checkpoint: what `semscan train` wrote.
        path: new file; its folder is made.

    Returns:
        ``path``.

    Raises:
        UsageError: the checkpoint is of none of these.
    """
    state = load_checkpoint(checkpoint)
    if "averaged" in state:
        slim = {"network": state.get("network", "npr5k"), "step": state["step"], "averaged": halved(state["averaged"])}
    elif "spec" in state and "model" in state:
        slim = {key: state[key] for key in ("spec", "step", "psnr_db") if key in state}
        slim["model"] = halved(state["model"])
    elif "states" in state and state.get("recipe", {}).get("system") in _SAMPLING:
        parts = _SAMPLING[state["recipe"]["system"]]
        kept = {name: halved(part) for name, part in state["states"].items() if name in parts}
        slim = {**{key: value for key, value in state.items() if key in _PLAIN}, "states": kept, "slim": True}
    else:
        raise UsageError(
            f"{checkpoint} has no slim form",
            "autoencoders, detectors, ddpm, latent_ddpm, cyclegan and blotgan have one",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, slim)
    return path


_PLAIN = ("recipe", "recipe_sha256", "step")


def halved(state: Mapping[str, Any]) -> dict[str, Any]:
    """Weights with floating tensors of two or more dimensions in half precision.

    Raises:
        UsageError: a value is too large for half precision.
    """
    slim = {}
    for name, value in state.items():
        if isinstance(value, Tensor) and value.dtype.is_floating_point and value.ndim > 1:
            value = value.to(torch.float16)
            if not bool(torch.isfinite(value).all()):
                raise UsageError(f"{name} does not fit into half precision")
        slim[name] = value.clone() if isinstance(value, Tensor) else value
    return slim
