"""Every path that was typed is answered for."""

import os

import pytest

from semscan.engine.errors import NoticeCode
from semscan.engine.records import NoticeRecord
from semscan.engine.sources import Document, find_documents, sniff


def found(*paths) -> list:
    return [item.code if isinstance(item, NoticeRecord) else item.path.name for item in find_documents(paths)]


def test_folders_are_walked_in_a_stable_order_and_other_files_passed_over(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("z.pdf", "a.PNG", "notes.txt", "b/c.tiff"):
        (tmp_path / name).write_bytes(b"x")
    assert found(tmp_path) == ["a.PNG", "z.pdf", "c.tiff"]


def test_a_file_reached_twice_is_processed_once(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"x")
    (tmp_path / "link.pdf").symlink_to(tmp_path / "a.pdf")
    assert found(tmp_path / "a.pdf", tmp_path, tmp_path / "a.pdf") == ["a.pdf"]


def test_what_cannot_become_a_document_is_a_notice(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    assert found(tmp_path / "missing.pdf") == [NoticeCode.NOT_FOUND]
    assert found(tmp_path / "empty") == [NoticeCode.NO_SUPPORTED_FILES]
    assert found(tmp_path / "notes.txt") == [NoticeCode.UNSUPPORTED_TYPE]
    (tmp_path / "dangling.pdf").symlink_to(tmp_path / "nowhere")
    assert found(tmp_path / "dangling.pdf") == [NoticeCode.UNREADABLE]


def test_a_pdf_without_its_suffix_is_recognised(tmp_path):
    (tmp_path / "paper").write_bytes(b"junk\n%PDF-1.4\n")
    (document,) = find_documents([tmp_path / "paper"])
    assert isinstance(document, Document) and document.media_type == "application/pdf" and document.bytes == 14


def test_an_unreadable_folder_is_a_notice(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    assert found(tmp_path) == [NoticeCode.UNREADABLE]


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
