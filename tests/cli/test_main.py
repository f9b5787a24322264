"""The command line as a whole: dispatch, errors to exit codes, what goes to which stream."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace

import pytest

from semscan.cli.main import main
from semscan.cli.scan import is_one_document, without_secret
from semscan.engine.errors import ModelError


def test_a_bare_path_is_scanned(pipeline, capsys):
    assert main(["paper.pdf"]) == 0
    assert main(["scan", "paper.pdf"]) == 0
    assert main(["--json", "paper.pdf"]) == 0
    assert [call.paths for call in pipeline.calls] == [("paper.pdf",)] * 3


def test_a_misspelt_command_is_not_scanned(pipeline, capsys):
    assert main(["doctr"]) == 2
    assert "did you mean 'semscan doctor'" in capsys.readouterr().err
    assert pipeline.calls == []


def test_a_file_with_a_name_like_a_command_is_scanned(pipeline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "doctr").touch()
    assert main(["doctr"]) == 0
    assert main(["./scan"]) == 0
    assert [call.paths for call in pipeline.calls] == [("doctr",), ("./scan",)]


def test_json_lines_on_standard_output_are_the_records(pipeline, capsys):
    assert main(["paper.pdf", "--json", "-q"]) == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["type"] for line in captured.out.splitlines()] == [r.type for r in pipeline.records]
    assert captured.err == ""


@pytest.mark.parametrize("words", [["--csv"], ["-f", "csv"], ["--format=csv"]])
def test_csv_on_standard_output(pipeline, capsys, words):
    assert main(["paper.pdf", *words]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 1 + sum(record.type == "panel" for record in pipeline.records)


def test_none_prints_nothing(pipeline, capsys):
    assert main(["paper.pdf", "-f", "none", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_text_is_rows_when_piped_and_totals_go_to_stderr(pipeline, capsys):
    assert main(["paper.pdf"]) == 0
    captured = capsys.readouterr()
    assert [line.count("\t") for line in captured.out.splitlines()] == [7, 7]
    assert "1 found, 0.14 expected if every panel were genuine" in captured.err
    assert "\x1b" not in captured.out


def test_one_file_shows_what_was_not_assessed_and_many_do_not(pipeline, capsys):
    main(["paper.pdf"])
    assert "NOT ASSESSED" in capsys.readouterr().out
    main(["paper.pdf", "other.pdf"])
    assert "NOT ASSESSED" not in capsys.readouterr().out
    main(["paper.pdf", "other.pdf", "--show", "unassessed"])
    assert "NOT ASSESSED" in capsys.readouterr().out


def test_several_outputs_get_every_record(pipeline, tmp_path, capsys):
    names = ["r.jsonl", "r.json", "r.csv"]
    words = [word for name in names for word in ("-o", str(tmp_path / name))]
    assert main(["paper.pdf", *words, "-f", "none"]) == 0
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == len(pipeline.records)
    assert len(json.loads((tmp_path / "r.json").read_text())["records"]) == len(pipeline.records)
    assert main(["paper.pdf", *words]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert len(pipeline.calls) == 1, "an output was refused, and yet something was scanned"
    assert main(["paper.pdf", *words, "--overwrite"]) == 0


def test_the_same_output_twice_is_refused(pipeline, tmp_path, capsys):
    path = str(tmp_path / "r.csv")
    assert main(["paper.pdf", "-o", path, "-o", path]) == 2
    assert pipeline.calls == []


def test_options_reach_the_pipeline(pipeline):
    limits = {"max_file_mib": 7, "max_pages": 8, "max_pixels": 9, "archive_depth": 2, "archive_files": 5}
    limits |= {"include": ("*.pdf", "*.png"), "exclude": ("draft*",)}
    words = "--fpr 0.05 --min-panel 256 --all-images --model m.onnx --batch-size 8 -j 3 --timeout 9 --password x"
    words += " --max-file-size 7 --max-pages 8 --max-pixels 9 --archive-depth 2 --archive-files 5"
    words += " --include *.pdf --include *.png --exclude draft*"
    assert main(["a.pdf", "b.pdf", *words.split()]) == 0
    options = pipeline.calls[0].options
    given = {"fpr": 0.05, "min_panel_px": 256, "all_images": True, "model": "m.onnx", "batch_size": 8, "jobs": 3}
    assert options.to_json() == options.to_json() | given | limits | {"timeout_s": 9.0}
    assert options.password == "x"


def test_paths_may_come_from_a_list(pipeline, tmp_path, capsys):
    (tmp_path / "list").write_text("b.pdf\n\nc d.pdf\n")
    assert main(["a.pdf", "--files-from", str(tmp_path / "list")]) == 0
    assert main(["--files-from", str(tmp_path / "list")]) == 0
    assert [call.paths for call in pipeline.calls] == [("a.pdf", "b.pdf", "c d.pdf"), ("b.pdf", "c d.pdf")]
    assert main(["--files-from", str(tmp_path / "none")]) == 2
    assert main(["-q"]) == 2
    assert "nothing to scan" in capsys.readouterr().err
    assert len(pipeline.calls) == 2


@pytest.mark.parametrize(
    ("path", "single"),
    [("a.pdf", True), ("a.png", True), ("a.zip", False), ("a.tar.gz", False), (".", False), ("*.pdf", False)],
)
def test_what_can_only_be_one_document(path, single):
    assert is_one_document(path) is single


def test_the_environment_sets_options_and_the_command_line_wins(pipeline, monkeypatch):
    monkeypatch.setenv("SEMSCAN_JOBS", "5")
    monkeypatch.setenv("SEMSCAN_PASSWORD", "secret")
    main(["a.pdf"])
    main(["a.pdf", "-j", "2"])
    assert [call.options.jobs for call in pipeline.calls] == [5, 2]
    assert pipeline.calls[0].options.password == "secret"


@pytest.mark.parametrize("words", [["--fpr", "2"], ["--min-panel", "64"], ["-j", "0"], ["--timeout", "0"]])
def test_options_out_of_range_are_refused_with_a_reason(pipeline, capsys, words):
    assert main(["a.pdf", *words]) == 2
    assert capsys.readouterr().err.startswith("semscan: ")
    assert pipeline.calls == []


@pytest.mark.parametrize("device", ["cuda:a", "gpu", "tpu"])
def test_no_such_device(pipeline, capsys, device):
    assert main(["a.pdf", "--device", device]) == 2
    captured = capsys.readouterr().err
    assert "cpu" in captured.lower()
    assert pipeline.calls == []


def test_a_password_is_masked_in_the_record(pipeline, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["semscan", "a.pdf", "--password", "secret"])
    main()
    assert pipeline.calls[0].argv == ("semscan", "a.pdf", "--password", "***")
    assert without_secret(["--password=secret", "x"]) == ["--password=***", "x"]
    assert without_secret(["--password", "--password", "x"]) == ["--password", "***", "x"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], 0), (["--fail-on", "flag"], 1), (["--fail-on", "unassessed"], 1), (["--fail-on", "none"], 0)],
)
def test_the_exit_code_is_that_of_the_summary_record(pipeline, capsys, words, expected):
    assert main(["a.pdf", "--json", *words]) == expected
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["exit_code"] == expected


def test_a_document_without_any_assessed_panel_meets_unassessed(pipeline, sample):
    document = sample.document(status="not_assessed", **sample.nothing)
    pipeline.records = [sample.run, document, sample.summary(panels={"assessed": 0, "not_assessed": 0, "flagged": 0})]
    assert main(["a.pdf", "--fail-on", "unassessed"]) == 1
    assert main(["a.pdf", "--fail-on", "flag"]) == 0


def test_problems_are_told_on_stderr_when_records_go_elsewhere(pipeline, sample, capsys):
    notice = replace(sample.notice, path="evil\x1b[2J.pdf")
    pipeline.records = [sample.run, sample.failed, notice, sample.summary(exit_code=3)]
    assert main(["x", "--json"]) == 3
    err = capsys.readouterr().err
    assert "semscan: error: evil?[2J.pdf: the PDF needs a password\n" in err


def test_a_refusal_has_a_message_and_a_remedy_and_leaves_no_file(pipeline, tmp_path, capsys):
    pipeline.records = [ModelError("there is no model 'x'", "semscan models list")]
    assert main(["a.pdf", "-o", str(tmp_path / "r.jsonl"), "-f", "none"]) == 2
    assert capsys.readouterr().err == "semscan: there is no model 'x'\n  semscan models list\n"
    assert list(tmp_path.iterdir()) == []


def test_a_bug_prints_a_traceback_and_asks_for_a_report(pipeline, tmp_path, capsys):
    pipeline.records = [*pipeline.records[:3], RuntimeError("oops")]
    assert main(["a.pdf", "-o", str(tmp_path / "r.json"), "-f", "none"]) == 70
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "RuntimeError: oops" in err
    assert "please report" in err
    assert len(json.loads((tmp_path / "r.json").read_text())["records"]) == 3


def test_an_interrupt_leaves_valid_output(pipeline, tmp_path, capsys):
    pipeline.records = [*pipeline.records[:3], KeyboardInterrupt()]
    words = ["-o", str(tmp_path / "r.json"), "-o", str(tmp_path / "r.jsonl"), "-f", "none"]
    assert main(["a.pdf", *words]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "r.json").read_text())["records"]) == 3
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 3


def test_usage_errors_are_one_line_and_where_to_look(capsys):
    assert main(["scan", "a.pdf", "--bogus"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("semscan: ")
    assert "see semscan scan --help" in err
