"""A run's folder: configuration and revision written before the first step, statistics, full-state checkpoints."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from semscan.engine.errors import OutputError, SemscanError, UsageError
from semscan.training.data import Micrograph, describe_sources
from semscan.training.recipe import recipe_json, recipe_sha256


class TrainingDiverged(SemscanError):
    """A loss or a weight is not finite; the message names the last good checkpoint.

    Args:
        message: what is not finite, at which step, and where the last good checkpoint is.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, "try a lower learning rate in a new --run-dir")


def open_run(run_dir: Path, recipe: Any, *, resume: bool, variant: str = "") -> Path:
    """Create or reopen the folder of a run.

    Args:
        run_dir: folder to hold ``config.json``, statistics and checkpoints.
        recipe: the typed recipe.
        resume: whether a folder of the same recipe may be continued.
        variant: the system with what it lacks or was given instead, if that is known.

    Returns:
        ``run_dir``.

    Raises:
        OutputError: the folder holds a run and ``resume`` is false, or it holds a run of another recipe.
    """
    config = run_dir / "config.json"
    digest = recipe_sha256(recipe)
    if config.exists():
        if not resume:
            raise OutputError(f"{run_dir} already holds a run", "choose another --run-dir, or --resume it")
        if json.loads(config.read_text(encoding="utf-8"))["recipe_sha256"] != digest:
            raise OutputError(f"{run_dir} holds a run of another recipe", "choose another --run-dir")
        return run_dir
    run_dir.mkdir(parents=True, exist_ok=True)
    values = {
        "recipe": recipe_json(recipe),
        "recipe_sha256": digest,
        **({"variant": variant} if variant else {}),
        "git_revision": git_revision(),
        "torch": torch.__version__,
    }
    part = config.with_suffix(".part")
    part.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    part.replace(config)
    return run_dir


def write_sources(run_dir: Path, micrographs: list[Micrograph]) -> None:
    """Note in the run which data sets served a split, with their licences, in ``sources_<split>.json``."""
    (split,) = {micrograph.split for micrograph in micrographs}
    text = json.dumps(describe_sources(micrographs), indent=1)
    (run_dir / f"sources_{split}.json").write_text(text + "\n", encoding="utf-8")


def read_sources(run_dir: Path) -> list[dict[str, str | int]]:
    """What :func:`write_sources` noted of all splits; empty where nothing was."""
    return [
        row for path in sorted(run_dir.glob("sources_*.json")) for row in json.loads(path.read_text(encoding="utf-8"))
    ]


def git_revision() -> str:
    """Commit of the working tree with ``+dirty`` where files differ, or ``unknown`` outside a repository."""
    here = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", "."],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+dirty" if dirty.stdout.strip() else "")


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that a kill leaves the old one or the new one, never half of one."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running code from it (``weights_only``).

    Raises:
        UsageError: the file cannot be read or is no checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"the checkpoint {path} cannot be read: {error.strerror}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise UsageError(f"{path} is no checkpoint", "give a .pt file that `semscan train` wrote") from error
    if not isinstance(state, dict):
        raise UsageError(f"{path} is no checkpoint", "give a .pt file that `semscan train` wrote")
    return state


def truncate_stats(path: Path, step: int) -> None:
    """Drop lines later than ``step``: a killed run wrote them, and the resumed one will write them again."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    # The last line of a killed run may be cut off; it is never the one of a checkpoint.
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    part = path.with_suffix(".part")
    part.write_text("".join(kept), encoding="utf-8")
    part.replace(path)


class Stats:
    """Appends one JSON object per line to ``path`` and echoes it on stderr.

    Args:
        path: the ``.jsonl`` file.
        label: printed in front of each echoed line.
        echo: whether lines are echoed; a bar on a terminal would be torn by them.
    """

    def __init__(self, path: Path, label: str, echo: bool = True) -> None:
        self._path = path
        self._label = label
        self._echo = echo

    def write(self, **values: float | int | str) -> None:
        """Record one line.

        Raises:
            TrainingDiverged: a value is not finite; training must stop rather than save a broken network.
        """
        for name, value in values.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise TrainingDiverged(f"{self._label}: {name} is {value} in {values}")
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
        if not self._echo:
            return
        shown = (
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
        )
        print(f"{self._label}: {'  '.join(shown)}", file=sys.stderr, flush=True)
