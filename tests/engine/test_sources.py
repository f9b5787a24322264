"""Every path that was typed is answered for, while the scan already runs."""

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from semscan.engine.document import sniff
from semscan.engine.errors import NoticeCode
from semscan.engine.options import ScanOptions
from semscan.engine.records import NoticeRecord
from semscan.engine.scratch import Scratch, TooMuch
from semscan.engine.sources import Intake


def items(*paths, stdin=None, **options) -> list:
    with Intake(ScanOptions(**options), stdin and io.BytesIO(stdin)) as intake:
        return list(intake.documents(paths))


def found(*paths, **options) -> list:
    return [
        item.code if isinstance(item, NoticeRecord) else item.path.rpartition("/")[2]
        for item in items(*paths, **options)
    ]


@pytest.fixture
def papers(tmp_path):
    folder = tmp_path / "papers"
    for name in (
        "a.pdf",
        "notes.txt",
        "2024/b.pdf",
        "2024/drafts/c.pdf",
        "2024/figure.png",
        "._a.pdf",
        ".hidden/d.pdf",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_folders_are_walked_in_a_stable_order_and_other_files_passed_over(tmp_path):
    (tmp_path / "b" / "a").mkdir(parents=True)
    for name in ("z.pdf", "a.PNG", "notes.txt", "b/c.tiff", "b/a/d.jpg"):
        (tmp_path / name).write_bytes(b"x")
    assert found(tmp_path) == ["a.PNG", "z.pdf", "c.tiff", "d.jpg"]


def test_work_starts_before_the_tree_is_listed(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.pdf").write_bytes(b"x")
    listed, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(Path(path).name) or scandir(path))
    with Intake(ScanOptions()) as intake:
        documents = intake.documents([tmp_path])
        assert next(documents).path.endswith("a/x.pdf") and "b" not in listed
        assert next(documents).path.endswith("b/x.pdf") and "b" in listed


def test_a_file_reached_twice_is_processed_once(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"x")
    (tmp_path / "link.pdf").symlink_to(tmp_path / "a.pdf")
    assert found(tmp_path / "a.pdf", tmp_path, tmp_path / "a.pdf") == ["a.pdf"]


def test_links_to_folders_are_not_followed_and_told_when_they_lead_elsewhere(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / f"{folder.name}.pdf").write_bytes(b"x")
    (inside / "loop").symlink_to(inside)
    assert found(inside) == ["inside.pdf"]
    (inside / "away").symlink_to(outside)
    assert found(inside) == [NoticeCode.LINK_NOT_FOLLOWED, "inside.pdf"]
    assert found(inside / "away") == ["outside.pdf"]
    (inside / "self.pdf").symlink_to("self.pdf")
    assert NoticeCode.UNREADABLE in found(inside)


def test_what_cannot_become_a_document_is_a_notice(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    assert found(tmp_path / "missing.pdf") == found(tmp_path / "nul\0.pdf") == [NoticeCode.NOT_FOUND]
    assert found(tmp_path / "empty") == [NoticeCode.NO_SUPPORTED_FILES]
    assert found(tmp_path / "notes.txt") == [NoticeCode.UNSUPPORTED_TYPE]
    (tmp_path / "dangling.pdf").symlink_to(tmp_path / "nowhere")
    assert found(tmp_path / "dangling.pdf") == [NoticeCode.UNREADABLE]
    os.mkfifo(tmp_path / "empty" / "pipe.pdf")
    assert found(tmp_path / "empty" / "pipe.pdf") == found(tmp_path / "empty") == [NoticeCode.UNREADABLE]


def test_a_pdf_or_an_archive_without_its_suffix_is_recognised(tmp_path):
    (tmp_path / "paper").write_bytes(b"junk\n%PDF-1.4\n")
    (document,) = items(tmp_path / "paper")
    assert (document.media_type, document.bytes, document.opened) == ("application/pdf", 14, tmp_path / "paper")
    with tarfile.open(tmp_path / "archive", "w:bz2") as tar:
        tar.add(tmp_path / "paper", "x.pdf")
    assert found(tmp_path / "archive") == ["x.pdf"]


def test_an_unreadable_folder_is_a_notice(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    assert found(tmp_path) == [NoticeCode.UNREADABLE]


def test_a_file_beyond_the_limit_is_refused(tmp_path):
    (tmp_path / "big.pdf").touch()
    os.truncate(tmp_path / "big.pdf", 2**20 + 1)
    assert found(tmp_path, max_file_mib=1) == [NoticeCode.FILE_TOO_LARGE]
    assert found(tmp_path, max_file_mib=2) == ["big.pdf"]


def test_a_pattern_that_no_shell_expanded(papers, monkeypatch):
    monkeypatch.chdir(papers.parent)
    assert found("papers/*.pdf") == found(str(papers / "*.pdf")) == ["a.pdf"]
    assert found("papers/**/*.pdf") == ["a.pdf", "b.pdf", "c.pdf"]
    assert found("p*/20[0-9][0-9]/[!a]*") == ["b.pdf", "c.pdf", "figure.png"]
    assert found("papers/.h*/*") == ["d.pdf"]
    assert found("papers/*.tiff") == [NoticeCode.NOT_FOUND]
    (papers / "odd[1].pdf").write_bytes(b"x")
    assert found("papers/odd[1].pdf") == ["odd[1].pdf"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"include": ("*.png",)}, ["figure.png"]),
        ({"exclude": ("drafts", ".*")}, ["a.pdf", "b.pdf", "figure.png"]),
        ({"exclude": ("2024/*.pdf", ".hidden")}, ["a.pdf", "figure.png"]),
        ({"include": ("*.pdf",), "exclude": ("a.pdf", "2024/drafts", ".hidden")}, ["b.pdf"]),
        ({"include": ("2024/b.pdf",)}, ["b.pdf"]),
        ({"include": ("*.tif",)}, [NoticeCode.NO_SUPPORTED_FILES]),
    ],
)
def test_include_and_exclude(papers, options, expected):
    assert found(papers, **options) == expected
    with zipfile.ZipFile(papers.parent / "papers.zip", "w") as archive:
        for path in sorted(papers.rglob("*"), key=lambda path: (len(path.parts), path)):
            archive.write(path, path.relative_to(papers))
    assert sorted(found(papers.parent / "papers.zip", **options)) == sorted(expected)


def test_excluded_archives_stay_closed_and_their_members_have_the_path_of_the_archive(papers):
    with zipfile.ZipFile(papers / "more.zip", "w") as archive:
        archive.writestr("in/e.pdf", b"x")
    assert "e.pdf" in found(papers)
    assert "e.pdf" not in found(papers, exclude=("*.zip",))
    assert found(papers, include=("more.zip/in/*",)) == ["e.pdf"]
    assert found(papers / "more.zip", include=("in/*",)) == ["e.pdf"]
    assert found(papers / "more.zip", papers / "a.pdf", exclude=("*.zip", "a.*")) == []


def test_one_document_on_standard_input():
    with Intake(ScanOptions(), io.BytesIO(b"%PDF-1.4 " + bytes(5000))) as intake:
        (document,) = intake.documents(["-"])
        assert (document.path, document.media_type, document.bytes) == ("stdin", "application/pdf", 5009)
        assert document.opened.read_bytes().startswith(b"%PDF") and document.opened.stat().st_mode & 0o777 == 0o600
        folder = document.opened.parent
        assert folder.stat().st_mode & 0o777 == 0o700
        intake.release(document)
        assert not document.opened.exists()
    assert not folder.exists()


def test_standard_input_that_is_no_document():
    assert found("-", stdin=b"hello") == [NoticeCode.UNSUPPORTED_TYPE]
    assert found("-", stdin=b"%PDF-" + bytes(2**20), max_file_mib=1) == [NoticeCode.FILE_TOO_LARGE]
    with Intake(ScanOptions(), io.BytesIO()) as intake:
        assert [item.code for item in intake.documents(["-"])] == [NoticeCode.EMPTY_FILE]


def test_an_archive_on_standard_input(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"%PDF-")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "a.pdf", "a.pdf")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.pdf", "a.pdf")
    plain = (tmp_path / "a.tar").read_bytes()
    for data in (plain, gzip.compress(plain), (tmp_path / "a.zip").read_bytes()):
        (document,) = items("-", stdin=data)
        assert (document.path, document.container) == ("a.pdf", ("stdin",))


def test_a_file_called_minus_is_a_file(tmp_path, monkeypatch):
    (tmp_path / "-").write_bytes(b"%PDF-")
    monkeypatch.chdir(tmp_path)
    assert found("./-") == ["-"]


def test_temporary_files_of_a_killed_process_are_swept_up_and_those_of_a_living_one_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    killed = tmp_path / "semscan-killed"
    killed.mkdir()
    (killed / "in-use").touch()
    (killed / "1").write_bytes(b"secret")
    other = tmp_path / "semscan-notes"
    other.mkdir()
    first, second = Scratch(), Scratch()
    kept, _ = first.copy(io.BytesIO(b"x"), 10)
    assert not killed.exists() and other.exists()
    second.copy(io.BytesIO(b"y"), 10)
    assert kept.exists()
    first.close(), second.close()
    assert list(tmp_path.iterdir()) == [other]


def test_a_copy_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    scratch = Scratch()
    with pytest.raises(TooMuch):
        scratch.copy(io.BytesIO(b"xyz"), 2)
    (folder,) = tmp_path.iterdir()
    assert [path.name for path in folder.iterdir()] == ["in-use"]
    scratch.drop(tmp_path / "not ours")
    scratch.close()


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00*", "image/tiff"),
        (b"GIF89a", None),
        (b"", None),
    ],
)
def test_sniff(head, media_type):
    assert sniff(head) == media_type
