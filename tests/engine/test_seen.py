"""What is seen of an image: clips, layers, transparency, and the streams that draw images beside the page's own."""

import numpy as np
import pytest
from examining import records, texture
from hypothesis import given, settings
from hypothesis import strategies as st
from pdf_factory import Pdf, encode
from PIL import Image
from placing import page_placements

from semscan.engine.figures.seen import Seen
from semscan.engine.geometry import Box
from semscan.engine.imagefile import decode_image_file
from semscan.engine.pdf.reader import PdfReader
from semscan.engine.raster import Raster

MEDIA = "/MediaBox [0 0 612 792]"
GREY = texture(300, 400)
DRAW = "q 400 0 0 300 100 400 cm /I Do Q"


def page(content: str, resources: str = "", extra: str = MEDIA, catalogue: str = "", **objects: str) -> Pdf:
    """A page that knows the image I, 400 x 300 px, and further objects by name, of any kind."""
    pdf = Pdf()
    names = {name: pdf.add(body) for name, body in objects.items()}
    image = pdf.flate(400, 300, GREY.tobytes())
    known = resources.format(I=image, **names)
    pdf.page(content, extra=f"{extra.format(I=image, **names)}/Resources <</XObject <</I {image} 0 R>>{known}>>")
    pdf.catalogue_entries = catalogue.format(I=image, **names)
    return pdf


def seen(pdf: Pdf) -> list[tuple[Box | None, tuple[float, ...]]]:
    """For each image on the first page which of its pixels are seen, and its box in points."""
    with pdf.open() as doc:
        found = page_placements(doc, 0)
    edges = [p.part and (p.part[0] * 400, p.part[1] * 300, p.part[2] * 400, p.part[3] * 300) for p in found]
    boxes = [part and Box(*(round(edge) for edge in part)) for part in edges]
    return list(zip(boxes, [tuple(round(v, 1) for v in p.bbox_pt) for p in found], strict=True))


WHOLE = [(None, (100.0, 92.0, 500.0, 392.0))]


@pytest.mark.parametrize(
    ("clip", "found"),
    [
        ("0 0 612 792 re W n", WHOLE),
        ("100 400 400 300 re W n", WHOLE),
        ("100.02 399.98 400 300 re W* n", WHOLE),
        ("150 450 100 200 re W n", [(Box(50, 50, 150, 250), (150.0, 142.0, 250.0, 342.0))]),
        ("150 650 100 -200 re W n", [(Box(50, 50, 150, 250), (150.0, 142.0, 250.0, 342.0))]),
        ("150 450 m 250 450 l 250 650 l 150 650 l h W n", [(Box(50, 50, 150, 250), (150.0, 142.0, 250.0, 342.0))]),
        ("150 450 m 200 650 250 500 250 450 c h W n", [(Box(50, 50, 150, 250), (150.0, 142.0, 250.0, 342.0))]),
        ("0 0 200 792 re W n 180 0 400 600 re W n", [(Box(80, 100, 100, 300), (180.0, 192.0, 200.0, 392.0))]),
        ("0 0 50 50 re W n", []),
        ("0 0 50 50 re W n q 100 400 400 300 re W n Q", []),
        ("q 0 0 50 50 re W n Q", WHOLE),
        ("(0 0 50 50 re W n) Tj", WHOLE),
        ("0 0 50 50 re n", WHOLE),
        ("W n", WHOLE),
        ("0 0 9 9 re f 150 450 100 200 re W n", [(Box(50, 50, 150, 250), (150.0, 142.0, 250.0, 342.0))]),
        ("0 0 50 x re W n", WHOLE),
        ("0 0 m " + "700 700 l " * 2000 + "W n", WHOLE),
    ],
)
def test_clips(clip, found):
    assert seen(page(f"{clip} {DRAW}")) == found


def test_a_turned_clip_around_a_turned_image_is_exact():
    turn = ".8 .6 -.6 .8 300 100 cm"
    assert seen(page(f"{turn} 0 0 400 300 re W n 400 0 0 300 0 0 cm /I Do"))[0][0] is None
    ((box, _),) = seen(page(f"{turn} 40 60 100 200 re W n 400 0 0 300 0 0 cm /I Do"))
    assert box == (40, 40, 140, 240)


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_what_lies_beside_the_crop_box_is_not_seen(rotate):
    extra = f"{MEDIA}/CropBox [200 0 612 792]/Rotate {rotate}"
    ((box, bbox),) = seen(page(DRAW, extra=extra))
    assert box == (100, 0, 400, 300)
    assert sorted((bbox[2] - bbox[0], bbox[3] - bbox[1])) == [300, 300]
    assert seen(page(DRAW, extra=f"{MEDIA}/CropBox [0 0 99 792]")) == []


def test_a_form_is_clipped_to_its_box():
    pdf = Pdf()
    image = pdf.flate(400, 300, GREY.tobytes())
    entries = f"/Type/XObject/Subtype/Form/BBox [0 0 200 300]/Resources <</XObject <</I {image} 0 R>>>>"
    form = pdf.stream(entries, b"400 0 0 300 0 0 cm /I Do")
    pdf.page("1 0 0 1 100 400 cm /F Do", F=form)
    assert seen(pdf) == [(Box(0, 0, 200, 300), (100.0, 92.0, 300.0, 392.0))]


@pytest.mark.parametrize(("state", "found"), [("/ca 0", []), ("/ca .4", WHOLE), ("/CA 0", WHOLE), ("/ca /x", WHOLE)])
def test_opacity_of_the_graphics_state(state, found):
    assert seen(page(f"/G gs {DRAW}", f"/ExtGState <</G <<{state}>>>>")) == found
    assert seen(page(f"q /G gs Q {DRAW}", f"/ExtGState <</G <<{state}>>>>")) == WHOLE


GROUP = "<</Type/XObject/Subtype/Form/BBox [100 400 300 700]/Length 0>>\nstream\n\nendstream"


@pytest.mark.parametrize(("mask", "whole"), [("", False), ("/BC [1]", True), ("/TR /Identity", True)])
def test_beside_the_group_of_a_soft_mask_nothing_is_seen(mask, whole):
    resources = f"/ExtGState <</G <</SMask <</S/Luminosity{mask}/G {{G}} 0 R>>>>/N <</SMask/None>>>>"
    part = WHOLE if whole else [(Box(0, 0, 200, 300), (100.0, 92.0, 300.0, 392.0))]
    assert seen(page(f"/G gs {DRAW}", resources, G=GROUP)) == part
    assert seen(page(f"/G gs /N gs {DRAW}", resources, G=GROUP)) == WHOLE


LAYERS = "/OCProperties <</OCGs [{A} 0 R {B} 0 R]/D <<{D}>>>>"
MEMBERS = {
    "M1": "<</Type/OCMD/OCGs [{A} 0 R {B} 0 R]>>",
    "M2": "<</Type/OCMD/OCGs [{A} 0 R {B} 0 R]/P/AllOn>>",
    "M3": "<</Type/OCMD/OCGs {A} 0 R/P/AllOff>>",
    "M4": "<</Type/OCMD/VE [/Not [/And {A} 0 R {B} 0 R]]>>",
}


@pytest.mark.parametrize("as_entry", [False, True])
@pytest.mark.parametrize(
    ("default", "member", "shown"),
    [
        ("", "A", True),
        ("/OFF [{A} 0 R]", "A", False),
        ("/OFF [{A} 0 R]", "B", True),
        ("/BaseState/OFF/ON [{A} 0 R]", "A", True),
        ("/BaseState/OFF/ON [{A} 0 R]", "B", False),
        ("/OFF [{A} 0 R]", "M1", True),
        ("/OFF [{A} 0 R]", "M2", False),
        ("/OFF [{A} 0 R]", "M3", True),
        ("", "M3", False),
        ("", "M4", False),
        ("/OFF [{B} 0 R]", "M4", True),
    ],
)
def test_layers_that_are_off_are_not_seen(default, member, shown, as_entry):
    pdf = Pdf()
    numbers = {name: pdf.add(f"<</Type/OCG/Name ({name})>>") for name in "AB"}
    numbers |= {name: pdf.add(body.format(**numbers)) for name, body in MEMBERS.items()}
    own = f"/OC {numbers[member]} 0 R" if as_entry else ""
    image = pdf.flate(400, 300, GREY.tobytes(), extra=own)
    inside = DRAW if as_entry else f"/P BMC /OC /L BDC /Q <</X 1>> BDC {DRAW} EMC EMC EMC"
    resources = f"/Resources <</XObject <</I {image} 0 R>>/Properties <</L {numbers[member]} 0 R>>>>"
    pdf.page(f"{inside} q 50 0 0 50 0 0 cm /Other Do Q", extra=MEDIA + resources)
    pdf.catalogue_entries = LAYERS.format(D=default.format(**numbers), **numbers)
    assert seen(pdf) == (WHOLE if shown else [])


CELL = "<</PatternType 1/PaintType 1/TilingType 1/BBox [0 0 400 300]/XStep {step}/YStep {step}/Matrix [1 0 0 1 100 400]"
PATTERN = CELL + "/Resources <</XObject <</I 4 0 R>>>>/Length 26>>\nstream\n400 0 0 300 0 0 cm /I Do  \nendstream"


@pytest.mark.parametrize(
    ("step", "fill", "found"),
    [
        (400, "100 400 400 300 re f", WHOLE),
        (0, "100 400 400 300 re f", WHOLE),
        (400, "0 g 100 400 400 300 re f", []),
        (400, "150 450 100 200 re f*", [(Box(50, 50, 150, 250), (150.0, 142.0, 250.0, 342.0))]),
        (400, "100 400 400 300 re S", []),
        (0, "0 0 99 792 re f", []),
    ],
)
def test_images_in_tiling_patterns(step, fill, found):
    pdf = page(f"/Pattern cs /P scn {fill}", "/Pattern <</P {P} 0 R>>", P=PATTERN.format(step=step))
    assert seen(pdf) == found


def test_a_pattern_that_repeats_very_often_is_looked_at_once():
    small = PATTERN.format(step=400).replace("[1 0 0 1 100 400]", "[.01 0 0 .01 0 0]")
    assert len(seen(page("/Pattern cs /P scn 0 0 600 600 re f", "/Pattern <</P {P} 0 R>>", P=small))) == 1


def test_a_pattern_that_fills_itself_ends():
    body = PATTERN.format(step=400).replace("/XObject <</I 4 0 R>>", "/XObject <</I 4 0 R>>/Pattern <</P 3 0 R>>")
    body = body.replace("/Length 26", "/Length 60").replace("Do  ", "Do /Pattern cs /P scn 0 0 1 1 re f   ")
    assert len(seen(page("/Pattern cs /P scn 100 400 400 300 re f", "/Pattern <</P {P} 0 R>>", P=body))) == 1


APPEARANCE = (
    "<</Subtype/Form/BBox [0 0 40 30]/Resources <</XObject <</I 4 0 R>>>>/Length 24>>"
    "\nstream\n40 0 0 30 0 0 cm /I Do  \nendstream"
)


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        ("/Subtype/Stamp/AP <</N {A} 0 R>>", WHOLE),
        ("/Subtype/Stamp/AP <</N <</On {A} 0 R/Off null>>>>/AS/On", WHOLE),
        ("/Subtype/Stamp/AP <</N <</On {A} 0 R/Off null>>>>/AS/Off", []),
        ("/Subtype/Stamp/F 2/AP <</N {A} 0 R>>", []),
        ("/Subtype/Stamp", []),
        ("/Subtype/Link/AP <</N {A} 0 R>>", []),
    ],
)
def test_images_in_the_appearance_of_an_annotation(annotation, found):
    annots = f"{MEDIA}/Annots [<<{annotation}/Rect [500 400 100 700]>> 77 0 R null]"
    pdf = page("", extra=annots, A=APPEARANCE)
    # MuPDF lists annotations with an object number of their own.
    body = pdf.objects[pdf.pages[0]].decode()
    start, stop = body.index("<</Subtype"), body.index(" 77 0 R")
    number = pdf.add(body[start:stop])
    pdf.objects[pdf.pages[0]] = (body[:start] + f"{number} 0 R" + body[stop:]).encode()
    assert seen(pdf) == found


def test_a_clipped_image_is_examined_in_what_is_seen(tmp_path):
    ((found),) = records(tmp_path, page(f"151 450 201 200 re W n {DRAW}"))
    assert found.image.px == (400, 300)
    x0, y0, x1, y1 = found.image.bbox_px
    assert (x0 >= 52) and (y0 >= 50) and (x1 <= 252) and (y1 <= 250)
    assert found.bbox_pt == (100 + x0, 92 + y0, 100 + x1, 92 + y1)
    cut = Pdf()
    part = np.ascontiguousarray(GREY[50:250, 52:252])
    cut.page("200 0 0 200 152 450 cm /I Do", I=cut.flate(200, 200, part.tobytes()))
    ((alone),) = records(tmp_path, cut)
    assert (alone.image.px, alone.tiles) == ((200, 200), found.tiles)
    assert alone.image.bbox_px == (x0 - 52, y0 - 50, x1 - 52, y1 - 50)


def test_other_parts_of_one_image_are_other_findings(tmp_path):
    left, right = "100 400 200 300 re W n", "300 400 200 300 re W n"
    moved = f"q 1 0 0 1 0 -350 cm {left} {DRAW} Q"
    found = records(tmp_path, page(f"q {left} {DRAW} Q q {right} {DRAW} Q {moved}"))
    assert [r.duplicate_of is None for r in found] == [True, True, False]
    assert found[0].image.bbox_px[2] <= 200 <= found[1].image.bbox_px[0]


@pytest.mark.parametrize("part", [(0.3, 0.4, 0.31, 0.41), (0.9, 0.9, 1.0, 1.0), (0.0, 0.0, 0.0, 0.0)])
def test_a_part_without_a_whole_pixel_is_a_pixel_of_the_image(part):
    raster, _, box = Seen(part).of(Raster(np.zeros((2, 3), np.uint8), "flate", 1, 8, "c0ff"))
    assert raster.grey.shape == (1, 1)
    assert 0 <= box.x0 < 3 and 0 <= box.y0 < 2


def test_an_image_that_is_transparent_everywhere_is_not_reported(tmp_path):
    pdf = Pdf()
    clear = pdf.flate(400, 300, bytes(400 * 300))
    pdf.page(DRAW, I=pdf.flate(400, 300, GREY.tobytes(), extra=f"/SMask {clear} 0 R"))
    assert records(tmp_path, pdf) == []


@pytest.mark.parametrize("turn", ["1 0 0 1 0 0", ".998 .06 -.06 .998 20 -9", "0 1 -1 0 700 100", "-1 0 0 1 600 0"])
@pytest.mark.parametrize("how", ["grey", "cmyk", "nested"])
def test_pixels_come_back_as_they_are_stored_however_the_page_turns_them(how, turn):
    pdf = Pdf()
    if how == "cmyk":
        planes = np.dstack([GREY, 255 - GREY, GREY // 2, GREY // 3])
        data = encode(Image.fromarray(planes, "CMYK"), "JPEG", quality=92)
        image = pdf.jpeg(data, extra="/Decode [1 0 1 0 1 0 1 0]")
        truth = decode_image_file(data, 10**6)[0].grey
    else:
        image, truth = pdf.flate(400, 300, GREY.tobytes()), GREY
    name = image if how != "nested" else pdf.form("/G Do", G=pdf.form("/I Do", I=image))
    pdf.page(f"{turn} cm 250 0 0 200 100 300 cm /X Do", extra=f"{MEDIA}/Rotate 90", X=name)
    reader = PdfReader(pdf.build(), None, 10)
    (placed,), _ = reader.page_images(0)
    assert np.array_equal(reader.open_image(placed, 10**6).decode().grey, truth)


OPERATORS = "q Q W W* n f S B* m l c re cm gs scn g BMC EMC sh BT ( ) < [ 1e999 %"
USES = ("/I Do", "/G gs", "/P scn", "/OC /L BDC", "BI /W 1 /H 1 /CS /G /BPC 8 ID a EI", "200 500 99 99 re", DRAW)
WORDS = st.sampled_from((*OPERATORS.split(), *USES))
NUMBERS = st.one_of(st.integers(-999, 999), st.floats(allow_nan=False, allow_infinity=False), st.just(10**400)).map(str)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(WORDS, NUMBERS), max_size=60))
def test_any_content_is_survived(words):
    pdf = page(
        " ".join(words), "/Pattern <</P {P} 0 R>>/ExtGState <</G <</ca .5/SMask/None>>>>", P=PATTERN.format(step=9)
    )
    for image in PdfReader(pdf.build(), None, 10).page_images(0)[0]:
        x0, y0, x1, y1 = image.placement.bbox_pt
        assert 0 <= x0 <= x1 <= 612
        assert 0 <= y0 <= y1 <= 792
        assert all(0 <= edge <= 1 for box in image.covered for edge in box)
