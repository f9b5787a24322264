"""The commands of the README that train a generator and use it, and a run that is really killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semscan.cli.main import main

ROOT = Path(__file__).parents[2]
TINY = (
    "training.steps=6",
    "training.save_every=2",
    "training.stats_every=1",
    "training.batch=2",
    "width=4",
    "latent=8",
)


def commands():
    """Arguments of the README's lines about `fastgan_128`, without what explains them."""
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    found = [line for line in lines if line.startswith("semscan ") and "fastgan_128" in line]
    return [line.split("     ")[0].split()[1:] for line in found]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a reader of the README stands: the recipes, and pictures of one's own."""
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "recipes").symlink_to(ROOT / "training" / "recipes")
    (tmp_path / "micrographs").mkdir()
    rng = np.random.default_rng(0)
    for index in range(2):
        Image.fromarray(rng.integers(0, 256, (140, 150), dtype=np.uint8)).save(
            tmp_path / "micrographs" / f"{index}.png"
        )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tiny(words):
    return [*words, *(word for setting in TINY for word in ("--set", setting))] if words[0] == "train" else words


def test_the_commands_of_the_readme_work(folder, capsys):
    estimate, train, resume, synthesize = commands()
    assert estimate[-1] == "--dry-run" and resume[-1] == "--resume"
    assert main(tiny(estimate)) == 0
    said = capsys.readouterr().err
    assert "fastgan_128: fastgan-lite\n" in said  # LPIPS has other people's weights
    assert "generator: " in said and "MiB" in said and "min on this machine" in said
    assert not (folder / "runs").exists()
    assert main(tiny(train)) == 0
    assert capsys.readouterr().out.strip() == "runs/fastgan_128"
    assert json.loads((folder / "runs" / "fastgan_128" / "config.json").read_text())["variant"] == "fastgan-lite"
    assert main(tiny(resume)) == 0
    count = synthesize.index("-n") + 1
    assert main([*synthesize[:count], "3", *synthesize[count + 1 :]]) == 0
    manifest = json.loads((folder / "made" / "manifest.json").read_text())
    assert (manifest["variant"], manifest["trained_on"], manifest["step"]) == ("fastgan-lite", "own", 6)
    pictures = [np.asarray(Image.open(folder / "made" / row["file"])) for row in manifest["files"]]
    assert [p.shape for p in pictures] == [(128, 128)] * 3 and pictures[0].dtype == np.uint8


def test_colour_pictures_of_ones_own_become_colour_pictures(folder):
    for path in (folder / "micrographs").iterdir():
        Image.open(path).convert("RGB").save(path)
    small = ("training.channels=3", "training.steps=1", "training.batch=2", "training.amp=false", "width=4")
    settings = [word for setting in ("data.folder=micrographs", *small) for word in ("--set", setting)]
    assert main(["train", "dcgan_64", *settings]) == 0
    assert main(["synthesize", "runs/dcgan_64/checkpoint.pt", "-n", "1", "-o", "made"]) == 0
    with Image.open(folder / "made" / "000000.png") as picture:
        assert (picture.mode, picture.size) == ("RGB", (64, 64))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
def test_a_killed_training_continues_the_same_curve(folder):
    _, words, _, _ = commands()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(name, *more):
        line = [sys.executable, "-m", "semscan.cli", *tiny(words), "--run-dir", name, *more]
        return subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def curve(name):
        rows = [json.loads(line) for line in (folder / name / "stats.jsonl").read_text().splitlines()]
        return [{key: value for key, value in row.items() if key != "s_per_step"} for row in rows]

    assert run("whole").wait() == 0
    for _ in range(5):  # on a busy machine it may end before it is killed
        shutil.rmtree(folder / "cut", ignore_errors=True)
        process = run("cut")
        while not (folder / "cut" / "checkpoint.pt").exists():
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:
            break
    assert len(curve("cut")) < 6
    assert run("cut", "--resume").wait() == 0
    assert [row["step"] for row in curve("whole")] == [1, 2, 3, 4, 5, 6]
    assert curve("cut") == curve("whole")
    sheets = [(folder / name / "samples" / "step_0000006.png").read_bytes() for name in ("whole", "cut")]
    assert sheets[0] == sheets[1]
