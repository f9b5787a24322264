"""Letters read from pixels: which shapes are looked at, and which readings are believed."""

from __future__ import annotations

import string

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from semscan.engine.figures.corners import GLYPH_PX, Corner, Shapes, find_shapes
from semscan.engine.figures.series import CLASSES, MOST_PANELS, read_series
from semscan.engine.geometry import Box

ROW = [Box(300 * i, 0, 300 * i + 290, 280) for i in range(6)]
GRID = [Box(300 * (i % 3), 300 * (i // 3), 300 * (i % 3) + 290, 300 * (i // 3) + 290) for i in range(6)]


def readings(*found_in, panels=ROW, above=0):
    """Shapes and what is said of them, from a list of ``(letter, p)`` for each panel; the rest of p is no letter."""
    owners = [index for index, found in enumerate(found_in) for _ in found]
    said = np.zeros((len(owners), CLASSES), np.float32)
    for row, (letter, p) in enumerate(one for found in found_in for one in found):
        said[row, string.ascii_letters.index(letter)] = p
        said[row, -1] = 1 - p
    count = len(owners)
    nothing = np.zeros((count, GLYPH_PX, GLYPH_PX), np.uint8)
    boxes = np.array([(box.x0 + 5, box.y0 + 5 - above, box.x0 + 25, box.y0 + 25 - above) for box in panels], np.float64)
    return Shapes(np.array(owners), boxes[owners], np.zeros(count, np.bool_), nothing), said


def read(text, panels=ROW, p=0.99, above=0):
    """What comes of one reading for each panel, inside it or above it; a space stands for none."""
    found_in = [[(letter, p)] if letter != " " else [] for letter in text]
    shapes, said = readings(*found_in, panels=panels, above=above)
    found = read_series(panels[: len(text)], shapes, said)
    return "".join(letter or " " for letter in found.letters)


@pytest.mark.parametrize("text", ("abcdef", "ABCDEF", "abc", "ab def", "ab", "cdefgh", "a b c "))
def test_a_series_is_read(text):
    assert read(text) == text


@pytest.mark.parametrize("text", ("a", "      ", "c", "ac", "ba", "a  d  ", "   de", "fedcba", "kkkkkk", "a e b "))
def test_less_than_a_series_is_nothing(text):
    assert read(text).strip() == ""


def test_what_breaks_the_series_has_no_letter():
    assert read("abqdef") == "ab def"


def test_a_letter_that_many_panels_bear_is_a_word():
    assert read("ssssab").strip() == ""


def test_letters_by_columns_are_read():
    assert read("acebdf", GRID).strip() == "acebdf"  # two rows of three


def test_letters_by_rows_are_read_where_panels_are_listed_otherwise():
    order = [0, 1, 4, 2, 5, 3]  # as beside a panel that is as high as all rows
    panels = [GRID[i] for i in order]
    assert read("".join("abcdef"[i] for i in order), panels) == "abecfd"


@pytest.mark.parametrize("p, letter", ((0.4, "c"), (0.2, None)))
def test_a_doubtful_letter_needs_sure_neighbours(p, letter):
    sure = [[(one, 0.97)] for one in "abde"]
    shapes, said = readings(*sure[:2], [("c", p)], *sure[2:])
    assert read_series(ROW[:5], shapes, said).letters == ("a", "b", letter, "d", "e")


def test_a_doubtful_letter_is_nothing_beside_a_plain_one_of_the_same_panel():
    shapes, said = readings([("a", 1)], [("b", 1)], [("c", 0.4), ("x", 0.99)], [("d", 1)], [("e", 1)], [("f", 1)])
    assert read_series(ROW, shapes, said).letters == ("a", "b", None, "d", "e", "f")


def test_two_panels_need_to_be_sure():
    assert read("ab", p=0.9).strip() == "" and read("ab", p=0.95) == "ab"


def test_letters_between_rows_are_those_of_the_row_where_the_series_begins():
    """Above the second row they are its own; they are not those of a first row whose own letters were not seen."""
    assert read("   def", GRID, above=30) == "   def" and read("defghi"[:6], GRID, above=30).strip() == ""
    assert read("   abc", GRID, above=30).strip() == "" and read("   abc", GRID) == "   abc"


def test_a_large_panel_whose_next_letter_is_missing_may_hold_two():
    wide = [Box(0, 0, 200, 200), Box(210, 0, 610, 200), *(Box(x, 0, x + 200, 200) for x in (620, 830, 1040))]
    assert read("abdef", wide) == "a def"
    assert read("abcde", wide) == "abcde" and read("abdef") == "abdef"


def test_case_is_that_of_the_series():
    """C and c are alike, so one of them may be said either way."""
    assert read("ABcDEF") == "ABCDEF"


def test_too_many_panels_are_left_alone():
    many = [Box(10 * i, 0, 10 * i + 9, 9) for i in range(MOST_PANELS + 1)]
    shapes, said = readings(*[[(letter, 1)] for letter in "abcdef"], *[[]] * (MOST_PANELS - 5), panels=many)
    assert read_series(many[:-1], shapes, said).count == 6
    assert read_series(many, shapes, said).count == 0


def lettered(box, place, letter="R", size=(500, 460), ink=255):
    """Middle grey noise with one panel in white paper, and a letter whose ink begins at a place."""
    sheet = np.full(size, 255, np.uint8)
    noise = np.random.default_rng(1).normal(120, 9, (box.height, box.width))
    sheet[box.y0 : box.y1, box.x0 : box.x1] = np.clip(noise, 90, 125)
    image = Image.fromarray(sheet)
    font = ImageFont.load_default(30)
    own = font.getbbox(letter)
    ImageDraw.Draw(image).text((place[0] - own[0], place[1] - own[1]), letter, fill=ink, font=font)
    return np.asarray(image), (place[0], place[1], place[0] + own[2] - own[0], place[1] + own[3] - own[1])


@pytest.mark.parametrize(
    "corner, place, ink",
    (
        (Corner.TOP_LEFT, (66, 66), 255),
        (Corner.TOP_LEFT, (62, 20), 0),
        (Corner.TOP_LEFT, (28, 70), 0),
        (Corner.TOP_RIGHT, (370, 66), 255),
        (Corner.BOTTOM_LEFT, (70, 365), 0),
        (Corner.BELOW, (220, 415), 0),
    ),
)
def test_a_letter_is_among_the_shapes_of_its_corner(corner, place, ink):
    panel = Box(60, 60, 400, 400)
    grey, (x0, y0, x1, y1) = lettered(panel, place, ink=ink)
    (shapes,) = find_shapes(grey, [panel], (corner,))
    off = np.abs(shapes.boxes - (x0, y0, x1, y1)).max(axis=1)
    at = int(off.argmin())
    assert off[at] <= 4 and shapes.dark[at] == (ink == 0) and shapes.panel[at] == 0
    glyph = shapes.glyphs[at].astype(int)
    stem, hole = glyph[8:16, 7:10].max(), glyph[7:10, 10:14].min()  # R is light on dark, whatever it was
    assert stem > 220 and hole < stem - 60
    others = [other for other in Corner if other is not corner]
    for other in others:
        rest = find_shapes(grey, [panel], (other,))[0].boxes
        assert not len(rest) or np.abs(rest - (x0, y0, x1, y1)).max(axis=1).min() > 4


def test_no_shape_is_sought_in_another_panel():
    left, right = Box(0, 0, 200, 300), Box(206, 0, 420, 300)
    grey, ink = lettered(left, (176, 10), size=(300, 420))
    grey = grey.copy()
    grey[:, 206:] = 120
    (shapes,) = find_shapes(grey, [left, right], (Corner.TOP_LEFT,))
    assert not (shapes.panel == 1).any()
    (shapes,) = find_shapes(grey, [left, right], (Corner.TOP_RIGHT,))
    assert (np.abs(shapes.boxes[shapes.panel == 0] - ink).max(axis=1) <= 4).any()


@pytest.mark.parametrize("size", ((1, 1), (9, 400), (40, 41)))
def test_tiny_panels_and_noise_do_no_harm(size):
    grey = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    whole = Box(0, 0, size[1], size[0])
    for shapes in find_shapes(grey, [whole, whole], tuple(Corner)):
        assert shapes.glyphs.shape[1:] == (GLYPH_PX, GLYPH_PX)


def test_corners_and_panels_looked_at_together_or_apart_are_the_same():
    grey, _ = lettered(Box(60, 60, 400, 400), (66, 66))
    boxes = [Box(60, 60, 225, 400), Box(225, 60, 400, 400)]
    together = find_shapes(grey, boxes, tuple(Corner))
    for corner, shapes in zip(Corner, together, strict=True):
        parts = [find_shapes(grey, boxes, (corner,), (index,))[0] for index in (0, 1)]
        both = parts[0].with_others(parts[1])
        assert [set(part.panel.tolist()) - {index} for index, part in enumerate(parts)] == [set(), set()]
        order, other = (np.lexsort((*one.boxes.T, one.dark, one.panel)) for one in (shapes, both))
        assert (shapes.boxes[order] == both.boxes[other]).all() and (shapes.glyphs[order] == both.glyphs[other]).all()
    assert sum(map(len, together)) > 0
