"""Lists that users write about their files: which source a file belongs to, and what its label is.

A list is a CSV file in UTF-8 with a header. Paths in it are relative to the list. What is wrong with a list is refused
with the number of the line, before anything is scanned: a measurement on half a list would look like one on all of it.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from semscan.engine.errors import UsageError
from semscan.engine.intervals import sources_needed

LABELS = ("genuine", "generated")
LARGEST_BYTES = 1 << 26
LEAST_SOURCES = 2
"""Sources of each label: one source has no spread."""

_NEEDED = (
    f"at least {LEAST_SOURCES} sources of each label are needed, and {sources_needed(0.05)} genuine ones to state a "
    "false-flag rate of 5 %"
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """One line of a manifest.

    Attributes:
        path: of the file.
        label: ``genuine`` or ``generated``.
        source: what makes it depend on other files; its own path if the manifest names none.
    """

    path: str
    label: str
    source: str


def read_manifest(path: Path) -> list[Labelled]:
    """Files with their labels: columns ``file``, ``label`` and perhaps ``source``.

    Raises:
        UsageError: it cannot be read, is empty, names a file that is not there or one twice, holds another label, or
            only one of the labels or too few sources of one; the message says what is needed.
    """
    rows: list[Labelled] = []
    at: dict[str, int] = {}
    for number, row in _rows(path, ("file", "label")):
        file, label = _resolved(path, row["file"]), row["label"].strip().lower()
        if label not in LABELS:
            raise UsageError(f"{path}, line {number}: the label {label!r:.40} is none", f"use {' or '.join(LABELS)}")
        if "source" in row and not row["source"].strip():
            raise UsageError(f"{path}, line {number}: no source", "name one, or leave the column out")
        if not os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises for a name that is too long
            raise UsageError(f"{path}, line {number}: there is no file {file}", "paths are relative to the manifest")
        if file in at:
            raise UsageError(f"{path}: lines {at[file]} and {number} name the same file", "leave out one of them")
        at[file] = number
        rows.append(Labelled(file, label, row.get("source", "").strip() or file))
    held = {label: {row.source for row in rows if row.label == label} for label in LABELS}
    for label, sources in held.items():
        if len(sources) < LEAST_SOURCES:
            raise UsageError(f"{path} names {len(sources)} sources of files labelled {label}", _NEEDED)
    return rows


def read_sources(path: Path) -> dict[str, str]:
    """Sources by document, as :func:`semscan.engine.ownarchive.document_key` names it: columns ``file``, ``source``.

    Documents inside an archive are written ``archive.zip!paper.pdf``.

    Raises:
        UsageError: it cannot be read, is empty, a line has no file or no source, or a document has two.
    """
    sources: dict[str, str] = {}
    for number, row in _rows(path, ("file", "source")):
        key, source = _resolved(path, row["file"]), row["source"].strip()
        if not source:
            raise UsageError(f"{path}, line {number}: no source", "name the paper or specimen that the file comes from")
        if not row["file"].strip():
            raise UsageError(f"{path}, line {number}: no file", "name the file, or leave out the line")
        if sources.setdefault(key, source) != source:
            raise UsageError(f"{path}, line {number}: {row['file']} has another source above", "leave out one of them")
    return sources


def _resolved(path: Path, named: str) -> str:
    """The real path of a file that a list names; what is inside an archive stays as it is."""
    named = named.replace("\0", "?")
    whole = path.parent / named.strip()
    outer, mark, inner = named.strip().partition("!")
    if not mark or os.path.exists(whole):  # noqa: PTH110 - as above
        return os.path.realpath(whole)
    return os.path.realpath(path.parent / outer) + mark + inner


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows by line number; cells that are missing are empty.

    Raises:
        UsageError: the file cannot be read as a table with these columns, or holds no row.
    """
    how = f"a CSV file in UTF-8 with the columns {','.join(columns)}"
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UsageError(f"{path} is too large for a list", how)
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", how) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text", how) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in columns if name not in header]
        if missing or len(set(header)) < len(header):
            raise UsageError(f"{path} has no column {missing[0]!r}" if missing else f"{path} names a column twice", how)
        empty = True
        for cells in reader:
            if any(cell.strip() for cell in cells):
                empty = False
                yield reader.line_num, dict(zip(header, [*cells, *[""] * len(header)], strict=False))
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}", how) from error
    if empty:
        raise UsageError(f"{path} names no file", f"{how}; {_NEEDED}" if "label" in columns else how)
