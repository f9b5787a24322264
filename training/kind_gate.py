"""Train the SEM-or-not gate and write what it can do.

``python -m semscan.training.kind_gate --data ../shared/data --photographs DIR`` measures every picture, trains
networks that have not seen a fold of the sources, chooses the thresholds on what these say, trains the networks that
ship, and writes ``engine/models/kind-1.onnx`` with its card, and ``docs/results/kind_gate.md``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from semscan.engine.figures.kind import FORMAT, NAME, Thresholds
from semscan.export.kind_graph import build_kind_graph
from semscan.training.data import data_root
from semscan.training.kind_data import LABELS, pictures
from semscan.training.kind_fit import fit, predict
from semscan.training.kind_report import Scored, choose_thresholds, section
from semscan.training.kind_text import card, report_head
from semscan.training.kind_views import MeasuredSet, build
from semscan.training.nets.kind import KindNet

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDS = 5
STEPS = 1500
NETWORKS, NETWORKS_PER_FOLD = 8, 3


def fold_of(groups: NDArray[np.str_]) -> NDArray[np.int64]:
    """A fold for every panel, the same for all panels of a group; dealt by size, so that folds are alike."""
    sizes = Counter(groups.tolist())
    order = sorted(sizes, key=lambda name: (-sizes[name], name))
    dealt = {name: index % (2 * FOLDS) for index, name in enumerate(order)}
    folds = np.array([dealt[name] for name in groups.tolist()])
    return np.where(folds < FOLDS, folds, 2 * FOLDS - 1 - folds)


def cross_validate(data: MeasuredSet, steps: int) -> Scored:
    """Every judged panel, scored by networks that have not seen its group."""
    folds = fold_of(data.groups)
    parts = []
    for fold in range(FOLDS):
        fitting = data.only(folds != fold)
        nets = [fit(fitting, steps, seed=10 * fold + index) for index in range(NETWORKS_PER_FOLD)]
        parts.append(score(nets, data.only((folds == fold) & data.judged)))
        print(f"fold {fold + 1} of {FOLDS}", flush=True)
    order = np.concatenate([np.flatnonzero((folds == fold) & data.judged) for fold in range(FOLDS)])
    grey, colour = (np.concatenate([getattr(part, name) for part in parts]) for name in ("grey", "colour"))
    return Scored(data.only(order), grey, colour)


def score(networks: Sequence[KindNet], panels: MeasuredSet) -> Scored:
    """Probabilities of panels with and without their colour."""
    return Scored(
        panels, predict(networks, panels, np.zeros_like(panels.colours)), predict(networks, panels, panels.colours)
    )


def write_model(networks: Sequence[KindNet], thresholds: Thresholds, provenance: dict[str, object], to: Path) -> None:
    """Write ``kind-N.onnx`` and, beside it, its card."""
    stored = {
        "format": FORMAT,
        "id": NAME,
        "numbers": list(thresholds.numbers),
        "labels": list(thresholds.labels),
        "sem_from": round(thresholds.sem_from, 5),
        "doubt_from": round(thresholds.doubt_from, 5),
        "label_from": round(thresholds.label_from, 5),
        "provenance": provenance,
    }
    text = card(thresholds, provenance)
    onnx.save(build_kind_graph(networks, stored, text), to)
    to.with_suffix(".md").write_text(text, encoding="utf-8")


def provenance_of(data: MeasuredSet) -> dict[str, object]:
    """What the shipped networks were fitted on, counted."""
    labels = np.array(LABELS)[data.labels]
    seen = {
        (o, label, n) for o, label, n in zip(data.origins.tolist(), labels.tolist(), data.names.tolist(), strict=True)
    }
    counts = Counter(f"{origin}: {label}" for origin, label, _ in seen)
    return {
        "method": f"{NETWORKS} networks with one hidden layer, trained by semscan.training.kind_gate",
        "pictures": dict(sorted(counts.items())),
        "sources": len(set(data.groups.tolist())),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Train the gate, write the model and the report."""
    parser = argparse.ArgumentParser(
        prog="python -m semscan.training.kind_gate", description="Train the SEM-or-not gate."
    )
    parser.add_argument("--data", type=Path, help="folder with micrographs.csv")
    parser.add_argument(
        "--photographs", type=Path, help="folder with photographs/ and graphics/, a folder per package each"
    )
    parser.add_argument("--measured", type=Path, help="keep the measurements in this .npz, or read them from it")
    parser.add_argument("--model", type=Path, default=REPOSITORY / "engine" / "models" / f"{NAME}.onnx")
    parser.add_argument("--report", type=Path, default=REPOSITORY / "docs" / "results" / "kind_gate.md")
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    if given.measured is not None and given.measured.exists():
        data = MeasuredSet.load(given.measured)
    else:
        data = build(pictures(data_root(given.data), given.photographs))
        if given.measured is not None:
            data.save(given.measured)
    crossed = cross_validate(data, STEPS)
    thresholds = choose_thresholds(crossed.only(~crossed.panels.held))
    fitting = data.only(~data.held)
    networks = [fit(fitting, STEPS, seed=100 + index) for index in range(NETWORKS)]
    write_model(networks, thresholds, provenance_of(fitting), given.model)
    held = score(networks, data.only(data.held & data.judged))
    given.report.write_text(report(thresholds, crossed, held), encoding="utf-8")
    print(f"wrote {given.model} and {given.report}")


def report(thresholds: Thresholds, crossed: Scored, held: Scored) -> str:
    """Markdown with all tables."""
    parts = [report_head(thresholds)]
    for title, scored, origin in (
        ("Preprints of the test half, shipped gate", held, "preprints"),
        ("Micrographs of the test sources, printed by us, shipped gate", held, "micrographs"),
        ("All preprints, cross-validated", crossed, "preprints"),
        ("Panels of the 22 papers, cross-validated", crossed, "papers"),
        ("Micrographs, printed by us, cross-validated", crossed, "micrographs"),
        ("Photographs, cross-validated", crossed, "photographs"),
        ("Drawn and simulated, cross-validated", crossed, "made"),
    ):
        part = scored.only(scored.panels.origins == origin)
        if len(part.panels.labels):
            parts.append(section(title, part, thresholds))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
