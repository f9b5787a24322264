"""How a scan does on files whose origin somebody knows: rates with intervals, by source and by stratum.

The rates are those at the threshold that a scan uses, not at one chosen on these files. Panels that are not assessed
are counted apart: they are neither flagged nor cleared. The labels are the user's; nothing here checks them. Sources
that are no independent witnesses, see :mod:`semscan.engine.witnesses`, are one where intervals are drawn over sources.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.calibration import STRATA
from semscan.engine.errors import UsageError
from semscan.engine.intervals import clopper_pearson, sources_needed
from semscan.engine.manifest import LABELS, LEAST_SOURCES, Labelled
from semscan.engine.ownarchive import document_key
from semscan.engine.records import DocumentRecord, NoticeRecord, PanelRecord, Record, RunRecord, to_jsonable
from semscan.engine.witnesses import Witnesses

SCHEMA = "semscan-eval/1"
RESAMPLES = 1000

GENUINE, GENERATED = LABELS


@dataclass(frozen=True, slots=True)
class _Panel:
    label: str
    source: str
    stratum: str
    score: float
    flagged: bool


@dataclass(slots=True)
class Trial:
    """Collects the records of a scan of labelled files.

    Attributes:
        rows: the manifest.
    """

    rows: Sequence[Labelled]
    _run: RunRecord | None = None
    _panels: list[_Panel] = field(default_factory=list)
    _unassessed: dict[str, Counter[str]] = field(default_factory=lambda: {label: Counter() for label in LABELS})
    _read: Counter[str] = field(default_factory=Counter)
    _failed: list[str] = field(default_factory=list)
    _labels: dict[str, Labelled] = field(default_factory=dict)
    _seen: dict[str, Labelled] = field(default_factory=dict)
    _witnesses: Witnesses = field(default_factory=Witnesses)
    _row: Labelled | None = None
    _again: int = 0

    def __post_init__(self) -> None:
        self._labels = {row.path: row for row in self.rows}

    def add(self, record: Record) -> None:
        """Take in the next record.

        Raises:
            UsageError: the same document stands under both labels.
        """
        if isinstance(record, RunRecord):
            self._run = record
        elif isinstance(record, DocumentRecord):
            self._row = self._row_of(record)
        elif isinstance(record, PanelRecord) and self._row is not None:
            if record.status == "assessed" and record.score is not None and record.reference is not None:
                stratum, flagged = record.reference.stratum, record.level == "look"
                own = _own(self._row)
                self._panels.append(_Panel(self._row.label, own, stratum, record.score, flagged))
                if record.image is not None:
                    self._witnesses.holds(own, record.image)
            elif record.reason is not None:
                self._unassessed[self._row.label][str(record.reason)] += 1
        elif isinstance(record, NoticeRecord) and record.severity == "error":
            self._failed.append(f"{record.path}: {record.message}")

    def _row_of(self, record: DocumentRecord) -> Labelled | None:
        """The line that a document belongs to; ``None`` if its panels are not to be counted."""
        row = self._labels.get(document_key(record).partition("!")[0]) or self._labels.get(document_key(record))
        if row is None or record.status == "failed":
            return None
        if record.counts.assessed:
            self._witnesses.saw(_own(row), record)
        self._read[row.label] += 1
        before = self._seen.get(record.doc_id)
        if before is None:
            self._seen[record.doc_id] = row
            return row
        if before.label != row.label:
            raise UsageError(
                "{} and {} are the same file under both labels".format(*sorted((before.path, row.path))),
                "correct the manifest",
            )
        self._again += 1
        return None

    def results(self) -> dict[str, Any]:
        """All measurements, ready for JSON.

        Raises:
            UsageError: too few sources of one label had a panel that could be assessed.
        """
        run = self._run
        assert run is not None
        panels = [replace(panel, source=self._witnesses.source(panel.source)) for panel in self._panels]
        for label in LABELS:
            held = {panel.source for panel in panels if panel.label == label}
            if len(held) < LEAST_SOURCES:
                why = ", ".join(f"{reason} {count}" for reason, count in self._reasons(label)[:4])
                raise UsageError(
                    f"panels of only {len(held)} independent sources labelled {label} could be assessed"
                    + (f"; not assessed: {why}" if why else ""),
                    f"{LEAST_SOURCES} sources of each label are needed at least, and {sources_needed(0.05)} genuine "
                    "ones to state a false-flag rate of 5 %",
                )
        strata: dict[str, Any] = {}
        for name in STRATA:
            inside = [panel for panel in panels if panel.stratum == name]
            if inside:
                strata[name] = {**{label: _confusion(inside, label) for label in LABELS}, "auc": _auc(inside)}
        return {
            "schema": SCHEMA,
            "tool": to_jsonable(run.tool),
            "model": to_jsonable(run.model),
            "calibration": to_jsonable(run.calibration),
            "rate": run.policy["fpr_per_panel"],
            "labels": {label: self._label(label, panels) for label in LABELS},
            "auc": _auc(panels),
            "strata": strata,
            "storage_overlap": self._overlap(),
            "not_read": sorted(self._failed),
            "same_file_again": self._again,
        }

    def _overlap(self) -> float:
        """Share of panels that both labels have in the same strata: 1 if they are stored alike, 0 if never."""
        held = {label: Counter(panel.stratum for panel in self._panels if panel.label == label) for label in LABELS}
        shares = [[held[label][name] / held[label].total() for name in STRATA] for label in LABELS]
        return round(float(sum(map(min, *shares))), 4)

    def _reasons(self, label: str) -> list[tuple[str, int]]:
        """Why panels were not assessed, most frequent first."""
        return sorted(self._unassessed[label].items(), key=lambda item: (-item[1], item[0]))

    def _label(self, label: str, panels: Sequence[_Panel]) -> dict[str, Any]:
        rows = [row for row in self.rows if row.label == label]
        return {
            "files": len(rows),
            "documents_read": self._read[label],
            "sources": len({row.source for row in rows}),
            **_confusion(panels, label),
            "not_assessed": dict(self._reasons(label)),
        }


def _own(row: Labelled) -> str:
    return f"source {row.source}"


def _confusion(panels: Iterable[_Panel], label: str) -> dict[str, Any]:
    """How many panels of a label were flagged, with intervals over panels and over sources."""
    held = [panel for panel in panels if panel.label == label]
    flagged = np.array([panel.flagged for panel in held], np.float64)
    sources = [panel.source for panel in held]
    low, high = (float(end) for end in clopper_pearson(flagged.sum(), max(len(held), 1)))
    return {
        "assessed": len(held),
        "assessed_sources": len(set(sources)),
        "flagged": int(flagged.sum()),
        "rate": round(float(flagged.mean()), 6) if held else None,
        "ci95": [round(low, 6), round(high, 6)] if held else None,
        "ci95_by_source": _bootstrap_rate(flagged, sources),
    }


def _bootstrap_rate(hits: NDArray[np.float64], sources: Sequence[str]) -> list[float] | None:
    """Percentile interval of a share when sources are drawn; ``None`` for fewer than two of them.

    Where all panels agree, every draw does, which shows nothing: then the interval is the exact one with every source
    as one trial.
    """
    names, of = np.unique(np.asarray(sources, str), return_inverse=True)
    if len(names) < LEAST_SOURCES:
        return None
    if hits.min() == hits.max():
        return [round(float(end), 6) for end in clopper_pearson(hits[0] * len(names), len(names))]
    hit, size = np.bincount(of, hits), np.bincount(of)
    drawn = np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))
    return _percentiles(hit[drawn].sum(axis=1) / size[drawn].sum(axis=1))


def _auc(panels: Sequence[_Panel]) -> dict[str, Any] | None:
    """Chance that a panel labelled generated outscores one labelled genuine, with a bootstrap over sources.

    Sources are drawn with all of their panels (Field & Welsh, JRSS B 69, 2007): those that hold genuine panels, and
    those that hold none, separately. ``None`` without panels of both labels; no interval where one label comes from
    fewer than :data:`LEAST_SOURCES` sources.
    """
    made = np.array([panel.label == GENERATED for panel in panels], np.bool_)
    if made.all() or not made.any():
        return None
    scores = np.array([panel.score for panel in panels])
    rank = np.unique(scores, return_inverse=True)[1]
    names, of = np.unique(np.array([panel.source for panel in panels]), return_inverse=True)
    genuine = np.isin(np.arange(len(names)), of[~made])
    groups = [group for group in (np.flatnonzero(genuine), np.flatnonzero(~genuine)) if len(group)]
    spread = len(names) > LEAST_SOURCES <= min(genuine.sum(), len(np.unique(of[made])))
    rng = np.random.default_rng(0)
    values = []
    for _ in range(RESAMPLES if spread else 0):
        times = np.bincount(np.concatenate([rng.choice(group, len(group)) for group in groups]), minlength=len(names))
        value = _weighted_auc(rank, made, times[of].astype(np.float64))
        if value is not None:
            values.append(value)
    value = _weighted_auc(rank, made, np.ones(len(scores)))
    assert value is not None
    return {"value": round(value, 4), "ci95_by_source": _percentiles(np.array(values)) if values else None}


def _weighted_auc(rank: NDArray[np.intp], made: NDArray[np.bool_], weights: NDArray[np.float64]) -> float | None:
    """Mann-Whitney with weights, ties counting half; ``None`` when one label has no weight."""
    size = int(rank.max()) + 1
    below = np.bincount(rank[~made], weights[~made], size)
    above = np.bincount(rank[made], weights[made], size)
    total = below.sum() * above.sum()
    if not total:
        return None
    return float((above * (np.cumsum(below) - below / 2)).sum() / total)


def _percentiles(values: NDArray[np.float64]) -> list[float]:
    return [round(float(end), 6) for end in np.quantile(values, (0.025, 0.975))]
