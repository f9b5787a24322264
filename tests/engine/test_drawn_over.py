"""What is drawn over an image covers a part of it, or hides it."""

import numpy as np
import pytest
from examining import examined, records, texture
from pdf_factory import Pdf

from semscan.engine.examine import Examiner
from semscan.engine.figures.seen import Seen
from semscan.engine.pdf import marks
from semscan.engine.pdf.drawn_over import MOST_BOXES
from semscan.engine.pdf.reader import PdfReader, PlacedImage
from semscan.engine.raster import Raster

GREY = texture(300, 400)
DRAW = "q 400 0 0 300 100 400 cm /I Do Q"
FONT = "/Font <</F <</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>"
STATES = "/ExtGState <</Half <</ca .5>>/Multiply <</BM/Multiply>>>>"


def page(content: str, extra: str = "/MediaBox [0 0 612 792]") -> Pdf:
    """A page that knows the image I, 400 x 300 px, the image J, 40 x 30 px, and the masked image K of J's size."""
    pdf = Pdf()
    image, small = pdf.flate(400, 300, GREY.tobytes()), pdf.flate(40, 30, texture(30, 40, 1).tobytes())
    mask = pdf.flate(40, 30, bytes(range(240)) * 5)
    masked = pdf.flate(40, 30, texture(30, 40, 2).tobytes(), extra=f"/SMask {mask} 0 R")
    form = pdf.form("150 450 20 10 re f")
    known = f"/XObject <</I {image} 0 R/J {small} 0 R/K {masked} 0 R/F {form} 0 R>>"
    pdf.page(content, extra=f"{extra}/Resources <<{known}{FONT}{STATES}>>")
    return pdf


def placed(content: str, **options) -> list[PlacedImage]:
    return PdfReader(page(content, **options).build(), None, 10).page_images(0)[0]


def covered(content: str, **options) -> np.ndarray:
    """Which pixels of the image I are covered, bool [300, 400]."""
    (image,) = (i for i in placed(content, **options) if i.placement.entries["Width"] == 400)
    raster = Raster(GREY, "flate", 1, 8, "")
    _, boxes, whole = Seen(image.placement.part, image.covered).of(raster)
    found = np.zeros(GREY.shape, bool)
    for box in boxes:
        found[whole.y0 + box.y0 : whole.y0 + box.y1, whole.x0 + box.x0 : whole.x0 + box.x1] = True
    return found


def box(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """The pixels of I in a box of the page in user space."""
    found = np.zeros(GREY.shape, bool)
    found[700 - y1 : 700 - y0, x0 - 100 : x1 - 100] = True
    return found


FILLED = box(150, 450, 170, 460)


@pytest.mark.parametrize(
    "paint",
    [
        "150 450 20 10 re f",
        "150 450 20 10 re F",
        "150 450 20 10 re B*",
        "150 450 20 10 re b",
        "q 2 0 0 2 0 0 cm 75 225 10 5 re f Q",
        "150 450 m 170 450 l 160 460 l f",
        "q 150 450 20 10 re W n 0 0 500 500 re f Q",
        "150 450 20 10 re W f",
        "1 0 0 rg /Half gs 150 450 20 10 re f*",
        "/F Do",
        "q 20 0 0 10 150 450 cm /J Do Q",
        "q 20 0 0 10 150 450 cm /K Do Q",
    ],
)
def test_fills_and_images(paint):
    assert np.array_equal(covered(f"{DRAW} {paint}"), FILLED)
    assert not covered(f"{paint} {DRAW}").any()


def test_two_shapes_of_one_path_are_two_boxes():
    paint = "150 450 20 10 re 300 500 5 5 re f"
    assert np.array_equal(covered(f"{DRAW} {paint}"), FILLED | box(300, 500, 305, 505))


def test_of_a_frame_only_the_lines_are_covered():
    found = covered(f"{DRAW} 150 450 200 100 re S")
    assert np.array_equal(found, box(149, 449, 351, 551) & ~box(151, 451, 349, 549))


def test_of_a_slanted_line_what_is_near_it():
    found = covered(f"{DRAW} 150 450 m 350 650 l S")
    rows, columns = np.nonzero(found)
    assert (np.abs((columns + 100) - (700 - rows) + 300) < 12).all()
    assert found[250 - np.arange(1, 200), 50 + np.arange(1, 200)].all()


def test_turned_pages_and_images():
    at = "150 450 20 10 re f"
    assert np.array_equal(covered(f"{DRAW} {at}", extra="/MediaBox [0 0 612 792]/Rotate 90"), FILLED)
    turned = "q 0 300 -400 0 500 400 cm /I Do Q"
    assert np.array_equal(covered(f"{turned} 450 400 50 30 re f"), covered_corner())


def covered_corner() -> np.ndarray:
    """The pixels of I that a box at its first corner covers, 30 of 300 points along its width, 50 of 400 down."""
    found = np.zeros(GREY.shape, bool)
    found[-38:, :40] = True  # a touched pixel counts
    return found


@pytest.mark.parametrize(
    "text", ["BT /F 20 Tf 160 460 Td (mmm) Tj ET", "q BT /F 20 Tf 160 460 Td [(m) 9 (mm)] TJ ET Q"]
)
def test_letters(text):
    found = covered(f"{DRAW} {text}")
    assert found[225:240, 62:100].all()
    assert found.sum() < 60 * 40
    assert not covered(f"{text} {DRAW}").any()
    assert not covered(f"{DRAW} {text.replace('/F 20', '3 Tr /F 20')}").any()


@pytest.mark.parametrize(
    "content", ["0 0 50 50 re f", "100 390 400 9 re f", "99.9 400 .3 300 re f", "150 450 20 10 re n"]
)
def test_what_lies_beside_covers_nothing(content):
    assert not covered(f"{DRAW} {content}").any()


@pytest.mark.parametrize(
    ("paint", "hidden"),
    [
        ("100 400 400 300 re f", True),
        ("90 390 500 500 re B", True),
        ("100 400 m 500 400 l 500 700 l 100 700 l f", True),
        ("q 400 0 0 300 100 400 cm /J Do Q", True),
        ("100 400 400 250 re f", False),
        ("100 400 400 300 re S", False),
        ("100 400 400 300 re 150 450 300 200 re f*", False),
        ("100 400 m 500 400 l 500 700 l 100 690 l f", False),
        ("/Half gs 100 400 400 300 re f", False),
        ("/Multiply gs 100 400 400 300 re f", False),
        ("q 100 400 m 500 400 l 300 700 l W n 100 400 400 300 re f Q", False),
        ("q 400 0 0 300 100 400 cm /K Do Q", False),
        ("q /Half gs 400 0 0 300 100 400 cm /J Do Q", False),
    ],
)
def test_an_image_below_an_opaque_box_is_not_seen(paint, hidden):
    widths = [image.placement.entries["Width"] for image in placed(f"{DRAW} {paint}")]
    assert (400 in widths) != hidden


@pytest.mark.parametrize("tint", ["q 400 0 0 300 100 400 cm /K Do Q", "/Multiply gs 100 400 400 200 re f"])
def test_what_an_image_is_seen_through_covers_nothing(tint):
    assert not covered(f"{DRAW} {tint}").any()
    assert covered(f"{DRAW} 100 400 400 200 re f").mean() == pytest.approx(2 / 3)


def test_many_marks_become_a_coarse_grid(monkeypatch):
    dots = " ".join(f"{100 + x} {400 + y} 1 1 re f" for x in range(5, 395, 20) for y in range(5, 195, 10))
    (image,) = placed(f"{DRAW} {dots}")
    assert len(image.covered) > MOST_BOXES
    found = covered(f"{DRAW} {dots}")
    for x in range(5, 395, 20):
        assert found[300 - 6, x]
    assert not found[:100].any()
    monkeypatch.setattr(marks, "MOST_PATHS", 10)
    assert len(placed(f"{DRAW} {dots}")[0].covered) == 10


def test_no_tile_touches_what_is_covered(tmp_path):
    (clear,) = records(tmp_path, page(DRAW))
    (drawn,) = records(tmp_path, page(f"{DRAW} 100 400 130 300 re f"))
    assert 0 < drawn.tiles < clear.tiles
    assert drawn.image.bbox_px == clear.image.bbox_px


def test_marks_make_another_finding_of_the_same_image(tmp_path):
    examiner = Examiner()
    both = page(f"{DRAW} q .5 0 0 .5 0 0 cm {DRAW} Q 50 200 65 150 re f")
    first, second = (f.record for f in examined(tmp_path, both, examiner))
    assert second.duplicate_of is None
    assert second.tiles < first.tiles
    assert len(examiner._memory) == 2
    assert [f.record.tiles for f in examined(tmp_path, page(DRAW), examiner)] == [first.tiles]


@pytest.mark.parametrize(
    ("before", "is_seen"),
    [
        ("q", False),
        (f"q 0 0 m {'1 1 l ' * 2000} W n", True),
        ("q BT 7 Tr /F 9 Tf (x) Tj ET", True),
        (f"q BT 5{300 * chr(10)}Tr /F 9 Tf (x) Tj ET", True),
        ("q BT 0 Tr /F 9 Tf (x) Tj ET", False),
    ],
)
def test_what_an_unknown_clip_cuts_hides_no_image(before, is_seen):
    assert len(placed(f"{DRAW} {before} 90 390 420 320 re f Q")) == is_seen


@pytest.mark.parametrize(("state", "is_seen"), [("/Half gs", True), ("/Multiply gs", True), ("", False)])
def test_a_form_is_as_transparent_as_it_is_drawn_whatever_it_sets_inside(state, is_seen):
    pdf = Pdf()
    image = pdf.flate(400, 300, GREY.tobytes())
    form = pdf.form("/Whole gs 90 390 420 320 re f", resources="/Resources <</ExtGState <</Whole <</ca 1>>>>>>")
    known = f"/Resources <</XObject <</I {image} 0 R/F {form} 0 R>>{STATES}>>"
    pdf.page(f"{DRAW} {state} /F Do", extra=f"/MediaBox [0 0 612 792]{known}")
    assert len(PdfReader(pdf.build(), None, 10).page_images(0)[0]) == is_seen


@pytest.mark.parametrize("turn", ["", "0 1 -1 0 600 0 cm"])
def test_what_lies_over_a_figure_lies_over_its_images_if_it_is_none(turn):
    pdf = Pdf()
    images = {name: pdf.flate(200, 300, texture(300, 200, seed).tobytes()) for seed, name in enumerate("AB")}
    drawn = "".join(f"q 200 0 0 300 {100 + 200 * i} 300 cm /{name} Do Q " for i, name in enumerate("AB"))
    pdf.page(f"{turn} {drawn} 250 400 100 60 re f", **images)
    (figure,) = PdfReader(pdf.build(), None, 10).page_images(0)[0]
    for part, left, right in zip(figure.apart(), (0.75, 0.0), (1.0, 0.25), strict=True):
        assert np.allclose(part.covered, [(left, 140 / 300, right, 200 / 300)], atol=1e-3)
