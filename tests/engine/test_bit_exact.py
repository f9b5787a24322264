"""However a figure lies on its page, its pixels come out as they were stored, and so do those of its panels."""

from __future__ import annotations

import numpy as np
import pytest
from examining import texture
from pdf_factory import Pdf, encode

from semscan.engine.extract import ExtractedPanel, extract_panels
from semscan.engine.options import ScanOptions

FIGURE = np.concatenate([texture(300, 400, 1), np.full((12, 400), 255, np.uint8), texture(288, 400, 2)])
PANELS = [FIGURE[:300], FIGURE[312:]]


def extracted(tmp_path, pdf: Pdf) -> list[ExtractedPanel]:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf.build())
    found = list(extract_panels([path], ScanOptions(jobs=1, all_images=True), figures=True))
    assert all(isinstance(item, ExtractedPanel) for item in found)
    return found


def assert_exact(found: list[ExtractedPanel], figure: np.ndarray, panels: list[np.ndarray]) -> None:
    (whole,) = [item for item in found if item.is_figure]
    assert np.array_equal(whole.pixels, figure)
    parts = [item for item in found if not item.is_figure]
    assert len(parts) == len(panels)
    for part, wanted in zip(parts, panels, strict=True):
        assert np.array_equal(part.pixels, wanted)


UPRIGHT, TURNED, MIRRORED = "200 0 0 300 50 50", "0 200 -300 0 500 100", "-200 0 0 300 400 50"


@pytest.mark.parametrize(
    ("rotate", "matrix"), ((90, UPRIGHT), (180, MIRRORED), (270, UPRIGHT), (0, TURNED), (90, TURNED))
)
def test_a_figure_on_a_turned_page(tmp_path, rotate, matrix):
    pdf = Pdf()
    image = pdf.flate(400, 600, FIGURE.tobytes())
    pdf.page(f"{matrix} cm /I Do", extra=f"/MediaBox [0 0 612 792]/Rotate {rotate}", I=image)
    assert_exact(extracted(tmp_path, pdf), FIGURE, PANELS)


@pytest.mark.parametrize("degrees", (-2.5, 0.7, 3.0))
def test_a_figure_that_was_put_straight_by_its_matrix(tmp_path, degrees):
    """As scanners and layout programs do: the page is upright, its picture turned by a little."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    pdf = Pdf()
    image = pdf.flate(400, 600, FIGURE.tobytes())
    matrix = f"{200 * cosine:.4f} {200 * sine:.4f} {-300 * sine:.4f} {300 * cosine:.4f} 150 150"
    pdf.page(f"{matrix} cm /I Do", I=image)
    assert_exact(extracted(tmp_path, pdf), FIGURE, PANELS)


def test_a_figure_in_nested_forms(tmp_path):
    pdf = Pdf()
    image = pdf.flate(400, 600, FIGURE.tobytes())
    inner = pdf.form("q 1 0 0 1 0 0 cm /I Do Q", matrix="0 1 -1 0 1 0", I=image)
    middle = pdf.form("q .5 0 0 .5 .25 .25 cm /F Do Q", matrix="1 .1 0 1 0 0", F=inner)
    outer = pdf.form("q 400 0 0 600 0 0 cm /F Do Q", F=middle)
    pdf.page("q 1 0 0 1 50 50 cm /F Do Q", F=outer)
    assert_exact(extracted(tmp_path, pdf), FIGURE, PANELS)


def test_a_figure_in_black_ink_of_four(tmp_path):
    inks = np.zeros((*FIGURE.shape, 4), np.uint8)
    inks[..., 3] = 255 - FIGURE
    pdf = Pdf()
    pdf.page("200 0 0 300 50 50 cm /I Do", I=pdf.flate(400, 600, inks.tobytes(), space="/DeviceCMYK"))
    assert_exact(extracted(tmp_path, pdf), FIGURE, PANELS)


def test_a_figure_in_four_inks(tmp_path):
    """Equal coloured inks are grey: paper times what they let through times what black lets through."""
    coloured = (255 - FIGURE) // 2
    inks = np.repeat(coloured[..., None], 4, axis=2)
    through = (255 - coloured.astype(np.int64)) ** 2
    pdf = Pdf()
    pdf.page("200 0 0 300 50 50 cm /I Do", I=pdf.flate(400, 600, inks.tobytes(), space="/DeviceCMYK"))
    (whole,) = [item for item in extracted(tmp_path, pdf) if item.is_figure]
    assert np.array_equal(whole.pixels, (through + 127) // 255)


def test_a_jpeg_in_a_form_on_a_turned_page_is_the_jpeg(tmp_path):
    stored = encode(FIGURE, "JPEG", quality=90)
    (tmp_path / "alone.jpg").write_bytes(stored)
    pdf = Pdf()
    form = pdf.form("q 200 0 0 300 0 0 cm /I Do Q", matrix="0 1 -1 0 400 90", I=pdf.jpeg(stored))
    pdf.page("/F Do", extra="/MediaBox [0 0 612 792]/Rotate 90", F=form)
    alone = extract_panels([tmp_path / "alone.jpg"], ScanOptions(jobs=1, all_images=True), figures=True)
    grey = [item.pixels for item in alone if isinstance(item, ExtractedPanel)]
    assert_exact(extracted(tmp_path, pdf), grey[-1], grey[:-1])
