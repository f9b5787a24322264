"""The words about scores, panels and sources; nothing here calls an image anything."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscan.cli import wording
from semscan.cli.terminal import printable
from semscan.engine.errors import Reason

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("tail", "interval", "sources", "words"),
    [
        (0.0042, (0.002, 0.0077), 310, "1 in 240 score this high (130-500)"),
        (0.6, (0.45, 0.74), 310, "1 in 1.7 score this high (1.4-2.2)"),
        (0.021277, (0.000272, 0.058), 93, "1 in 47 score this high (17 or more)"),
        (0.0204, (0.0, 0.055), 93, "1 in 49 score this high (18 or more)"),
        (0.010638, (0.0, 0.038888), 93, "fewer than 1 in 25 score this high (0 of 93 sources)"),
        (0.00041, (0.0002, 0.00076), 24318, "1 in 2,400 score this high (1,300-5,000)"),
    ],
)
def test_rarity(sample, tail, interval, sources, words):
    reference = replace(sample.look.reference, sources=sources)
    panel = replace(sample.look, tail=tail, tail_ci95=interval, reference=reference)
    assert wording.rarity(panel) == words


def test_rarity_of_an_unscored_panel(sample):
    assert wording.rarity(sample.small) == "-"


@pytest.mark.parametrize(
    ("changes", "where", "place"),
    [
        ({}, ("4", "Fig. 2", "b"), "Fig. 2 b"),
        ({"panel": None}, ("4", "Fig. 2", "2/6"), "Fig. 2 (panel 2 of 6)"),
        ({"panel": None, "figure": None}, ("4", "-", "2/6"), "the image on page 4 (panel 2 of 6)"),
        ({"panel": None, "figure": None, "of": 1, "index": 1}, ("4", "-", "1/1"), "the image on page 4"),
        ({"panel": None, "figure": None, "of": None, "page": None}, ("-", "-", "-"), "the image"),
    ],
)
def test_where_a_panel_is(sample, changes, where, place):
    panel = replace(sample.look, **changes)
    assert wording.where(panel) == where
    assert wording.places([panel]) == [place]


def test_panels_of_one_figure_are_named_together(sample):
    letters = [replace(sample.look, panel=letter) for letter in "bd"]
    numbers = [replace(sample.look, panel=None, figure="Fig. 3", index=index) for index in (2, 4)]
    expected = ["Fig. 2 b, d", "Fig. 3 (panels 2, 4 of 6)"]
    assert wording.places([letters[0], numbers[0], letters[1], numbers[1]]) == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "JPEG q~80, 300 ppi"),
        ({"ppi": None}, "JPEG q~80"),
        ({"jpeg_q": None}, "JPEG, 300 ppi"),
        ({"encoding": "flate", "jpeg_q": None}, "Flate, 300 ppi"),
        ({"encoding": "png", "jpeg_q": None, "ppi": None}, "PNG"),
        ({"encoding": "jpx", "jpeg_q": None, "ppi": None}, "JPEG 2000"),
    ],
)
def test_source(sample, changes, words):
    assert wording.source(replace(sample.image, **changes)) == words


def test_every_reason_has_words():
    assert set(wording._REASONS) == set(Reason)
    assert wording.reason_words("too_small") == "too small"
    assert wording.reason_words("from_a_later_version") == "from_a_later_version"


def test_kinds_are_counted_most_frequent_first():
    assert (
        wording.kinds({"photograph": 1, "graphic": 9, "tem": 4, "new": 2})
        == "16 (graphics 9, TEM 4, new 2, photograph 1)"
    )
    assert wording.kinds({}) == wording.kinds(None) == "0"


@pytest.mark.parametrize(("sources", "rate"), [(59, 0.0495), (93, 0.0317), (299, 0.00997)])
def test_smallest_rate_is_the_rule_of_three_done_exactly(sources, rate):
    assert wording.smallest_rate(sources) == pytest.approx(rate, rel=2e-3)


@given(st.text())
def test_printable_leaves_nothing_that_controls(text):
    shown = printable(text)
    assert len(shown) == len(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_the_words_never_used_about_an_image_are_absent():
    banned = re.compile(r"\b(fake|authentic|clean|probability of AI|forged|suspicious|real image)\b", re.IGNORECASE)
    texts = [path.read_text("utf-8") for path in (ROOT / "cli").glob("*.py")]
    texts += [(ROOT / "docs" / name).read_text("utf-8") for name in ("cli.md", "errors.md")]
    assert len(texts) > 15
    found = [match for text in texts for match in banned.findall(text)]
    assert found == []
