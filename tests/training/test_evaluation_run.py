"""The whole evaluation on tiny data with a worthless detector: every part, the page, what is kept and what is not."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from evaluation_data import panel, write_pack

from semscan.engine.errors import UsageError
from semscan.engine.tailtable import tail_table
from semscan.training import evaluate as evaluation
from semscan.training.evaluation import benign, false_flags, parts, sweeps
from semscan.training.evaluation.judge import Measured
from semscan.training.evaluation.page import targets_table, unreasoned
from semscan.training.evaluation.probes import permuted_auc
from semscan.training.nets.registry import build_network

OURS = ("T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "sweeps", "probes", "networks", "leaks")


@pytest.fixture(scope="module")
def run(small_data, tmp_path_factory):
    """A run with random weights, a calibration of random scores, packs and weights beside it."""
    folder = tmp_path_factory.mktemp("evaluated")
    target, weights, packs = (folder / name for name in ("run", "weights", "packs"))
    for path in (target, weights / "detectors", weights / "lofo"):
        path.mkdir(parents=True)
    torch.manual_seed(1)
    for path, name in (
        (target / "detector.pt", "npr5k"),
        (weights / "detectors" / "npr5k-1.pt", "npr5k"),
        (weights / "detectors" / "npr5k-2.pt", "npr5k"),
        (weights / "lofo" / "gan.pt", "npr5k"),
        (weights / "lofo" / "diffusion--ddpm_64.pt", "npr5k"),
    ):
        torch.save({"network": name, "averaged": build_network(name).state_dict()}, path)
    rng = np.random.default_rng(2)
    table = tail_table(rng.normal(0, 1, 70), [f"s{i}" for i in range(70)], 70)
    line = {"slope": 0.0, "intercept": 0.0, "low": -5.0, "high": 5.0}
    strata = dict.fromkeys(("lossless", "jpeg90", "jpeg75", "jpeg60"), table)
    (target / "calibration.json").write_text(json.dumps({"id": "toy", "smoothness": line, "strata": strata}))
    for name, system in (("dcgan_64_test", "dcgan"), ("ddpm_64_test", "ddpm")):
        write_pack(packs / "test" / f"{name}.npz", name, system)
    write_pack(packs / "fastgan_64.npz", "fastgan_64", "fastgan")
    recipe = folder / "toy.toml"
    recipe.write_text(
        'name = "toy"\nmodel_id = "toy"\nautoencoders = []\nnetwork = "npr5k"\n[evaluation]\nresamples = 20\n'
    )
    return recipe, small_data, target, weights, packs


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch, one_thread):
    monkeypatch.setattr(evaluation, "WORKERS", 1)
    monkeypatch.setattr(sweeps, "LEAST", 1)


def measure(run, only, page=None):
    recipe, data, target, weights, packs = run
    return evaluation.evaluate(recipe, [], data, target, only, page, weights=weights, packs=packs)


def test_every_part_of_ours_and_the_page(run):
    page = measure(run, OURS)
    results = json.loads(page.with_suffix(".json").read_text())["parts"]
    assert set(results) == set(OURS)
    assert "not_measured" in results["T7"]  # no panel of small_data is large enough
    for key in set(OURS) - {"T7"}:
        assert "not_measured" not in results[key], key
    text = page.read_text()
    for key in OURS:
        assert f"## {parts.load_part(key).title}" in text
    for name in ("roc.svg", "calibration.svg", "sweeps.svg", "worst_made.png"):
        assert (page.with_suffix("") / name).is_file()
        assert f"({page.stem}/{name})" in text
    summary = json.loads((run[2] / "results.json").read_text())
    assert summary["targets"]["T4"]["state"] in parts.STATES
    assert set(summary["conditions"]) == {"png", "q75", "in_pdf"}
    assert (run[2] / "evaluation" / "worst_genuine.png").is_file()
    # Held out: exactly what the file's name says.
    assert [row["held"] for row in results["T3"]["rows"]] == ["gan"]
    assert [row["makers"] for row in results["T2"]["others"]] == [["diffusion/ddpm_64"]]
    assert {name: len(rows) for name, rows in results["networks"]["networks"].items()} == {"npr5k": 2}


def test_what_was_measured_is_kept_until_the_detector_changes(run):
    measure(run, ["T4", "leaks"])
    before = (run[2] / "evaluation" / "T4.json").stat().st_mtime_ns
    leaks_before = (run[2] / "evaluation" / "leaks.json").stat().st_mtime_ns
    measure(run, ["T4", "leaks"])
    assert (run[2] / "evaluation" / "T4.json").stat().st_mtime_ns == before
    state = torch.load(run[2] / "detector.pt", weights_only=True)
    state["averaged"]["head.bias"] += 1
    torch.save(state, run[2] / "detector.pt")
    measure(run, ["T4", "leaks"])
    assert (run[2] / "evaluation" / "T4.json").stat().st_mtime_ns != before
    assert (run[2] / "evaluation" / "leaks.json").stat().st_mtime_ns == leaks_before


def test_rates_of_genuine_panels_are_of_those_that_a_scan_assesses(monkeypatch, tmp_path):
    tail, covered = np.where(np.arange(10) < 2, 0.01, 0.5), np.arange(10) < 4
    measured = Measured(*np.zeros((3, 10)), tail, tail, covered, 0.05)
    lab = SimpleNamespace(
        panels=lambda name: [panel(k, 160, f"s{k // 2}") for k in range(10)],
        measured=lambda name, channel: measured,
        judge=SimpleNamespace(rate=0.05, calibration=SimpleNamespace(smallest_bound=lambda: 0.03)),
    )
    recipe = SimpleNamespace(seed=1, evaluation=SimpleNamespace(resamples=20))
    context = SimpleNamespace(recipe=recipe, folder=tmp_path)
    for part in (benign, false_flags):
        monkeypatch.setattr(part, "Lab", lambda _: lab)
    found = false_flags.measure(context)["channels"]["png"]
    told = [found["flagged"], found["at_five"], benign.measure(context)["rows"][0]["at_five"]]
    assert [(cell["k"], cell["n"]) for cell in told] == [(2, 4)] * 3
    assert found["outside"] == 6 and found["realised"][0] == 0.5
    assert found["by_source"]["s4"]["flagged"]["n"] == 0


def test_a_part_that_fails_takes_no_other_with_it(run, monkeypatch, capsys):
    monkeypatch.setattr(parts.load_part("T8").measure, "__code__", (lambda context: {}["lost"]).__code__)
    (run[2] / "evaluation" / "T8.json").unlink(missing_ok=True)
    with pytest.raises(UsageError, match="failed: T8"):
        measure(run, ["T4", "T8"])
    told = capsys.readouterr().err
    assert "KeyError" in told and "T8 failed" in told
    assert "T4" in json.loads((run[2] / "detector.json").read_text())["parts"]


def test_unknown_parts_and_missing_detectors_are_refused(run, tmp_path):
    with pytest.raises(UsageError, match="no part 'T99'"):
        measure(run, ["T99"])
    recipe, data, _, weights, packs = run
    with pytest.raises(UsageError, match="no model 'toy' is shipped"):
        evaluation.evaluate(recipe, [], data, tmp_path / "empty", ["T4"], weights=weights, packs=packs)


def test_permuted_labels_teach_nothing():
    genuine = [panel(k, 160, f"s{k}") for k in range(12)]
    made = [panel(100 + k, 160, f"s{k}") for k in range(12)]
    values = [permuted_auc(genuine, made, seed) for seed in range(3)]
    assert 0.2 < np.mean(values) < 0.8


def test_the_table_names_every_test_and_who_owes_a_reason(monkeypatch):
    monkeypatch.setattr("semscan.training.evaluation.page.read_reasons", lambda: {"T4": {"why": "few sources"}})
    missed = {"verdict": parts.verdict("AUC .5", "missed")}
    table = targets_table({"T1": missed}, {"T1": {"why": "too small", "next": "a larger one"}})
    assert [row.split(" | ")[0].strip("| ") for row in table[2:]] == [f"T{k}" for k in range(10)]
    assert "too small Next: a larger one" in next(row for row in table if row.startswith("| T1 "))
    assert unreasoned({"T1": missed, "T4": missed, "T5": parts.not_measured("none")}) == ["T1"]
    with pytest.raises(ValueError, match="none of"):
        parts.verdict("x", "splendid")
