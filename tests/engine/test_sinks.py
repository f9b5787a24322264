"""Records on disk: valid after any end, never executed by a spreadsheet, never silently overwritten."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from io import BytesIO

import pytest

from semscan.engine.errors import OutputError, UsageError
from semscan.engine.parse import record_from_json
from semscan.engine.records import (
    Counts,
    CueRecord,
    DocumentRecord,
    ImageRecord,
    KindRecord,
    PanelRecord,
    QualityRecord,
    to_jsonable,
)
from semscan.engine.sinks import open_sink
from semscan.engine.sinks.csv_ import COLUMNS, line, panel_cells
from semscan.engine.sinks.json_ import JsonSink
from semscan.engine.sinks.output import FileOutput, StreamOutput

DOCUMENT = DocumentRecord(
    doc_id="sha256:1",
    path="a.pdf",
    media_type="application/pdf",
    bytes=1,
    pages=1,
    status="assessed",
    counts=Counts(),
    p_any_false_flag=0.0,
    seconds=0.1,
)
PANEL = PanelRecord(
    panel_id="1:1.1/1",
    doc_id="sha256:1",
    status="assessed",
    page=1,
    figure="Fig. 1",
    bbox_pt=(1.5, 2.0, 3.0, 4.0),
    image=ImageRecord("ab", (20, 10), (1, 2, 3, 4), "embedded", "jpeg", jpeg_q=80),
    kind=KindRecord("sem", 0.9),
    score=-2.5,
    tail=0.25,
    tail_ci95=(0.2, 0.3),
    level="none",
)


def write(path, *records, overwrite=False):
    sink = open_sink(path, overwrite)
    for record in records:
        sink.write(record)
    sink.close()
    return path


def test_jsonl_holds_each_record_on_a_line_with_type_first(tmp_path):
    lines = write(tmp_path / "r.jsonl", DOCUMENT, PANEL).read_text("utf-8").splitlines()
    assert [json.loads(text) for text in lines] == [json.loads(json.dumps(to_jsonable(r))) for r in (DOCUMENT, PANEL)]
    assert all(text.startswith('{"type":') for text in lines)


def test_json_is_one_document(tmp_path):
    data = json.loads(write(tmp_path / "r.json", DOCUMENT, PANEL).read_bytes())
    assert data["schema"] == "semscan/1"
    assert [record["type"] for record in data["records"]] == ["document", "panel"]


def test_csv_has_a_row_per_panel_in_fixed_columns(tmp_path):
    with write(tmp_path / "r.csv", DOCUMENT, PANEL).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == list(COLUMNS)
    row = dict(zip(*rows, strict=True))
    some = {"path": "a.pdf", "score": "-2.5", "tail_high95": "0.3", "x1_px": "3", "reason": ""}
    assert {name: row[name] for name in some} == some


def test_a_document_in_an_archive_is_named_with_it(tmp_path):
    document = replace(DOCUMENT, container=("p.zip", "q.tar"))
    with write(tmp_path / "r.csv", document, PANEL).open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["path"] == "p.zip!q.tar!a.pdf"


def test_the_first_csv_columns_never_change():
    first = "path page page_label figure panel index of status level score tail tail_low95 tail_high95"
    assert COLUMNS[:13] == tuple(first.split())
    assert len(COLUMNS) >= 43
    assert list(panel_cells(PANEL, "x")) == list(COLUMNS)


def test_quality_and_cues_have_columns_and_come_back_from_json():
    cues = (CueRecord("c2pa", "C2PA manifest"), CueRecord("instrument", "=Make"))
    panel = replace(PANEL, quality=QualityRecord(0.02, 0.5, 0.0, 2.43, True, 74), cues=cues)
    cells = panel_cells(panel, "a.pdf")
    names = ("annotated", "saturated", "flat", "resampling_period_px", "earlier_jpeg", "earlier_jpeg_q", "cues")
    assert [cells[name] for name in names] == [
        *(0.02, 0.5, 0.0, 2.43, "yes", 74),
        "c2pa: C2PA manifest; instrument: =Make",
    ]
    for record in (panel, replace(DOCUMENT, cues=cues)):
        assert record_from_json(json.loads(json.dumps(to_jsonable(record)))) == record


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_a_spreadsheet_executes_nothing(start, tmp_path):
    nasty = f'{start}HYPERLINK("http://x","y")'
    document, panel = replace(DOCUMENT, path=nasty), replace(PANEL, figure=nasty, page_label=nasty)
    with write(tmp_path / "r.csv", document, panel).open(encoding="utf-8", newline="") as file:
        row = list(csv.reader(file))[1]
    assert row.count("'" + nasty) == 3
    assert not [cell for cell in row if cell.startswith(start) and cell not in ("-2.5",)]


def test_harmless_text_stays_as_it_is():
    assert line(["a=1", "Fig. 2-3", "Größe", 'say "x", y']) == 'a=1,Fig. 2-3,Größe,"say ""x"", y"\n'.encode()


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv"])
def test_names_that_are_no_unicode_are_written(suffix, tmp_path):
    path = write(tmp_path / f"r.{suffix}", replace(DOCUMENT, path="caf\udce9 µ.pdf"), PANEL)
    text = path.read_text("utf-8")
    assert "\\udce9 µ.pdf" in text
    if suffix == "json":
        assert json.loads(text)["records"][0]["path"] == "caf\udce9 µ.pdf"


def test_a_number_that_json_lacks_is_a_bug_not_a_broken_file(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path / "r.jsonl", replace(PANEL, score=float("nan")))


@pytest.mark.parametrize("name", ["r.txt", "r", ".jsonl", "r.jsonl.gz"])
def test_other_suffixes_are_refused_and_the_supported_ones_named(name, tmp_path):
    with pytest.raises(UsageError) as refusal:
        open_sink(tmp_path / name)
    assert all(suffix in refusal.value.remedy for suffix in (".jsonl", ".json", ".csv"))


def test_suffixes_may_be_in_capitals(tmp_path):
    assert json.loads(write(tmp_path / "R.JSONL", DOCUMENT).read_text())["type"] == "document"


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv"])
def test_nothing_is_overwritten_unasked(suffix, tmp_path):
    path = tmp_path / f"r.{suffix}"
    path.write_text("precious")
    with pytest.raises(OutputError) as refusal:
        open_sink(path)
    assert "--overwrite" in refusal.value.remedy
    assert path.read_text() == "precious"
    write(path, DOCUMENT, PANEL, overwrite=True)
    assert "precious" not in path.read_text()


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path):
    sink = open_sink(tmp_path / "r.jsonl")
    (tmp_path / "r.jsonl").write_text("precious")
    with pytest.raises(OutputError):
        sink.write(DOCUMENT)
    assert (tmp_path / "r.jsonl").read_text() == "precious"


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv"])
def test_a_run_that_never_starts_leaves_no_file(suffix, tmp_path):
    write(tmp_path / f"r.{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_folders_and_missing_folders_are_refused(tmp_path):
    (tmp_path / "d.json").mkdir()
    for path in (tmp_path / "d.json", tmp_path / "none" / "r.json"):
        with pytest.raises(OutputError):
            open_sink(path, overwrite=True)


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the superuser may write everywhere
    with pytest.raises(OutputError, match="permission"):
        open_sink(tmp_path / "r.jsonl")


def test_json_is_absent_until_it_is_whole(tmp_path):
    sink = open_sink(tmp_path / "r.json")
    sink.write(DOCUMENT)
    assert not (tmp_path / "r.json").exists()
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]
    sink.close()


def test_a_full_disk_is_a_refusal_and_leaves_whole_lines(tmp_path, monkeypatch):
    path = tmp_path / "r.jsonl"
    sink = open_sink(path)
    sink.write(DOCUMENT)
    before = path.read_bytes()

    def half_then_full(stream, block):
        stream.write(block[: len(block) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("semscan.engine.sinks.output._write_all", half_then_full)
    with pytest.raises(OutputError, match="No space left"):
        sink.write(PANEL)
    sink.close()
    assert path.read_bytes() == before


def test_a_real_full_device_is_a_refusal():
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OutputError, match="standard output"):  # noqa: PTH123
        StreamOutput(full).write(b"x")


def test_a_failed_json_leaves_nothing_behind(tmp_path, monkeypatch):
    sink = open_sink(tmp_path / "r.json")
    sink.write(DOCUMENT)

    def full(stream, block):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("semscan.engine.sinks.output._write_all", full)
    with pytest.raises(OutputError):
        sink.write(PANEL)
    assert list(tmp_path.iterdir()) == []


def test_short_writes_are_completed():
    class Slow(BytesIO):
        def write(self, block):
            return super().write(bytes(block[:3]))

    stream = Slow()
    sink = JsonSink(StreamOutput(stream))
    sink.write(DOCUMENT)
    sink.close()
    assert json.loads(stream.getvalue())["records"][0]["path"] == "a.pdf"


def test_a_reader_that_went_away_is_not_an_output_error():
    class Gone(BytesIO):
        def write(self, block):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        StreamOutput(Gone()).write(b"x")


def test_a_killed_process_leaves_whole_lines(tmp_path):
    path = tmp_path / "r.jsonl"
    code = f"""
import os, signal
from semscan.engine.records import NoticeRecord
from semscan.engine.sinks import open_sink
sink = open_sink({str(path)!r})
for number in range(300):
    sink.write(NoticeRecord("error", "corrupt", f"{{number}}.pdf", "x" * 997))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    text = path.read_text("utf-8")
    assert text.endswith("\n")
    assert [json.loads(line)["path"] for line in text.splitlines()] == [f"{n}.pdf" for n in range(300)]


def test_the_working_file_lies_beside_the_target(tmp_path):
    output = FileOutput(tmp_path / "r.json", atomic=True)
    output.write(b"{}")
    (part,) = tmp_path.iterdir()
    assert part.name.startswith(".r.json.")
    output.close()
    assert (tmp_path / "r.json").read_bytes() == b"{}"
