"""Whole figures: bit-exact, once however often they are drawn, and never all of a document in memory."""

import tempfile

import numpy as np
import pytest
from examining import texture
from pdf_factory import Pdf, encode

from semscan.engine import extract
from semscan.engine.extract import ExtractedPanel, extract_panels
from semscan.engine.options import ScanOptions

FIGURE = np.concatenate([texture(296, 400, 1), np.full((8, 400), 255, np.uint8), texture(296, 400, 2)])


def strips(pdf: Pdf, figure: np.ndarray, count: int) -> tuple[str, dict[str, int]]:
    """Content that draws a figure in strips, half a point for a pixel, and the images it names."""
    height, width = figure.shape
    step, content, names = height // count, "", {}
    for at in range(count):
        part = figure[at * step : (at + 1) * step]
        names[f"P{at}"] = pdf.flate(width, step, part.tobytes())
        content += f"q {width / 2} 0 0 {step / 2} 50 {750 - (at + 1) * step / 2} cm /P{at} Do Q "
    return content, names


def extracted(path, *, figures: bool = True) -> list[ExtractedPanel]:
    found = list(extract_panels([path], ScanOptions(jobs=1, all_images=True), figures=figures))
    assert all(isinstance(item, ExtractedPanel) for item in found)
    return found


@pytest.fixture
def drawn_twice(tmp_path):
    """A figure in strips on two pages, and a plain one between them."""
    pdf = Pdf()
    content, names = strips(pdf, FIGURE, 6)
    pdf.page(content, **names)
    pdf.page("200 0 0 200 50 50 cm /I Do", I=pdf.flate(256, 256, texture(256, 256, 3).tobytes()))
    pdf.page(content, **names)
    (tmp_path / "a.pdf").write_bytes(pdf.build())
    return tmp_path / "a.pdf"


def test_a_flate_figure_in_strips_comes_out_whole_and_equal(drawn_twice):
    found = extracted(drawn_twice)
    figures = [item for item in found if item.is_figure]
    assert len(figures) == 2
    assert np.array_equal(figures[0].pixels, FIGURE)
    assert np.array_equal(figures[1].pixels, texture(256, 256, 3))
    record = figures[0].record
    assert (record.page, record.of, record.index, record.kind, record.status) == (1, 2, None, None, "")
    assert (record.image.px, record.image.bbox_px, record.image.parts) == ((400, 600), (0, 0, 400, 600), 6)
    assert record.bbox_pt == pytest.approx((50, 42, 250, 342))


def test_figures_follow_their_panels_which_are_parts_of_them(drawn_twice):
    found = extracted(drawn_twice)
    own = [item for item in found if item.record.panel_id.startswith(found[0].record.panel_id.partition("/")[0])]
    assert [item.is_figure for item in own] == [False, False, True]
    for panel in own[:2]:
        x0, y0, x1, y1 = panel.record.image.bbox_px
        assert np.array_equal(panel.pixels, own[2].pixels[y0:y1, x0:x1])


def test_figures_come_only_when_asked_for_and_change_nothing_else(drawn_twice):
    plain, more = extracted(drawn_twice, figures=False), extracted(drawn_twice)
    assert not any(item.is_figure for item in plain)
    assert [item.record for item in plain] == [item.record for item in more if not item.is_figure]


def test_only_what_is_seen_of_a_figure_is_written(tmp_path):
    pdf = Pdf()
    image = pdf.flate(400, 600, FIGURE.tobytes())
    pdf.page("q 50 450 200 150 re W n 200 0 0 300 50 450 cm /I Do Q", I=image)
    (tmp_path / "a.pdf").write_bytes(pdf.build())
    (figure,) = [item for item in extracted(tmp_path / "a.pdf") if item.is_figure]
    assert np.array_equal(figure.pixels, FIGURE[300:])
    assert figure.record.image.bbox_px == (0, 300, 400, 600)


def test_icons_and_damaged_images_are_no_figures(tmp_path):
    pdf = Pdf()
    icon, broken = pdf.flate(40, 40, bytes(1600)), pdf.image(256, 256, b"nonsense", filters="/FlateDecode")
    pdf.page("q 40 0 0 40 9 9 cm /A Do Q q 200 0 0 200 99 99 cm /B Do Q", A=icon, B=broken)
    (tmp_path / "a.pdf").write_bytes(pdf.build())
    assert not any(item.is_figure for item in extracted(tmp_path / "a.pdf"))


def test_an_image_file_is_a_figure(tmp_path):
    (tmp_path / "a.png").write_bytes(encode(FIGURE, "PNG"))
    figures = [item for item in extracted(tmp_path / "a.png") if item.is_figure]
    assert [item.pixels.tolist() for item in figures] == [FIGURE.tolist()]


def test_pixels_that_wait_are_bounded_and_come_back_as_they_were(drawn_twice, monkeypatch):
    files = []

    class Watched(tempfile.SpooledTemporaryFile):
        def __init__(self, most):
            super().__init__(most)
            files.append(self)

        def write(self, data):
            written = super().write(data)
            assert self._rolled or self.tell() <= extract.HELD_BYTES
            return written

    monkeypatch.setattr(extract.tempfile, "SpooledTemporaryFile", Watched)
    in_memory = extracted(drawn_twice)
    monkeypatch.setattr(extract, "HELD_BYTES", 100_000)
    on_disk = extracted(drawn_twice)
    assert [file._rolled for file in files] == [False, True]
    assert all(file.closed for file in files)
    assert [item.record for item in on_disk] == [item.record for item in in_memory]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(on_disk, in_memory, strict=True))


def test_whoever_stops_early_leaves_no_file_open(drawn_twice, monkeypatch):
    files = []
    real = tempfile.SpooledTemporaryFile
    monkeypatch.setattr(extract.tempfile, "SpooledTemporaryFile", lambda most: files.append(real(most)) or files[-1])
    found = extract_panels([drawn_twice], ScanOptions(jobs=1, all_images=True), figures=True)
    next(found)
    found.close()
    assert [file.closed for file in files] == [True]
