"""SQLite: the run as a database, which is also the journal that ``--resume`` continues from.

Every document with its panels and notices is one transaction, so after a kill at any moment the database holds whole
documents only. Each table keeps the record as JSON beside the columns that people filter and sort by.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from semscan.engine.errors import OutputError
from semscan.engine.parse import record_from_json
from semscan.engine.records import DocumentRecord, NoticeRecord, PanelRecord, Record, RunRecord, SummaryRecord
from semscan.engine.sinks.jsonl import encode
from semscan.engine.sinks.output import refuse_early

SCHEMA_VERSION = 1

_TABLES = """
CREATE TABLE run (key TEXT NOT NULL, record TEXT NOT NULL);
CREATE TABLE document (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL, container TEXT NOT NULL, bytes INTEGER NOT NULL, modified_ns INTEGER,
    doc_id TEXT NOT NULL, status TEXT NOT NULL, assessed INTEGER NOT NULL, flagged INTEGER NOT NULL,
    record TEXT NOT NULL, UNIQUE (container, path)
);
CREATE TABLE panel (
    document INTEGER NOT NULL REFERENCES document (id) ON DELETE CASCADE, position INTEGER NOT NULL,
    panel_id TEXT NOT NULL, page INTEGER, figure TEXT, status TEXT NOT NULL, reason TEXT, level TEXT, score REAL,
    tail REAL, record TEXT NOT NULL, PRIMARY KEY (document, position)
) WITHOUT ROWID;
CREATE TABLE notice (
    document INTEGER REFERENCES document (id) ON DELETE CASCADE, position INTEGER NOT NULL, severity TEXT NOT NULL,
    code TEXT NOT NULL, path TEXT NOT NULL, record TEXT NOT NULL
);
CREATE TABLE summary (record TEXT NOT NULL);
CREATE INDEX panel_by_tail ON panel (tail) WHERE level IN ('look', 'note');
"""

_DELETE = "DELETE FROM document WHERE container = ? AND path = ?"

_IRRELEVANT = ("jobs", "batch_size", "timeout_s", "memory_mib", "calibration")
"""Options that do not change a record; the calibration counts by its id, not by the path of its file."""


class SqliteSink:
    """Writes a run into a database.

    Args:
        path: the file.
        overwrite: replace an existing file.
        resume: continue an existing file; documents in it that a run with the same model, calibration and options
            made are kept, everything else is removed when the run starts.

    Raises:
        OutputError: the file exists and neither was asked for, is not a database of ours, or cannot be written.
    """

    def __init__(self, path: Path, *, overwrite: bool = False, resume: bool = False) -> None:
        self._path, self._replace = path, overwrite and not resume
        self._connection: sqlite3.Connection | None = None
        self._document: int | None = None
        self._position = 0
        self._held: set[tuple[tuple[str, ...], str]] = set()
        self._passing: str | None = None
        refuse_early(path, may_exist=overwrite or resume, remedy="--resume continues it, --overwrite replaces it")
        if resume and path.exists():
            self._connection = self._opened()

    @property
    def _db(self) -> sqlite3.Connection:
        """The database, made when the first record comes: a run that is refused leaves no file behind."""
        if self._connection is None:
            self._connection = self._opened()
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        try:
            if self._replace:
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            connection = sqlite3.connect(self._path, isolation_level=None)
            self._prepare(connection)
        except (sqlite3.Error, OSError) as error:
            raise self._refusal(error) from error
        return connection

    def done(self) -> Iterator[tuple[tuple[str, ...], str, int, int | None]]:
        """Documents that need not be done again: containers, path, size in bytes, time of last change in ns."""
        # A name that is no valid Unicode stands escaped in its column, and exactly in its record.
        escaped = "CASE WHEN instr(path, char(92)) THEN record END"
        query = f"SELECT container, path, bytes, modified_ns, {escaped} FROM document"
        for container, path, size, modified, record in self._db.execute(query):
            exact = json.loads(record)["path"] if record else path
            yield tuple(json.loads(container)), exact, size, modified

    def start(self, run: RunRecord) -> RunRecord:
        """Begin or continue the run; returns the record of the run that the database now describes."""
        key = run_key(run)
        with self._guard():
            row = self._db.execute("SELECT key, record FROM run").fetchone()
            if row and row[0] == key:
                self._db.executescript("BEGIN; DELETE FROM summary; DELETE FROM notice WHERE document IS NULL; COMMIT")
                kept = record_from_json(json.loads(row[1]))
                assert isinstance(kept, RunRecord)
                return kept
            self._db.execute("BEGIN")
            for table in ("run", "summary", "notice", "panel", "document"):
                self._db.execute(f"DELETE FROM {table}")
            self._db.execute("INSERT INTO run VALUES (?, ?)", (key, _json(run)))
            self._db.execute("COMMIT")
        return run

    def hold(self, container: tuple[str, ...], path: str) -> None:
        """Leave a document as it is: its records will come again with those of the others."""
        self._held.add((container, path))

    def forget(self, container: tuple[str, ...], path: str) -> None:
        """Remove a document that changed or is gone."""
        with self._guard():
            self._db.execute(_DELETE, (json.dumps(container), _text(path)))

    def records(self, container: tuple[str, ...] | None = None, path: str = "") -> Iterator[Record]:
        """Every record of one document, or without arguments of every document so far in the order of a scan."""
        query = "SELECT id, record FROM document ORDER BY id"
        values: tuple[str, ...] = ()
        if container is not None:
            query, values = (
                "SELECT id, record FROM document WHERE container = ? AND path = ?",
                (json.dumps(container), _text(path)),
            )
        for identity, text in self._db.execute(query, values):
            yield record_from_json(json.loads(text))
            for table in ("panel", "notice"):
                parts = f"SELECT record FROM {table} WHERE document = ? ORDER BY position"
                for (record,) in self._db.execute(parts, (identity,)):
                    yield record_from_json(json.loads(record))

    def write(self, record: Record) -> None:
        """See :class:`semscan.engine.sinks.Sink`."""
        with self._guard():
            if isinstance(record, RunRecord):
                self.start(record)
            elif isinstance(record, DocumentRecord):
                self._commit()
                held = (record.container, record.path) in self._held
                self._passing = record.label if held else None
                if not held:
                    self._begin(record)
            elif isinstance(record, PanelRecord):
                if self._passing is None:
                    self._add_panel(record)
            elif isinstance(record, NoticeRecord) and record.path == self._passing:
                pass
            elif isinstance(record, NoticeRecord):
                self._add_notice(record)
            else:
                self._finish(record)

    def close(self) -> None:
        """See :class:`semscan.engine.sinks.Sink`; a document that is not complete is taken back."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT")
        elif version != SCHEMA_VERSION:
            raise OutputError(f"{self._path} is not a semscan run of schema {SCHEMA_VERSION}", "give another name")

    def _begin(self, record: DocumentRecord) -> None:
        self._db.execute("BEGIN")
        container = json.dumps(record.container)
        self._db.execute(_DELETE, (container, _text(record.path)))
        counts, modified = record.counts, modified_ns(record.container, record.path)
        row = (record.path, container, record.bytes, modified, record.doc_id, record.status)
        cursor = self._db.execute(
            "INSERT INTO document (path, container, bytes, modified_ns, doc_id, status, assessed, flagged, record) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _texts(*row, counts.assessed, counts.flagged, _json(record)),
        )
        self._document, self._position = cursor.lastrowid, 0

    def _add_panel(self, record: PanelRecord) -> None:
        self._position += 1
        values = (record.panel_id, record.page, record.figure, record.status, record.reason, record.level)
        self._db.execute(
            "INSERT INTO panel VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _texts(self._document, self._position, *values, record.score, record.tail, _json(record)),
        )

    def _add_notice(self, record: NoticeRecord) -> None:
        """A notice after a document's panels is that document's; any other stands for itself."""
        owner = self._document if self._db.in_transaction and self._names(record.path) else None
        if owner is None:
            self._commit()
        self._position += 1
        values = _texts(owner, self._position, record.severity, record.code, record.path, _json(record))
        self._db.execute("INSERT INTO notice VALUES (?, ?, ?, ?, ?, ?)", values)

    def _names(self, path: str) -> bool:
        (text,) = self._db.execute("SELECT record FROM document WHERE id = ?", (self._document,)).fetchone()
        document = record_from_json(json.loads(text))
        return isinstance(document, DocumentRecord) and document.label == path

    def _finish(self, record: SummaryRecord) -> None:
        self._commit()
        self._db.execute("DELETE FROM summary")
        self._db.execute("INSERT INTO summary VALUES (?)", (_json(record),))

    def _commit(self) -> None:
        if self._db.in_transaction:
            self._db.execute("COMMIT")
        self._document = None

    def _guard(self) -> _Guard:
        return _Guard(self)

    def _refusal(self, error: Exception) -> OutputError:
        return OutputError(f"{self._path} cannot be written: {error}", "what was written before is valid")


class _Guard:
    """Turns SQLite's errors into refusals."""

    def __init__(self, sink: SqliteSink) -> None:
        self._sink = sink

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise self._sink._refusal(error) from error


def run_key(run: RunRecord) -> str:
    """What must be equal for two runs to give the same records."""
    policy = {name: value for name, value in run.policy.items() if name not in _IRRELEVANT}
    key: dict[str, Any] = {"schema": run.schema, "tool": run.tool.version, "model": run.model.sha256}
    key |= {"gate": run.gate and run.gate.sha256, "letters": run.letters and run.letters.sha256}
    return json.dumps(key | {"calibration": run.calibration.id, "policy": policy}, sort_keys=True)


def modified_ns(container: tuple[str, ...], path: str) -> int | None:
    """Last change of the file on disk that holds a document, ``None`` when there is none (standard input)."""
    try:
        return Path(container[0] if container else path).stat().st_mtime_ns
    except OSError:
        return None


def _text(text: str) -> str:
    """Text as a column can hold it: what is no valid Unicode is escaped, as in JSON."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _texts(*values: object) -> tuple[object, ...]:
    return tuple(_text(value) if isinstance(value, str) else value for value in values)


def _json(record: Record) -> str:
    return encode(record).decode()
