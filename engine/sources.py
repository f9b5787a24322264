"""From the paths a user typed to the documents to open. Nothing here opens a document."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from semscan.engine.errors import NoticeCode
from semscan.engine.records import NoticeRecord

MEDIA_TYPES = {
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".bmp": "image/bmp",
}


@dataclass(frozen=True, slots=True)
class Document:
    """One file to process: its path, media type and size in bytes."""

    path: Path
    media_type: str
    bytes: int


def find_documents(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Document | NoticeRecord]:
    """Files to process, in a stable order; folders are walked recursively while the scan already runs.

    A path that was typed is always answered for: a document when its type is known from its suffix or from its
    first bytes, otherwise a ``notice``. Inside folders files of other types are passed over silently, and a folder
    without any supported file is a ``notice``. A file reached twice is processed once.

    Args:
        paths: files and folders.

    Yields:
        Documents, and notices for what cannot become one.
    """
    seen: set[Path] = set()
    for path in map(Path, paths):
        for item in _walk(path) if path.is_dir() else _typed(path):
            if isinstance(item, Document):
                identity = item.path.resolve()
                if identity in seen:
                    continue
                seen.add(identity)
            yield item


def _walk(folder: Path) -> Iterator[Document | NoticeRecord]:
    found = False
    problems: list[NoticeRecord] = []
    for parent, folders, files in os.walk(folder, onerror=lambda e: problems.append(_unlisted(e))):
        yield from problems
        found = found or bool(problems)
        problems.clear()
        folders.sort()
        for name in sorted(files):
            media_type = MEDIA_TYPES.get(Path(name).suffix.lower())
            if media_type is not None:
                found = True
                yield _document(Path(parent) / name, media_type)
    yield from problems
    if not (found or problems):
        supported = " ".join(sorted(MEDIA_TYPES))
        yield _notice(
            "warning",
            NoticeCode.NO_SUPPORTED_FILES,
            folder,
            f"the folder holds no file of a supported kind ({supported})",
        )


def _typed(path: Path) -> Iterator[Document | NoticeRecord]:
    if not os.path.lexists(path):
        yield _notice("error", NoticeCode.NOT_FOUND, path, "there is no such file or folder")
        return
    if not path.is_file():
        yield _notice("error", NoticeCode.UNREADABLE, path, "this is neither a file nor a folder")
        return
    media_type = MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None:
        try:
            with path.open("rb") as file:
                media_type = sniff(file.read(1024))
        except OSError as error:
            yield _notice("error", NoticeCode.UNREADABLE, path, f"the file cannot be read: {error.strerror}")
            return
    if media_type is None:
        yield _notice(
            "error",
            NoticeCode.UNSUPPORTED_TYPE,
            path,
            "neither the name nor the first bytes are those of a PDF or image",
        )
        return
    yield _document(path, media_type)


def sniff(head: bytes) -> str | None:
    """Media type from the first bytes of a file, or ``None``.

    >>> sniff(b"%PDF-1.7 ...")
    'application/pdf'
    """
    if b"%PDF-" in head:
        return "application/pdf"
    for magic, media_type in (
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00*", "image/tiff"),
        (b"BM", "image/bmp"),
    ):
        if head.startswith(magic):
            return media_type
    return None


def _document(path: Path, media_type: str) -> Document | NoticeRecord:
    try:
        return Document(path, media_type, path.stat().st_size)
    except OSError as error:
        return _notice("error", NoticeCode.UNREADABLE, path, f"the file cannot be read: {error.strerror}")


def _unlisted(error: OSError) -> NoticeRecord:
    return _notice(
        "error", NoticeCode.UNREADABLE, Path(error.filename), f"the folder cannot be listed: {error.strerror}"
    )


def _notice(severity: str, code: NoticeCode, path: Path, message: str) -> NoticeRecord:
    return NoticeRecord(severity=severity, code=code, path=str(path), message=message)
