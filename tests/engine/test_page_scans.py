"""A scanned page is told from a figure that was saved as a PDF."""

import numpy as np
import pytest
from examining import records, texture
from pdf_factory import Pdf

from semscan.engine.errors import Reason

FIGURE = texture(800, 600)


def printed() -> np.ndarray:
    """A bright page with a picture on it."""
    page = np.full((800, 600), 235, np.uint8)
    page[100:360, 120:480] = texture(260, 360)
    return page


def text(lines: int, mode: int) -> str:
    shown = " ".join(f"({'word ' * 6}) ' " for _ in range(lines))
    return f"BT {mode} Tr /F 9 Tf 12 TL 60 700 Td {shown} ET"


def scan(
    picture: np.ndarray, before: str = "", after: str = "", place: str = "612 0 0 792 0 0", media: str = "0 0 612 792"
) -> Pdf:
    pdf = Pdf()
    image = pdf.flate(picture.shape[1], picture.shape[0], picture.tobytes())
    font = "/Font <</F <</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>"
    resources = f"/MediaBox [{media}]/Resources <</XObject <</I {image} 0 R>>{font}>>"
    pdf.page(f"{before} q {place} cm /I Do Q {after}", extra=resources)
    return pdf


def reasons(tmp_path, pdf: Pdf, **options) -> set:
    """Reasons of the panels that the gate would let through."""
    return {r.reason for r in records(tmp_path, pdf, **options)}


@pytest.fixture(autouse=True)
def every_kind_passes(monkeypatch):
    """Synthetic pictures are judged by nothing but their place."""
    from semscan.engine.figures.kind import Kind, KindGate

    monkeypatch.setattr(KindGate, "classify", lambda self, grey, colour: Kind("sem", 1.0))


@pytest.mark.parametrize(
    ("pdf", "expected"),
    [
        (scan(printed()), True),
        (scan(printed(), after=text(9, 3)), True),
        (scan(printed(), before=text(9, 0)), True),
        (scan(FIGURE, after=text(9, 3)), True),
        (scan(printed(), after=text(1, 0)), True),
        (scan(FIGURE), False),
        (scan(printed(), after=text(30, 0)), False),
        (scan(printed(), place="400 0 0 500 100 200"), False),
        (scan(printed(), media="0 0 200 260", place="200 0 0 260 0 0"), False),
        (scan(printed(), media="0 0 1500 2000", place="1500 0 0 2000 0 0"), False),
    ],
)
def test_only_scanned_pages_are_not_assessed(tmp_path, pdf, expected):
    found = reasons(tmp_path, pdf, all_images=False)
    assert (Reason.PAGE_SCAN in found) == expected
    assert (None in found) != expected
    assert Reason.PAGE_SCAN not in reasons(tmp_path, pdf, all_images=True)


def test_a_scan_in_strips_is_a_scan(tmp_path):
    pdf, names, content = Pdf(), {}, ""
    page = printed()
    for index in range(8):
        names[f"P{index}"] = pdf.flate(600, 100, page[100 * index : 100 * index + 100].tobytes())
        content += f"q 612 0 0 99 0 {792 - 99 * (index + 1)} cm /P{index} Do Q "
    pdf.page(content, **names)
    found = records(tmp_path, pdf, all_images=False)
    assert {r.image.parts for r in found} == {8}
    assert Reason.PAGE_SCAN in {r.reason for r in found}


def test_a_picture_that_fills_one_page_is_a_figure_where_it_does_not(tmp_path):
    pdf = scan(printed())
    image = next(number for number, body in pdf.objects.items() if b"/Image" in body)
    pdf.page("q 300 0 0 400 50 50 cm /I Do Q", I=image)
    pdf.page("q 300 0 0 400 90 90 cm /I Do Q", I=image)
    found = records(tmp_path, pdf, all_images=False)
    assert {(r.page, r.reason) for r in found} == {(1, Reason.PAGE_SCAN), (2, None), (3, Reason.DUPLICATE_OF)}
    assert all(":2." in r.duplicate_of for r in found if r.page == 3)
