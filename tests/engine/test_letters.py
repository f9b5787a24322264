"""Panel letters come from the text of the page, as one series that stands in one way to the panels, or not at all."""

import io
from dataclasses import replace

import numpy as np
import pymupdf
import pytest
from PIL import Image

from semscan.engine.examine import Examiner
from semscan.engine.figures.findings import Finding, Place
from semscan.engine.geometry import Box
from semscan.engine.pdf.captions import Block, text_blocks
from semscan.engine.pdf.letters import FigureLetters, Letter, figure_letters
from semscan.engine.pdf.wire import Found, Task
from semscan.engine.records import ImageRecord, PanelRecord

GRID = [(100.0, 100.0, 250.0, 200.0), (260.0, 100.0, 410.0, 200.0), (100.0, 220.0, 250.0, 320.0), (260, 220, 410, 320)]
WHOLE = (90.0, 90.0, 420.0, 330.0)


def line(text: str, x: float, y: float, *, hidden: bool = False, high: float = 9.0) -> Block:
    """A block of one line whose top left corner is at (x, y)."""
    return Block((x, y, x + 5 * len(text), y + high), [(text, (x, y, x + 5 * len(text), y + high))], [hidden])


def read(blocks, panels=GRID, pictures=(WHOLE,)):
    """Letters of panels of the first picture of Fig. 1."""
    found = figure_letters(blocks, ["Fig. 1"] * len(pictures), pictures)[0]
    return list(found.of(tuple(panels))) if found else [None] * len(panels)


def placed(dx: float, dy: float, words=("a", "b", "c", "d"), **options) -> list[Block]:
    """One word for each panel of the grid, that far from its top left corner."""
    return [line(word, box[0] + dx, box[1] + dy, **options) for word, box in zip(words, GRID, strict=True)]


@pytest.mark.parametrize(("dx", "dy"), [(3, 3), (-9, -6), (-12, 2), (2, -11), (3, 87), (140, 4)])
@pytest.mark.parametrize("form", ["{}", "({})", "{})", "{}.", "[{}]"])
def test_a_letter_at_the_same_corner_of_every_panel(dx, dy, form):
    assert read(placed(dx, dy, [form.format(c) for c in "abcd"])) == ["a", "b", "c", "d"]


def test_capitals_stay_capitals():
    assert read(placed(3, 3, "ABCD")) == ["A", "B", "C", "D"]


@pytest.mark.parametrize("dy", [102, -12])
def test_letters_centred_below_or_above(dy):
    assert read(placed(68, dy, ["(a)", "(b)", "(c)", "(d)"])) == ["a", "b", "c", "d"]


def test_a_title_may_follow_a_letter_in_brackets_only():
    titles = ["(a) as received", "(b) annealed", "(c) quenched", "(d) aged"]
    assert read(placed(0, -11, titles)) == ["a", "b", "c", "d"]
    assert read(placed(0, -11, ["a sample", "b sample", "c sample", "d sample"])) == [None] * 4


def test_titles_side_by_side_may_be_one_block_and_may_go_on():
    for left, right in (("(a) as received", "(b) annealed"), ("(a) as", "(b) then")):
        lines = [(left, (140, 203, 200, 212)), (right, (300, 203, 360, 212))]
        lines += [("received", (140, 213, 200, 222))] * (left == "(a) as")
        assert read([Block((140, 203, 360, 222), lines, [False] * len(lines))], GRID[:2]) == ["a", "b"]


def test_a_caption_below_the_figure_is_no_series_of_letters():
    lines = [("(a) as received, etched and", (100, 326, 220, 335)), ("(b) annealed", (100, 336, 160, 345))]
    assert read([Block((100, 326, 220, 345), lines, [False] * 2)]) == [None] * 4


def test_each_panel_an_image_of_its_own():
    letters = figure_letters(placed(68, 102, ["(a)", "(b)", "(c)", "(d)"]), ["Fig. 1"] * 4, GRID)
    assert [found.of((box,)) for found, box in zip(letters, GRID, strict=True)] == [("a",), ("b",), ("c",), ("d",)]


def test_a_panel_without_a_letter_has_none():
    assert read(placed(3, 3)[:3]) == ["a", "b", "c", None]


def test_the_order_of_letters_is_not_assumed():
    assert read(placed(3, 3, "acbd")) == ["a", "c", "b", "d"]


def test_labels_of_axes_and_names_of_atoms_do_not_disturb():
    noise = [line("V", 90, 150), line("T", 170, 322), line("O", 300, 150), line("x", 200, 160, high=5)]
    assert read(placed(3, 3) + noise) == ["a", "b", "c", "d"]


def test_one_letter_alone_a_gap_and_a_repeated_letter_are_not_read():
    assert read(placed(3, 3)[:1]) == [None] * 4
    assert read([*placed(3, 3)[:1], *placed(3, 3)[2:]]) == [None] * 4
    assert read([*placed(3, 3), line("b", 300, 160)]) == [None] * 4
    assert read(placed(3, 3)[1:]) == [None] * 4


def test_two_series_of_the_same_length_are_not_read():
    assert read(placed(3, 3) + placed(60, 40, "ABCD")) == [None] * 4


def test_letters_halfway_between_two_rows_are_not_read():
    rows = [(100.0, 100.0, 250.0, 200.0), (100.0, 220.0, 250.0, 320.0), (100.0, 340.0, 250.0, 440.0)]
    between = [line(f"({c})", 168, y) for c, y in zip("ab", (205.5, 325.5), strict=True)]
    assert read(between, rows, [(90, 90, 260, 450)]) == [None] * 3


def test_letters_scattered_over_the_panels_are_not_read():
    spots = [(170, 150), (330, 160), (180, 260), (345, 275)]
    assert read([line(c, x, y) for c, (x, y) in zip("abcd", spots, strict=True)]) == [None] * 4


def test_a_panel_with_two_letters_has_none():
    merged = [(100.0, 100.0, 410.0, 200.0), *GRID[2:]]
    assert read(placed(3, 3), merged) == [None, "c", "d"]


def test_invisible_letters_and_those_of_captions_and_running_text_do_not_count():
    assert read(placed(3, 3, hidden=True)) == [None] * 4
    for opening in ("Fig. 1. Four panels", "of which the following ones were taken at a much later time of the day"):
        text = [(opening, (90, 340, 400, 349))]
        text += [(f"({c})", (100 + 60 * i, 331, 112 + 60 * i, 340)) for i, c in enumerate("abcd")]
        assert read([Block((90, 331, 400, 349), text, [False] * 5)]) == [None] * 4


def test_letters_of_another_figure_are_not_taken():
    below = (90.0, 500.0, 420.0, 700.0)
    found = figure_letters(placed(3, 3), ["Fig. 1", "Fig. 2"], [WHOLE, below])
    assert found[0] is not None
    assert found[1] is None


def test_without_a_figure_there_are_no_letters():
    assert figure_letters(placed(3, 3), [None], [WHOLE]) == [None]
    assert figure_letters([], [], []) == []


def test_a_page_full_of_letters_is_bounded():
    many = [line(chr(97 + i % 26), 100 + i % 300, 100 + i // 300, high=4 + i % 26) for i in range(20_000)]
    assert read(many) == [None] * 4
    letters = FigureLetters(tuple(Letter(chr(97 + i), (i, 0, i + 1, 9)) for i in range(26)), (WHOLE,))
    assert letters.of(tuple((i, 0, i + 1, 9) for i in range(5000))) == (None,) * 5000
    assert letters.of(()) == ()


def paper(rotate: int = 0, again: bool = False) -> bytes:
    """Two micrographs side by side in one image, with letters over them, and a caption; or above, if it comes twice."""
    noise = np.random.default_rng(0).integers(40, 210, (300, 620), np.uint8)
    noise[:, 300:320] = 255
    stored = io.BytesIO()
    Image.fromarray(noise).save(stored, "PNG")
    document = pymupdf.open()
    page = document.new_page(width=500, height=700)
    tops = (50, 330) if again else (50,)
    for number, top in enumerate(tops):
        page.insert_image(pymupdf.Rect(60, top, 370, top + 150), stream=stored.getvalue())
        for letter, x in zip("abcd"[2 * number :], (64, 224), strict=False):
            page.insert_text((x, top - 4 if again else top + 12), letter, fontsize=10)
    page.insert_textbox(pymupdf.Rect(60, tops[-1] + 160, 400, tops[-1] + 200), "Fig. 3. Two panels.", fontsize=8)
    page.set_rotation(rotate)
    return document.tobytes()


def examined(data: bytes, tmp_path) -> list:
    path = tmp_path / "paper.pdf"
    path.write_bytes(data)
    found: list = []
    task = Task(str(path), "application/pdf", 128, 64, 128, 10**8, 100, False, 60.0)
    Examiner().examine(task, found.append)
    return [message.record for message in found if isinstance(message, Found)]


@pytest.mark.parametrize("rotate", [0, 180])
def test_the_records_of_a_document_have_them(tmp_path, rotate):
    records = examined(paper(rotate), tmp_path)
    assert {(record.figure, record.panel) for record in records} <= {("Fig. 3", "a"), ("Fig. 3", "b"), (None, None)}
    if not rotate:
        assert [record.panel for record in records] == ["a", "b"]
        assert records[0].bbox_pt[2] < records[1].bbox_pt[0]


def test_of_very_many_panels_no_box_is_moved_to_look_for_a_letter():
    moved = []
    record = PanelRecord(panel_id="", doc_id="", status="not_assessed", index=1)
    image = ImageRecord("", (9, 9), (0, 0, 9, 9), "", "flate")
    place = Place(
        record, "embedded", None, lambda *size: None, lambda *box: moved.append(box), letters=lambda boxes: ()
    )
    finding = Finding(replace(record, image=image), among=(Box(0, 0, 9, 9),) * 5000)
    assert place.found(finding).record.panel is None
    assert len(moved) == 1


def test_an_image_that_is_drawn_again_has_the_letters_of_its_second_place(tmp_path):
    records = examined(paper(again=True), tmp_path)
    assert [record.panel for record in records] == ["a", "b", "c", "d"]
    assert [bool(record.duplicate_of) for record in records] == [False, False, True, True]


def test_the_text_of_a_page_is_cut_into_lines_that_hold_one_letter_each():
    document = pymupdf.open()
    page = document.new_page(width=500, height=700)
    for letter, x in zip("ab", (64, 224), strict=True):
        page.insert_text((x, 62), f"({letter})", fontsize=10)
    lines = [text.strip() for block in text_blocks(page) for text, _ in block.lines]
    assert lines == ["(a)", "(b)"]
