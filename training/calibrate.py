"""The genuine reference that ships with a detector: which score is how rare, per channel.

The counting is :mod:`semscan.engine.tailtable`'s; here are the panels that are counted, and the channels that they are
sent through.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.intervals import sources_needed
from semscan.engine.tailtable import balanced, tail_table
from semscan.training.data import data_root, list_micrographs, verify_files
from semscan.training.detector import DetectorRecipe
from semscan.training.metrics import auc
from semscan.training.pairs import find_autoencoders
from semscan.training.panels import STRATA, Panel, genuine_panels, reconstructions, through
from semscan.training.recipe import load_recipe
from semscan.training.rundir import write_sources
from semscan.training.scoring import PanelScorer, Scores

LOCAL_RATE = 0.1
"""Regions are calibrated where the sources support this rate, the one from which on they are reported."""


def calibrate(recipe_path: Path, overrides: list[str], data: Path | None, run_dir: Path | None) -> Path:
    """Write ``calibration.json`` into the run of a trained detector.

    Genuine panels of the calibrate split go through the channel of every stratum, once at their own size and once
    resampled, because nobody can see whether a figure was resized before it was stored. Panels that a scan would not
    assess are left out. Reconstructions of them serve one decision only: whether the smoothness line helps the ranking.
    How far the highest region of a genuine panel stands out is counted in the same way, for the cue about regions.

    Args:
        recipe_path: TOML file, see :class:`semscan.training.detector.DetectorRecipe`.
        overrides: ``key=value`` strings.
        data: data folder, see :func:`semscan.training.data.data_root`.
        run_dir: the detector's run folder; ``runs/<name>`` when ``None``.

    Returns:
        Path of ``calibration.json``.
    """
    recipe = load_recipe(recipe_path, DetectorRecipe, overrides)
    target = run_dir or Path("runs") / recipe.name
    root = data_root(data)
    listed = list_micrographs(root, ["calibrate"])
    verify_files(listed)
    write_sources(target, listed)
    settings = recipe.evaluation
    scorer = PanelScorer(target, recipe.pairs.tile_px, settings.most_tiles)
    genuine = genuine_panels(root, "calibrate", settings.panels_per_source)
    made = reconstructions(genuine, find_autoencoders(recipe.autoencoders, (*recipe.held_out, *recipe.faithful)), 1)
    measured = {}
    for name in STRATA:
        measured[name] = (_score(scorer, genuine, name), _score(scorer, made, name))
        print(f"calibrate: {name}: {len(genuine)} genuine panels scored", file=sys.stderr, flush=True)
    sources = 2 * [panel.source for panel in genuine]
    line, ranking = choose_line(measured, sources)
    calibration = {
        "id": f"{recipe.model_id}-calibrate-{len(set(sources))}",
        "score": "mean of tile logits minus smoothness line",
        "smoothness": line,
        **tables({name: scores for name, (scores, _) in measured.items()}, sources, line),
    }
    ranking["crossed"] = {name: crossed(scores, sources, line) for name, (scores, _) in measured.items()}
    path = target / "calibration.json"
    path.write_text(json.dumps(calibration) + "\n", encoding="utf-8")
    (target / "calibration_report.json").write_text(json.dumps(ranking, indent=1) + "\n", encoding="utf-8")
    return path


def _score(scorer: PanelScorer, panels: Sequence[Panel], stratum: str) -> Scores:
    """All panels at their own size, then all of them resampled."""
    return scorer.score(through(panel, stratum, resampled=again)[0] for again in (False, True) for panel in panels)


def choose_line(
    measured: dict[str, tuple[Scores, Scores]], sources: Sequence[str]
) -> tuple[dict[str, float], dict[str, Any]]:
    """Fit the smoothness line on genuine panels and keep it only if it helps the mean AUC over the strata.

    Args:
        measured: per stratum the scores of genuine and of made panels.
        sources: of the genuine panels; each source has the same weight.

    Returns:
        The line with the range of smoothness seen, and the AUC per stratum without and with it.
    """
    share = {source: 1 / sources.count(source) for source in set(sources)}
    weights = np.tile([share[source] for source in sources], len(measured))
    level = np.concatenate([genuine.smoothness for genuine, _ in measured.values()])
    logit = np.concatenate([genuine.logit for genuine, _ in measured.values()])
    used = np.concatenate([_assessed(genuine) for genuine, _ in measured.values()])
    weights, level, logit = weights[used], level[used], logit[used]
    slope, intercept = (float(v) for v in np.polyfit(level, logit, 1, w=np.sqrt(weights)))
    plain = {name: auc(genuine.logit, made.logit) for name, (genuine, made) in measured.items()}
    lined = {
        name: auc(genuine.logit - slope * genuine.smoothness, made.logit - slope * made.smoothness)
        for name, (genuine, made) in measured.items()
    }
    helps = np.mean(list(lined.values())) > np.mean(list(plain.values()))
    line = {
        "slope": round(slope, 6) if helps else 0.0,
        "intercept": round(intercept, 6) if helps else 0.0,
        "low": round(float(level.min()), 4) - 0.0001,
        "high": round(float(level.max()), 4) + 0.0001,
    }
    ranking = {"fitted_slope": slope, "kept": bool(helps), "auc_without": plain, "auc_with": lined}
    return line, ranking


def crossed(scores: Scores, sources: Sequence[str], line: dict[str, float]) -> dict[str, Any]:
    """How a reference of the largest collection alone would do on the others: why collections are balanced.

    Returns:
        ``collection``; and of the other panels that are assessed, the share above the score that one in twenty of the
        collection's reaches, its sources weighing the same, by panels and with every source weighing the same.
    """
    used = _assessed(scores)
    names = np.asarray(sources)[used]
    corrected = (scores.logit - line["slope"] * scores.smoothness - line["intercept"])[used]
    held = Counter(name.split("/")[0] for name in set(names.tolist()))
    largest = held.most_common(1)[0][0]
    inside = np.array([name.split("/")[0] == largest for name in names.tolist()])
    share = np.array([1 / (names == name).sum() for name in names.tolist()])
    if inside.all():
        return {"collection": largest}
    order = np.argsort(-corrected[inside])
    reached = np.cumsum(share[inside][order]) / held[largest]
    above = corrected[~inside] > corrected[inside][order][np.searchsorted(reached, 0.05)]
    by_source = float((above * share[~inside]).sum() / share[~inside].sum())
    return {"collection": largest, "panels": float(above.mean()), "sources": by_source}


def tables(
    measured: dict[str, Scores], sources: Sequence[str], line: dict[str, float]
) -> dict[str, dict[str, dict[str, Any]]]:
    """The tail tables of the scores (``strata``) and of the regions (``local``).

    Args:
        measured: per stratum the scores of genuine panels: all at their own size, then all of them resampled.
        sources: of these panels.
        line: from :func:`choose_line`.

    Returns:
        Tables by stratum, the collections of sources balanced (:func:`semscan.engine.tailtable.balanced`). A stratum of
        regions with too few sources for a rate of 10 % is left out.
    """
    names = np.asarray(sources)
    strata, local = {}, {}
    for name, scores in measured.items():
        corrected = scores.logit - line["slope"] * scores.smoothness - line["intercept"]
        used = _assessed(scores)
        strata[name] = _table(corrected[used], names[used].tolist(), _panels(used))
        if scores.local is None:
            continue
        used = used & np.isfinite(scores.local)
        if not used.any():
            continue
        table = _table(scores.local[used], names[used].tolist(), _panels(used))
        if table["sources"] >= sources_needed(LOCAL_RATE):
            local[name] = table
    return {"strata": strata, "local": local} if local else {"strata": strata}


def _table(scores: NDArray[np.float64], sources: list[str], panels: int) -> dict[str, Any]:
    return tail_table(scores, sources, panels, balanced(sources))


def _assessed(scores: Scores) -> NDArray[np.bool_]:
    return np.ones(len(scores.logit), np.bool_) if scores.assessed is None else scores.assessed


def _panels(used: NDArray[np.bool_]) -> int:
    """Panels of which at least one size is used; bool [2 n], both sizes of each."""
    return int(used.reshape(2, -1).any(axis=0).sum()) if len(used) % 2 == 0 else int(used.sum())
