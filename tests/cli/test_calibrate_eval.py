"""``calibrate`` and ``eval`` on real files: what they write, print and refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from semscan.cli.main import main
from semscan.engine.bundle import load_bundle


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """Sixty images that the gate takes for SEM or that --all-images assesses."""
    folder = tmp_path_factory.mktemp("genuine")
    for index in range(60):
        rng = np.random.default_rng(index)
        coarse = np.kron(rng.normal(0, 24, (40, 40)), np.ones((4, 4)))
        grey = np.clip(118 + coarse + rng.normal(0, 9, (160, 160)), 5, 250).astype(np.uint8)
        Image.fromarray(grey).save(folder / f"{index:02}.png")
    return folder


@pytest.fixture
def everything_is_sem(monkeypatch):
    """Lets the count of an archive take every panel: made-up textures are no SEM to the gate."""
    from semscan.cli import calibrate

    options = calibrate.ScanOptions
    monkeypatch.setattr(calibrate, "ScanOptions", lambda **given: options(all_images=True, **given))


def test_an_archive_is_counted_and_then_used(papers, tmp_path, capsys, everything_is_sem):
    target = tmp_path / "ours.json"
    assert main(["calibrate", str(papers), "-o", str(target), "-j", "1", "-q"]) == 0
    out = capsys.readouterr().out
    assert "60 SEM panels assessed, from 60 independent sources, all taken as genuine" in out
    assert "60 sources support 5 % (1 in 20); for 3 % 99 are needed." in out
    assert "60 sources are single image files" in out and "Look at them before" in out
    data = json.loads(target.read_text())
    assert data["model"]["sha256"] == load_bundle().sha256
    words = [str(papers / "00.png"), "--calibration", str(target), "--all-images", "--json", "-q", "-j", "1"]
    assert main(words) == 0
    run, _, panel, _ = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert run["calibration"] == {"id": data["id"], "n": 60, "sources": 60}
    assert panel["reference"] == {"stratum": "lossless", "n": 60, "sources": 60}
    assert main(["calibrate", str(papers), "-o", str(target), "-q"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_few_sources_are_refused_with_the_number_needed_and_nothing_is_written(
    papers, tmp_path, capsys, everything_is_sem
):
    listed = tmp_path / "sources.csv"
    listed.write_text("file,source\n" + "".join(f"{papers}/{i:02}.png,paper {i // 6}\n" for i in range(60)))
    words = ["calibrate", str(papers), "--sources", str(listed), "-o", str(tmp_path / "x.json"), "-q", "-j", "1"]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "10 independent genuine sources" in error and "5 % 59" in error
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["{papers}"], "where is the calibration to be written"),
        (["{papers}", "-o", "x.json", "--data", "{papers}"], "--data is for a recipe"),
        (["detector", "-o", "x.json"], "--output is for folders"),
        (["detector", "{papers}"], "by itself"),
        (["{papers}", "-o", "x.json", "--fpr", "2"], "not a rate"),
        (["{papers}", "-o", "nowhere/x.json"], "there is no folder"),
        (["{papers}", "-o", "x.json", "--sources", "gone.csv"], "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_scanned(papers, tmp_path, monkeypatch, capsys, words, why):
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", *(word.format(papers=papers) for word in words)]) == 2
    assert why in capsys.readouterr().err


def test_a_folder_with_the_name_of_a_recipe_is_not_guessed_at(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "detector").mkdir()
    assert main(["calibrate", "detector"]) == 2
    assert "./detector" in capsys.readouterr().err


def test_files_of_the_list_that_were_not_read_are_told_and_a_wide_rate_is_named(
    papers, tmp_path, capsys, everything_is_sem
):
    listed, target = tmp_path / "sources.csv", tmp_path / "x.json"
    names = [f"{papers}/{i:02}.png,paper {i // 3}" for i in range(60)]
    listed.write_text("\n".join(["file,source", *names, "gone.pdf,x"]) + "\n")
    words = ["calibrate", str(papers), "--sources", str(listed), "--fpr", "0.2", "-o", str(target), "-q", "-j", "1"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "1 file of the list of sources was not read." in out and "single image files" not in out
    assert "lossless       60       20  20 %" in out and f"semscan --calibration {target} --fpr 0.2 PAPER" in out


def test_a_list_that_names_other_files_is_refused(papers, tmp_path, capsys):
    listed = tmp_path / "sources.csv"
    listed.write_text("file,source\nother.pdf,one\n")
    few = papers / "00.png"
    assert main(["calibrate", str(few), "--sources", str(listed), "-o", str(tmp_path / "x.json"), "-q"]) == 2
    assert "none of the 1 files" in capsys.readouterr().err


def test_labelled_files_are_measured(papers, tmp_path, capsys):
    lines = [f"{papers}/{i:02}.png,{'genuine' if i < 6 else 'generated'},s{i}" for i in range(12)]
    manifest = tmp_path / "m.csv"
    manifest.write_text("file,label,source\n" + "\n".join(lines) + "\n")
    target = tmp_path / "results.json"
    assert main(["eval", str(manifest), "--all-images", "-o", str(target), "-q", "-j", "1"]) == 0
    out = capsys.readouterr().out
    assert "genuine        6        6         6             0" in out
    assert "say nothing of other generators" in out
    results = json.loads(target.read_text())
    assert results["schema"] == "semscan-eval/1" and results["labels"]["generated"]["assessed"] == 6
    assert 0 <= results["auc"]["value"] <= 1 and results["storage_overlap"] == 1
    assert main(["eval", str(manifest), "--all-images", "-o", str(target), "-q"]) == 2


def test_a_manifest_of_one_label_is_refused_with_the_number_needed(papers, tmp_path, capsys):
    manifest = tmp_path / "m.csv"
    manifest.write_text(f"file,label\n{papers}/00.png,genuine\n{papers}/01.png,genuine\n")
    assert main(["eval", str(manifest)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "0 sources of files labelled generated" in captured.err and "59" in captured.err
