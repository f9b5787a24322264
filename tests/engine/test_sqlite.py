"""The database holds whole documents only, and knows what need not be done again."""

import sqlite3
from dataclasses import replace

import pytest

from semscan.engine.errors import OutputError
from semscan.engine.records import (
    CalibrationId,
    Counts,
    DocumentRecord,
    ImageRecord,
    ModelId,
    NoticeRecord,
    PanelRecord,
    ReferenceRecord,
    RunRecord,
    SummaryRecord,
    Tool,
)
from semscan.engine.sinks.sqlite import SqliteSink, run_key

RUN = RunRecord(
    "r1", Tool("1"), ModelId("m", "ab"), CalibrationId("c", 9, 9), {"fpr_per_panel": 0.05, "jobs": 1},
    ("semscan",), "cpu", "onnxruntime", "fp32", "now",
)  # fmt: skip
IMAGE = ImageRecord("ff", (9, 9), (0, 0, 9, 9), "file", "png")
SUMMARY = SummaryRecord("r1", {"read": 1, "failed": 0}, {"assessed": 1}, 0.1, (0.0, 0.2), 0, "now", 1.0)


def document(path: str) -> DocumentRecord:
    return DocumentRecord(f"sha256:{path}", path, "application/pdf", 5, 1, "assessed", Counts(flagged=1), 0.05, 0.1)


def panel(name: str) -> PanelRecord:
    reference = ReferenceRecord("lossless", 9, 9)
    return PanelRecord(
        name, "sha256:d", "assessed", page=1, image=IMAGE, score=1.5, tail=0.01, tail_ci95=(0.0, 0.1),
        reference=reference, level="look",
    )  # fmt: skip


def group(path: str) -> list:
    return [document(path), panel(path + "-1"), panel(path + "-2"), NoticeRecord("warning", "page_damaged", path, "x")]


def written(path, *records, **options) -> SqliteSink:
    sink = SqliteSink(path, **options)
    for record in records:
        sink.write(record)
    return sink


def test_records_come_back_as_they_went_in(tmp_path):
    alone = NoticeRecord("error", "not_found", "gone.pdf", "there is no such file")
    sink = written(tmp_path / "run.sqlite", RUN, *group("a.pdf"), alone, *group("b.pdf"), SUMMARY)
    assert list(sink.records()) == [*group("a.pdf"), *group("b.pdf")]
    sink.close()
    with sqlite3.connect(tmp_path / "run.sqlite") as db:
        assert db.execute("SELECT path, flagged FROM document").fetchall() == [("a.pdf", 1), ("b.pdf", 1)]
        assert db.execute("SELECT count(*) FROM notice WHERE document IS NULL").fetchone() == (1,)
        assert db.execute("SELECT tail FROM panel WHERE level = 'look' LIMIT 1").fetchone() == (0.01,)
        assert db.execute("SELECT count(*) FROM summary").fetchone() == (1,)


def test_names_that_are_no_valid_unicode_are_kept_exactly(tmp_path):
    odd = [document("caf\udce9.pdf"), replace(panel("p\ud800"), figure="Fig. \udfff")]
    odd.append(NoticeRecord("warning", "page_damaged", "caf\udce9.pdf", "x"))
    sink = written(tmp_path / "run.sqlite", RUN, *odd, *group("a\\b.pdf"))
    sink.write(SUMMARY)
    assert list(sink.records()) == [*odd, *group("a\\b.pdf")]
    assert list(sink.records((), "caf\udce9.pdf")) == odd
    assert [path for _, path, _, _ in sink.done()] == ["caf\udce9.pdf", "a\\b.pdf"]
    sink.forget((), "caf\udce9.pdf")
    assert list(sink.records()) == group("a\\b.pdf")
    sink.close()


def test_a_document_cut_off_by_a_kill_is_not_there(tmp_path):
    path = tmp_path / "run.sqlite"
    sink = written(path, RUN, *group("a.pdf"), *group("b.pdf")[:2])
    with sqlite3.connect(path) as db:  # what another process finds after a kill
        assert db.execute("SELECT path FROM document").fetchall() == [("a.pdf",)]
    sink.close()
    assert [d[1] for d in SqliteSink(path, resume=True).done()] == ["a.pdf"]


def test_resuming_the_same_run_keeps_its_documents_and_its_run_record(tmp_path):
    path = tmp_path / "run.sqlite"
    written(path, RUN, *group("a.pdf"), SUMMARY).close()
    sink = SqliteSink(path, resume=True)
    again = replace(RUN, run_id="r2", started="later", policy={"fpr_per_panel": 0.05, "jobs": 8})
    assert sink.start(again) == RUN
    assert list(sink.records()) == group("a.pdf")
    sink.forget((), "a.pdf")
    assert list(sink.records()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"model": ModelId("m", "cd")},
        {"calibration": CalibrationId("d", 9, 9)},
        {"policy": {"fpr_per_panel": 0.1, "jobs": 1}},
        {"tool": Tool("2")},
    ],
)
def test_resuming_under_another_model_calibration_or_policy_starts_over(tmp_path, change):
    path = tmp_path / "run.sqlite"
    written(path, RUN, *group("a.pdf"), SUMMARY).close()
    sink = SqliteSink(path, resume=True)
    assert sink.start(replace(RUN, **change)) == replace(RUN, **change)
    assert list(sink.done()) == []


def test_a_document_written_again_replaces_the_first(tmp_path):
    sink = written(tmp_path / "run.sqlite", RUN, *group("a.pdf"), *group("a.pdf"), SUMMARY)
    assert list(sink.records()) == group("a.pdf")


def test_an_existing_file_is_neither_replaced_nor_continued_unasked(tmp_path):
    path = tmp_path / "run.sqlite"
    written(path, RUN, *group("a.pdf"), SUMMARY).close()
    with pytest.raises(OutputError, match="exists"):
        SqliteSink(path)
    assert list(SqliteSink(path, overwrite=True).records()) == []


@pytest.mark.parametrize(
    "content", [b"not a database, not at all, by no means", b"SQLite format 3\x00 and then nothing"]
)
def test_a_file_of_another_kind_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "run.sqlite"
    path.write_bytes(content)
    with pytest.raises(OutputError):
        SqliteSink(path, resume=True)
    assert path.read_bytes() == content
    with sqlite3.connect(tmp_path / "other.sqlite") as db:
        db.execute("CREATE TABLE precious (x)")
    with pytest.raises(OutputError, match="not a semscan run"):
        SqliteSink(tmp_path / "other.sqlite", resume=True)


def test_a_run_is_continued_only_with_the_same_networks_and_calibration_wherever_its_file_lies():
    gated = replace(RUN, gate=ModelId("kind-1", "cd"))
    other_gate = replace(RUN, gate=ModelId("kind-1", "ef"))
    other_letters = replace(gated, letters=ModelId("letters-1", "ef"))
    own = replace(gated, calibration=CalibrationId("archive-60-ab", 60, 60))
    here, there = (replace(own, policy=own.policy | {"calibration": path}) for path in ("a.json", "b/a.json"))
    keys = [run_key(run) for run in (gated, other_gate, other_letters, own)]
    assert len(set(keys)) == 4
    assert run_key(here) == run_key(there)
