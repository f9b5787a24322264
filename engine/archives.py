"""The members of ZIP and tar archives as streams, watched while they expand. Archives are hostile until read.

Nothing is ever written under a member's name, links and devices are passed over, tars are read from front to back
without listing them first, and every byte that decompression yields is counted before anyone uses it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO, cast

from semscan.engine.errors import NoticeCode
from semscan.engine.expansion import Budget, CountedStream, Damaging, Ended, Meter, Refused, clean_text, damage
from semscan.engine.scratch import CHUNK_BYTES, Readable

HEADER_BYTES = 2**20
"""A tar may spend this much on the headers of one member; real ones take a few KiB."""

_BUFFER_BYTES = 2**16


class ArchiveKind(Enum):
    """How an archive is read; in a DOCX only the pictures of the text count."""

    ZIP = "zip"
    DOCX = "docx"
    TAR = "tar"


_SUFFIXES = {
    ArchiveKind.ZIP: (".zip", ".meca"),
    ArchiveKind.DOCX: (".docx", ".docm"),
    ArchiveKind.TAR: (".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz"),
}
_MAGIC = {
    b"PK\x03\x04": ArchiveKind.ZIP,
    b"PK\x05\x06": ArchiveKind.ZIP,
    b"\x1f\x8b": ArchiveKind.TAR,
    b"BZh": ArchiveKind.TAR,
    b"\xfd7zXZ\x00": ArchiveKind.TAR,
}
_DECOMPRESSORS: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": lambda file: cast(BinaryIO, gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast(BinaryIO, bz2.BZ2File(file)),
    b"\xfd7zXZ\x00": lambda file: cast(BinaryIO, lzma.LZMAFile(file)),  # noqa: SIM115 - closes nothing that we opened
}


def archive_kind(name: str) -> ArchiveKind | None:
    """The kind of archive that a name promises, or ``None``.

    >>> archive_kind("Papers.TAR.GZ")
    <ArchiveKind.TAR: 'tar'>
    """
    name = name.lower()
    if name.rpartition("/")[2].startswith("._"):
        return None
    return next((kind for kind, suffixes in _SUFFIXES.items() if name.endswith(suffixes)), None)


def sniff_archive(head: bytes) -> ArchiveKind | None:
    """The kind of archive by its first bytes (a tar needs 262 of them), or ``None``."""
    if head[257:262] == b"ustar":
        return ArchiveKind.TAR
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its name as stored, never to be trusted, its declared size, and its bytes.

    ``open`` gives the stream, to be read before the next member is asked for; what is wrong with it is
    :class:`Refused` when read.
    """

    name: str
    bytes: int
    open: Callable[[], Readable]
    encrypted: bool = False


def zip_members(file: BinaryIO, budget: Budget) -> Iterator[Member]:
    """Members of a ZIP in the order of its directory, links and folders left out.

    Raises:
        Ended: its directory is damaged or far longer than the number of files allowed.
    """
    guarded = _ShortReads(file, HEADER_BYTES + 256 * budget.limits.files)
    with damage(Ended):
        archive = zipfile.ZipFile(cast(BinaryIO, guarded))
    with archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            folder = info.filename.endswith("/")  # is_dir() fails on an empty name
            if folder or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
                continue
            yield Member(info.filename, info.file_size, _zip_opener(archive, info, budget), bool(info.flag_bits & 1))


def _zip_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Callable[[], Readable]:
    def opened() -> Readable:
        with damage(Refused):
            stream = archive.open(info)
        return Meter(stream.read, lambda: info.compress_size, budget, Refused)

    return opened


def tar_members(stream: Readable, budget: Budget) -> Iterator[Member]:
    """Members of a tar, plain or compressed, while it streams by; links and devices are left out.

    Raises:
        Ended: it is damaged from here on, or its decompression is a bomb.
    """
    counted = CountedStream(stream)
    buffered = io.BufferedReader(counted, _BUFFER_BYTES)
    with damage(Ended):
        head = buffered.peek(6)
    if not head:
        raise Ended(NoticeCode.ARCHIVE_CORRUPT, "the archive is empty (0 bytes)")
    source: Readable = buffered
    for magic, decompressor in _DECOMPRESSORS.items():
        if head.startswith(magic):
            # read1: what was decompressed before the data end too early is still used
            source = Meter(cast(io.BufferedReader, decompressor(buffered)).read1, lambda: counted.count, budget, Ended)
    guard = _TarGuard(source)
    with damage(Ended):
        opened = tarfile.open(fileobj=cast(BinaryIO, guard), mode="r|", tarinfo=_Header, bufsize=_BUFFER_BYTES)  # noqa: SIM115
    with opened as tar:
        while True:
            with damage(Ended):
                info = tar.next()
            if info is None:
                return
            tar.members.clear()  # type: ignore[attr-defined]  # it keeps all headers it ever saw, in a stream for nothing
            guard.next_header = tar.offset
            if info.isreg():
                yield Member(info.name, info.size, _tar_opener(tar, info, budget))


def _tar_opener(tar: tarfile.TarFile, info: tarfile.TarInfo, budget: Budget) -> Callable[[], Readable]:
    stored = tar.offset - info.offset_data

    def opened() -> Readable:
        with damage(Ended):
            stream = tar.extractfile(info)
        assert stream is not None  # only regular files get here
        if info.issparse():  # the holes of a sparse file take no space in the archive
            return Meter(stream.read, lambda: stored, budget, Ended)
        return Damaging(stream.read, Ended)

    return opened


class _TarGuard:
    """Stops what tarfile would follow: gigabytes of header, kept in memory, and exabytes to skip after the end."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._position = 0
        self.next_header = 0

    def read(self, size: int, /) -> bytes:
        if self._position > self.next_header + HEADER_BYTES + _BUFFER_BYTES:
            message = f"the archive is damaged: a member's headers take more than {HEADER_BYTES >> 20} MiB"
            raise Ended(NoticeCode.ARCHIVE_CORRUPT, message)
        data = self._stream.read(size)
        if not data and self._position < self.next_header:
            raise Ended(NoticeCode.ARCHIVE_CORRUPT, "the archive is damaged: it ends in the middle of a file")
        self._position += len(data)
        return data


class _ShortReads:
    """A seekable file that refuses to read much at once: zipfile reads a directory of any size into memory."""

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        self._file, self._most_bytes = file, max(most_bytes, 2 * CHUNK_BYTES)
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        size = CHUNK_BYTES if size < 0 else size  # "all" is asked for at the end only, where 64 KiB are left
        data = self._file.read(min(size, self._most_bytes + 1))
        if len(data) > self._most_bytes:
            raise Ended(NoticeCode.ARCHIVE_LIMIT, "its list of files is too long (--archive-files allows more)")
        return data


class _Header(tarfile.TarInfo):
    """Reads headers as tarfile does, but a damaged one is an error: tarfile takes it for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> tarfile.TarInfo:  # type: ignore[override]
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.EmptyHeaderError as error:  # type: ignore[attr-defined]
            if tar.offset == 0:
                raise
            message = "the archive ends without its end mark; files may be missing"
            raise Ended(NoticeCode.ARCHIVE_CORRUPT, message, "warning") from error
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


def clean_name(name: str) -> str:
    r"""A member's name as a label: relative, without drive, ``..`` and control characters. Never a path to write to.

    >>> clean_name("C:\\papers\\..\\a.pdf"), clean_name("../../etc/./b.pdf")
    ('papers/a.pdf', 'etc/b.pdf')
    """
    parts = re.sub("^[A-Za-z]:", "", clean_text(name).replace("\\", "/")).split("/")
    cleaned = "/".join(part for part in parts if part not in ("", ".", ".."))
    return cleaned[-500:] or "unnamed"
