"""What a classifier would reach that never looks at the picture: a probe of the data, not of a detector.

Where format facts (size, JPEG quality, history) tell made from genuine, a detector may have learned them instead of
what it was meant to learn. The evaluation sends both classes through the same channel with the same draws, so facts
must be worth nothing there. On the files as they are stored they tell nearly everything: that is what the same
channel takes away. One number, smoothness, is the least that any detector of residuals must beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semscan.engine.smoothness import smoothness
from semscan.training.data import list_micrographs
from semscan.training.evaluation.lab import send
from semscan.training.evaluation.parts import Context, Part, Result, not_measured
from semscan.training.evaluation.seen import CHANNELS
from semscan.training.evaluation.sets import load_set
from semscan.training.metrics import auc, auc_interval
from semscan.training.packs import list_packs, read_pack
from semscan.training.pairs import jpeg_tables
from semscan.training.panels import Panel

PAIRED = {
    "reconstructed": ("genuine", "reconstructed"),
    "packs of test generators": ("genuine_small", "packs_test"),
    "packs of train generators": ("genuine_small", "packs_train"),
}
FACTS = ("width", "height", "longer to shorter side", "lossless", "last JPEG quality", "own JPEG table", "bit depth")
FOLDS = 5
_RESAMPLES = 500

Floats = NDArray[np.float64]


def panel_facts(panel: Panel, channel: str) -> tuple[Floats, float]:
    """What can be read of a panel's file after a channel without decoding it, and the smoothness of its pixels.

    The quantisation table and the subsampling follow from the quality; the table of the file that the panel came from
    would show as double compression, so it counts as readable.
    """
    grey, quality = send(panel, channel)
    return _facts(grey.shape, quality, panel.tables, 8), smoothness(grey)


def file_facts(root: Any) -> tuple[Floats, list[str]]:
    """Facts of the genuine training files as they are stored, [n, facts], and their sources."""
    rows, sources = [], []
    for micrograph in list_micrographs(root, ["train"]):
        with Image.open(micrograph.path) as image:
            size, mode, stored_as = image.size, image.mode, image.format
        depth = 16 if mode.startswith("I") else 1 if mode == "1" else 8
        tables = jpeg_tables(micrograph.path) if stored_as == "JPEG" else None
        rows.append(_facts((size[1], size[0]), None, tables, depth))
        sources.append(micrograph.source)
    return np.array(rows), sources


def pack_facts(folder: Any) -> tuple[Floats, list[str]]:
    """Facts of packed tiles, if each were stored as the lossless picture that it is, and their generators."""
    rows, makers = [], []
    for path in list_packs(folder):
        pack = read_pack(path)
        rows += [_facts(pack.tiles.shape[-2:], None, None, 8)] * len(pack.tiles)
        makers += [str(pack.manifest["generator"])] * len(pack.tiles)
    return np.array(rows), makers


def probe(genuine: Floats, genuine_groups: Sequence[str], made: Floats, made_groups: Sequence[str]) -> Result:
    """AUC of a random forest on facts, each scored by one that saw no panel of its group.

    Args:
        genuine: facts of genuine panels or files, [n, k].
        genuine_groups: source of each.
        made: facts of made ones.
        made_groups: source of each one's partner, or its generator.

    Returns:
        ``auc`` with ``auc_ci95`` and the best ``single`` fact by its AUC; both classes weigh the same in training.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GroupKFold
    from threadpoolctl import threadpool_limits

    rows = np.concatenate([genuine, made])
    labels = np.repeat([0, 1], [len(genuine), len(made)])
    groups = np.array([*genuine_groups, *made_groups])
    names = np.unique(groups)
    if len(names) < FOLDS:
        return {"too_few_groups": len(names)}
    scores = np.zeros(len(rows))
    with threadpool_limits(1):
        for train, test in GroupKFold(FOLDS).split(rows, labels, groups):
            if len(np.unique(labels[train])) < 2:
                continue
            forest = RandomForestClassifier(100, min_samples_leaf=5, class_weight="balanced", random_state=1)
            forest.fit(rows[train], labels[train])
            scores[test] = forest.predict_proba(rows[test])[:, 1]
    of_genuine, of_made = scores[labels == 0], scores[labels == 1]
    low, high = auc_interval(of_genuine, list(genuine_groups), of_made, list(made_groups), _RESAMPLES, 1)
    singles = [auc(genuine[:, k], made[:, k]) for k in range(rows.shape[1])]
    best = int(np.argmax(np.abs(np.array(singles) - 0.5)))
    single = {"fact": FACTS[best], "auc": max(singles[best], 1 - singles[best])}
    out: Result = {"genuine": len(genuine), "made": len(made), "auc": auc(of_genuine, of_made)}
    return {**out, "auc_ci95": [low, high], "single": single}


def measure(context: Context) -> Result:
    """Facts and smoothness on the evaluation's panels, facts on the raw files."""
    rows: list[dict[str, Any]] = []
    for kind, names in PAIRED.items():
        sides = [load_set(context, name) for name in names]
        if not all(sides):
            continue
        for channel in CHANNELS:
            told = [[panel_facts(panel, channel) for panel in side] for side in sides]
            facts = [np.array([fact for fact, _ in side]) for side in told]
            levels = [np.array([level for _, level in side]) for side in told]
            # A made panel is left out together with the genuine ones of its partner's source, so that both classes have
            # the same share in every fold; otherwise a forest is wrong more often than chance where facts say nothing.
            of_file = {panel.name: panel.source for panel in sides[0] if panel.name}
            own = [[of_file.get(panel.name, panel.source) for panel in side] for side in sides]
            found = probe(facts[0], own[0], facts[1], own[1])
            smooth = auc(-levels[0], -levels[1])
            span = auc_interval(-levels[0], own[0], -levels[1], own[1], _RESAMPLES, 1)
            rows.append(
                {"kind": kind, "channel": channel, **found, "smoothness": smooth, "smoothness_ci95": list(span)}
            )
    if not rows:
        return not_measured("there are no panels to probe")
    genuine, sources = file_facts(context.root)
    made, makers = pack_facts(context.packs)
    raw = probe(genuine, sources, made, makers) if len(made) else {}
    return {"rows": rows, "raw": raw}


def render(result: Result) -> list[str]:
    """One line for each set and channel."""
    if "not_measured" in result:
        return [f"Not measured: {result['not_measured']}."]
    lines = [
        f"Random forest on {', '.join(FACTS)}; never a pixel. By source, {FOLDS} folds. The best single fact is the "
        "one farthest from .5 on these same panels, in its better direction.",
        "",
        "| panels | channel | n | AUC of facts [95 %] | best single fact | AUC of smoothness alone [95 %] |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        low, high = row["smoothness_ci95"]
        alone = f"{row['smoothness']:.3f} [{low:.3f}, {high:.3f}]"
        lines.append(f"| {row['kind']} | {CHANNELS[row['channel']]} | {_cells(row)} | {alone} |")
    if result["raw"]:
        lines.append(f"| training files as stored against packed tiles | none | {_cells(result['raw'])} | |")
    return [
        *lines,
        "",
        "Evaluation panels must be at chance: made and genuine ones share sizes, channel and draws. The last line is "
        "what a detector could have read had it been trained on the files as they are. Smoothness alone ranks smoother "
        "panels higher; below .5 made ones are rougher.",
    ]


def _facts(shape: Sequence[int], quality: int | None, tables: Sequence[int] | None, depth: int) -> Floats:
    height, width = shape
    own = float(sum(tables)) if tables else 0.0
    long = max(height, width) / min(height, width)
    return np.array([width, height, long, quality is None, quality or 100, own, depth], np.float64)


def _cells(row: Result) -> str:
    if "too_few_groups" in row:
        return f"- | fewer than {FOLDS} sources | -"
    low, high = row["auc_ci95"]
    single = row["single"]
    return (
        f"{row['genuine']} + {row['made']} | {row['auc']:.3f} [{low:.3f}, {high:.3f}] "
        f"| {single['fact']}, {single['auc']:.3f}"
    )


PART = Part("metadata", "Probe: format facts, and smoothness alone", measure, render, depends_on_model=False)
