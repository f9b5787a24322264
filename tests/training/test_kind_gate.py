"""Training the SEM-or-not gate: sources never leak, thresholds keep their promise, the graph is the network."""

from __future__ import annotations

import csv
import json
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("torch")

import onnx
import torch
from PIL import Image

from semscan.engine.figures.kind import FORMAT, NUMBERS, KindGate, Thresholds
from semscan.engine.figures.texture import NAMES
from semscan.engine.figures.views import COLOUR_NAMES
from semscan.export.kind_graph import build_kind_graph
from semscan.training import kind_gate
from semscan.training.drawings import draw_gel, draw_graphic
from semscan.training.kind_data import LABELS, LABELS_DIR, Picture
from semscan.training.kind_fit import fit, predict
from semscan.training.kind_print import print_picture, tinted
from semscan.training.kind_report import SEM_KEPT, Scored, answers, choose_thresholds, interval, table
from semscan.training.kind_views import KIND_SHARE, MeasuredSet, build, weights
from semscan.training.nets.kind import KindNet
from semscan.training.simulated import draw_map, draw_tem

WORDS = {*LABELS, "uncertain"}


def view_set(n, groups, labels, **changes):
    random = np.random.default_rng(0)
    parts = {
        "texture": random.normal(size=(n, len(NAMES))).astype(np.float32),
        "colours": np.zeros((n, len(COLOUR_NAMES)), np.float32),
        "coloured": np.zeros(n, bool),
        "labels": np.array([LABELS.index(label) for label in labels]),
        "names": np.array([f"p{i}" for i in range(n)]),
        "groups": np.array(groups),
        "origins": np.full(n, "preprints"),
        "judged": np.ones(n, bool),
        "held": np.zeros(n, bool),
    }
    return MeasuredSet(**(parts | changes))


def picture(index, label, panel):
    """Spots that shine are SEM, spots that darken are TEM."""
    random = np.random.default_rng(index)
    pixels = random.normal(128, 6, (200, 260))
    for y, x in random.integers(0, 190, (60, 2)):
        pixels[y : y + 8, x : x + 8] += 70 if label == "sem" else -70
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return Picture(lambda: image, f"{label}{index}", label, f"g{index}", "preprints" if panel else "made", panel, False)


@pytest.fixture(scope="module")
def views():
    return build([picture(i, ("sem", "tem")[i % 2], panel=i < 6) for i in range(12)])


def test_published_panels_are_judged_as_they_are_and_others_in_one_printed_version(views):
    judged = views.only(views.judged)
    assert Counter(judged.names.tolist()) == Counter(set(views.names.tolist()))
    assert len(views.labels) > 3 * len(judged.labels)


def test_views_come_back_from_a_file(views, tmp_path):
    views.save(tmp_path / "v.npz")
    again = MeasuredSet.load(tmp_path / "v.npz")
    np.testing.assert_array_equal(again.texture, views.texture)
    assert again.names.tolist() == views.names.tolist()


def test_a_prolific_source_does_not_decide_and_kinds_get_their_shares():
    groups = ["one"] * 90 + [f"s{i}" for i in range(9)] + ["t"]
    data = view_set(100, groups, ["sem"] * 99 + ["tem"])
    chance = weights(data)
    assert chance[:90].sum() < 1.2 * chance[90:99].sum()
    assert chance[99] / chance.sum() == pytest.approx(KIND_SHARE["tem"] / (KIND_SHARE["tem"] + KIND_SHARE["sem"]))


def test_a_group_is_never_split_between_folds():
    groups = np.array([f"g{i % 17}" for i in range(300)])
    folds = kind_gate.fold_of(groups)
    assert set(folds.tolist()) == set(range(kind_gate.FOLDS))
    assert all(len(set(folds[groups == name].tolist())) == 1 for name in set(groups.tolist()))


def test_cross_validation_never_trains_on_the_group_it_judges(monkeypatch):
    data = view_set(40, [f"g{i % 10}" for i in range(40)], ["sem", "tem"] * 20)
    seen = []

    def watched(part, steps, seed):
        seen.append(set(part.groups.tolist()))
        return KindNet(np.zeros((2, len(NUMBERS)), np.float32), len(LABELS)).eval()

    monkeypatch.setattr(kind_gate, "fit", watched)
    scored = kind_gate.cross_validate(data, 1)
    everything = set(data.groups.tolist())
    left_out = {frozenset(everything - part) for part in seen}
    assert sorted(name for part in left_out for name in part) == sorted(everything)
    assert sorted(scored.panels.names.tolist()) == sorted(data.names.tolist())


def test_training_tells_shining_from_dark_spots_and_is_reproducible(views):
    nets = [fit(views, 60, seed=3) for _ in range(2)]
    p = predict(nets[:1], views, views.colours)
    told = p[:, LABELS.index("sem")] > p[:, LABELS.index("tem")]
    right = told == (views.labels == LABELS.index("sem"))
    assert right[views.labels != LABELS.index("other")].mean() > 0.85
    assert torch.equal(nets[0].out.weight, nets[1].out.weight)


def test_the_graph_gives_the_mean_of_the_networks(views, tmp_path):
    nets = [fit(views, 5, seed=seed) for seed in range(2)]
    stored = {
        "format": FORMAT,
        "numbers": list(NUMBERS),
        "labels": list(LABELS),
        "sem_from": 0.5,
        "doubt_from": 0.2,
        "label_from": 0.3,
    }
    onnx.save(build_kind_graph(nets, stored, "a card"), tmp_path / "kind.onnx")
    network, limits = KindGate(tmp_path / "kind.onnx").open()
    assert limits.labels == LABELS
    colours = np.random.default_rng(0).random(views.colours.shape, np.float32)
    expected = predict(nets, views, colours)
    for row in range(0, len(expected), 7):
        got = network.probabilities(np.concatenate([views.texture[row], colours[row]]))
        np.testing.assert_allclose(got, expected[row], atol=2e-6)


def test_the_written_model_holds_thresholds_card_and_provenance(views, tmp_path):
    to = tmp_path / "kind-1.onnx"
    limits = Thresholds(NUMBERS, LABELS, 0.61, 0.22, 0.4)
    kind_gate.write_model([fit(views, 1, seed=0)], limits, kind_gate.provenance_of(views), to)
    network, read = KindGate(to).open()
    assert read == limits
    counts = json.loads(network.metadata["semscan_kind"])["provenance"]["pictures"]
    assert {key: counts[key] for key in ("made: sem", "made: tem", "preprints: sem", "preprints: tem")} == {
        "made: sem": 3, "made: tem": 3, "preprints: sem": 3, "preprints: tem": 3,
    }  # fmt: skip
    assert "| preprints: sem | 3 |" in network.metadata["card"]
    assert to.with_suffix(".md").read_text() == network.metadata["card"]


def scored(n=400):
    random = np.random.default_rng(4)
    labels = random.choice(["sem", "tem", "graphic"], n)
    data = view_set(n, [f"g{i % 80}" for i in range(n)], labels)
    logits = random.normal(0, 1, (n, len(LABELS)))
    logits[np.arange(n), data.labels] += 4
    p = np.exp(logits)
    p = (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
    return Scored(data, p, p)


def test_thresholds_keep_the_share_of_sem_they_promise():
    data = scored()
    limits = choose_thresholds(data)
    said = answers(limits, data)
    assert (said[data.truth == "sem"] == "sem").mean() == pytest.approx(SEM_KEPT, abs=0.02)
    assert 0 < limits.doubt_from < limits.sem_from < 1


def test_a_coloured_panel_is_judged_with_its_colour_and_never_sem():
    data = scored()
    data.panels.coloured[:] = True
    assert "sem" not in answers(choose_thresholds(scored()), data)


def test_intervals_are_wider_when_sources_agree_with_themselves():
    hits = np.arange(200) % 5 > 0
    alone = interval(hits, np.array([f"g{i}" for i in range(200)]))
    same = interval(np.sort(hits), np.array([f"g{i // 20}" for i in range(200)]))
    assert same[1] - same[0] > 1.5 * (alone[1] - alone[0])
    assert alone[0] < 0.8 < alone[1]
    assert interval(np.ones(9, bool), np.array(["a"] * 9)) == (1.0, 1.0)


def test_the_table_counts_every_panel_once():
    truth = np.array(["sem"] * 5 + ["tem"] * 3)
    said = np.array(["sem"] * 4 + ["uncertain"] + ["sem", "tem", "tem"])
    text = table(truth, said, np.array(["a", "b"] * 4))
    assert "| sem | 5 | 2 | 4 | 1 | 0 |" in text
    assert "| tem | 3 | 2 | 1 | 0 | 2 |" in text


@pytest.mark.parametrize("name", ["preprint_panels.csv", "pdf_panels.csv", "emps_tem.csv"])
def test_labels_are_known_words_and_no_panel_is_labelled_twice(name):
    with (LABELS_DIR / name).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["label"] for row in rows} <= WORDS
    assert max(Counter(tuple(v for k, v in row.items() if k != "label") for row in rows).values()) == 1


@pytest.mark.parametrize("draw", [draw_graphic, draw_gel, draw_tem, draw_map])
def test_drawings_are_reproducible_and_differ(draw):
    first, again, other = (draw(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
    assert np.ptp(np.asarray(first.convert("L"))) > 40


@pytest.mark.parametrize("again", [True, False])
def test_printed_pictures_are_neither_tiny_nor_of_one_size(again):
    image = draw_graphic(np.random.default_rng(0))
    printed = [print_picture(image, "graphic", np.random.default_rng(seed), again=again) for seed in range(8)]
    assert min(min(p.size) for p in printed) >= 100
    assert len({p.size for p in printed}) > 4
    assert {p.mode for p in printed} <= {"L", "RGB"}


def test_a_strong_tint_has_colour():
    made = [tinted(draw_tem(np.random.default_rng(0)), True, np.random.default_rng(seed)) for seed in range(6)]
    assert all(np.ptp(np.asarray(p).reshape(-1, 3).mean(axis=0)) > 8 for p in made if p is not None)
    assert any(made)
