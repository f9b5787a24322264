"""What an archive may cost, counted while it expands, and what the standard library raises on damage, as refusals."""

from __future__ import annotations

import errno
import io
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from semscan.engine.errors import NoticeCode
from semscan.engine.scratch import Readable

FREE_BYTES = 10 * 2**20
"""Below this nothing counts as a bomb, whatever its ratio."""

_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError,
    NotImplementedError, RecursionError, MemoryError, struct.error,
)  # fmt: skip
"""What the standard library raises on damaged or malicious archives. ``NotImplementedError``: a method it lacks;
``RecursionError``: a chain of headers about headers; ``MemoryError``: a dictionary of absurd size."""


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
            raise Spent(NoticeCode.ARCHIVE_BOMB, _bomb(self.limits))
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


class Damaging:
    """A stream whose damage is raised as ``refusal``."""

    def __init__(self, read: Callable[[int], bytes], refusal: type[Refused]) -> None:
        self._read, self._refusal = read, refusal

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes."""
        with damage(self._refusal):
            return self._read(size)


class Meter(Damaging):
    """What a decompressor gives, counted before it is used."""

    def __init__(
        self, read: Callable[[int], bytes], compressed: Callable[[], int], budget: Budget, refusal: type[Refused]
    ) -> None:
        super().__init__(read, refusal)
        self._compressed, self._budget = compressed, budget
        self._given = 0

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes."""
        data = super().read(size)
        self._given += len(data)
        self._budget.expand(len(data))
        if self._budget.limits.is_bomb(self._given, self._compressed()):
            raise self._refusal(NoticeCode.ARCHIVE_BOMB, _bomb(self._budget.limits))
        return data


@contextmanager
def damage(refusal: type[Refused]) -> Iterator[None]:
    """What the readers raise, as a refusal."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # EINVAL: a nonsensical offset
            raise Ended(NoticeCode.UNREADABLE, f"the archive cannot be read: {error.strerror}") from error
        detail = clean_text(str(error))[:120] or type(error).__name__
        raise refusal(NoticeCode.ARCHIVE_CORRUPT, f"the archive is damaged: {detail}") from error


def _bomb(limits: Limits) -> str:
    return f"it expands to more than {limits.ratio} times its compressed size; what was left of it is not read"


_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Text without control characters, text direction marks and bytes that are no text."""
    return _UNPRINTABLE.sub("", text)
