"""The shipped model on a small fixed set: swap test, doubled pictures, and the one-number baseline beside it.

The pictures are simulated and the made ones come from decoders that were never trained, so that everything is built
here. What is bounded are the ways in which detectors of this kind fail, not how good this one is.
"""

import numpy as np
import pytest
import torch
from evaluation_data import panel
from PIL import Image

from semscan.engine.bundle import DEFAULT_MODEL
from semscan.training.degrade import jpeg, match_moments
from semscan.training.detector import DetectorRecipe
from semscan.training.evaluation.judge import open_judge
from semscan.training.evaluation.operations import resize
from semscan.training.evaluation.ranking import ranking
from semscan.training.makers import MakerSource, open_maker
from semscan.training.metrics import auc

COUNT = 24
CHANNELS = {
    "png": lambda grey: (grey, None),
    "q75": lambda grey: (jpeg(grey, 75), 75),
    "x2": lambda grey: (resize(grey, 2.0, Image.Resampling.BICUBIC), None),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    genuine = [panel(k, 256).grey for k in range(COUNT)]
    made = []
    for k, grey in enumerate(genuine):
        name = ("convt4", "nearest", "shuffle")[k % 3]
        make = open_maker(MakerSource(f"untrained/{name}", "untrained", (name,)))
        made.append(match_moments(make(grey, grey, np.random.default_rng(k))[0], grey))
    judge = open_judge(DetectorRecipe("shipped", DEFAULT_MODEL, ()), tmp_path_factory.mktemp("no_run"))
    found = {name: [judge.measure(map(send, side)) for side in (genuine, made)] for name, send in CHANNELS.items()}
    torch.set_num_threads(before)
    return found


def test_swap(judged):
    """What the files are stored as must not decide who ranks higher: a format detector gives about 0 and 1 here."""
    there = auc(judged["png"][0].score, judged["q75"][1].score)
    back = auc(judged["q75"][0].score, judged["png"][1].score)
    alike = auc(judged["png"][0].score, judged["png"][1].score)
    assert abs(there - back) < 0.25
    assert max(abs(there - alike), abs(back - alike)) < 0.25


def test_doubled_pictures(judged):
    """Doubling is what an up-sampler does; a model that only saw pictures at their own size flags most of these."""
    plain, doubled = judged["png"][0], judged["x2"][0]
    assert int(plain.flagged.sum()) <= COUNT // 8
    assert int(doubled.flagged.sum()) <= COUNT // 4


def test_smoothness_stands_beside_every_ranking(judged):
    genuine, made = judged["png"]
    sources = [str(k) for k in range(COUNT)]
    row = ranking(genuine, sources, made, sources, 50, 1)
    assert row["auc_smoothness"] == pytest.approx(0.88, abs=0.04)
    assert row["made_are"] == "rougher"
    assert row["auc_smoothness"] == pytest.approx(auc(genuine.smoothness, made.smoothness))
    assert row["tpr_at"]["0.001"] is None and row["tpr_at"]["0.05"] is not None
    assert row["auc_ci95"][0] <= row["auc"] <= row["auc_ci95"][1]
