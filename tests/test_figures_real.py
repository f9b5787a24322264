"""The annotation of real papers is sound, and the benchmark against it counts what it says it counts."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pymupdf
import pytest

from benchmarks import figures_real as real
from benchmarks.matching import iou
from benchmarks.real_sheet import draw_sheet
from benchmarks.real_truth import ANNOTATED, Paper, Seen, Truth, elsewhere, names_right, on_panels, pairs, read_papers
from benchmarks.sections import put_section
from semscan.engine.pdf.wire import Named

ROOT = Path(__file__).parent.parent
PAPERS = Path(os.environ.get("SEMSCAN_DATA", ROOT.parent / "shared" / "data")) / "pdfs"
KINDS = {"sem", "tem", "light", "xray", "element_map", "gel", "photograph", "graphic"}


def problems(papers: list[Paper]) -> list[str]:
    """What cannot be right in an annotation."""
    found = []
    for paper in papers:
        for number, panel in enumerate(paper.panels, 1):
            where = f"{paper.name} {number}"
            x0, y0, x1, y1 = panel.box_pt
            if min(x0, y0) < 0 or x1 - x0 < 20 or y1 - y0 < 20:
                found.append(f"{where}: box")
            if panel.kind not in KINDS or panel.role not in ("panel", "inset"):
                found.append(f"{where}: kind")
            if panel.figure is not None and paper.figures.get(panel.figure) != panel.page:
                found.append(f"{where}: its figure is not on its page")
            for other in paper.panels[: number - 1]:
                apart = other.page != panel.page or "inset" in (panel.role, other.role)
                if not apart and iou(other.box_pt, panel.box_pt) > 0.02:
                    found.append(f"{where}: overlaps another panel")
    return found


def test_the_annotation_is_consistent():
    papers = read_papers()
    assert problems(papers) == []
    assert len(papers) == 22
    assert sum(panel.sem for paper in papers for panel in paper.panels) == 39
    assert not any(panel.sem for paper in papers if paper.name.startswith(real.CLEAN) for panel in paper.panels)


def test_a_wrong_annotation_is_noticed():
    def paper(*panels: Truth) -> list[Paper]:
        return [Paper("a.pdf", "", "", {"Fig. 1": 1}, panels)]

    good = Truth(1, "Fig. 1", "a", "sem", (0.0, 0.0, 50.0, 50.0))
    assert problems(paper(good)) == []
    assert problems(paper(good, good)) == ["a.pdf 2: overlaps another panel"]
    assert problems(paper(Truth(2, "Fig. 1", "a", "sem", (0, 0, 50, 50)))) == ["a.pdf 1: its figure is not on its page"]
    assert problems(paper(Truth(1, None, "a", "cat", (0, 0, 5, 50)))) == ["a.pdf 1: box", "a.pdf 1: kind"]


def test_the_readme_counts_what_the_file_holds():
    readme = (ANNOTATED.parent / "README.md").read_text("utf-8")
    panels = [panel for paper in read_papers() for panel in paper.panels]
    inside = sum(panel.role == "inset" for panel in panels)
    assert f"| all | {len(panels) - inside} | {inside} |" in readme


@pytest.mark.skipif(not PAPERS.is_dir(), reason=f"no papers in {PAPERS}")
def test_boxes_lie_on_the_pages_of_the_papers():
    for name, entry in json.loads(ANNOTATED.read_text("utf-8")).items():
        with pymupdf.open(PAPERS / name) as document:
            assert document.page_count == entry["pages"]
            for panel in entry["panels"]:
                width, height = document[panel["page"] - 1].rect.br
                assert panel["box_pt"][2] <= width and panel["box_pt"][3] <= height, name


def seen(box, kind="sem", page=1, figure="Fig. 1", panel=None, status="assessed"):
    return Seen(page, figure, panel, kind, status, None, box)


LEFT, RIGHT, BELOW = (0, 0, 100, 100), (100, 0, 200, 100), (0, 110, 100, 210)


def one(found, *true, name="sem_a.pdf"):
    return real.Examined(Paper(name, "", "", {"Fig. 1": 1}, true), list(found))


def test_only_panels_taken_for_sem_are_hits():
    true = Truth(1, "Fig. 1", "a", "sem", LEFT), Truth(1, "Fig. 1", "b", "sem", RIGHT)
    result = one([seen(LEFT), seen(RIGHT, "tem"), seen(BELOW)], *true)
    assert real.sem_found(result, 0.5) == (1, 2, 2)
    assert real.sem_found(result, 0.5, ("sem", "tem")) == (2, 3, 2)
    assert real.boxes_found(result, 0.5) == (2, 2, 2)
    assert elsewhere(result.seen, true) == [seen(BELOW)]


def test_what_words_changed_is_told_apart():
    true = Truth(1, "Fig. 1", "a", "sem", LEFT), Truth(1, "Fig. 1", "b", "tem", RIGHT)
    by_words = [replace(seen(LEFT), by="caption"), replace(seen(RIGHT, "uncertain"), by="text")]
    result = one([*by_words, replace(seen(BELOW), by="caption")], *true)
    assert real.words_changed([result]) == {
        "not annotated": {"sem by caption": 1},
        "sem": {"sem by caption": 1},
        "tem": {"uncertain by text": 1},
    }
    assert [item.without("text").kind for item in result.seen] == ["sem", "sem", "sem"]
    assert [item.without("text", "caption").kind for item in result.seen] == ["uncertain", "sem", "uncertain"]
    rates = real.measure([result])["rates"]
    assert rates["SEM panels at IoU 0.5: recall"]["share"] == 1
    assert rates["SEM panels at IoU 0.5, text not read: recall"]["share"] == 1
    assert rates["SEM panels at IoU 0.5, text not read: precision"]["share"] == 1 / 3
    assert rates["SEM panels at IoU 0.5, no words read: recall"]["share"] == 0


def test_boxes_must_overlap_enough_and_on_the_same_page():
    true = Truth(1, "Fig. 1", "a", "sem", LEFT)
    assert real.sem_found(one([seen((0, 0, 100, 160))], true), 0.5) == (1, 1, 1)
    assert real.sem_found(one([seen((0, 0, 100, 160))], true), 0.75) == (0, 1, 1)
    assert real.sem_found(one([seen(LEFT, page=2)], true), 0.5) == (0, 1, 1)


def test_disputed_coloured_and_inset_panels_count_as_nothing():
    true = (
        Truth(1, "Fig. 1", "a", "tem", LEFT, disputed=True),
        Truth(1, "Fig. 1", "b", "sem", RIGHT, false_colour=True),
        Truth(1, "Fig. 1", None, "light", BELOW, role="inset"),
    )
    result = one([seen(LEFT), seen(RIGHT), seen(BELOW)], *true)
    assert real.sem_found(result, 0.5) == (0, 0, 0)
    assert len(on_panels(result.seen, true)) == 2


def test_a_micrograph_of_another_kind_taken_for_sem_is_wrong():
    assert real.sem_found(one([seen(LEFT)], Truth(1, "Fig. 1", "a", "light", LEFT)), 0.5) == (0, 1, 0)


def test_plots_beside_the_panels_are_neither_right_nor_wrong_but_pieces_of_panels_are():
    true = Truth(1, "Fig. 1", "a", "sem", LEFT)
    pieces = [seen((0, 0, 50, 40), "graphic"), seen((0, 50, 100, 100), "graphic")]
    assert real.boxes_found(one([*pieces, seen(RIGHT, "graphic")], true), 0.75) == (0, 2, 1)
    assert real.boxes_found(one([seen((0, 0, 200, 210))], true), 0.5) == (0, 1, 1)


def test_labels_and_letters():
    true = Truth(1, "Fig. 1", "a", "sem", LEFT), Truth(1, "Fig. 2", None, "sem", RIGHT)
    result = one([seen(LEFT, panel="A"), seen(RIGHT, panel="b")], *true)
    assert real.figures_right(result) == (1, 2)
    assert real.labels_on_page(result) == (2, 2)
    assert real.letters_read(result) == (1, 2, 1)


def test_papers_without_sem_are_listed_when_something_in_them_is_assessed():
    clean = one([seen(LEFT), seen(RIGHT, status="not_assessed")], name="decoy_a.pdf")
    listed = real.wrongly_assessed([clean, one([seen(LEFT)])])
    assert [(item["paper"], item["box_pt"]) for item in listed] == [("decoy_a.pdf", LEFT)]


def test_the_interval_widens_with_fewer_papers_and_holds_the_share():
    few, many = real.interval([(1, 1), (0, 1)]), real.interval([(1, 1), (0, 1)] * 40)
    assert few == (0.0, 1.0)
    assert 0.3 < many[0] < 0.5 < many[1] < 0.7
    assert real.interval([(0, 0)]) == (0.0, 1.0)


def test_the_engine_is_measured_on_a_paper(tmp_path):
    (tmp_path / "paper.pdf").write_bytes((ROOT / "examples" / "paper.pdf").read_bytes())
    paper = Paper("paper.pdf", "", "", {}, ())
    examined = real.examine(tmp_path, [paper])
    assert examined[0].figures == 5
    assert {"place", "decode", "split", "gate"} <= set(examined[0].cpu_s)
    text = real.markdown(real.measure(examined))
    assert "| SEM panels at IoU 0.5: recall | none |" in text
    assert "5 figures" in text
    assert "What the papers are called: DOI right, of those given: " in text


def test_names_are_compared_by_their_letters():
    paper = Paper("a.pdf", "10.1/AB", "Cracks in Cast-Steel", {}, ())
    found = [Named("10.1/ab", "Cracks in cast steel"), Named("10.1/abc", None), Named(None, "Cracks")]
    counts = names_right([(named, paper) for named in found])
    assert list(counts.values()) == [(1, 2), (1, 3), (1, 2), (1, 3)]


def test_the_sheet_is_drawn(tmp_path):
    document = pymupdf.open()
    document.new_page(width=300, height=400)
    document.save(tmp_path / "a.pdf")
    paper = Paper("a.pdf", "", "", {}, (Truth(1, None, None, "sem", (20, 20, 120, 120)),))
    draw_sheet(tmp_path, [(paper, [seen(LEFT)])], tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 500


def test_a_section_replaces_itself_and_keeps_its_neighbours(tmp_path):
    page = tmp_path / "figures.md"
    put_section(page, "one", "first", {"n": 1})
    put_section(page, "two", "second", {"n": 2})
    put_section(page, "one", "again", {"n": 3})
    text = page.read_text("utf-8")
    assert "again" in text and "second" in text and "first" not in text
    assert text.index("again") < text.index("second")
    assert json.loads(page.with_suffix(".json").read_text("utf-8")) == {"one": {"n": 3}, "two": {"n": 2}}


def test_pairs_use_each_box_once():
    true = [Truth(1, None, None, "sem", LEFT)]
    assert len(pairs([seen(LEFT), seen(LEFT)], true, 0.5)) == 1
