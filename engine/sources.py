"""From the paths a user typed to the documents to open, found while the scan already runs."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, TypeAlias

from semscan.engine.archives import ArchiveKind, archive_kind, sniff_archive
from semscan.engine.document import MEDIA_TYPES, Document, error, media_type_of, sniff, too_large
from semscan.engine.errors import NoticeCode
from semscan.engine.options import ScanOptions
from semscan.engine.records import NoticeRecord
from semscan.engine.scratch import Scratch, TooMuch
from semscan.engine.selection import Selection, expand, is_pattern
from semscan.engine.unpack import Unpacker

STDIN_NAME = "stdin"

_HEAD_BYTES = 1024
_Found: TypeAlias = Document | NoticeRecord


class Intake:
    """Finds documents and owns the temporary copies of those that are no files; use as a context manager.

    Files, folders (recursively), shell patterns, ZIP and tar archives, DOCX and, as ``-``, one document or archive on
    standard input. A path that was typed is always answered for: with documents, or with a notice. Inside folders and
    archives files of other types are passed over silently, and one without any supported file is a notice. A file
    reached twice is processed once. Links to folders are not followed; those that lead out of the typed folder are
    told.

    Args:
        options: the limits, and which documents are wanted.
        stdin: used instead of standard input.
    """

    def __init__(self, options: ScanOptions, stdin: BinaryIO | None = None) -> None:
        self._max_file_mib = options.max_file_mib
        self._selection = Selection(options.include, options.exclude)
        self._stdin = stdin
        self._scratch = Scratch()
        self._unpacker = Unpacker(options, self._scratch, self._selection)
        self._seen: set[bytes] = set()

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete all temporary copies."""
        self._scratch.close()

    def documents(self, paths: Iterable[str | os.PathLike[str]]) -> Iterator[Document | NoticeRecord]:
        """Documents in a stable order, and notices for what cannot become one.

        A document that came out of an archive is copied to a temporary file when it is asked for: ask for it when
        there is somebody to read it, and :meth:`release` it then.

        Raises:
            OutputError: there is no room for temporary files.
        """
        for raw in paths:
            if isinstance(raw, str) and raw == "-":
                yield from self._standard_input()
                continue
            path = Path(raw)
            if is_pattern(str(path)) and not os.path.lexists(path):
                yield from self._matches(str(path))
            else:
                yield from self._typed(path)

    def release(self, document: Document) -> None:
        """Say that a document was read: its temporary copy, if any, is deleted."""
        self._scratch.drop(document.opened)

    def _matches(self, pattern: str) -> Iterator[_Found]:
        matched = False
        for path in expand(pattern):
            matched = True
            yield from self._typed(path)
        if not matched:
            yield error(NoticeCode.NOT_FOUND, pattern, "there is no such file, and nothing matches the pattern")

    def _typed(self, path: Path) -> Iterator[_Found]:
        if path.is_dir():
            yield from self._walk(path)
        elif not os.path.lexists(path):
            yield error(NoticeCode.NOT_FOUND, str(path), "there is no such file or folder")
        elif not path.is_file():
            yield error(NoticeCode.UNREADABLE, str(path), "this is neither a file nor a folder")
        else:
            media_type, kind = media_type_of(path.name), archive_kind(path.name)
            if media_type is None and kind is None:
                try:
                    with path.open("rb") as file:
                        head = file.read(_HEAD_BYTES)
                except OSError as failure:
                    yield _unreadable(path, failure)
                    return
                media_type, kind = _sniffed(head)
            if media_type is None and kind is None:
                message = "neither the name nor the first bytes are those of a PDF, an image or an archive"
                yield error(NoticeCode.UNSUPPORTED_TYPE, str(path), message)
            elif self._wants(media_type, path.name) and self._is_new(os.path.realpath(path)):
                yield from self._file(path, media_type, kind, "")

    def _wants(self, media_type: str | None, relative: str) -> bool:
        return self._selection.admits(relative) if media_type else self._selection.enters(relative)

    def _file(self, path: Path, media_type: str | None, kind: ArchiveKind | None, prefix: str) -> Iterator[_Found]:
        try:
            if media_type is not None:
                yield self._document(path, media_type)
            elif kind is not None:
                with path.open("rb") as file:
                    yield from self._unpacker.documents(file, kind, str(path), prefix)
        except OSError as failure:
            yield _unreadable(path, failure)

    def _document(self, path: Path, media_type: str) -> _Found:
        size = path.stat().st_size
        if size > self._max_file_mib * 2**20:
            return error(NoticeCode.FILE_TOO_LARGE, str(path), too_large(size, self._max_file_mib))
        return Document(str(path), media_type, size, path)

    def _walk(self, root: Path) -> Iterator[_Found]:
        found = False
        pending = [(root, "")]
        while pending:
            folder, below = pending.pop()
            try:
                listed = _listed(folder)
            except OSError as failure:
                found = True
                yield error(NoticeCode.UNREADABLE, str(folder), f"the folder cannot be listed: {failure.strerror}")
                continue
            within = os.path.realpath(folder)
            folders = []
            for name, entry in listed:
                path, relative = folder / name, below + name
                if entry == _FOLDER:
                    folders.append((path, relative + "/"))
                elif entry == _FOLDER_LINK:
                    yield from _untold(path, root)
                elif entry == _OTHER:
                    found = True
                    yield error(NoticeCode.UNREADABLE, str(path), "this is neither a file nor a folder")
                elif self._wants(media_type := media_type_of(name), relative):
                    found = True
                    real = os.path.realpath(path) if entry == _FILE_LINK else f"{within}/{name}"
                    if self._is_new(real):
                        yield from self._file(path, media_type, archive_kind(name), relative)
            pending += [entry for entry in reversed(folders) if self._selection.enters(entry[1].rstrip("/"))]
        if not found:
            supported = " ".join(sorted(MEDIA_TYPES))
            chosen = " that the include and exclude patterns admit" if self._selection else ""
            message = f"the folder holds no file of a supported kind ({supported}){chosen}"
            yield NoticeRecord("warning", NoticeCode.NO_SUPPORTED_FILES, str(root), message)

    def _standard_input(self) -> Iterator[_Found]:
        stdin = self._stdin or sys.stdin.buffer
        try:
            head = stdin.read(_HEAD_BYTES)
        except OSError as failure:
            yield _unreadable(Path(STDIN_NAME), failure)
            return
        stream = _Joined(head, stdin)
        media_type, kind = _sniffed(head)
        if not head:
            yield error(NoticeCode.EMPTY_FILE, STDIN_NAME, "there is nothing on standard input")
        elif media_type is not None:
            try:
                path, size = self._scratch.copy(stream, self._max_file_mib * 2**20)
            except TooMuch:
                message = f"the file has more than the limit of {self._max_file_mib} MiB"
                yield error(NoticeCode.FILE_TOO_LARGE, STDIN_NAME, message)
                return
            yield Document(STDIN_NAME, media_type, size, path)
        elif kind is not None:
            yield from self._unpacker.documents(stream, kind, STDIN_NAME, "")
        else:
            message = "the first bytes are not those of a PDF, an image or an archive"
            yield error(NoticeCode.UNSUPPORTED_TYPE, STDIN_NAME, message)

    def _is_new(self, real_path: str) -> bool:
        """Whether a file is met for the first time; a digest takes a fraction of the memory of its path."""
        identity = blake2b(os.fsencode(real_path), digest_size=16).digest()
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True


class _Joined:
    """The first bytes of a stream, read already, and the rest of it."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = io.BytesIO(head), rest

    def read(self, size: int, /) -> bytes:
        return self._head.read(size) or self._rest.read(size)


_FILE, _FILE_LINK, _FOLDER, _FOLDER_LINK, _OTHER = range(5)


def _listed(folder: Path) -> list[tuple[str, int]]:
    """Names that matter in a folder, sorted, and what they are."""
    with os.scandir(folder) as entries:
        found = ((entry.name, _what(entry)) for entry in entries)
        return sorted((name, what) for name, what in found if what is not None)


def _what(entry: os.DirEntry[str]) -> int | None:
    try:
        if entry.is_dir():
            return _FOLDER_LINK if entry.is_symlink() else _FOLDER
        if media_type_of(entry.name) is None and archive_kind(entry.name) is None:
            return None
        if entry.is_file():
            return _FILE_LINK if entry.is_symlink() else _FILE
    except OSError:  # a link to itself
        pass
    return _OTHER


def _untold(path: Path, root: Path) -> Iterator[NoticeRecord]:
    """A link to a folder is not followed: it may be a loop. It only matters if its folder is not found anyway."""
    if not path.resolve().is_relative_to(root.resolve()):
        message = "this link leads out of the folder and is not followed; name it as an input to scan what it leads to"
        yield NoticeRecord("warning", NoticeCode.LINK_NOT_FOLLOWED, str(path), message)


def _sniffed(head: bytes) -> tuple[str | None, ArchiveKind | None]:
    """Archives come first: the start of a PDF may well lie near the start of one that does not compress."""
    kind = sniff_archive(head)
    return (None, kind) if kind else (sniff(head), None)


def _unreadable(path: Path, failure: OSError) -> NoticeRecord:
    return error(NoticeCode.UNREADABLE, str(path), f"the file cannot be read: {failure.strerror}")
