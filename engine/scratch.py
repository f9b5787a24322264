"""Private temporary files: made late, deleted early, gone at the end, and swept up by the next run after a kill."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Protocol

from semscan.engine.errors import OutputError

PREFIX = "semscan-"
LOCK = "in-use"
CHUNK_BYTES = 1 << 20


class Readable(Protocol):
    """Whatever gives bytes; none at its end."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes."""
        ...


class TooMuch(Exception):
    """There was more to copy than the limit."""


class Scratch:
    """One folder of temporary files that only this user can read; nothing is made before the first file.

    The folder holds a locked file while its process lives. A folder whose lock is free was left by a process that was
    killed: whoever needs a folder next removes it.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._lock = -1
        self._numbers = itertools.count(1)

    def copy(self, source: Readable, max_bytes: int) -> tuple[Path, int]:
        """Copy a stream to a new file.

        Returns:
            The file and its size in bytes.

        Raises:
            TooMuch: the stream gave more than ``max_bytes``; no file is left.
            OutputError: there is no room for temporary files. What reading ``source`` raises passes through.
        """
        try:
            path = self._made() / str(next(self._numbers))
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise _no_room(error) from error
        size = 0
        try:
            while data := source.read(CHUNK_BYTES):
                size += len(data)
                if size > max_bytes:
                    raise TooMuch
                _write(file, data)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(file)
        return path, size

    def drop(self, path: Path) -> None:
        """Delete a file if it is one of ours; files of the user are left alone."""
        if self._folder is not None and path.parent == Path(self._folder.name):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Delete everything."""
        if self._folder is not None:
            self._folder.cleanup()
            os.close(self._lock)
            self._folder = None

    def _made(self) -> Path:
        if self._folder is None:
            base = Path(tempfile.gettempdir()).absolute()
            _sweep(base)
            folder = tempfile.TemporaryDirectory(prefix=PREFIX, dir=base)
            # The lock gets its name only once it is held: a sweeping process never sees it free.
            unnamed = Path(folder.name) / "lock"
            self._lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(unnamed.with_name(LOCK))
            self._folder = folder
        return Path(self._folder.name)


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(file, view) :]
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> OutputError:
    return OutputError(
        f"temporary files cannot be written to {tempfile.gettempdir()}: {error.strerror}",
        "set TMPDIR to a folder with room for the largest documents of the archives",
    )


def _sweep(base: Path) -> None:
    for folder in base.glob(PREFIX + "*"):
        with contextlib.suppress(OSError):  # another user's, or another process is sweeping it
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)
