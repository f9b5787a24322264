"""Evaluation on sources that neither the generators, nor the detector, nor its calibration have seen: one command.

Panels are made once and kept in the run's folder, scores of the most used ones are measured first, then the parts of
:mod:`semscan.training.evaluation.parts` run in two processes. What is finished is kept, so that a second run continues
where the first was stopped, until the detector, its calibration, the data, the packs or the weights change.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from semscan.engine.errors import UsageError
from semscan.training.data import data_root, list_micrographs, verify_files
from semscan.training.detector import DetectorRecipe
from semscan.training.evaluation.lab import GRID, Lab
from semscan.training.evaluation.page import unreasoned, write_page
from semscan.training.evaluation.parts import MODULES, Context, Part, Result, load_part
from semscan.training.evaluation.sets import WORKERS, build_sets, digest_of, set_digests
from semscan.training.evaluation.summary import summarise
from semscan.training.packs import FOLDER as PACKS
from semscan.training.recipe import load_recipe
from semscan.training.rundir import git_revision, write_sources

WEIGHTS = Path(__file__).resolve().parent / "weights"
LONGEST_FIRST = ("T0", "T7", "T6", "networks", "classical", "T9", "T8", "T3", "sweeps", "T2", "leaks", "probes")


def evaluate(
    recipe_path: Path,
    overrides: list[str],
    data: Path | None,
    run_dir: Path | None,
    only: Sequence[str] = (),
    page: Path | None = None,
    *,
    weights: Path = WEIGHTS,
    packs: Path = PACKS,
) -> Path:
    """Measure, and write the page, ``results.json`` and what else is found into the run's folder.

    The detector is the run's own if it is trained and calibrated, else the shipped model of the recipe's ``model_id``.

    Args:
        recipe_path: TOML file, see :class:`semscan.training.detector.DetectorRecipe`.
        overrides: ``key=value`` strings.
        data: data folder, see :func:`semscan.training.data.data_root`.
        run_dir: the run's folder; ``runs/<name>`` when ``None``.
        only: keys of the parts to measure; all when empty. What was measured before stays on the page.
        page: Markdown file to write, with a ``.json`` beside it and plots in a folder of its name; ``detector.md``
            in the run when ``None``.
        weights: folder with the weights that the parts use.
        packs: folder with the packs.

    Returns:
        Path of the page.

    Raises:
        UsageError: there is no such part, nothing to evaluate, or a part failed; the others are then written.
    """
    if unknown := sorted(set(only) - set(MODULES)):
        raise UsageError(f"there is no part {unknown[0]!r} of the evaluation", f"parts: {', '.join(MODULES)}")
    recipe = load_recipe(recipe_path, DetectorRecipe, overrides)
    target = run_dir or Path("runs") / recipe.name
    root = data_root(data)
    listed = list_micrographs(root, ["test"])
    verify_files(listed)
    target.mkdir(parents=True, exist_ok=True)
    write_sources(target, listed)
    page = page or target / "detector.md"
    context = Context(recipe, target, root, weights, packs, page.with_suffix(""))
    began = time.monotonic()
    sizes = build_sets(context)
    judge = Lab(context).judge
    _say(f"{judge.label}; panels are there after {time.monotonic() - began:.0f} s")
    keys = [key for key in sorted(MODULES, key=_length) if not only or key in only]
    inputs = hashlib.sha256(repr(sorted(set_digests(context).items())).encode()).hexdigest()
    digests = {"inputs": inputs, "model": judge.digest}
    failed = _run(context, [key for key in keys if load_part(key) and not _kept(context, key, digests)], digests)
    stored = {key: told for key in MODULES if (told := _kept(context, key, digests))}
    results: dict[str, Result] = {key: told["result"] for key, told in stored.items()}
    about = {
        "model": judge.label,
        "revision": git_revision(),
        "command": f"semscan evaluate {recipe_path.stem}",
        "seconds": {key: told["seconds"] for key, told in stored.items()},
        "sizes": sizes,
    }
    page.parent.mkdir(parents=True, exist_ok=True)
    write_page(page, about, results)
    page.with_suffix(".json").write_text(json.dumps({**about, "parts": results}, indent=1) + "\n", encoding="utf-8")
    if {"T1", "T4"} <= set(results):
        summary = summarise(context, judge, about, results)
        (target / "results.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    for key in unreasoned(results):
        _say(f"{key} missed its aim; training/evaluation/reasons.toml does not say why")
    if failed:
        raise UsageError(
            f"these parts failed: {', '.join(failed)}", "the errors are printed above; the others are kept"
        )
    return page


def _length(key: str) -> int:
    return LONGEST_FIRST.index(key) if key in LONGEST_FIRST else len(LONGEST_FIRST)


def _kept(context: Context, key: str, digests: dict[str, str]) -> dict[str, Any] | None:
    """What a part found before, if nothing that it depends on has changed since."""
    path, part = context.folder / f"{key}.json", load_part(key)
    if part is None or not path.is_file():
        return None
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told if told.get("depends_on") == _depends_on(context, part, digests) else None


def _depends_on(context: Context, part: Part, digests: dict[str, str]) -> dict[str, str]:
    used = sorted(path for pattern in part.uses for path in context.weights.glob(pattern))
    about = digests if part.depends_on_model else {"inputs": digests["inputs"]}
    return {**about, "weights": digest_of(used)}


def _run(context: Context, keys: list[str], digests: dict[str, str]) -> list[str]:
    """Measure parts in two processes; returns those that failed."""
    if not keys:
        return []
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    failed = []
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) if WORKERS > 1 else _Here() as pool:
        began = time.monotonic()
        list(pool.map(_score, [(context, name, channel) for name, channel in GRID]))
        _say(f"the scores that most parts need are there after {time.monotonic() - began:.0f} s")
        running: dict[Future[tuple[Result, float]], str] = {pool.submit(_measure, context, key): key for key in keys}
        for future in as_completed(running):
            key = running[future]
            try:
                result, seconds = future.result()
            except Exception as error:  # one part must not take the others with it
                failed.append(key)
                _say(f"{key} failed\n" + "".join(traceback.format_exception(error)))
                continue
            _keep(context, key, digests, result, seconds)
            told = result.get("verdict")
            _say(f"{key} took {seconds:.0f} s of a core" + (f": {told['state']}: {told['measured']}" if told else ""))
    return failed


class _Here(Executor):
    """Does everything at once in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _keep(context: Context, key: str, digests: dict[str, str], result: Result, seconds: float) -> None:
    part = load_part(key)
    assert part is not None
    told = {"part": key, "depends_on": _depends_on(context, part, digests), "seconds": seconds, "result": result}
    path = context.folder / f"{key}.part"
    path.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    path.replace(context.folder / f"{key}.json")


def _score(job: tuple[Context, str, str]) -> None:
    context, name, channel = job
    _one_thread()
    Lab(context).measured(name, channel)


def _measure(context: Context, key: str) -> tuple[Result, float]:
    _one_thread()
    began = sum(os.times()[:4])  # the scanner's workers count as well
    part = load_part(key)
    assert part is not None
    return part.measure(context), round(sum(os.times()[:4]) - began, 1)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _say(text: str) -> None:
    print(f"evaluate: {text}", file=sys.stderr, flush=True)
