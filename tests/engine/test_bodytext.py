"""What running text says of figures: which sentences count, for which panels, how much of a hostile text is read."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semscan.engine.pdf import bodytext
from semscan.engine.pdf.bodytext import FEWEST_CHARACTERS, MOST_CHARACTERS, Body, read_body

PLAIN = "The samples were heated in air and then weighed again with great care by all of us. "
LONG = [[PLAIN * 80]]


def read(*blocks):
    return read_body([[[block] for block in blocks]])


def said(text):
    """What is said of each figure, and of its panels by letter."""
    return {
        label: " ".join(
            [*sorted(named.all), *(f"{a}:{'+'.join(sorted(own))}" for a, own in sorted(named.letters.items()))]
        )
        for label, named in read(text).figures.items()
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pores are seen in the SEM images (Fig. 4).", {"Fig. 4": "sem"}),
        ("Pores are seen (Figure 4; SEM).", {"Fig. 4": "sem"}),
        ("Later Fig. 3 shows optical micrographs.", {"Fig. 3": "light"}),
        ("As Figs. 2 and 3 show, TEM agrees.", {"Fig. 2": "tem", "Fig. 3": "tem"}),
        ("SEM images are in Figs. 3\u20135.", {"Fig. 3": "sem", "Fig. 4": "sem", "Fig. 5": "sem"}),
        ("In Abbildungen 2 und 3 Rasterelektronenmikroskopie.", {"Fig. 2": "sem", "Fig. 3": "sem"}),
        ("See the AFM images in Supplementary Fig. 2.", {"Fig. S2": "probe"}),
        ("See the AFM images in Fig. S2.", {"Fig. S2": "probe"}),
        ("See the AFM images in fig. S2.", {"Fig. S2": "probe"}),
        ("The SEM images of FIGS. 2 and 3 agree.", {"Fig. 2": "sem", "Fig. 3": "sem"}),
        ("SEM images config. 2 agree.", {}),
        ("See the AFM images in Extended Data Fig. 2.", {"Extended Data Fig. 2": "probe"}),
        ("Images by SEM (Fig. 2a,b) show pores.", {"Fig. 2": "sem a:sem b:sem"}),
        ("Images by SEM (Fig. 2a\u2013c) show pores.", {"Fig. 2": "sem a:sem b:sem c:sem"}),
        ("Images by SEM (Fig. 2 (a) and (b)) show pores.", {"Fig. 2": "sem a:sem b:sem"}),
        ("Images by SEM (Figs. 2a and 3b) show pores.", {"Fig. 2": "sem a:sem", "Fig. 3": "sem b:sem"}),
        ("Images by SEM (Fig. 2a and 3b) show pores.", {"Fig. 2": "sem a:sem", "Fig. 3": "sem b:sem"}),
        ("The SEM images (Fig. 1a) and the TEM images (Fig. 1b) agree.", {"Fig. 1": "sem tem a:sem b:tem"}),
        ("The SEM images in Fig. 1a and the TEM images in Fig. 1b agree.", {"Fig. 1": "sem tem a:sem b:tem"}),
        ("The SEM images by Li et al. (Fig. 3) show it.", {"Fig. 3": "sem"}),
    ],
)
def test_a_sentence_names_the_method_of_the_figure_that_it_refers_to(text, expected):
    assert said(f"We begin. {text} We end.") == expected


@pytest.mark.parametrize(
    "text",
    [
        "The strength rises (Fig. 3). SEM was used afterwards.",
        "SEM was used before. The strength rises (Fig. 3).",
        "SEM was used before. Figure 3 shows the strength.",
        "The microscope (SEM). Fig. 3 shows the strength.",
        "Fig. 3 shows the strength. SEM was used afterwards.",
        "The strength rises (Fig. 3) in all SEM samples.",
        "We used SEM.",
        "Figure of merit 3 by SEM.",
        "Configuration 3 by SEM.",
        "Mean and SEM (n = 3) in Fig. 3",
    ],
)
def test_other_sentences_do_not(text):
    assert said(f"We begin. {text} We end.") == {}


def test_numbers_and_words_after_a_reference_are_no_figures_and_letters():
    assert said("By SEM we saw in Fig. 3, 5 large pores.") == {"Fig. 3": "sem"}
    assert said("By SEM we saw in Fig. 3a, 2 mm below, pores.") == {"Fig. 3": "sem a:sem"}
    assert said("By SEM we saw in Fig. 3b, a large pore.") == {"Fig. 3": "sem b:sem"}


def test_captions_are_no_sentences():
    assert read("Figure 2. SEM image of the area that Fig. 1 shows by light microscopy.").figures == {}


def test_lines_are_read_on_across_their_ends():
    body = read_body([[["The scanning elec-", "tron micrographs in Fig.", "3 show pores."]]])
    assert body.figures["Fig. 3"].all == {"sem"} and body.figures["Fig. 3"].whole


def test_a_long_text_without_a_word_of_sem_is_silent():
    assert read_body([LONG]).silent
    assert read_body([LONG, [["It was seen by light microscopy (Fig. 1)."]]]).silent


@pytest.mark.parametrize(
    "words",
    [
        "SEM", "FESEM", "the Scanning Electron microscope", "electron micrographs", "EDX", "EBSD", "FIB",
        "backscattered", "microscopia elettronica a scansione", "Rasterelektronenmikroskop",
    ],
)  # fmt: skip
def test_any_word_that_goes_with_sem_breaks_the_silence(words):
    assert not read_body([LONG, [[f"Used: {words}."]]]).silent
    assert not read_body([LONG, [[f"Figure 1. Used: {words}."]]]).silent


def test_what_was_not_read_whole_is_not_silent():
    assert not read_body([LONG], whole=False).silent
    assert not read_body([LONG, None]).silent
    assert not read_body([[[PLAIN * 10]]]).silent
    assert not read_body([[["\u041e\u0431\u0440\u0430\u0437\u0446\u044b \u0431\u044b\u043b\u0438. " * 500]]]).silent
    assert len(PLAIN) * 10 < FEWEST_CHARACTERS < len(PLAIN) * 80
    assert read_body([]) == Body()


def test_only_so_many_characters_are_read():
    body = read_body([[["a" * 500] for _ in range(MOST_CHARACTERS // 500 + 5)], [["SEM images (Fig. 1)."]]])
    assert body == Body()


@pytest.mark.parametrize(
    "text",
    [
        "Fig. 1" * 60_000,
        "Fig. " + "1," * 150_000,
        "Figs. " + "1a, " * 90_000,
        "Figs. 1" + "-9" * 150_000,
        "Fig. 1 " + "(a) and " * 50_000,
        "Fig. 1" + "a,b" * 100_000,
        "SEM ((((" * 40_000 + "Fig. 1",
        "(" * 300_000 + "Fig. 1 SEM",
        ". A" * 100_000 + " Fig. 1 SEM",
        "Supplementary " * 20_000 + "Fig. 1 SEM",
        "electron " * 40_000 + "Fig. 1",
        "reconstructed reconstructed " * 12_000 + "Fig. 2",
    ],
)
def test_texts_made_to_take_long_do_not(text):
    start = time.process_time()
    read(text)
    assert time.process_time() - start < 5


@given(st.text(alphabet="Figs. 123abSEMT(),-\u2013and\n", max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_read(text):
    body = read(text)
    assert all(label and named.all for label, named in body.figures.items())


def test_references_are_bounded(monkeypatch):
    monkeypatch.setattr(bodytext, "_MOST_REFERENCES", 2)
    assert set(said("By SEM (Fig. 1). By SEM (Fig. 2). By SEM (Fig. 3).")) == {"Fig. 1", "Fig. 2"}
