"""Classical learners on hand-made descriptors, as in Sorgente et al. (J. Imaging 11, 214, 2025), beside the networks.

They learn from tiles of the pool that the networks learn from and are tried on the panels and channels that the
networks are compared on. Of a clone without a pool they learn from the descriptors of its tiles, which are kept among
the small weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import UsageError
from semscan.engine.geometry import Box
from semscan.engine.tiles import cut_tiles, tile_origins
from semscan.training.detector import DetectorRecipe
from semscan.training.evaluation.lab import send
from semscan.training.evaluation.networks import MOST
from semscan.training.evaluation.parts import Context, Part, Result, not_measured
from semscan.training.evaluation.seen import CHANNELS, group_masks
from semscan.training.evaluation.sets import load_set
from semscan.training.evaluation.torchnets import TILES
from semscan.training.features import GROUPS, NAMES, features
from semscan.training.kept_back import choose
from semscan.training.metrics import auc, tpr_at
from semscan.training.panels import Panel
from semscan.training.pool import Pool, load_pool

PAIRS = 2500
"""Pairs of the pool whose descriptors are kept."""

DRAWN = 2000
"""Pairs that each seed draws of those."""

SEEDS = (1, 2, 3)
FILE = "classical.npz"
PAIRED = {"packs": ("genuine_small", "packs_test"), "reconstructed": ("genuine", "reconstructed")}

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]
Scorer = Callable[[Rows], Floats]


def learners(seed: int) -> dict[str, Any]:
    """Untrained learners by name, all from scikit-learn with few settings changed."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
        "support vector machine": make_pipeline(StandardScaler(), SVC()),
        "random forest": RandomForestClassifier(300, min_samples_leaf=2, random_state=seed),
        "gradient boosting": HistGradientBoostingClassifier(random_state=seed, early_stopping=False),
        "nearest neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(25)),
    }


def train(name: str, genuine: Rows, made: Rows, seed: int) -> Scorer:
    """Train a learner.

    Args:
        name: one of :func:`learners`.
        genuine: descriptors of genuine tiles, float32 [n, k].
        made: of made tiles.
        seed: of what the learner draws.

    Returns:
        From descriptors to scores, higher where more like a made tile: margins where the learner has them, else
        shares of votes.
    """
    from threadpoolctl import threadpool_limits

    learner = learners(seed)[name]
    labels = np.repeat([0, 1], [len(genuine), len(made)])
    with threadpool_limits(1):
        learner.fit(np.concatenate([genuine, made]), labels)

    def scores(rows: Rows) -> Floats:
        with threadpool_limits(1):
            if hasattr(learner, "decision_function"):
                return np.asarray(learner.decision_function(rows), np.float64)
            return np.asarray(learner.predict_proba(rows)[:, 1], np.float64)

    return scores


def describe_pool(pool: Pool, rows: NDArray[np.int64], pairs: int, seed: int) -> dict[str, Any]:
    """Descriptors of random pairs of a pool.

    Args:
        pool: the pool.
        rows: those that may be trained on.
        pairs: how many of them to describe, if there are as many.
        seed: of the choice.

    Returns:
        ``genuine`` and ``made``, float16 [pairs, k], ``tile_px`` and ``columns``.
    """
    chosen = np.random.default_rng([seed, 12]).permutation(rows)[:pairs]
    tiles = np.asarray(pool.tiles[np.sort(chosen)])
    told = {name: features(tiles[:, side]).astype(np.float16) for side, name in enumerate(("genuine", "made"))}
    return {**told, "tile_px": np.array(tiles.shape[-1]), "columns": np.array(NAMES)}


def find_descriptors(context: Context) -> dict[str, Any]:
    """Descriptors kept among the weights, else those of the pool, which are then kept in the run's folder.

    Raises:
        UsageError: there are neither, or those kept are of other columns.
    """
    places = (context.weights / FILE, context.folder / FILE)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        path = places[1]
        write_descriptors(context.recipe, path)
    with np.load(path, allow_pickle=False) as stored:
        told = {key: stored[key] for key in stored.files}
    if tuple(told["columns"].tolist()) != NAMES:
        raise UsageError(f"the descriptors in {path} are of another version", "delete it and measure again")
    return told


def write_descriptors(recipe: DetectorRecipe, path: Path) -> None:
    """Describe pairs that a detector of this recipe trains on into a small file.

    Raises:
        UsageError: there is no pool, or it lacks what the recipe names.
    """
    pool = load_pool(Path(recipe.pool))
    every = recipe.kept_back_every
    kept_back = [*recipe.kept_back, *(pool.sources[every - 1 :: every] if every else [])]
    told = describe_pool(pool, choose(pool, recipe.held_out, kept_back).train, PAIRS, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, **told)
    part.replace(path)


def describe_panels(pictures: Iterable[NDArray[np.uint8]], tile_px: int) -> list[Rows]:
    """Descriptors of a few tiles of each picture, of the places where the compared networks look."""
    found = []
    for grey in pictures:
        box = Box(0, 0, grey.shape[1], grey.shape[0])
        found.append(features(cut_tiles(grey, tile_origins(box, tile_px, TILES), tile_px)[:, 0]))
    return found


def measure(context: Context) -> Result:
    """AUC and TPR of every learner, of the best kind on each group of columns, and of smoothness alone."""
    try:
        told = find_descriptors(context)
    except UsageError as error:
        return not_measured(f"there are no descriptors to learn from: {error}")
    sent = _described(context, int(told["tile_px"]))
    if not sent:
        return not_measured("there are no panels to compare")
    rows: list[dict[str, Any]] = []
    for seed in SEEDS:
        drawn = np.random.default_rng([seed, 13]).permutation(len(told["genuine"]))[:DRAWN]
        genuine, made = (told[side][drawn].astype(np.float32) for side in ("genuine", "made"))
        for name in learners(seed):
            scorer = train(name, genuine, made, seed)
            rows.append({"learner": name, "columns": "all", "seed": seed, **_try(scorer, sent, slice(None))})
        for group, columns in GROUPS.items():
            scorer = train("gradient boosting", genuine[:, columns], made[:, columns], seed)
            rows.append({"learner": "gradient boosting", "columns": group, "seed": seed, **_try(scorer, sent, columns)})
    level = NAMES.index("smoothness")
    alone = _try(lambda rows: -rows[:, level].astype(np.float64), sent, slice(None))
    sizes = {key: [len(side) for side in both] for key, both in sent.items()}
    pairs = min(DRAWN, len(told["genuine"]))
    return {"rows": rows, "smoothness": alone, "n": sizes, "pairs": pairs, "tile_px": int(told["tile_px"])}


def _described(context: Context, tile_px: int) -> dict[str, tuple[list[Rows], list[Rows]]]:
    """Descriptors of the panels that networks are compared on, by ``kind/channel``: genuine and made."""
    found = {}
    for kind, (genuine_name, made_name) in PAIRED.items():
        made = load_set(context, made_name)
        seen = [p for p, used in zip(made, group_masks(context, made)["seen"], strict=True) if used]
        sides = [_some(load_set(context, genuine_name)), _some(seen)]
        if not all(sides):
            continue
        for channel in CHANNELS:
            genuine, generated = (describe_panels((send(p, channel)[0] for p in side), tile_px) for side in sides)
            found[f"{kind}/{channel}"] = (genuine, generated)
    return found


def _some(panels: list[Panel]) -> list[Panel]:
    return [panels[i] for i in np.unique(np.linspace(0, len(panels) - 1, min(MOST, len(panels))).astype(int))]


def _try(scorer: Scorer, sent: dict[str, tuple[list[Rows], list[Rows]]], columns: slice) -> dict[str, Any]:
    """AUC and TPR for every kind and channel; a panel's score is the mean over its tiles."""
    out = {}
    for key, sides in sent.items():
        genuine, made = (_panel_scores(scorer, side, columns) for side in sides)
        out[key] = {"auc": auc(genuine, made), "tpr_at_5pct_fpr": tpr_at(genuine, made, 0.05)}
    return out


def _panel_scores(scorer: Scorer, panels: list[Rows], columns: slice) -> Floats:
    counts = [len(rows) for rows in panels]
    scores = scorer(np.concatenate(panels)[:, columns])
    starts = np.cumsum([0, *counts[:-1]])
    means: Floats = np.add.reduceat(scores, starts) / counts
    return means


def render(result: Result) -> list[str]:
    """The columns of the networks' table: mean over seeds, least and most."""
    if "not_measured" in result:
        return [f"Not measured: {result['not_measured']}."]
    keys = list(result["n"])
    heads = [f"{kind}, {CHANNELS[channel]}" for kind, channel in (key.split("/") for key in keys)]
    lines = [
        f"{len(NAMES)} numbers of a {result['tile_px']}-px tile (spectrum in rings, co-occurrence, residual and level "
        f"statistics), {result['pairs']} pairs of the networks' pool, {len(SEEDS)} seeds, the panels of the networks' "
        "table: mean AUC over the seeds (least to most) / mean TPR at 5 % FPR.",
        "",
        f"| learner | columns | {' | '.join(heads)} |",
        "|---|---|" + "---|" * len(keys),
    ]
    kinds = list(dict.fromkeys((row["learner"], row["columns"]) for row in result["rows"]))
    for learner, columns in kinds:
        own = [row for row in result["rows"] if (row["learner"], row["columns"]) == (learner, columns)]
        lines.append(f"| {learner} | {columns} | {' | '.join(_cell([row[key] for row in own]) for key in keys)} |")
    lines.append(f"| none | smoothness alone | {' | '.join(_cell([result['smoothness'][key]]) for key in keys)} |")
    sizes = {key.split("/")[0]: n for key, n in result["n"].items()}
    text = ", ".join(f"{kind} {n[0]} genuine, {n[1]} made" for kind, n in sizes.items())
    return [
        *lines,
        "",
        f"Panels: {text}. Smoothness alone ranks smoother panels higher; below .5 made ones are rougher.",
    ]


def _cell(values: list[dict[str, float]]) -> str:
    aucs = [value["auc"] for value in values]
    tpr = float(np.mean([value["tpr_at_5pct_fpr"] for value in values]))
    span = f" ({min(aucs):.3f} to {max(aucs):.3f})" if len(aucs) > 1 else ""
    return f"{np.mean(aucs):.3f}{span} / {tpr:.2f}"


PART = Part(
    "classical", "Classical learners on spectra, co-occurrence and residuals", measure, render, depends_on_model=False
)
