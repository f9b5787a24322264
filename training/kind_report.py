"""What the SEM-or-not gate says, counted: thresholds, confusion tables and shares with intervals over sources."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.kind import NUMBERS, Thresholds
from semscan.training.kind_data import LABELS
from semscan.training.kind_views import MeasuredSet

ANSWERS = ("sem", "uncertain", *LABELS[1:])
SEM_KEPT, SEM_NOT_DROPPED, LABELS_RIGHT = 0.9, 0.985, 0.85
RESAMPLES = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Panels and the probabilities that networks gave to them which had not seen their sources.

    Attributes:
        panels: what was judged.
        grey: float32 [n, kinds], without colour.
        colour: float32 [n, kinds], with colour.
    """

    panels: MeasuredSet
    grey: NDArray[np.float32]
    colour: NDArray[np.float32]

    def only(self, chosen: NDArray[np.bool_]) -> Scored:
        """The chosen panels."""
        return Scored(self.panels.only(chosen), self.grey[chosen], self.colour[chosen])

    @property
    def truth(self) -> NDArray[np.str_]:
        """Names of the true kinds."""
        names: NDArray[np.str_] = np.array(LABELS)[self.panels.labels]
        return names


def answers(thresholds: Thresholds, scored: Scored) -> NDArray[np.str_]:
    """What the gate says in a scan: colour is looked at only where grey leaves SEM open."""
    said = []
    for grey, colour, coloured in zip(scored.grey, scored.colour, scored.panels.coloured, strict=True):
        label = thresholds.decide(grey, coloured=False).label
        if coloured and label in ("sem", "uncertain"):
            label = thresholds.decide(colour, coloured=True).label
        said.append(label)
    return np.array(said)


def choose_thresholds(scored: Scored) -> Thresholds:
    """Thresholds that keep the promised shares of published SEM panels, every source counting alike up to its size.

    Args:
        scored: panels scored by networks that had not seen their sources.
    """
    published = np.isin(scored.panels.origins, ("preprints", "papers")) | np.char.startswith(
        scored.panels.groups, "emps"
    )
    rows = published & (scored.truth == "sem") & ~scored.panels.coloured
    p = scored.grey[rows, LABELS.index("sem")]
    sizes = Counter(scored.panels.groups[rows].tolist())
    mass = np.array([sizes[group] ** -0.5 for group in scored.panels.groups[rows].tolist()])
    sem_from, doubt_from = (_quantile(p, mass, 1 - kept) for kept in (SEM_KEPT, SEM_NOT_DROPPED))
    others = np.delete(scored.grey, LABELS.index("sem"), axis=1)
    names = np.array(LABELS[1:])
    answered = scored.grey[:, 0] < doubt_from
    right, best = names[others.argmax(axis=1)] == scored.truth, others.max(axis=1)
    steps = np.linspace(0.2, 0.8, 13)
    good = [t for t in steps if (chosen := answered & (best >= t)).any() and right[chosen].mean() >= LABELS_RIGHT]
    return Thresholds(NUMBERS, LABELS, sem_from, doubt_from, float(good[0]) if good else float(steps[-1]))


def _quantile(values: NDArray[np.float32], mass: NDArray[np.float64], share: float) -> float:
    order = values.argsort()
    below = np.cumsum(mass[order]) / mass.sum()
    return float(values[order][np.searchsorted(below, share)])


def table(truth: NDArray[np.str_], said: NDArray[np.str_], groups: NDArray[np.str_]) -> str:
    """Confusion table in Markdown, a row for each true label."""
    lines = ["| truth | panels | sources | " + " | ".join(ANSWERS) + " |", "|---" + "|---:" * (len(ANSWERS) + 2) + "|"]
    for label in (label for label in LABELS if (truth == label).any()):
        rows = truth == label
        counts = Counter(said[rows].tolist())
        cells = " | ".join(str(counts[answer]) for answer in ANSWERS)
        lines.append(f"| {label} | {rows.sum()} | {len(set(groups[rows].tolist()))} | {cells} |")
    return "\n".join(lines)


def interval(hits: NDArray[np.bool_], groups: NDArray[np.str_]) -> tuple[float, float]:
    """95 % interval of a share by resampling whole sources (percentiles of 2000 resamples).

    Args:
        hits: bool [n].
        groups: source of each, [n].
    """
    names, index = np.unique(groups, return_inverse=True)
    good, size = np.bincount(index, hits), np.bincount(index)
    drawn = np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))
    shares = good[drawn].sum(axis=1) / size[drawn].sum(axis=1)
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


def shares(truth: NDArray[np.str_], said: NDArray[np.str_], groups: NDArray[np.str_]) -> str:
    """The numbers that matter, with their intervals."""
    lines = []
    answered, sem = said != "uncertain", truth == "sem"
    for text, rows, hit in (
        ("SEM called `sem`", sem, said == "sem"),
        ("SEM called `sem` or `uncertain`", sem, np.isin(said, ["sem", "uncertain"])),
        ("SEM or not is right (`uncertain` counts as not)", truth != "", (said == "sem") == sem),
        ("the kind is right, of those with an answer", answered, said == truth),
        ("not SEM called `sem`", ~sem, said == "sem"),
        ("TEM called `sem`", truth == "tem", said == "sem"),
        ("photographs called `sem`", truth == "photograph", said == "sem"),
        ("graphics called `sem`", truth == "graphic", said == "sem"),
    ):
        if n := int(rows.sum()):
            low, high = interval(hit[rows], groups[rows])
            hits = int((rows & hit).sum())
            lines.append(f"* {text}: {hits} of {n} = {hits / n:.3f} (95 % {low:.3f} to {high:.3f})")
    return "\n".join(lines)


def section(title: str, scored: Scored, thresholds: Thresholds) -> str:
    """One table with its shares."""
    said, groups = answers(thresholds, scored), scored.panels.groups
    return "\n\n".join([f"## {title}", table(scored.truth, said, groups), shares(scored.truth, said, groups)])
