"""The genuine reference of a detector: which score is how rare, per channel, counted by source.

Split-conformal counting (Vovk et al.; Papadopoulos et al., ECML 2002) with one change: a source that gave several
panels counts as one, through the share of its panels that score as high, because panels of one source score alike.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.training.data import data_root, list_micrographs, verify_files
from semscan.training.detector import DetectorRecipe
from semscan.training.metrics import auc, clopper_pearson, upper_bound
from semscan.training.pairs import find_autoencoders
from semscan.training.panels import STRATA, Panel, genuine_panels, reconstructions, through
from semscan.training.recipe import load_recipe
from semscan.training.rundir import write_sources
from semscan.training.scoring import PanelScorer, Scores


def calibrate(recipe_path: Path, overrides: list[str], data: Path | None, run_dir: Path | None) -> Path:
    """Write ``calibration.json`` into the run of a trained detector.

    Genuine panels of the calibrate split go through the channel of every stratum, once at their own size and once
    resampled, because nobody can see whether a figure was resized before it was stored. Reconstructions of them serve
    one decision only: whether the smoothness line helps the ranking.

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
    strata = {}
    for name, (scores, _) in measured.items():
        corrected = scores.logit - line["slope"] * scores.smoothness - line["intercept"]
        strata[name] = tail_table(corrected, sources, len(genuine))
    calibration = {
        "id": f"{recipe.model_id}-calibrate-{len(set(sources))}",
        "score": "mean of tile logits minus smoothness line",
        "smoothness": line,
        "strata": strata,
    }
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


def tail_table(scores: NDArray[np.float64], sources: Sequence[str], panels: int) -> dict[str, Any]:
    """Tail fractions with their bounds at every distinct genuine score.

    Args:
        scores: corrected scores of genuine panels.
        sources: the source of each.
        panels: genuine panels behind the scores: one that was also scored resampled is one panel.

    Returns:
        ``n``, ``sources`` and the ascending columns ``scores``, ``tail``, ``low95``, ``high95`` (two-sided
        Clopper-Pearson) and ``upper95`` (one-sided).
    """
    by_source = defaultdict(list)
    for score, source in zip(np.round(scores, 6).tolist(), sources, strict=True):
        by_source[source].append(score)
    count = len(by_source)
    columns: dict[str, list[float]] = {key: [] for key in ("scores", "tail", "low95", "high95", "upper95")}
    for score in sorted({score for group in by_source.values() for score in group}):
        k = float(sum(np.mean(np.array(group) >= score) for group in by_source.values()))
        low, high = clopper_pearson(k, count)
        row = (score, (1 + k) / (count + 1), low, high, upper_bound(k, count))
        for column, value in zip(columns.values(), row, strict=True):
            column.append(round(value, 6))
    return {"n": panels, "sources": count, **columns}
