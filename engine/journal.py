"""What an earlier run already did, so that a run that was cut off goes on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator

from semscan.engine.document import Document
from semscan.engine.records import DocumentRecord, NoticeRecord, PanelRecord, RunRecord
from semscan.engine.sinks.sqlite import SqliteSink, modified_ns


class Journal:
    """Documents of an earlier run with the same model, calibration and options that did not change since.

    A document is the same when its path, its size and the time of its last change are; for a member of an archive the
    time is the archive's.

    Args:
        sink: the database that the run is written to.
    """

    def __init__(self, sink: SqliteSink) -> None:
        self._sink = sink
        self._done: dict[tuple[tuple[str, ...], str], tuple[int, int | None]] = {}

    def start(self, run: RunRecord) -> RunRecord:
        """Begin or continue; returns the record of the run that is continued."""
        run = self._sink.start(run)
        self._done = {(container, path): (size, modified) for container, path, size, modified in self._sink.done()}
        return run

    def keeps(self, document: Document) -> bool:
        """Whether a document need not be done again; one that changed is forgotten."""
        key = (document.container, document.path)
        known = self._done.get(key)
        if known is None:
            return False
        now = modified_ns(*key)
        if now is not None and known == (document.bytes, now):
            return True
        self._sink.forget(*key)
        return False

    def documents(self) -> Iterator[tuple[DocumentRecord, list[PanelRecord], list[NoticeRecord]]]:
        """What is kept, document by document."""
        group: tuple[DocumentRecord, list[PanelRecord], list[NoticeRecord]] | None = None
        for record in self._sink.records():
            if isinstance(record, DocumentRecord):
                if group:
                    yield group
                group = (record, [], [])
            elif group and isinstance(record, PanelRecord):
                group[1].append(record)
            elif group and isinstance(record, NoticeRecord):
                group[2].append(record)
        if group:
            yield group
