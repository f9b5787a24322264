"""Whole scans of archives: the same scores as of the files themselves, every member answered for, nothing left."""

import tempfile

import pytest
from packing import tarred, zipped
from test_bundle import model_file
from test_scan import jpeg, of, paper

from semscan.engine.backends.fake import FakeBackend
from semscan.engine.errors import ExitCode, NoticeCode
from semscan.engine.extract import ExtractedPanel, extract_panels
from semscan.engine.options import ScanOptions
from semscan.engine.pipeline import scan
from semscan.engine.records import DocumentRecord, NoticeRecord, PanelRecord


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def run(model, paths, **options):
    chosen = ScanOptions(model=str(model), fpr=0.99, all_images=True, jobs=2, **options)
    return scan(paths, chosen, backend=FakeBackend())


def scores(records) -> dict:
    return {r.panel_id: (r.score, r.tail, r.reason, r.image) for r in of(PanelRecord, records)}


@pytest.fixture
def papers(tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(paper(jpeg(1), jpeg(2)))
    (folder / "b.jpg").write_bytes(jpeg(3))
    (folder / "c.pdf").write_bytes(paper(jpeg(4)))
    return folder


def test_an_archive_scores_as_its_folder_does(papers, tmp_path, scratch):
    model = model_file(tmp_path / "m.onnx")
    members = {f"in/{path.name}": path.read_bytes() for path in sorted(papers.iterdir())}
    (tmp_path / "x.zip").write_bytes(zipped(members))
    (tmp_path / "x.tar.gz").write_bytes(tarred({"sub/i.zip": zipped(members)}, "w:gz"))
    expected = scores(list(run(model, papers)))
    assert len(expected) == 4 and all(score is not None for score, *_ in expected.values())
    for path, container in (
        (tmp_path / "x.zip", (str(tmp_path / "x.zip"),)),
        (tmp_path / "x.tar.gz", (str(tmp_path / "x.tar.gz"), "sub/i.zip")),
    ):
        records = list(run(model, path))
        assert scores(records) == expected and list(scratch.iterdir()) == []
        documents = of(DocumentRecord, records)
        assert sorted(r.path for r in documents) == sorted(members) and {r.container for r in documents} == {container}
        assert records[-1].exit_code == ExitCode.OK


def test_a_bad_member_and_a_bad_archive_disturb_nobody(papers, tmp_path, scratch):
    model = model_file(tmp_path / "m.onnx")
    data = zipped({"bad.pdf": b"no PDF", "empty.pdf": b"", "a.pdf": (papers / "a.pdf").read_bytes()})
    (papers / "x.zip").write_bytes(data)
    (papers / "cut.zip").write_bytes(data[:-30])
    records = list(run(model, papers))
    about = {notice.path.partition(str(papers))[2]: notice.code for notice in of(NoticeRecord, records)}
    assert about == {
        "/x.zip!bad.pdf": NoticeCode.NOT_A_PDF,
        "/x.zip!empty.pdf": NoticeCode.EMPTY_FILE,
        "/cut.zip": NoticeCode.ARCHIVE_CORRUPT,
    }
    failed = {record.label for record in of(DocumentRecord, records) if record.status == "failed"}
    assert failed == {notice.path for notice in of(NoticeRecord, records)} - {str(papers / "cut.zip")}
    assert len(of(DocumentRecord, records)) == 6 and records[-1].exit_code == ExitCode.INCOMPLETE


def test_a_scan_that_is_left_early_leaves_no_copies(papers, tmp_path, scratch):
    (tmp_path / "x.zip").write_bytes(zipped({f"{n}.pdf": (papers / "a.pdf").read_bytes() for n in range(9)}))
    records = run(model_file(tmp_path / "m.onnx"), tmp_path / "x.zip")
    assert next(record for record in records if isinstance(record, DocumentRecord)) and list(scratch.iterdir())
    records.close()
    assert list(scratch.iterdir()) == []


def test_at_most_a_handful_of_copies_exist_at_a_time(papers, tmp_path, scratch):
    (tmp_path / "x.zip").write_bytes(zipped({f"{n}.pdf": (papers / "c.pdf").read_bytes() for n in range(20)}))
    most = 0
    for _ in run(model_file(tmp_path / "m.onnx"), tmp_path / "x.zip", batch_size=1):
        most = max(most, sum(path.name not in ("in-use",) for path in scratch.glob("*/*")))
    assert 1 <= most <= 4


def test_panels_are_extracted_from_archives(papers, tmp_path, scratch):
    (tmp_path / "x.docx").write_bytes(zipped({"word/media/image1.jpeg": jpeg(3)}))
    (panel,) = extract_panels([tmp_path / "x.docx"], ScanOptions(jobs=1, all_images=True))
    assert isinstance(panel, ExtractedPanel) and panel.path == f"{tmp_path / 'x.docx'}!word/media/image1.jpeg"
    assert list(scratch.iterdir()) == []
