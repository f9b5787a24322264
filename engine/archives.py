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
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO, cast

from semscan.engine.errors import NoticeCode
from semscan.engine.scratch import CHUNK_BYTES, Readable

FREE_BYTES = 10 * 2**20
"""Below this nothing counts as a bomb, whatever its ratio."""

HEADER_BYTES = 2**20
"""A tar may spend this much on the headers of one member; real ones take a few KiB."""

_BUFFER_BYTES = 2**16
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError,
    NotImplementedError, RecursionError, MemoryError, struct.error,
)  # fmt: skip
"""What the standard library raises on damaged or malicious archives. ``NotImplementedError``: a method it lacks;
``RecursionError``: a chain of headers about headers; ``MemoryError``: a dictionary of absurd size."""


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


class Refused(Exception):
    """A member, or what this is raised through, is not read; ``str()`` is a sentence."""

    def __init__(self, code: NoticeCode, message: str, severity: str = "error") -> None:
        super().__init__(message)
        self.code, self.severity = code, severity


class Ended(Refused):
    """Nothing more can be read from this archive."""


class Spent(Ended):
    """The outermost archive has used up what one archive may cost."""


@dataclass(frozen=True, slots=True)
class Limits:
    """See the fields of :class:`semscan.engine.options.ScanOptions`."""

    depth: int
    files: int
    expanded_mib: int
    ratio: int

    def is_bomb(self, expanded: int, compressed: int) -> bool:
        """Whether this many bytes are too many for what they came from."""
        return expanded > max(FREE_BYTES, self.ratio * compressed)


class Budget:
    """What one outermost archive has cost so far, all archives inside it included.

    Args:
        limits: what it may cost.
        compressed: bytes of the archive itself, or as many as were read of it.
    """

    def __init__(self, limits: Limits, compressed: Callable[[], int]) -> None:
        self.limits = limits
        self._compressed = compressed
        self._files = self._expanded = 0

    def take_file(self) -> None:
        """Count a file, of whatever kind."""
        self._files += 1
        if self._files > self.limits.files:
            message = (
                f"it holds more than {self.limits.files} files; the rest is not read (--archive-files allows more)"
            )
            raise Spent(NoticeCode.ARCHIVE_LIMIT, message)

    def expand(self, count: int) -> None:
        """Count bytes that decompression gave."""
        self._expanded += count
        if self.limits.is_bomb(self._expanded, self._compressed()):
            raise Spent(NoticeCode.ARCHIVE_BOMB, _bomb(self.limits, "it expands"))
        if self._expanded > self.limits.expanded_mib * 2**20:
            message = f"it expands to more than {self.limits.expanded_mib} MiB; the rest is not read"
            raise Spent(NoticeCode.ARCHIVE_LIMIT, message)


class CountedStream(io.RawIOBase):
    """A stream that knows how much was read of it."""

    def __init__(self, stream: Readable) -> None:
        super().__init__()
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill ``buffer`` as far as one read goes."""
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


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
    with _damage(Ended):
        archive = zipfile.ZipFile(cast(BinaryIO, guarded))
    with archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if info.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
                continue
            yield Member(info.filename, info.file_size, _zip_opener(archive, info, budget), bool(info.flag_bits & 1))


def _zip_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Callable[[], Readable]:
    def opened() -> Readable:
        with _damage(Refused):
            stream = archive.open(info)
        return _Meter(stream.read, lambda: info.compress_size, budget, Refused)

    return opened


def tar_members(stream: Readable, budget: Budget) -> Iterator[Member]:
    """Members of a tar, plain or compressed, while it streams by; links and devices are left out.

    Raises:
        Ended: it is damaged from here on, or its decompression is a bomb.
    """
    counted = CountedStream(stream)
    buffered = io.BufferedReader(counted, _BUFFER_BYTES)
    with _damage(Ended):
        head = buffered.peek(6)
    if not head:
        raise Ended(NoticeCode.ARCHIVE_CORRUPT, "the archive is empty (0 bytes)")
    source: Readable = buffered
    for magic, decompressor in _DECOMPRESSORS.items():
        if head.startswith(magic):
            # read1: what was decompressed before the data end too early is still used
            source = _Meter(cast(io.BufferedReader, decompressor(buffered)).read1, lambda: counted.count, budget, Ended)
    guard = _HeaderGuard(source)
    with _damage(Ended):
        opened = tarfile.open(fileobj=cast(BinaryIO, guard), mode="r|", tarinfo=_Header, bufsize=_BUFFER_BYTES)  # noqa: SIM115
    with opened as tar:
        while True:
            with _damage(Ended):
                info = tar.next()
            if info is None:
                return
            tar.members.clear()  # type: ignore[attr-defined]  # it keeps all headers it ever saw, in a stream for nothing
            guard.end = tar.offset + HEADER_BYTES
            if info.isreg():
                yield Member(info.name, info.size, _tar_opener(tar, info, budget))


def _tar_opener(tar: tarfile.TarFile, info: tarfile.TarInfo, budget: Budget) -> Callable[[], Readable]:
    stored = tar.offset - info.offset_data

    def opened() -> Readable:
        with _damage(Ended):
            stream = tar.extractfile(info)
        assert stream is not None  # only regular files get here
        if info.issparse():  # the holes of a sparse file take no space in the archive
            return _Meter(stream.read, lambda: stored, budget, Ended)
        return _Damaging(stream.read, Ended)

    return opened


class _Damaging:
    """A stream whose damage is raised as ``refusal``."""

    def __init__(self, read: Callable[[int], bytes], refusal: type[Refused]) -> None:
        self._read, self._refusal = read, refusal

    def read(self, size: int, /) -> bytes:
        with _damage(self._refusal):
            return self._read(size)


class _Meter(_Damaging):
    """What a decompressor gives, counted before it is used."""

    def __init__(
        self, read: Callable[[int], bytes], compressed: Callable[[], int], budget: Budget, refusal: type[Refused]
    ) -> None:
        super().__init__(read, refusal)
        self._compressed, self._budget = compressed, budget
        self._given = 0

    def read(self, size: int, /) -> bytes:
        data = super().read(size)
        self._given += len(data)
        self._budget.expand(len(data))
        if self._budget.limits.is_bomb(self._given, self._compressed()):
            raise self._refusal(NoticeCode.ARCHIVE_BOMB, _bomb(self._budget.limits, "it expands"))
        return data


class _HeaderGuard:
    """Stops a tar whose header announces gigabytes of further header: tarfile would keep them all in memory."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._position = 0
        self.end = HEADER_BYTES

    def read(self, size: int, /) -> bytes:
        if self._position > self.end + _BUFFER_BYTES:
            message = f"the archive is damaged: a member's headers take more than {HEADER_BYTES >> 20} MiB"
            raise Ended(NoticeCode.ARCHIVE_CORRUPT, message)
        data = self._stream.read(size)
        self._position += len(data)
        return data


class _ShortReads:
    """A seekable file that refuses to read much at once: zipfile reads a directory of any size into memory."""

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        self._file, self._most_bytes = file, max(most_bytes, 2 * CHUNK_BYTES)
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(self._most_bytes + 1 if size < 0 else min(size, self._most_bytes + 1))
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


@contextmanager
def _damage(refusal: type[Refused]) -> Iterator[None]:
    """What the readers raise, as a refusal."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise Ended(NoticeCode.UNREADABLE, f"the archive cannot be read: {error.strerror}") from error
        detail = clean_text(str(error))[:120] or type(error).__name__
        raise refusal(NoticeCode.ARCHIVE_CORRUPT, f"the archive is damaged: {detail}") from error


def _bomb(limits: Limits, what: str) -> str:
    return f"{what} to more than {limits.ratio} times its compressed size; what was left of it is not read"


_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Text without control characters, text direction marks and bytes that are no text."""
    return _UNPRINTABLE.sub("", text)


def clean_name(name: str) -> str:
    r"""A member's name as a label: relative, without drive, ``..`` and control characters. Never a path to write to.

    >>> clean_name("C:\\papers\\..\\a.pdf"), clean_name("../../etc/./b.pdf")
    ('papers/a.pdf', 'etc/b.pdf')
    """
    parts = re.sub("^[A-Za-z]:", "", clean_text(name).replace("\\", "/")).split("/")
    cleaned = "/".join(part for part in parts if part not in ("", ".", ".."))
    return cleaned[-500:] or "unnamed"
