"""Figure labels: what opens a caption, and which image it belongs to."""

import pymupdf
import pytest

from semscan.engine.pdf.captions import caption_label, figure_captions, page_label, text_blocks
from semscan.engine.pdf.placements import Placement

PROSE = (
    "The samples were polished, sputtered with gold and imaged at five kilovolts in a field emission microscope. " * 3
)


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("Fig. 2. SEM micrographs of", "Fig. 2"),
        ("FIGURE 3 Microstructure of the", "Fig. 3"),
        ("Figure 4: Overview", "Fig. 4"),
        ("Figure 12 | Growth of", "Fig. 12"),
        ("Fig 5", "Fig. 5"),
        ("Figure1. Setup", "Fig. 1"),
        ("Fig.1(a) SEM image", "Fig. 1"),
        ("Figure 1a. View", "Fig. 1"),
        ("Fig. 1 a View of the tip", "Fig. 1"),
        ("Figure S4. Spectra", "Fig. S4"),
        ("Fig. A.1. Setup", "Fig. A1"),
        ("Fig. 3.12 Setup", "Fig. 3.12"),
        ("Supplementary Figure 2. Spectra", "Fig. S2"),
        ("Extended Data Fig. 3 | Spectra", "Extended Data Fig. 3"),
        ("Abb. 3: Bruchbild", "Fig. 3"),
        ("Scheme 1. Synthesis", "Scheme 1"),
        ("Fig. 7\u00a0\u2013 Overview", "Fig. 7"),
        ("\uff26\uff49\uff47. 2. Overview", "Fig. 2"),
    ],
)
def test_captions(line, label):
    assert caption_label(line)[0] == label


@pytest.mark.parametrize(
    "line",
    [
        "Figure 4 shows the surface",
        "Fig. 2a shows",
        "Fig. 2, the",
        "Fig. 2) and",
        "Figures 2 and 3",
        "Fig. 7\u20139",
        "(Fig. 3)",
        "Configuration 3",
        "Figure",
        "Figurine 3. A",
        "",
        "\x00\ufffd\ud800",
    ],
)
def test_mentions_are_no_captions(line):
    assert caption_label(line) is None


def make_page(*texts: tuple[tuple[float, float, float, float], str], rotate: int = 0) -> pymupdf.Page:
    doc = pymupdf.open()
    page = doc.new_page(width=600, height=800)
    for box, text in texts:
        assert page.insert_textbox(pymupdf.Rect(box), text, fontsize=8) >= 0
    page.set_rotation(rotate)
    return page


def figure_labels(blocks, placements):
    return [caption.label if caption else None for caption in figure_captions(blocks, placements)]


def image(x0: float, y0: float, x1: float, y1: float) -> Placement:
    return Placement(1, 9, (x0, y0, x1, y1), (x1 - x0, 0, 0, y0 - y1, x0, y1), 0)


def test_two_columns_keep_their_captions_apart():
    page = make_page(
        ((50, 300, 280, 330), "Fig. 1. Left column."),
        ((320, 300, 550, 330), "Fig. 2. Right column."),
        ((50, 600, 280, 630), "Fig. 3. Further down."),
    )
    placements = [image(50, 100, 280, 290), image(320, 100, 550, 290), image(50, 400, 280, 590)]
    assert figure_labels(text_blocks(page), placements) == ["Fig. 1", "Fig. 2", "Fig. 3"]


def test_rows_of_panels_share_the_caption_below_them():
    page = make_page(((50, 500, 550, 530), "Figure 6. " + "Four panels of one and the same sample. " * 4))
    placements = [image(x, y, x + 200, y + 180) for y in (100, 300) for x in (60, 320)]
    assert figure_labels(text_blocks(page), placements) == ["Fig. 6"] * 4


def test_running_text_in_between_keeps_an_image_from_a_caption():
    page = make_page(((50, 300, 280, 400), PROSE), ((50, 500, 280, 530), "Fig. 3. Something else."))
    assert figure_labels(text_blocks(page), [image(50, 100, 280, 290)]) == [None]


def test_a_mention_in_running_text_is_no_caption():
    page = make_page(((50, 300, 280, 420), "Figure 2 shows the surface. " + PROSE))
    assert figure_labels(text_blocks(page), [image(50, 100, 280, 290)]) == [None]


def test_below_wins_over_above_and_beside_comes_last():
    above, below = ((50, 60, 280, 90), "Fig. 1. Above."), ((50, 300, 280, 330), "Fig. 2. Below.")
    beside = ((290, 100, 400, 290), "Fig. 3. Beside it.")
    target = [image(50, 100, 280, 290)]
    assert figure_labels(text_blocks(make_page(above, below, beside)), target) == ["Fig. 2"]
    assert figure_labels(text_blocks(make_page(above)), target) == ["Fig. 1"]
    assert figure_labels(text_blocks(make_page(beside)), target) == ["Fig. 3"]


def test_a_label_on_its_own_line_inside_a_block():
    page = make_page(
        ((50, 300, 280, 360), "Retrieval of networks\nFigure 1\nRetrieval of each network in both tissues.")
    )
    assert figure_labels(text_blocks(page), [image(50, 100, 280, 290)]) == ["Fig. 1"]


def test_rotated_pages_compare_in_displayed_coordinates():
    page = make_page(((50, 300, 280, 330), "Fig. 1. Turned."), rotate=90)
    turned = pymupdf.Rect(50, 100, 280, 290) * page.rotation_matrix
    # On the displayed page the caption stands beside the image now.
    assert figure_labels(text_blocks(page), [image(*turned)]) == ["Fig. 1"]


def test_no_text_no_label():
    assert figure_labels(text_blocks(make_page()), [image(0, 0, 9, 9)]) == [None]
    assert figure_labels(text_blocks(make_page()), []) == []


@pytest.mark.parametrize(
    ("rules", "labels"),
    [
        ([], [None, None, None]),
        ([{"startpage": 0, "prefix": "", "style": "D", "firstpagenum": 1187}], ["1187", "1188", "1189"]),
        ([{"startpage": 0, "prefix": "S", "style": "r", "firstpagenum": 1}], ["Si", "Sii", "Siii"]),
    ],
)
def test_page_labels(rules, labels):
    doc = pymupdf.open()
    for _ in range(3):
        doc.new_page()
    if rules:
        doc.set_page_labels(rules)
    assert [page_label(doc, index) for index in range(3)] == labels


def test_utf16_page_labels_are_read():
    doc = pymupdf.open()
    doc.new_page()
    doc.xref_set_key(doc.pdf_catalog(), "PageLabels", "<</Nums [0 <</P <FEFF00410031>>>]>>")
    assert page_label(doc, 0) == "A1"


def test_captions_above_their_images_stand_above_all_of_them():
    texts = [((50, 60, 280, 80), "Fig. 1. First."), ((50, 300, 280, 320), "Fig. 2. Second.")]
    images = [image(50, 85, 280, 290), image(50, 325, 280, 530)]
    assert figure_labels(text_blocks(make_page(*texts)), images) == ["Fig. 1", "Fig. 2"]
    below = [((50, 295, 280, 315), "Fig. 1. First."), ((50, 540, 280, 560), "Fig. 2. Second.")]
    assert figure_labels(text_blocks(make_page(*below)), images) == ["Fig. 1", "Fig. 2"]


def test_a_caption_of_a_drawing_without_images_does_not_turn_the_others():
    page = make_page(
        ((50, 300, 280, 320), "Fig. 1. Of a drawing above it."),
        ((50, 540, 280, 560), "Fig. 2. Of the image."),
    )
    assert figure_labels(text_blocks(page), [image(50, 330, 280, 530)]) == ["Fig. 2"]


def sideways(rotate: int, page_rotation: int = 0) -> pymupdf.Page:
    """A page whose captions are turned by ``rotate`` degrees, anticlockwise."""
    doc = pymupdf.open()
    page = doc.new_page(width=600, height=800)
    # Read with the head turned, the first caption is below the first image and above the second one.
    for box, text in (((290, 60, 310, 700), "Fig. 1. First."), ((560, 60, 580, 700), "Fig. 2. Second.")):
        assert page.insert_textbox(pymupdf.Rect(box), text, fontsize=8, rotate=rotate) >= 0
    page.set_rotation(page_rotation)
    return page


def test_figures_that_lie_on_their_side():
    images = [image(60, 60, 280, 700), image(330, 60, 550, 700)]
    assert figure_labels(text_blocks(sideways(90)), images) == ["Fig. 1", "Fig. 2"]
    upside = [image(320, 60, 550, 700), image(590, 60, 599, 700)]
    assert figure_labels(text_blocks(sideways(270)), upside) == ["Fig. 1", "Fig. 2"]


def test_a_page_that_is_turned_so_that_its_text_reads_upright():
    page = sideways(90, page_rotation=90)
    assert {block.quarters for block in text_blocks(page)} == {0}
    stored = [pymupdf.Rect(60, 100, 280, 700), pymupdf.Rect(330, 100, 550, 700)]
    images = [image(*(box * page.rotation_matrix)) for box in stored]
    assert figure_labels(text_blocks(page), images) == ["Fig. 1", "Fig. 2"]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_the_way_a_page_is_turned_is_the_way_its_text_is_read(turn):
    page = make_page(((50, 300, 280, 330), "Fig. 1. Plain."), rotate=turn)
    assert [block.quarters for block in text_blocks(page)] == [turn // 90]


def test_a_page_of_captions_and_images_without_end_is_bounded():
    blocks = text_blocks(make_page(((50, 300, 280, 330), "Fig. 1. Plain."))) * 3000
    assert figure_labels(blocks, [image(50, 100, 280, 290)] * 3000) == [None] * 3000


def test_labels_are_short_whatever_a_document_says():
    assert caption_label("Fig. 1.2.3.4.5: Setup")[0] == "Fig. 1.2.3.4.5"
    assert max(len((caption_label(f"Fig. 1{'.2' * 9999}{end}") or ("",))[0]) for end in ("", ". A", ": A")) < 40
    with pymupdf.open() as doc:
        doc.new_page()
        doc.set_page_labels([{"startpage": 0, "prefix": "A" * 5000, "style": "D", "firstpagenum": 1}])
        assert page_label(doc, 0) == "A" * 40
