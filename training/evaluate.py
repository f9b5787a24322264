"""Evaluation on sources that neither the autoencoders, nor the detector, nor its calibration have seen."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.calibration import Calibration, stratum_name
from semscan.training.data import data_root, list_micrographs, verify_files
from semscan.training.detector import DetectorRecipe
from semscan.training.metrics import auc, auc_interval, clopper_pearson, tpr_at
from semscan.training.pairs import find_autoencoders
from semscan.training.panels import CONDITIONS, Panel, genuine_panels, reconstructions, through
from semscan.training.recipe import load_recipe
from semscan.training.rundir import git_revision, write_sources
from semscan.training.scoring import PanelScorer, Scores

Floats = NDArray[np.float64]


def evaluate(recipe_path: Path, overrides: list[str], data: Path | None, run_dir: Path | None) -> Path:
    """Write ``results.json`` and ``results.md`` into the run of a trained and calibrated detector.

    Args:
        recipe_path: TOML file, see :class:`semscan.training.detector.DetectorRecipe`.
        overrides: ``key=value`` strings.
        data: data folder, see :func:`semscan.training.data.data_root`.
        run_dir: the detector's run folder with ``calibration.json``; ``runs/<name>`` when ``None``.

    Returns:
        Path of ``results.json``.
    """
    from semscan.training.report import results_markdown

    recipe = load_recipe(recipe_path, DetectorRecipe, overrides)
    target = run_dir or Path("runs") / recipe.name
    root = data_root(data)
    listed = list_micrographs(root, ["test"])
    verify_files(listed)
    write_sources(target, listed)
    calibration = Calibration.from_json(json.loads((target / "calibration.json").read_text(encoding="utf-8")))
    settings = recipe.evaluation
    scorer = PanelScorer(target, recipe.pairs.tile_px, settings.most_tiles)
    genuine = genuine_panels(root, "test", settings.panels_per_source)
    made = reconstructions(genuine, find_autoencoders(recipe.autoencoders), settings.fakes_per_panel)
    tests = {}
    for condition in (*CONDITIONS, "x2", "x2_q85"):
        on_genuine = _measure(scorer, calibration, genuine, condition)
        on_made = _measure(scorer, calibration, made, condition) if condition in CONDITIONS else on_genuine
        tests[condition] = (on_genuine, on_made)
        print(f"evaluate: {condition} scored", file=sys.stderr, flush=True)
    report = json.loads((target / "calibration_report.json").read_text(encoding="utf-8"))
    results: dict[str, Any] = {
        "model": recipe.model_id,
        "git_revision": git_revision(),
        "rate": supported_rate(calibration),
        "smallest_bound": calibration.smallest_bound(),
        "calibration": {s.name: {"panels": s.panels, "sources": s.sources} for s in calibration.strata.values()},
        "smoothness_line": report,
        "test": {
            "genuine_panels": len(genuine),
            "sources": dict(sorted(Counter(panel.source for panel in genuine).items())),
            "reconstructions": dict(sorted(Counter(panel.decoder for panel in made).items())),
            "psnr_db": _fidelity(genuine, made),
        },
        "held_out": list(recipe.held_out),
        "faithful": list(recipe.faithful),
        "conditions": {},
        "benign": {},
    }
    for condition, (on_genuine, on_made) in tests.items():
        rates = _false_flags(genuine, on_genuine)
        if condition in CONDITIONS:
            ranks = _ranking(recipe, genuine, made, on_genuine, on_made)
            results["conditions"][condition] = {**ranks, "false_flags": rates}
        else:
            results["benign"][condition] = rates
    results["swap"] = {
        f"genuine_{a}_made_{b}": auc(tests[a][0].score, tests[b][1].score) for a, b in (("png", "q75"), ("q75", "png"))
    }
    path = target / "results.json"
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (target / "results.md").write_text(results_markdown(results), encoding="utf-8")
    return path


def _fidelity(genuine: list[Panel], made: list[Panel]) -> dict[str, float]:
    """Median peak signal-to-noise ratio of each decoder's reconstructions, in dB."""
    partners = {panel.seed: panel.grey.astype(np.float64) for panel in genuine}
    values: dict[str, list[float]] = {}
    for panel in made:
        error = float(np.mean((partners[panel.seed] - panel.grey) ** 2))
        values.setdefault(panel.decoder, []).append(10 * np.log10(255**2 / max(error, 1e-3)))
    return {decoder: round(float(np.median(values[decoder])), 2) for decoder in sorted(values)}


def supported_rate(calibration: Calibration) -> float:
    """The default rate of a scan; 0, at which nothing is flagged, when too few independent sources support one."""
    return calibration.supported_rate() or 0.0


class _Measured:
    """Panels after one channel: raw logit, smoothness, corrected score and one-sided bound of the tail."""

    def __init__(self, raw: Scores, calibration: Calibration, qualities: list[int | None]) -> None:
        line = calibration.smoothness
        self.rate = supported_rate(calibration)
        self.logit, self.smoothness = raw.logit, raw.smoothness
        self.score: Floats = raw.logit - line.slope * raw.smoothness - line.intercept
        names = [stratum_name("png" if q is None else "jpeg", q) for q in qualities]
        if None in names:
            raise ValueError("a test channel stores below the quality floor")
        tails = [
            calibration.strata[name or ""].tail(float(score)) for name, score in zip(names, self.score, strict=True)
        ]
        self.bound: Floats = np.array([tail.bound for tail in tails])
        self.tail: Floats = np.array([tail.value for tail in tails])
        self.covered: NDArray[np.bool_] = np.array([line.covers(float(level)) for level in raw.smoothness], bool)


def _measure(scorer: PanelScorer, calibration: Calibration, panels: list[Panel], condition: str) -> _Measured:
    sent = [through(panel, condition) for panel in panels]
    return _Measured(scorer.score(grey for grey, _ in sent), calibration, [quality for _, quality in sent])


def _ranking(
    recipe: DetectorRecipe, genuine: list[Panel], made: list[Panel], on_genuine: _Measured, on_made: _Measured
) -> dict[str, Any]:
    """AUC and true-positive rates: decoders seen in training, held-out ones, and each decoder."""
    settings = recipe.evaluation
    sources = [panel.source for panel in genuine]
    made_sources = np.array([panel.source for panel in made])
    decoders = np.array([panel.decoder for panel in made])
    held, faithful = (np.isin(decoders, names) for names in (recipe.held_out, recipe.faithful))
    rate = on_genuine.rate
    out: dict[str, Any] = {}
    for name, mask in {"seen": ~held & ~faithful, "held_out": held, "faithful": faithful}.items():
        if not mask.any():
            continue
        plain = {
            "auc": on_genuine.score,
            "auc_without_line": on_genuine.logit,
            "auc_smoothness_alone": -on_genuine.smoothness,
        }
        of_made = (on_made.score[mask], on_made.logit[mask], -on_made.smoothness[mask])
        aucs = {key: auc(a, b) for (key, a), b in zip(plain.items(), of_made, strict=True)}
        scores, owners = on_made.score[mask], made_sources[mask].tolist()
        out[name] = {
            "n": int(mask.sum()),
            **aucs,
            "auc_ci95": auc_interval(on_genuine.score, sources, scores, owners, settings.resamples, recipe.seed),
            "tpr_at_5pct_fpr": tpr_at(on_genuine.score, scores, 0.05),
            "tpr_at_1pct_fpr": tpr_at(on_genuine.score, scores, 0.01),
            "tpr_at_shipped_threshold": float(((on_made.bound <= rate) & on_made.covered)[mask].mean()),
            "tpr_at_tail_5pct": float((on_made.tail[mask] <= 0.05).mean()),
            "outside_smoothness_range": float((~on_made.covered[mask]).mean()),
        }
    out["by_decoder"] = {
        str(name): {
            "n": int((decoders == name).sum()),
            "auc": auc(on_genuine.score, on_made.score[decoders == name]),
            "tpr_at_5pct_fpr": tpr_at(on_genuine.score, on_made.score[decoders == name], 0.05),
        }
        for name in sorted(set(decoders.tolist()))
    }
    return out


def _false_flags(genuine: list[Panel], measured: _Measured) -> dict[str, Any]:
    """Genuine panels flagged at the shipped threshold, overall and by source, with Clopper-Pearson intervals."""
    sources = np.array([panel.source for panel in genuine])
    flagged = measured.bound <= measured.rate
    at_five = measured.tail <= 0.05
    return {
        "panels": len(genuine),
        "sources": len(set(sources.tolist())),
        "flagged": _rate(flagged),
        "tail_5pct": _rate(at_five),
        "outside_smoothness_range": int((~measured.covered).sum()),
        "by_source": {
            str(name): {
                "panels": int((sources == name).sum()),
                "flagged": _rate(flagged[sources == name]),
                "tail_5pct": _rate(at_five[sources == name]),
            }
            for name in sorted(set(sources.tolist()))
        },
    }


def _rate(hits: NDArray[np.bool_]) -> dict[str, Any]:
    """Count, share and its interval."""
    return {"k": int(hits.sum()), "rate": float(hits.mean()), "ci95": clopper_pearson(int(hits.sum()), len(hits))}
