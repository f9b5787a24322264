"""Placements, checked against MuPDF's own (slow) account of where images are, and by rendering."""

import numpy as np
import pymupdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pdf_factory import Pdf, open_pdf, write_pdf
from placing import page_placements

from semscan.engine.geometry import Box
from semscan.engine.pdf import placements as module
from semscan.engine.pdf.affine import UNIT, intersection, transformed
from semscan.engine.pdf.content import content_events, has_inline_image
from semscan.engine.pdf.placements import Placement, Placer, pixel_box_to_page, placement_ppi
from semscan.engine.pdf.syntax import Resolver

PIXELS = bytes(range(12))
MEDIA = "/MediaBox [0 0 612 792]"


def draw(content: str, extra: str = MEDIA):
    """The placements on a page that knows two images, A (4 x 3 px) and B (3 x 4 px)."""
    pdf = Pdf()
    first, second = pdf.image(4, 3, PIXELS), pdf.image(3, 4, PIXELS)
    pdf.page(content, extra=extra, A=first, B=second)
    with pdf.open() as doc:
        return page_placements(doc, 0), mupdf_boxes(doc[0])


def mupdf_boxes(page: pymupdf.Page) -> list[tuple[float, ...]]:
    boxes = [pymupdf.Rect(info["bbox"]) * page.rotation_matrix & page.rect for info in page.get_image_info()]
    return [tuple(box) for box in boxes if not box.is_empty]


def same(found, truth) -> bool:
    return np.allclose([p.bbox_pt for p in found], truth, atol=0.05) and len(found) == len(truth)


@pytest.mark.parametrize("rotate", [0, 90, 180, 270, -90, 450])
@pytest.mark.parametrize(
    "boxes", [MEDIA, "/MediaBox [0 0 612 792]/CropBox [50 60 500 700]", "/MediaBox [-99 -50 500 9]"]
)
def test_rotated_and_cropped_pages(rotate, boxes):
    found, truth = draw("q 100 0 0 80 60 -40 cm /A Do Q q 30 5 -9 40 200 90 cm /B Do Q", f"{boxes}/Rotate {rotate}")
    assert found
    assert same(found, truth)


@pytest.mark.parametrize(
    "matrix", ["100 0 0 -80 50 300", "-100 0 0 80 300 300", "0 100 -80 0 300 300", "70 70 -70 70 300 300"]
)
def test_flips_and_turns(matrix):
    found, truth = draw(f"{matrix} cm /A Do")
    assert same(found, truth)


def test_user_unit_scales_the_page():
    found, truth = draw("100 0 0 80 50 50 cm /A Do", f"{MEDIA}/UserUnit 2.5")
    assert same(found, truth)
    assert found[0].bbox_pt[2] - found[0].bbox_pt[0] == pytest.approx(250)


def test_one_image_drawn_four_times_has_four_placements_in_drawing_order():
    found, truth = draw("".join(f"q 50 0 0 50 {100 * i} 10 cm /A Do Q " for i in (3, 1, 0, 2)))
    assert same(found, truth)
    assert [p.order for p in found] == [0, 1, 2, 3]
    assert len({p.xref for p in found}) == 1
    assert [p.bbox_pt[0] for p in found] == [300, 100, 0, 200]
    assert all(p.page == 1 and p.inline is None for p in found)


def test_what_is_never_drawn_or_drawn_outside_is_not_placed():
    found, _ = draw("q 50 0 0 50 5000 10 cm /A Do Q q 0 0 0 0 10 10 cm /A Do Q /Nobody Do q 50 0 0 50 -25 0 cm /B Do Q")
    assert [p.bbox_pt for p in found] == [(0.0, 742.0, 25.0, 792.0)]


@pytest.mark.parametrize(
    "noise",
    [
        "(a Do in a string /A Do) Tj",
        r"(brackets \) ( nested /A Do) Q q 2 0 0 2 0 0 cm) Tj",
        "% /A Do in a comment\n",
        "/Span <</ActualText (/A Do)/q /Do>> BDC",
        "[(A) -12 (Do)] TJ <2f4120446f> Tj",
        "/q gs /Do gs /BI gs",
        "1 2 3 cm",  # too few operands: left out
        "Q Q Q",
        "BI nonsense",
    ],
)
def test_what_looks_like_drawing_but_is_not(noise):
    found, _ = draw(f"q 1 0 0 1 7 7 cm Q {noise} q 100 0 0 80 50 50 cm/A Do Q")
    assert [p.bbox_pt for p in found] == [(50.0, 662.0, 150.0, 742.0)]


def test_nested_forms_multiply_their_matrices_and_bring_their_own_names():
    pdf = Pdf()
    first, second = pdf.image(4, 3, PIXELS), pdf.image(3, 4, PIXELS)
    inner = pdf.form("q 40 0 0 30 1 2 cm /X Do Q", matrix="0 1 -1 0 5 6", X=second)
    outer = pdf.form("q 2 0 0 3 0 0 cm /F Do Q /X Do", matrix="1.5 0 .2 1 10 20", X=first, F=inner)
    pdf.page("q .5 0 0 .5 300 300 cm /F Do Q q 90 0 0 90 0 0 cm /X Do Q", X=first, F=outer)
    with pdf.open() as doc:
        found, truth = page_placements(doc, 0), mupdf_boxes(doc[0])
    assert [p.xref for p in found] == [second, first, first]
    assert same(found, truth)


def test_a_form_without_resources_uses_those_of_the_page():
    pdf = Pdf()
    image = pdf.image(4, 3, PIXELS)
    form = pdf.form("100 0 0 100 50 50 cm /A Do", resources="")
    pdf.page("/F Do", A=image, F=form)
    with pdf.open() as doc:
        assert same(page_placements(doc, 0), mupdf_boxes(doc[0]))


def test_resources_boxes_and_rotation_are_inherited():
    pdf = Pdf()
    image = pdf.image(4, 3, PIXELS)
    pdf.page("100 0 0 100 50 50 cm /A Do", extra="")
    pdf.tree_entries = f"/Resources <</XObject <</A {image} 0 R>>>>/MediaBox [0 0 300 400]/Rotate 90"
    with pdf.open() as doc:
        found = page_placements(doc, 0)
        assert same(found, mupdf_boxes(doc[0]))
    assert found[0].bbox_pt == (50.0, 50.0, 150.0, 150.0)


def test_content_may_be_cut_into_several_streams():
    pdf = Pdf()
    image = pdf.image(4, 3, PIXELS)
    parts = [pdf.stream("", part) for part in (b"q 100 0 0 100", b"50 50 cm", b"/A", b"Do Q")]
    number = pdf.page("", A=image)
    listed = " ".join(f"{part} 0 R" for part in parts)
    pdf.objects[number] = pdf.objects[number].replace(f"{number - 1} 0 R".encode(), f"[{listed} 999 0 R]".encode())
    with pdf.open() as doc:
        assert [p.bbox_pt for p in page_placements(doc, 0)] == [(50.0, 642.0, 150.0, 742.0)]


def test_a_form_that_draws_itself_ends():
    pdf = Pdf()
    image = pdf.image(4, 3, PIXELS)
    form = pdf.form("q 100 0 0 100 50 50 cm /A Do Q /Me Do", A=image, Me=4)
    assert form == 4
    pdf.page("/F Do", F=form)
    with pdf.open() as doc:
        assert len(page_placements(doc, 0)) == 1


def test_forms_that_multiply_without_end_are_refused():
    pdf = Pdf()
    image = pdf.image(4, 3, PIXELS)
    form = pdf.form("/X Do", X=image)
    for _ in range(19):
        form = pdf.form("/X Do /X Do /X Do", X=form)
    pdf.page("/X Do", X=form)
    with pdf.open() as doc, pytest.raises(ValueError, match="form objects"):
        page_placements(doc, 0)


def test_too_many_images_are_refused(monkeypatch):
    monkeypatch.setattr(module, "MAX_PLACEMENTS_PER_PAGE", 3)
    with pytest.raises(ValueError, match="more than 3 images"):
        draw("9 0 0 9 0 0 cm /A Do /A Do /A Do /A Do")


def test_broken_page_trees():
    loop = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Count 1/Kids [2 0 R]/Parent 2 0 R>>",
    }
    with open_pdf(write_pdf(loop)) as doc, pytest.raises((RuntimeError, ValueError)):
        page_placements(doc, 0)
    parent_loop = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Count 1/Kids [3 0 R]/Parent 2 0 R>>",
        3: b"<</Type/Page/Parent 2 0 R/Contents 7 0 R/MediaBox 8>>",
    }
    with open_pdf(write_pdf(parent_loop)) as doc:
        assert page_placements(doc, 0) == []


def test_a_pixel_box_lands_where_the_pixels_are_printed():
    pixels = np.zeros((40, 60), np.uint8)
    box = Box(35, 4, 50, 13)
    pixels[box.y0 : box.y1, box.x0 : box.x1] = 255
    pdf = Pdf()
    image = pdf.image(60, 40, pixels.tobytes())
    for rotate in (0, 90):
        for matrix in ("300 0 0 200 100 400", "300 0 0 -200 100 600", "0 300 -200 0 400 300"):
            pdf.page(f"q 0 g 0 0 612 792 re f {matrix} cm /A Do Q", extra=f"{MEDIA}/Rotate {rotate}", A=image)
    with pdf.open() as doc:
        for index, page in enumerate(doc):
            (placement,) = page_placements(doc, index)
            pixmap = page.get_pixmap(colorspace=pymupdf.csGRAY)
            printed = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width) > 127
            rows, columns = np.nonzero(printed)
            seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert pixel_box_to_page(placement.matrix, box, (60, 40)) == pytest.approx(seen, abs=1.01)


def test_resolution_is_that_of_the_coarser_direction():
    (straight, turned, line), _ = draw(
        "q 72 0 0 36 9 9 cm /A Do Q q 0 72 -36 0 99 9 cm /A Do Q q 9 9 9 9 9 9 cm /A Do Q"
    )
    assert placement_ppi(straight.matrix, (600, 300)) == 600
    assert placement_ppi(straight.matrix, (600, 150)) == 300
    assert placement_ppi(turned.matrix, (600, 300)) == 600
    assert placement_ppi(line.matrix, (600, 300)) is not None
    flat = Placement(1, 1, (0, 0, 1, 1), (5, 0, 0, 0, 0, 0), 0)
    assert placement_ppi(flat.matrix, (600, 300)) is None


@pytest.mark.data
def test_published_papers_agree_with_mupdf_but_for_what_is_clipped_away(shared_data):
    count = hidden = 0
    for path in sorted((shared_data / "pdfs").glob("*.pdf")):
        with open_pdf(path.read_bytes()) as doc:
            placer = Placer(doc)
            for index, page in enumerate(doc):
                on_page = (0.0, 0.0, page.rect.width, page.rect.height)
                images = [info for info in page.get_image_info() if info["size"]]  # shadings are listed with size 0
                boxes = [pymupdf.Rect(info["bbox"]) * page.rotation_matrix & page.rect for info in images]
                truth = [tuple(box) for box in boxes if not box.is_empty]
                for placement in placer.page(index).placements:
                    drawn = intersection(transformed(placement.matrix, UNIT), on_page)
                    match = next((box for box in truth if np.allclose(box, drawn, atol=0.1)), None)
                    assert match is not None, (path.name, index)
                    truth.remove(match)
                    count += 1
                hidden += len(truth)
    assert count > 300
    assert hidden <= 6


numbers = st.integers(-300, 300).map(lambda n: n / 100 if n else 1.0)
steps = st.lists(
    st.one_of(
        st.just("q"),
        st.just("Q"),
        st.just("/A Do"),
        st.tuples(*[numbers] * 4, *[st.integers(-50, 200)] * 2).map(lambda m: " ".join(map(str, m)) + " cm"),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_any_nesting_agrees_with_matrix_products(lines):
    pdf = Pdf()
    image = pdf.image(4, 3, PIXELS)
    wide = "/MediaBox [-10000000 -10000000 10000000 10000000]"
    pdf.page("\n".join(["q", *lines]), extra=wide, A=image)
    ctm, stack, expected = np.eye(3), [np.eye(3)], []
    for line in lines:
        if line == "q":
            stack.append(ctm)
        elif line == "Q":
            ctm = stack.pop() if stack else ctm
        elif line == "/A Do":
            expected.append(ctm)
        else:
            a, b, c, d, e, f = map(float, line.split()[:6])
            ctm = np.array([[a, b, 0], [c, d, 0], [e, f, 1]]) @ ctm
    with pdf.open() as doc:
        found = page_placements(doc, 0)
    corners = [np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]]) @ m for m in expected]
    boxes = [(*c[:, :2].min(0), *c[:, :2].max(0)) for c in corners]
    visible = [b for b in boxes if b[0] < b[2] and b[1] < b[3] and max(map(abs, b)) < 1e7]
    assert len(found) >= len(visible)
    if len(visible) == len(boxes):
        truth = [(b[0] + 1e7, 1e7 - b[3], b[2] + 1e7, 1e7 - b[1]) for b in boxes]
        assert np.allclose(
            np.array([p.bbox_pt for p in found]).reshape(-1, 4), np.array(truth).reshape(-1, 4), rtol=1e-6, atol=1e-2
        )


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_survived(content):
    with Pdf().open() as doc:
        list(content_events(content, Resolver(doc), None))
        list(content_events(b"BI /W 3 /H 2 ID " + content, Resolver(doc), None))
        has_inline_image(content)
