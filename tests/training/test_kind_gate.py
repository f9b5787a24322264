"""Fitting the SEM-or-not gate: the fit finds what is there, groups never leak, and the stored form is the model."""

from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("scipy")

from semscan.engine.figures.features import NAMES
from semscan.engine.figures.kind import KindGate
from semscan.training import kind_gate
from semscan.training.drawings import draw_gel, draw_graphic
from semscan.training.kind_data import LABELS_DIR
from semscan.training.kind_gate import Measured, cross_validate, fit, interval, table, to_json, with_thresholds

LABELS = {"sem", "tem", "light", "fluorescence", "gel", "photograph", "graphic", "other", "uncertain"}


def made_up(per_group=6, groups=20):
    """Two kinds that differ in two features, and one that differs only in the square of a third."""
    random = np.random.default_rng(0)
    rows, labels, names = [], [], []
    for label in ("sem", "tem", "graphic"):
        for group in range(groups):
            x = np.zeros((per_group, len(NAMES)))
            x[:, :12] = random.normal(size=(per_group, 12))
            x[:, 0] += {"sem": 3, "tem": -3, "graphic": 0}[label]
            x[:, 1] = random.choice([-5, 5], per_group) if label == "graphic" else 0
            rows.append(x)
            labels += [label] * per_group
            names += [f"emps_{label}{group}"] * per_group
    n = len(labels)
    return Measured(
        np.concatenate(rows),
        np.zeros(n, bool),
        np.array(labels),
        np.array(names),
        np.full(n, "fit"),
        np.full(n, "made"),
    )


@pytest.fixture(scope="module")
def data():
    return made_up()


@pytest.fixture(scope="module")
def crossed(data):
    return cross_validate(data)


def test_the_fit_separates_kinds_by_values_and_by_squares(data, crossed):
    p, labels = crossed
    said = np.array(labels)[p.argmax(axis=1)]
    for label in labels:
        assert (said[data.labels == label] == label).mean() > 0.75


def test_cross_validation_never_fits_on_the_group_it_judges(data, monkeypatch):
    seen = []
    real = kind_gate.fit

    def watched(part):
        seen.append(set(part.groups.tolist()))
        return real(part)

    monkeypatch.setattr(kind_gate, "fit", watched)
    cross_validate(data)
    everything = set(data.groups.tolist())
    left_out = [everything - part for part in seen]
    assert all(left_out)
    assert sorted(name for part in left_out for name in part) == sorted(everything)


def test_thresholds_keep_the_share_of_sem_they_promise(data, crossed):
    p, labels = crossed
    gate = with_thresholds(fit(data), data, p, labels)
    sem = p[data.labels == "sem", labels.index("sem")]
    assert (sem >= gate.sem_from).mean() == pytest.approx(kind_gate.SEM_KEPT, abs=0.02)
    assert (sem >= gate.doubt_from).mean() == pytest.approx(kind_gate.SEM_NOT_DROPPED, abs=0.02)


def test_the_stored_gate_gives_the_same_probabilities(data, crossed):
    gate = with_thresholds(fit(data), data, *crossed)
    again = KindGate.from_json(to_json(gate, data))
    for row in data.features[::37]:
        np.testing.assert_allclose(again.probabilities(row), gate.probabilities(row), atol=1e-3)


def test_examples_of_the_first_stage_do_not_enter_the_fit(data):
    spoiled = Measured(data.features.copy(), data.drawn.copy(), data.labels, data.groups, data.splits, data.origins)
    spoiled.drawn[::4] = True
    spoiled.features[::4] = 1e6
    kept = fit(data.only(~spoiled.drawn))
    np.testing.assert_array_equal(fit(spoiled).weights, kept.weights)


def test_intervals_are_clopper_pearson():
    assert interval(0, 10) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert interval(10, 10) == pytest.approx((0.6915, 1.0), abs=1e-4)
    assert interval(95, 100) == pytest.approx((0.8872, 0.9836), abs=1e-4)


def test_the_table_counts_every_panel_once(data):
    text = table(data.labels, data.labels, data.groups)
    assert "| sem | 120 | 20 | 120 | 0 |" in text


@pytest.mark.parametrize("name", ["preprint_panels.csv", "pdf_panels.csv", "emps_tem.csv"])
def test_labels_are_known_words_and_no_panel_is_labelled_twice(name):
    with (LABELS_DIR / name).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["label"] for row in rows} <= LABELS
    assert max(Counter(tuple(v for k, v in row.items() if k != "label") for row in rows).values()) == 1


def test_drawings_are_reproducible_and_differ():
    first, again, other = (draw_graphic(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
    gel = draw_gel(np.random.default_rng(1))
    assert gel.mode == "L"
    assert np.ptp(np.asarray(gel)) > 60
