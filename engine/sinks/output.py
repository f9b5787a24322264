"""Bytes on their way out: whole blocks only, never a torn line, and every failure named."""

from __future__ import annotations

import contextlib
import os
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Protocol

from semscan.engine.errors import OutputError


class Output(Protocol):
    """Takes blocks of bytes."""

    def write(self, block: bytes) -> None:
        """Write one whole block.

        Raises:
            OutputError: it cannot be written.
        """
        ...

    def close(self) -> None:
        """Finish; may be called twice."""
        ...


class FileOutput:
    """A file that appears with the first block.

    Each block is handed to the operating system at once, so that after a kill the file ends between two blocks; a
    block that fits only in part (full disk) is taken back.

    Args:
        path: the file.
        overwrite: replace an existing file.
        atomic: write beside the file and rename when closed, so that the file is whole or absent.

    Raises:
        OutputError: already clear that the file cannot or must not be written.
    """

    def __init__(self, path: Path, *, overwrite: bool = False, atomic: bool = False) -> None:
        self._path, self._overwrite = path, overwrite
        self._written_to = path.with_name(f".{path.name}.{os.getpid()}.part") if atomic else path
        self._file: FileIO | None = None
        self._size_bytes = 0
        refuse_early(path, may_exist=overwrite, remedy="give another name, or --overwrite to replace it")

    def write(self, block: bytes) -> None:
        """See :class:`Output`."""
        try:
            if self._file is None:
                self._file = self._create()
            _write_all(self._file, block)
        except OSError as error:
            self._give_up()
            raise self._refusal(error) from error
        self._size_bytes += len(block)

    def close(self) -> None:
        """See :class:`Output`."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            with file:
                os.fsync(file.fileno())
            if self._written_to != self._path:
                self._written_to.replace(self._path)
        except OSError as error:
            raise self._refusal(error) from error

    def _create(self) -> FileIO:
        replacing = self._overwrite or self._written_to != self._path
        return FileIO(self._written_to, "w" if replacing else "x")

    def _give_up(self) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        with contextlib.suppress(OSError), file:
            file.truncate(self._size_bytes)
        if self._written_to != self._path:
            self._written_to.unlink(missing_ok=True)

    def _refusal(self, error: OSError) -> OutputError:
        if isinstance(error, FileExistsError):
            return OutputError(f"{self._path} exists already", "give another name, or --overwrite to replace it")
        kept = "" if self._written_to != self._path or not self._size_bytes else "what was written before is valid"
        return OutputError(f"{self._path} cannot be written: {error.strerror}", kept)


class StreamOutput:
    """An open stream such as standard output. A reader that went away stays a :class:`BrokenPipeError`."""

    def __init__(self, stream: BinaryIO, name: str = "standard output") -> None:
        self._stream, self._name = stream, name

    def write(self, block: bytes) -> None:
        """See :class:`Output`."""
        try:
            _write_all(self._stream, block)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"{self._name} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """The stream belongs to whoever opened it."""


def refuse_early(path: Path, *, may_exist: bool, remedy: str) -> None:
    """Refuse what is already clear before anything is scanned.

    Raises:
        OutputError: the file exists and must not, or cannot be made where it should be.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder", "give the name of a file")
    if path.exists() and not may_exist:
        raise OutputError(f"{path} exists already", remedy)
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {folder}", f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK) and not path.exists():
        raise OutputError(f"{path} cannot be written: no permission to write in {folder}")


def _write_all(stream: FileIO | BinaryIO, block: bytes) -> None:
    """Unbuffered streams may take less than they are given."""
    rest = memoryview(block)
    while rest:
        rest = rest[stream.write(rest) :]
