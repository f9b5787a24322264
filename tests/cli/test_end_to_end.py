"""The command line on real files with the shipped model: records that agree, exit codes as documented."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from semscan.cli.main import main

PAPER = Path(__file__).parent.parent.parent / "examples" / "paper.pdf"


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """Records of the example paper, by type, and the folder with all outputs."""
    folder = tmp_path_factory.mktemp("scan")
    words = [word for suffix in ("jsonl", "json", "csv") for word in ("-o", str(folder / f"r.{suffix}"))]
    assert main([str(PAPER), *words, "-f", "none", "-q", "-j", "1"]) == 0
    records = [json.loads(line) for line in (folder / "r.jsonl").read_text("utf-8").splitlines()]
    return folder, records


def of_type(records, name):
    return [record for record in records if record["type"] == name]


def test_records_agree_with_each_other(scanned):
    _, records = scanned
    (run,), (document,), (summary,) = (of_type(records, name) for name in ("run", "document", "summary"))
    panels = of_type(records, "panel")
    assert [records[0]["type"], records[-1]["type"]] == ["run", "summary"]
    assert len({panel["panel_id"] for panel in panels}) == len(panels) == document["counts"]["panels"]
    statuses = Counter(panel["status"] for panel in panels)
    assert statuses["assessed"] == document["counts"]["assessed"] == summary["panels"]["assessed"] > 0
    flagged = [panel for panel in panels if panel["level"] == "look"]
    assert len(flagged) == document["counts"]["flagged"] == summary["panels"]["flagged"]
    assert all(panel["tail"] <= run["policy"]["fpr_per_panel"] for panel in flagged)
    for panel in panels:
        scored = panel["status"] == "assessed"
        assert (panel["score"] is not None) == (panel["tail"] is not None) == scored
        assert (panel["reason"] is None) == scored
    assert summary["exit_code"] == 0


def test_formats_hold_the_same_run(scanned):
    folder, records = scanned
    assert json.loads((folder / "r.json").read_text("utf-8"))["records"] == records
    rows = list(csv.DictReader(io.StringIO((folder / "r.csv").read_text("utf-8"))))
    assert [row["panel_id"] for row in rows] == [panel["panel_id"] for panel in of_type(records, "panel")]


def test_a_second_scan_gives_the_same_panels(scanned, capsys):
    _, records = scanned
    assert main([str(PAPER), "--json", "-q", "--batch-size", "3"]) == 0
    again = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert of_type(again, "panel") == of_type(records, "panel")


def test_extract_and_scan_see_the_same_panels(scanned, tmp_path):
    _, records = scanned
    assert main(["extract", str(PAPER), "-o", str(tmp_path), "--all"]) == 0
    with (tmp_path / "manifest.csv").open(newline="") as file:
        rows = {row["panel_id"]: row for row in csv.DictReader(file)}
    for panel in of_type(records, "panel"):
        if panel["status"] == "assessed":
            row = rows[panel["panel_id"]]
            x0, y0, x1, y1 = panel["image"]["bbox_px"]
            with Image.open(tmp_path / row["file"]) as image:
                assert image.size == (x1 - x0, y1 - y0)


def test_unreadable_inputs_end_with_3_and_the_rest_is_processed(tmp_path, capsys):
    (tmp_path / "empty.pdf").touch()
    (tmp_path / "text.pdf").write_text("no PDF at all")
    assert main([str(PAPER), str(tmp_path), str(tmp_path / "gone.pdf"), "--json", "-q"]) == 3
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    codes = {Path(notice["path"]).name: notice["code"] for notice in of_type(records, "notice")}
    assert codes == {"empty.pdf": "empty_file", "text.pdf": "not_a_pdf", "gone.pdf": "not_found"}
    assert records[-1]["documents"] == {"read": 1, "failed": 2}
    assert records[-1]["exit_code"] == 3


def test_errors_may_be_ignored_but_not_the_absence_of_input(tmp_path):
    (tmp_path / "empty.pdf").touch()
    words = ["-f", "none", "-q", "--fail-on", "none"]
    assert main([str(PAPER), str(tmp_path), *words]) == 0
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing to scan")
    assert main([str(folder), *words]) == 4


def test_a_rate_that_the_calibration_cannot_support_is_refused(capsys):
    assert main([str(PAPER), "--fpr", "0.0001"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "use --fpr" in captured.err


def test_a_file_that_is_no_model_is_refused(tmp_path, capsys):
    (tmp_path / "m.onnx").write_bytes(b"\x08\x07garbage")
    assert main([str(PAPER), "--model", str(tmp_path / "m.onnx")]) == 2
    assert capsys.readouterr().err.startswith("semscan: ")


def test_the_shipped_model_gives_its_scores_here(capsys):
    assert main(["models", "verify"]) == 0
    assert main(["doctor"]) == 0


def test_a_missing_runtime_is_refused_with_the_command_that_installs_it(monkeypatch, tmp_path, capsys):
    for package in ("onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, package, None)
    assert main([str(PAPER), "-o", str(tmp_path / "r.jsonl")]) == 2
    captured = capsys.readouterr()
    assert "pip install 'semscan[cpu]'" in captured.err
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []
    assert main(["doctor"]) == 2
    assert "pip install 'semscan[cpu]'" in capsys.readouterr().out


def test_a_resumed_run_still_knows_its_unassessed_documents(tmp_path):
    Image.new("L", (300, 300), 128).save(tmp_path / "flat.png")
    words = [str(tmp_path), "-o", str(tmp_path / "r.sqlite"), "-f", "none", "-q", "--fail-on", "unassessed"]
    assert main(words) == 1
    assert main([*words, "--resume"]) == 1
