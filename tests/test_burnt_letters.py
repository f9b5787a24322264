"""The trial of burnt-in letters believes a series, and nothing less."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parent.parent


@pytest.fixture
def trial(monkeypatch):
    """The module, as ``python -m benchmarks.burnt_letters`` finds it."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import burnt_letters

    yield burnt_letters
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        sys.modules.pop(name)


def panels(letters: str, *, right: bool = False, points: int = 40) -> list[np.ndarray]:
    """Noise of middle greys with a white letter in an upper corner; a space stands for none."""
    made = []
    for seed, letter in enumerate(letters):
        noise = np.random.default_rng(seed).normal(120, 20, (260, 300))
        image = Image.fromarray(np.clip(noise, 70, 185).astype(np.uint8))
        pen, font = ImageDraw.Draw(image), ImageFont.load_default(points)
        pen.text((290 if right else 10, 6), letter, fill=255, font=font, anchor="ra" if right else "la")
        made.append(np.asarray(image))
    return made


@pytest.mark.parametrize("right", (False, True))
@pytest.mark.parametrize("letters", ("abcd", "ABCDEF"))
def test_a_series_in_one_corner_is_read(trial, letters, right):
    assert trial.read_letters(panels(letters, right=right)) == list(letters.lower())


def test_what_was_not_seen_is_not_guessed(trial):
    assert trial.read_letters(panels("ab de")) == ["a", "b", None, "d", "e"]


@pytest.mark.parametrize("letters", ("    ", "ab", "dcba", "bcde", "aaaa", "ab  ", "a  d f", "   def"))
def test_less_than_a_series_is_nothing(trial, letters):
    assert set(trial.read_letters(panels(letters))) == {None}


def test_letters_beyond_the_alphabet_are_not_read(trial):
    assert set(trial.read_letters(panels("a" * 25))) == {None}


def test_the_page_says_how_many_were_wrong(trial):
    readings = {"composed": trial.Reading(right=90, wrong=1, of=200, cpu_s=0.5, figures=50)}
    page = trial.markdown(readings, {"command": "python x"})
    assert "| composed, 50 | 200 | 90 (45 %) | 1 | 5.1 % | 0 | 10.0 |" in page
