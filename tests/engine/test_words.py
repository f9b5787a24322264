"""What words make of panels: the caption by place, the running text, and a paper that nowhere speaks of SEM."""

from dataclasses import replace

import numpy as np
import pytest
from examining import TASK, texture
from papers import DOUBT, DRAW, LIKELY, SHUT, SURE, Paper, look, text

from semscan.engine.errors import Reason
from semscan.engine.examine import Examiner
from semscan.engine.figures.evidence import CAPTION_ODDS, ORDER_ODDS, SILENCE_ODDS, TEXT_ODDS, Said, Words
from semscan.engine.figures.findings import Finding, Place
from semscan.engine.figures.kind import Kind
from semscan.engine.figures.survey import SMALLEST_FIGURE_PX
from semscan.engine.geometry import Box
from semscan.engine.pdf import pages, wire
from semscan.engine.pdf.bodytext import Body, read_body
from semscan.engine.pdf.methods import Methods, methods_named
from semscan.engine.pdf.order import letters_in_order, turns_in_figures
from semscan.engine.pdf.placements import Placer
from semscan.engine.pdf.reader import PdfReader
from semscan.engine.records import ImageRecord, KindRecord, PanelRecord

PLAIN = "The samples were heated in air and then weighed again with great care by all of us. "
ENOUGH = [PLAIN * 22] * 4


def grid(rows, columns):
    return [(10.0 * x, 10.0 * y, 10.0 * x + 9, 10.0 * y + 9) for y in range(rows) for x in range(columns)]


@pytest.mark.parametrize(
    ("boxes", "count", "letters"),
    [
        (grid(2, 2), 4, "abcd"),
        (grid(3, 2), 3, "aabbcc"),
        (grid(2, 3), 3, "abcabc"),
        ([*grid(2, 1), (0, 20, 1, 29)], 2, "ab-"),
        (grid(3, 3), 3, "-" * 9),
        (grid(2, 2), 3, "----"),
        (grid(1, 1), 1, "-"),
        (grid(30, 1), 30, "-" * 30),
        ([], 3, ""),
        ([(0, 0, 9, 9), (0, 12, 9, 21), (12, 0, 21, 21)], 2, "---"),
        ([*grid(2, 3), (0, 20, 9, 29)], 3, "-" * 7),
        ([(0, 0, 9, 9), (0, 6, 9, 15), (12, 0, 21, 9)], 4, "---"),
    ],
)
def test_letters_by_place_where_they_can_be_meant_in_one_way_only(boxes, count, letters):
    assert "".join(letter or "-" for letter in letters_in_order(boxes, count)) == letters


def test_pictures_of_a_figure_are_counted_in_reading_order():
    boxes = [grid(2, 2)[at] for at in (3, 0, 2, 1)]
    assert turns_in_figures(["Fig. 1"] * 4, boxes) == ([3, 0, 2, 1], [4] * 4)
    assert turns_in_figures(["Fig. 1", None, "Fig. 2", "Fig. 1"], boxes) == ([1, 0, 0, 0], [2, 1, 1, 2])
    crooked = [(0, 0, 9, 9), (12, 6, 21, 15), (24, 0, 33, 9)]
    assert turns_in_figures(["Fig. 1"] * 3, crooked)[1] == [-1] * 3


def words(caption="", text="", **changes):
    return Words("Fig. 1", methods_named(caption), lambda: read_body([[[text]]]), **changes)


def test_the_caption_for_the_panel_or_the_whole_figure_weighs_most():
    told = words("(a) TEM, (b) FESEM micrographs")
    assert told.of("b", 0, ()) == Said(CAPTION_ODDS, "caption", ("sem",))
    said = told.of("A", 1, ())
    assert said[:3] == (1 / CAPTION_ODDS, "caption", ("tem",)) and said.why.endswith("another method: TEM")
    assert words("SEM images").of(None, 0, ()).odds == CAPTION_ODDS
    assert words("Segmentation").of(None, 0, ()).odds == 1


def test_the_caption_for_a_place_weighs_less():
    told = words("(a) TEM, (b) FESEM micrographs")
    assert told.of(None, 1, tuple(grid(1, 2))) == Said(ORDER_ODDS, "caption", ("sem",))
    assert told.of(None, 0, tuple(grid(1, 2))).odds == 1 / ORDER_ODDS
    assert told.of(None, 0, tuple(grid(1, 3))) == Said(caption=("sem", "tem"))
    assert replace(told, pictures=2, turn=1).of(None, 0, tuple(grid(1, 1))).odds == ORDER_ODDS
    for elsewhere in ({"pictures": 2}, {"pictures": -1}, {"pictures": 3, "turn": 1}):
        assert replace(told, **elsewhere).of(None, 1, tuple(grid(1, 2))).odds == 1
    assert told.of(None, 5, tuple(grid(1, 2))).odds == 1


@pytest.mark.parametrize(
    ("read", "odds"),
    [
        ([None] * 6, ORDER_ODDS),
        (["a", *[None] * 5], ORDER_ODDS),
        (["a", None, "B", None, None, None], CAPTION_ODDS),
        (["a", None, "b", None, "c", None], CAPTION_ODDS),
        (["a", "d", "b", None, "c", None], 1),
        (["b", None, None, None, None, None], 1),
    ],
)
def test_letters_that_were_read_confirm_those_by_place_or_refute_them(read, odds):
    told = words("(a) TEM, (b) light micrograph, (c) FESEM")
    assert told.of(None, 5, tuple(grid(3, 2)), read).odds == odds


@pytest.mark.parametrize(
    ("read", "label"),
    [
        ((None,) * 6, "uncertain"),
        (("a", None, None, "b", None, None), "sem"),
        (("b", None, None, "a", None, None), "uncertain"),
    ],
)
def test_letters_in_the_pixels_of_other_panels_count_for_those_without_one(read, label):
    boxes = tuple(Box(100 * x, 100 * y, 100 * x + 90, 100 * y + 90) for y in range(2) for x in range(3))
    image = ImageRecord("0" * 64, (300, 200), tuple(boxes[5]), "embedded", "png")
    record = PanelRecord("", "", "not_assessed", index=6, of=6, image=image, kind=KindRecord("uncertain", 0.5))
    settled = Finding(replace(record, status="assessed", kind=KindRecord("sem", 0.1)))
    told = words("(a) TEM, (b) FESEM")
    place = Place(record, "embedded", None, lambda w, h: None, lambda box, w, h: None, words=told)
    found = place.found(Finding(record, among=boxes, read=read, margin=0.15, if_sem=settled)).record
    assert (found.kind.label, found.panel) == (label, None)


@pytest.mark.parametrize(
    ("text", "letter", "panels", "odds"),
    [
        ("We saw it by SEM (Fig. 1).", None, 3, TEXT_ODDS),
        ("We saw it by SEM (Fig. 1).", "c", 3, TEXT_ODDS),
        ("We saw it by TEM (Fig. 1).", None, 3, 1 / TEXT_ODDS),
        ("We saw it by SEM and TEM (Fig. 1).", None, 3, 1),
        ("We saw it by SEM (Fig. 1a).", "a", 3, TEXT_ODDS),
        ("We saw it by SEM (Fig. 1a).", "b", 3, 1),
        ("We saw it by SEM (Fig. 1a).", None, 3, 1),
        ("We saw it by SEM (Fig. 1a-c).", None, 3, TEXT_ODDS),
        ("We saw it by SEM (Fig. 2).", None, 3, 1),
    ],
)
def test_a_sentence_counts_for_the_panels_that_it_means(text, letter, panels, odds):
    told = words("Powder", f"So far. {text}")
    assert {told.beyond(told.of(letter, 0, ()), letter, panels, margin).odds for margin in (0.3, 3)} == {odds}


def test_a_sentence_on_a_figure_of_several_methods_may_mean_any_of_them():
    told = words("SEM and TEM images", "So far. We saw it by SEM (Fig. 1). And by TEM (Fig. 1b).")
    assert told.beyond(told.of(None, 0, ()), None, 2, 1).odds == 1
    assert told.beyond(told.of("b", 0, ()), "b", 2, 1).odds == 1 / TEXT_ODDS


def test_a_silent_paper_speaks_against_sem_unless_a_sentence_speaks_first():
    for figures, odds in (({}, 1 / SILENCE_ODDS), ({"Fig. 1": Methods(frozenset({"tem"}), whole=True)}, 1 / TEXT_ODDS)):
        told = replace(words(), body=lambda figures=figures: Body(figures, silent=True))
        assert told.beyond(Said(), None, 1, 2).odds == odds
    assert Words(None, Methods(), lambda: Body(silent=True)).beyond(Said(), None, 1, 2).odds == 1 / SILENCE_ODDS


@pytest.mark.parametrize(
    ("caption", "label", "most"),
    [("SEM and TEM", "Fig. 1", CAPTION_ODDS), ("XRD", "Fig. 1", TEXT_ODDS), ("TEM", "Fig. 1", 1), ("", None, 1)],
)
def test_tiles_of_panels_in_doubt_are_cut_where_words_may_settle_it(caption, label, most):
    assert Words(label, methods_named(caption)).most_odds == most


@pytest.mark.parametrize(
    ("told", "letter", "margin"),
    [
        (Words("Fig. 1", Methods()), None, 0.15),  # a sentence is not worth enough
        (Words(None, Methods()), None, 0.9),  # no sentence can mean it, and silence settles no doubt
        (Words("Fig. 1", methods_named("SEM and TEM images")), None, 3),  # a sentence may mean either
        (Words("Fig. 1", methods_named("SEM and TEM images")), "a", 6),  # too plain, and the paper is not silent
    ],
)
def test_the_text_is_not_asked_where_it_cannot_matter(told, letter, margin):
    told = replace(told, body=lambda: pytest.fail("it was read"))
    said = told.of(letter, 0, ())
    assert told.beyond(said, letter, 2, margin) == said


def test_a_sentence_that_comes_later_settles_a_doubt(gate, tmp_path):
    gate(replace(DOUBT, margin=0.3))
    (found,) = look(tmp_path, Paper().page("Powder").prose("So far. We saw it by SEM (Fig. 1)."))
    assert found.record.status == "assessed" and found.tiles is not None
    assert (found.record.kind.label, found.record.kind.by, found.record.kind.text) == ("sem", "text", ("sem",))
    gate(replace(DOUBT, margin=0.15))  # a caption would do
    (found,) = look(tmp_path, Paper().page("Powder").prose("So far. We saw it by SEM (Fig. 1)."))
    assert (found.record.kind.label, found.record.kind.by, found.record.kind.text) == ("uncertain", "pixels", ())


def test_a_sentence_that_came_before_casts_doubt(gate, tmp_path):
    gate(LIKELY)
    (found,) = look(tmp_path, Paper().prose("So far. We saw it by light microscopy (Fig. 1).").page("Powder"))
    assert found.record.reason == Reason.UNCERTAIN_KIND and found.tiles is None
    assert (found.record.kind.by, found.record.kind.text) == ("text", ("light",))
    assert found.record.detail == (
        "like an SEM micrograph, but the text names another method where it refers to this figure: light microscopy"
    )


def test_a_paper_that_nowhere_speaks_of_sem_casts_doubt(gate, tmp_path):
    gate(LIKELY)
    (found,) = look(tmp_path, Paper().page("Powder").prose(*ENOUGH))
    assert found.record.detail == "like an SEM micrograph, but the paper nowhere speaks of SEM"
    assert (found.record.kind.by, found.record.kind.text) == ("text", ())
    for other in (Paper().page("Powder").prose(*ENOUGH).prose("Scanning electron microscopy"), Paper().page("Powder")):
        (found,) = look(tmp_path, other)
        assert found.record.status == "assessed"


@pytest.mark.parametrize(("kind", "caption"), [(SURE, "Powder"), (SHUT, "Powder"), (LIKELY, "SEM"), (LIKELY, "TEM")])
def test_the_text_is_not_read_where_pixels_or_caption_decide(kind, caption, gate, monkeypatch, tmp_path):
    gate(kind)
    monkeypatch.setattr(PdfReader, "body", lambda self: pytest.fail("it was read"))
    assert len(look(tmp_path, Paper().page(caption).prose("So far. Seen by TEM (Fig. 1)."))) == 1
    gate(LIKELY)
    assert len(look(tmp_path, Paper().page("Powder"), all_images=True)) == 1


def test_it_is_read_once_and_no_page_twice(gate, monkeypatch, tmp_path):
    gate(LIKELY)
    read, texts, drawings = [], [], []
    monkeypatch.setattr(pages, "read_body", lambda *a, **k: (read.append(a), read_body(*a, **k))[1])
    blocks, page = pages.text_blocks, Placer.page
    monkeypatch.setattr(pages, "text_blocks", lambda page: (texts.append(page.number), blocks(page))[1])
    monkeypatch.setattr(Placer, "page", lambda self, index: (drawings.append(index), page(self, index))[1])
    paper = Paper().prose("Text.")
    other = paper.pdf.flate(320, 240, texture(240, 320, 1).tobytes())
    paper.page("Powder").prose("Text.").page("Powder", content=DRAW.replace("/I ", "/J "), J=other).prose("Text.")
    found = look(tmp_path, paper)
    assert len(found) == 2 and len(read) == 1
    assert sorted(texts) == sorted(drawings) == [0, 1, 2, 3, 4]
    for name in ("MOST_CHARACTERS", "_MOST_KEPT"):  # what is not kept is read again, with the same result
        monkeypatch.setattr(pages, name, 0)
    assert [one.record for one in look(tmp_path, paper)] == [one.record for one in found]
    assert len(texts) == len(drawings) == 5 + 7


def test_pages_that_are_traps_are_not_read(gate, monkeypatch, tmp_path):
    gate(LIKELY)
    monkeypatch.setattr(pages, "_MOST_CONTENT_BYTES", 2000)
    paper = Paper().page("Powder").prose("So far. We saw it by TEM (Fig. 1). " + "x " * 1000)
    assert look(tmp_path, paper)[0].record.status == "assessed"
    monkeypatch.setattr(pages, "_MOST_CONTENT_BYTES", 4000)
    assert look(tmp_path, paper)[0].record.status == "not_assessed"
    monkeypatch.setattr(pages, "MOST_PAGES", 1)
    assert look(tmp_path, paper)[0].record.status == "assessed"


def test_a_page_that_is_a_trap_does_not_count_though_it_was_read_for_its_captions(gate, monkeypatch, tmp_path):
    gate(LIKELY)
    paper = Paper().page("Powder", content=DRAW + " " + text(60, 740, "So far. We saw it by TEM (Fig. 1)."))
    assert look(tmp_path, paper)[0].record.kind.text == ("tem",)
    monkeypatch.setattr(pages, "_MOST_CONTENT_BYTES", 50)
    assert look(tmp_path, paper)[0].record.kind.text == ()


def test_the_content_of_forms_counts_as_often_as_they_are_drawn(gate, monkeypatch, tmp_path):
    gate(LIKELY)
    monkeypatch.setattr(pages, "_MOST_CONTENT_BYTES", 2000)
    for times, status in ((1, "not_assessed"), (9, "assessed")):
        paper = Paper().page("Powder")
        said = text(60, 700, "So far. We saw it by TEM (Fig. 1)." + " x" * 100)
        entries = f"/Type/XObject/Subtype/Form/BBox [0 0 612 792]/Resources<</Font<</F {paper.font} 0 R>>>>"
        form = paper.pdf.stream(entries, said.encode())
        paper.pdf.page("/X Do " * times, X=form)
        assert look(tmp_path, paper)[0].record.status == status


def test_a_damaged_page_hides_no_other(gate, tmp_path):
    gate(LIKELY)
    paper = Paper().page("Powder")
    paper.pdf.pages.append(paper.pdf.add("(no page)"))
    paper.prose("So far. We saw it by TEM (Fig. 1).")
    assert look(tmp_path, paper)[0].record.kind.text == ("tem",)


def test_what_an_earlier_document_said_does_not_count(gate, tmp_path):
    gate(LIKELY)
    examiner, file, messages = Examiner(), tmp_path / "document", []
    for prose in ("Text.", "So far. We saw it by TEM (Fig. 1).", "Text."):
        file.write_bytes(Paper().page("Powder").prose(prose).pdf.build())
        examiner.examine(replace(TASK, file=str(file), all_images=False), messages.append)
    found = [message.record.status for message in messages if isinstance(message, wire.Found)]
    assert found == ["assessed", "not_assessed", "assessed"]


def test_an_image_that_the_text_casts_doubt_on_is_assessed_under_another_caption(gate, tmp_path):
    gate(LIKELY)
    paper = Paper().prose("So far. We saw it by TEM (Fig. 1).").page("Powder").page("Powder").page("SEM image")
    found = look(tmp_path, paper)
    assert [one.record.reason for one in found] == [Reason.UNCERTAIN_KIND, Reason.DUPLICATE_OF, None]


def test_panels_in_the_order_of_the_letters_of_a_caption(gate, tmp_path):
    gate(replace(DOUBT, margin=0.3))
    pixels = np.full((240, 340), 255, np.uint8)
    pixels[:, :160], pixels[:, 180:] = texture(240, 160), texture(240, 160, 1)
    paper = Paper()
    image = paper.pdf.flate(340, 240, pixels.tobytes())
    paper.page("(a) TEM, (b) FESEM micrographs", (), "q 340 0 0 240 100 400 cm /J Do Q", J=image)
    first, second = look(tmp_path, paper)
    assert (first.record.status, first.record.kind.caption, first.record.panel) == ("not_assessed", ("tem",), None)
    assert (second.record.status, second.record.kind.caption, second.record.panel) == ("assessed", ("sem",), None)


def test_of_small_panels_the_pixels_alone_do_not_say_that_they_are_sem(gate, tmp_path):
    gate(Kind("sem", 0.99, 0.99))
    for caption, label in ((None, "uncertain"), ("SEM image", "sem"), ("TEM image", "uncertain")):
        paper = Paper()
        side = 100
        assert side > SMALLEST_FIGURE_PX
        paper.page(caption, I=paper.pdf.flate(side, side, texture(side, side).tobytes()))
        (found,) = look(tmp_path, paper)
        assert found.record.kind.label == label and found.record.reason == Reason.TOO_SMALL
        assert found.record.detail == "short side 100 px < 128 px"
