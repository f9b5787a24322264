"""Panels as files: the stored pixels, names that cannot clash or escape, a manifest."""

from __future__ import annotations

import csv
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from semscan.cli.extract import file_name
from semscan.cli.main import main
from semscan.engine.extract import ExtractedPanel


def _is_figure(item):
    return isinstance(item, ExtractedPanel) and item.is_figure


@pytest.fixture
def extracted(monkeypatch, sample):
    """What the engine yields: two panels to be assessed, a graphic, their figures, one that could not be decoded."""
    grey = np.arange(256 * 130, dtype=np.uint32).reshape(256, 130).astype(np.uint8)
    items = [
        ExtractedPanel("a/paper.pdf", replace(sample.look, panel_id="4be1:4.1/1"), grey),
        ExtractedPanel("a/paper.pdf", replace(sample.look, panel_id="4be1:4.1/2"), 255 - grey),
        ExtractedPanel("a/paper.pdf", replace(sample.look, panel_id="4be1:4.1", status="", of=2), grey[::-1], True),
        ExtractedPanel("a/paper.pdf", sample.graphic, grey),
        ExtractedPanel("a/paper.pdf", replace(sample.graphic, panel_id="4be1:8.1", status=""), grey, True),
        ExtractedPanel("a/paper.pdf", replace(sample.small, panel_id="4be1:9.1", reason="corrupt"), None),
    ]
    fake = types.ModuleType("semscan.engine.extract")
    fake.extract_panels = lambda paths, options, figures, colour: (i for i in items if figures or not _is_figure(i))
    monkeypatch.setitem(sys.modules, "semscan.engine.extract", fake)
    return items


def test_panels_are_written_in_their_stored_pixels(extracted, tmp_path, capsys):
    assert main(["extract", "a/paper.pdf", "-o", str(tmp_path / "out")]) == 0
    with (tmp_path / "out" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    for row, item in zip(rows, extracted[:2], strict=True):
        with Image.open(tmp_path / "out" / row["file"]) as image:
            assert image.mode == "L"
            assert np.array_equal(np.asarray(image), item.pixels)
        assert (row["path"], row["panel_id"]) == ("a/paper.pdf", item.record.panel_id)
        assert row["what"] == "panel"
    assert len(list((tmp_path / "out").iterdir())) == 3


@pytest.mark.parametrize("word", ["--colour", "--color"])
def test_colour_is_asked_for_and_written(monkeypatch, sample, tmp_path, word):
    asked = []
    shown = np.arange(130 * 140 * 3, dtype=np.uint32).reshape(130, 140, 3).astype(np.uint8)

    def found(paths, options, figures, colour):
        asked.append(colour)
        return iter([ExtractedPanel("a/paper.pdf", replace(sample.look, panel_id="4be1:4.1/1"), shown)])

    fake = types.ModuleType("semscan.engine.extract")
    fake.extract_panels = found
    monkeypatch.setitem(sys.modules, "semscan.engine.extract", fake)
    assert main(["extract", "a/paper.pdf", "-o", str(tmp_path / "out"), word]) == 0
    assert main(["extract", "a/paper.pdf", "-o", str(tmp_path / "grey")]) == 0
    assert asked == [True, False]
    (file,) = (tmp_path / "out").glob("*.png")
    with Image.open(file) as image:
        assert image.mode == "RGB" and np.array_equal(np.asarray(image), shown)


def test_all_writes_other_kinds_too(extracted, tmp_path):
    assert main(["extract", "a/paper.pdf", "-o", str(tmp_path / "out"), "--all"]) == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 3


@pytest.mark.parametrize(("words", "wanted"), [([], 1), (["--all"], 2)])
def test_figures_are_written_once_beside_their_panels(extracted, tmp_path, capsys, words, wanted):
    assert main(["extract", "a/paper.pdf", "-o", str(tmp_path), "--figures", *words]) == 0
    with (tmp_path / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    figures = [row for row in rows if row["what"] == "figure"]
    assert len(figures) == wanted
    assert (figures[0]["panel_id"], figures[0]["of"], figures[0]["status"]) == ("4be1:4.1", "2", "")
    with Image.open(tmp_path / figures[0]["file"]) as image:
        assert np.array_equal(np.asarray(image), extracted[2].pixels)
    assert len(set(tmp_path.iterdir())) == len(rows) + 1
    assert f" and {wanted} figure" in capsys.readouterr().err


def test_an_earlier_manifest_is_not_overwritten_unasked(extracted, tmp_path, capsys):
    words = ["extract", "a/paper.pdf", "-o", str(tmp_path)]
    assert main(words) == 0
    assert main(words) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0


def test_list_prints_a_table_and_writes_nothing(extracted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["extract", "a/paper.pdf", "--list"]) == 0
    head, *rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    listed = [dict(zip(head, row, strict=True)) for row in rows]
    said = ["would be assessed", "would be assessed", "taken for: graphic", "short side 96 px < 128 px"]
    assert [row["STATUS"] for row in listed] == said
    assert listed[0] == {
        "PATH": "a/paper.pdf",
        "PAGE": "4",
        "FIGURE": "Fig. 2",
        "PANEL": "b",
        "PIXELS": "412x309",
        "IMAGE": "976x1783",
        "OBJECT": "83 0",
        "ENCODING": "JPEG q~80",
        "PPI": "300",
        "KIND": "sem",
        "STATUS": "would be assessed",
    }
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [[], ["--list", "-o", "x"], ["--list", "--figures"]])
def test_either_a_folder_or_a_list(extracted, words, capsys):
    assert main(["extract", "a/paper.pdf", *words]) == 2


def test_a_problem_with_a_document_is_told_and_ends_with_3(extracted, sample, tmp_path, capsys):
    extracted.append(sample.notice)
    assert main(["extract", "a/paper.pdf", "-o", str(tmp_path)]) == 3
    assert "the PDF needs a password" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["../../x.pdf", "a/.hidden.pdf", "-rf.pdf", "\x1b[2J\n.pdf", "µ" * 300 + ".pdf", ".."])
def test_names_stay_inside_the_folder(extracted, path):
    name = file_name(replace(extracted[0], path=path))
    assert name.isascii()
    assert name[0].isalnum()
    assert not set(name) & set("/\\ \n\x1b")
    assert len(name) < 120
    assert name.endswith("-p4-1-1.png")


def test_names_do_not_clash(extracted):
    first = extracted[0]
    others = [extracted[1], replace(first, path="b/paper.pdf")]
    others.append(replace(first, record=replace(first.record, doc_id="sha256:77")))
    assert len({file_name(panel) for panel in (first, *others)}) == 4
