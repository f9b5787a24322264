"""From an archive to the documents inside it, one at a time, archives inside archives included."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from io import BufferedReader
from pathlib import Path
from typing import TypeAlias

from semscan.engine.archives import ArchiveKind, Member, archive_kind, clean_name, tar_members, zip_members
from semscan.engine.document import Document, media_type_of, too_large
from semscan.engine.errors import NoticeCode
from semscan.engine.expansion import Budget, CountedStream, Ended, Limits, Refused, Spent
from semscan.engine.options import ScanOptions
from semscan.engine.records import NoticeRecord, label
from semscan.engine.scratch import Readable, Scratch, TooMuch
from semscan.engine.selection import Selection

Found: TypeAlias = Document | NoticeRecord

PICTURES_OF_A_TEXT = "word/media/"


@dataclass(frozen=True, slots=True)
class _Archive:
    """An archive being read: how, what it costs, its names from outside in, its path relative to what was typed."""

    kind: ArchiveKind
    budget: Budget
    container: tuple[str, ...]
    relative: str


class Unpacker:
    """Reads archives.

    Args:
        options: the limits.
        scratch: where the bytes of members are put, one file each, for whoever reads them to drop.
        selection: which members are wanted.
    """

    def __init__(self, options: ScanOptions, scratch: Scratch, selection: Selection) -> None:
        self._limits = Limits(options.archive_depth, options.archive_files, options.archive_mib, options.archive_ratio)
        self._max_file_mib = options.max_file_mib
        self._scratch, self._selection = scratch, selection

    def documents(self, stream: Readable, kind: ArchiveKind, name: str, prefix: str) -> Iterator[Found]:
        """The documents in one archive. Each one's bytes are copied when it is asked for.

        Args:
            stream: the archive, an open file or a stream.
            kind: how to read it.
            name: what the archive is called in records.
            prefix: its path relative to the folder that was typed, empty for an archive that was typed itself.
        """
        file = stream if isinstance(stream, BufferedReader) else None
        if file is not None:
            size = os.fstat(file.fileno()).st_size
            budget = Budget(self._limits, lambda: size)
        else:
            stream = counted = CountedStream(stream)
            budget = Budget(self._limits, lambda: counted.count)
        found = False
        try:
            for item in self._read(_Archive(kind, budget, (name,), prefix), stream, file):
                found = True
                yield item
        except Spent as refused:
            found = True
            yield _notice(refused, name)
        if not found:
            chosen = " that the include and exclude patterns admit" if self._selection else ""
            message = f"the archive holds no file of a supported kind{chosen}"
            yield NoticeRecord("warning", NoticeCode.NO_SUPPORTED_FILES, name, message)

    def _read(self, archive: _Archive, stream: Readable, file: BufferedReader | None = None) -> Iterator[Found]:
        """An archive at any depth; whatever ends it early is a notice, unless it ends the outermost one too."""
        try:
            if len(archive.container) > self._limits.depth:
                message = f"archives are opened to a depth of {self._limits.depth} (--archive-depth allows more)"
                raise Refused(NoticeCode.ARCHIVE_LIMIT, message)
            if archive.kind is ArchiveKind.TAR:
                yield from self._each(archive, tar_members(stream, archive.budget))
            elif file is not None:
                yield from self._each(archive, zip_members(file, archive.budget))
            else:
                yield from self._copied_zip(archive, stream)
        except Spent:
            raise
        except Refused as refused:
            yield _notice(refused, label(archive.container[:-1], archive.container[-1]))

    def _copied_zip(self, archive: _Archive, stream: Readable) -> Iterator[Found]:
        path, _ = self._copy(stream)
        try:
            with path.open("rb") as file:
                yield from self._each(archive, zip_members(file, archive.budget))
        finally:
            self._scratch.drop(path)

    def _each(self, archive: _Archive, members: Iterator[Member]) -> Iterator[Found]:
        told = False
        names = _Names()
        for member in members:
            archive.budget.take_file()
            name = clean_name(member.name)
            relative = f"{archive.relative}/{name}" if archive.relative else name
            media_type = media_type_of(name)
            kind = None if media_type else archive_kind(name)
            if archive.kind is ArchiveKind.DOCX and not (media_type and name.startswith(PICTURES_OF_A_TEXT)):
                continue
            wanted = self._selection.admits(relative) if media_type else kind and self._selection.enters(relative)
            if not wanted:
                continue
            name = names.distinct(name)
            if member.encrypted:
                if not told:
                    yield _notice(_ENCRYPTED, label(archive.container[:-1], archive.container[-1]))
                told = True
                continue
            try:
                if member.bytes > self._max_file_mib * 2**20:
                    raise Refused(NoticeCode.FILE_TOO_LARGE, too_large(member.bytes, self._max_file_mib))
                if media_type:
                    path, size = self._copy(member.open())
                    yield Document(name, media_type, size, path, archive.container)
                elif kind:
                    inner = replace(archive, kind=kind, container=(*archive.container, name), relative=relative)
                    yield from self._read(inner, member.open())
            except Ended:
                raise
            except Refused as refused:
                yield _notice(refused, label(archive.container, name))

    def _copy(self, stream: Readable) -> tuple[Path, int]:
        try:
            return self._scratch.copy(stream, self._max_file_mib * 2**20)
        except TooMuch:
            message = f"the file has more than the limit of {self._max_file_mib} MiB"
            raise Refused(NoticeCode.FILE_TOO_LARGE, message) from None


class _Names:
    """Keeps the names in one archive apart: records and resumed runs know a document by its path."""

    def __init__(self) -> None:
        self._times: dict[bytes, int] = {}  # by digest: there may be millions; a collision costs a needless number

    def distinct(self, name: str) -> str:
        """The name, numbered if it was met before: ``a.pdf#2``."""
        candidate = name
        while times := self._times.get(_digest(candidate)):
            self._times[_digest(name)] = times = max(times, self._times[_digest(name)]) + 1
            candidate = f"{name}#{times}"
        self._times[_digest(candidate)] = 1
        return candidate


def _digest(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=8).digest()


_ENCRYPTED = Refused(
    NoticeCode.ARCHIVE_ENCRYPTED, "files in the archive need a password and are not read; unpack it with its password"
)


def _notice(refused: Refused, name: str) -> NoticeRecord:
    return NoticeRecord(refused.severity, refused.code, name, str(refused))
