"""Which files are meant: shell patterns typed literally, lists of paths, and ``--include``/``--exclude``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import BinaryIO

from semscan.engine.errors import UsageError


@dataclass(frozen=True, slots=True)
class Selection:
    """Shell patterns that documents must match, or must not.

    A pattern is compared with the path below the typed folder or archive and with the name alone; ``*`` also matches
    ``/``. Case counts. Exclusion wins, and an excluded folder or archive is not looked into.

    Attributes:
        include: a document must match one of them, if there are any.
        exclude: a document, folder or archive must match none of them.

    >>> Selection(include=("*.pdf",), exclude=("drafts",)).admits("2024/drafts/a.pdf")
    False
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)

    def admits(self, path: str) -> bool:
        """Whether a document is wanted.

        Args:
            path: relative to what was typed, with ``/`` between its parts.
        """
        return self.enters(path) and (not self.include or _matches(path, self.include))

    def enters(self, path: str) -> bool:
        """Whether a folder or an archive may hold documents that are wanted."""
        if not self.exclude:
            return True
        parts = path.split("/")
        return not any(_matches("/".join(parts[:end]), self.exclude) for end in range(1, len(parts) + 1))


def _matches(path: str, patterns: Sequence[str]) -> bool:
    name = path.rpartition("/")[2]
    return any(fnmatchcase(path, pattern) or fnmatchcase(name, pattern) for pattern in patterns)


def is_pattern(text: str) -> bool:
    """Whether a shell would take this for a pattern."""
    return any(character in text for character in "*?[")


def expand(pattern: str) -> Iterator[Path]:
    """Paths that match a shell pattern, folder by folder in sorted order, found while they are used.

    ``**`` stands for any number of folders. As in a shell, names that start with a dot match only patterns that do,
    and folders that cannot be listed match nothing.
    """
    path = PurePath(pattern)
    parts = path.parts[1:] if path.anchor else path.parts
    yield from _expand(Path(path.anchor), parts)


def _expand(base: Path, parts: Sequence[str]) -> Iterator[Path]:
    if not parts:
        yield base
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        if not rest:
            yield base
            return
        yield from _expand(base, rest)
        for name, is_folder in _listed(base):
            if is_folder and not name.startswith("."):
                yield from _expand(base / name, parts)
    elif is_pattern(part):
        for name, is_folder in _listed(base):
            hidden = name.startswith(".") and not part.startswith(".")
            if not hidden and fnmatchcase(name, part) and (not rest or is_folder or (base / name).is_dir()):
                yield from _expand(base / name, rest)
    elif os.path.lexists(base / part):
        yield from _expand(base / part, rest)


def _listed(folder: Path) -> list[tuple[str, bool]]:
    """Sorted names in a folder, and whether each is itself a folder (links to folders are not: they may be loops)."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        return []


def listed_paths(name: str, stdin: BinaryIO | None = None) -> Iterator[str]:
    """Paths from a file with one path on each line, for ``--files-from``; read while they are used.

    Empty lines are passed over. A line that is just ``-`` names a file of that name.

    Args:
        name: the file, or ``-`` for standard input.
        stdin: used instead of standard input.

    Raises:
        UsageError: at once, when the list cannot be opened.
    """
    try:
        file = (stdin or sys.stdin.buffer) if name == "-" else Path(name).open("rb")  # noqa: SIM115 - closed in _lines
    except OSError as error:
        raise UsageError(f"--files-from {name}: the list cannot be read: {error.strerror}") from error
    return _lines(file)


def _lines(file: BinaryIO) -> Iterator[str]:
    with nullcontext() if file is sys.stdin.buffer else file:
        for number, line in enumerate(file):
            text = os.fsdecode(line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line)
            text = text.removesuffix("\n").removesuffix("\r")
            if text:
                yield "./-" if text == "-" else text
