"""The measurement of letters in pixels: what counts as right, wrong or neither, and how sure the share of wrong is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semscan.engine.records import PanelRecord

ROOT = Path(__file__).parent.parent


@pytest.fixture
def trial(monkeypatch):
    """The module, as ``python -m benchmarks.burnt_letters`` finds it."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import burnt_letters

    yield burnt_letters
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        sys.modules.pop(name)


class Pictures:
    """A source of pictures without data: coarse noise."""

    def __init__(self, data):
        pass

    def picture(self, rng, kind, width, height):
        coarse = rng.normal(rng.uniform(90, 150), 20, (height // 4 + 1, width // 4 + 1))
        grey = Image.fromarray(np.clip(coarse, 40, 200).astype(np.uint8)).resize((width, height))
        return np.repeat(np.asarray(grey)[..., None], 3, axis=2)


def reads(monkeypatch, trial, letters_of):
    """Let the reader say what a function says of the number of panels."""
    monkeypatch.setattr(trial.LetterReader, "read", lambda reader, grey, panels: letters_of(len(panels)))
    monkeypatch.setattr(trial, "SharedPictures", Pictures)


def test_nothing_read_is_neither_right_nor_wrong(trial, monkeypatch):
    reads(monkeypatch, trial, lambda count: (None,) * count)
    result = trial.composed(ROOT, range(60_000, 60_002))
    assert (result.total("right"), result.total("wrong")) == (0, 0)
    assert result.total("of") > 0 and result.panels > 0 and len(result.figures) == 2


def test_letters_that_are_not_there_are_wrong(trial, monkeypatch):
    reads(monkeypatch, trial, lambda count: ("z",) * count)
    result = trial.composed(ROOT, range(60_000, 60_002))
    assert result.total("right") == 0 and result.total("wrong") == result.panels


def test_letters_of_composed_figures_are_read(trial, monkeypatch):
    """Not a measurement: that letters and truth are in one order."""
    monkeypatch.setattr(trial, "SharedPictures", Pictures)
    result = trial.composed(ROOT, range(60_000, 60_005))
    assert result.total("right") >= 0.4 * result.total("of") > 5 and result.total("wrong") <= 1


def test_panels_of_papers_are_judged_one_by_one(trial):
    from benchmarks.real_truth import Truth

    boxes = [(100.0 * i, 0.0, 100.0 * i + 90, 90.0) for i in range(5)]
    shown = (("A", "sem"), ("b", "tem"), ("c", "sem"), (None, "sem"))
    truth = [Truth(1, "Fig. 1", panel, kind, box) for (panel, kind), box in zip(shown, boxes, strict=False)]
    said = (("a", "pixels"), ("x", "pixels"), ("c", "text"), ("d", "pixels"), ("e", "pixels"))
    members = [
        PanelRecord(f"p/{i}", "d", "assessed", page=1, panel=letter, panel_by=by, bbox_pt=box)
        for i, ((letter, by), box) in enumerate(zip(said, boxes, strict=True), 1)
    ]
    result, sem = trial.Reading(), trial.Reading()
    trial._judge(members, truth, result, sem)
    assert result.figures == [trial.Figure(right=1, wrong=2, of=2)] and result.elsewhere == 1
    assert sem.figures == [trial.Figure(right=1, wrong=1, of=1)] and sem.elsewhere == 0


def test_the_bound_counts_figures_and_not_letters(trial):
    one = [trial.Figure(right=10, wrong=0, of=10)] * 59
    assert trial.most_wrong(one) == pytest.approx(0.0495, abs=1e-3)
    assert trial.most_wrong([]) == 1.0
    together = trial.most_wrong([*one, trial.Figure(right=0, wrong=10, of=10)])
    apart = trial.most_wrong([trial.Figure(right=9, wrong=1, of=10)] * 10 + one[10:])
    assert together > apart > 10 / 600


def test_the_page_says_how_many_were_wrong(trial):
    figures = [trial.Figure(right=90, inexact=2, of=150), trial.Figure(of=50)]
    readings = {"composed": trial.Reading(figures, cpu_s=0.1, panels=200, elsewhere=3)}
    page = trial.markdown(readings, {"command": "python x", "revision": "abc"})
    assert "| composed, 2 | 1 | 200 | 90 (45 %) | 2 | 0 | 2.2 % | 3 | 0.50 |" in page


def test_a_letter_on_two_panels_that_were_not_told_apart_is_inexact(trial):
    whole, left = trial.Box(0, 0, 200, 100), trial.Box(0, 0, 90, 100)
    assert trial._mostly_in(left, whole) and trial._mostly_in(whole, left)
    assert not trial._mostly_in(trial.Box(150, 0, 300, 100), trial.Box(0, 0, 200, 100))
    assert not trial._mostly_in(trial.Box(210, 0, 300, 100), whole)
