"""The benchmark of panels: its figures have the truth they claim, its scores are right, its PDFs hold the figures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from PIL import Image

from semscan.engine.geometry import Box

ROOT = Path(__file__).parent.parent


@pytest.fixture
def bench(monkeypatch):
    """The modules, as ``python -m benchmarks.figures`` finds them."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import compose, compose_content, compose_pdf, figures, matching

    return type("bench", (), {
        "compose": compose, "content": compose_content, "pdf": compose_pdf, "figures": figures, "matching": matching,
    })  # fmt: skip


def test_overlap_of_boxes(bench):
    assert bench.matching.iou((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert bench.matching.iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert bench.matching.iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0


def test_each_box_is_matched_once_and_the_best_first(bench):
    true = [(0, 0, 10, 10), (20, 0, 30, 10)]
    found = [(0, 0, 10, 9), (0, 0, 10, 10), (50, 0, 60, 10)]
    assert bench.matching.match(found, true, 0.5) == [(1, 0)]
    counts = bench.matching.count(found, true, 0.5)
    assert (counts.precision, counts.recall, counts.f1) == (1 / 3, 1 / 2, 2 / 5)


def test_the_interval_holds_the_score_and_narrows_with_more_figures(bench):
    good, bad = bench.matching.Counts(4, 4, 4), bench.matching.Counts(1, 4, 4)
    low, high = bench.matching.bootstrap_f1([good, bad] * 5)
    assert low < bench.matching.total([good, bad]).f1 < high
    narrow = bench.matching.bootstrap_f1([good, bad] * 100)
    assert narrow[1] - narrow[0] < high - low


@pytest.mark.parametrize("seed", range(6))
def test_layouts_are_exact(bench, seed):
    boxes, (width, height) = bench.compose.layout(np.random.default_rng(seed), 1000, 7)
    assert 2 <= len(boxes) <= 24
    covered = np.zeros((height, width), int)
    for box in boxes:
        assert box.short_side >= bench.compose.SMALLEST_PANEL_PX
        covered[box.y0 : box.y1, box.x0 : box.x1] += 1
    assert covered.max() == 1
    wider = covered.copy()  # no two panels are nearer than the gutter
    for box in boxes:
        around = wider[max(0, box.y0 - 6) : box.y1 + 6, max(0, box.x0 - 6) : box.x1 + 6]
        assert around.sum() == box.width * box.height


def test_truth_lies_where_the_gutters_are_not(bench):
    plan = bench.compose.Plan(gutter_px=9, ground=(0, 200, 0))
    figure = bench.compose.compose(bench.content.Textures(), 3, plan, width_px=700)
    outside = np.ones(figure.pixels.shape[:2], bool)
    for box in figure.panels:
        outside[box.y0 : box.y1, box.x0 : box.x1] = False
    assert outside.any()
    assert (figure.pixels[outside] == (0, 200, 0)).all()


def test_the_same_seed_makes_the_same_figure(bench):
    first, second = (bench.compose.compose(bench.content.Textures(), 5, width_px=700) for _ in range(2))
    assert first.stored == second.stored and first.panels == second.panels


def test_white_paper_of_a_plot_is_no_part_of_its_box_in_a_white_figure(bench):
    sheet = np.full((100, 150, 3), 255, np.uint8)
    sheet[20:60, 30:90] = 0
    assert bench.content.ink_box(sheet) == Box(30, 20, 90, 60)
    assert bench.content.ink_box(np.full((9, 9, 3), 255, np.uint8)) is None


def test_most_panels_of_figures_from_noise_are_found(bench):
    judged = bench.figures.judge(bench.content.Textures(), range(100, 112))
    counts = bench.matching.total([item.counts(0.5) for item in judged])
    assert counts.recall > 0.85 and counts.precision > 0.85
    page = bench.figures.markdown(judged, {"a": (1, 4)}, {"split": 1.0}, "noise", bench.figures.fingerprint(), 0.5)
    assert f"| all figures | 12 | {counts.true} |" in page
    assert "1 of 4 (25.0 %): a 1 of 4" in page and "0.5 processes wanted each core" in page
    assert bench.figures.contact_sheet(judged).width > 1000


def test_pdfs_hold_the_figures_turned_and_cut(bench):
    make = bench.compose.compose
    plan = bench.compose.Plan(gutter_px=6, quality=90)
    figures = [make(bench.content.Textures(), seed, plan, width_px=600) for seed in (1, 2, 3)]
    data, placed = bench.pdf.paper([(figures[0], 0, 1), (figures[1], 90, 1), (figures[2], 0, 4)])
    with pymupdf.open(stream=data) as document:
        pages = [page.get_image_info(xrefs=True) for page in document]
        assert [len(infos) for infos in pages] == [1, 1, 4]
        assert document.extract_image(pages[0][0]["xref"])["image"] == figures[0].stored
        for infos, where in zip(pages, placed, strict=True):
            boxes = np.array([info["bbox"] for info in infos])
            union = (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0))
            assert union == pytest.approx(where.bbox_pt, abs=0.1)
        order = np.argsort(boxes[:, 1])
        stored = [document.extract_image(pages[2][index]["xref"])["image"] for index in order]
        strips = [np.asarray(Image.open(io.BytesIO(data))) for data in stored]
        assert (np.concatenate(strips) == figures[2].pixels).all()
