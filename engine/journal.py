"""What an earlier run already did, so that a run that was cut off goes on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from semscan.engine.document import Document
from semscan.engine.errors import NoticeCode
from semscan.engine.records import DocumentRecord, NoticeRecord, PanelRecord, Record, RunRecord
from semscan.engine.sinks.sqlite import SqliteSink, modified_ns

CURABLE = frozenset({NoticeCode.TIMEOUT, NoticeCode.OUT_OF_MEMORY, NoticeCode.WORKER_CRASHED, NoticeCode.ENCRYPTED})
"""What another try, with more time, more memory or a password, may well not meet again."""

Group: TypeAlias = tuple[DocumentRecord, list[PanelRecord], list[NoticeRecord]]


class Journal:
    """Documents of an earlier run with the same model, calibration and options that did not change since.

    A document is the same when its path, its size and the time of its last change are; for a member of an archive the
    time is the archive's. One that could not be read, or only in part, for a reason that another try may cure is done
    again. Documents that the inputs no longer hold are forgotten when a run has listed all of its inputs.

    Args:
        sink: the database that the run is written to.
    """

    def __init__(self, sink: SqliteSink) -> None:
        self._sink = sink
        self._done: dict[tuple[tuple[str, ...], str], tuple[int, int | None]] = {}
        self._kept: set[tuple[tuple[str, ...], str]] = set()

    def start(self, run: RunRecord) -> RunRecord:
        """Begin or continue; returns the record of the run that is continued."""
        run = self._sink.start(run)
        self._done = {(container, path): (size, modified) for container, path, size, modified in self._sink.done()}
        return run

    def kept(self, document: Document) -> Group | None:
        """What an earlier run found in a document, if it need not be done again; one that changed is forgotten."""
        key = (document.container, document.path)
        known = self._done.get(key)
        if known is None or key in self._kept:
            return None
        now = modified_ns(*key)
        if now is not None and known == (document.bytes, now):
            group = _group(self._sink.records(*key))
            if not any(notice.code in CURABLE for notice in group[2]):
                self._kept.add(key)
                self._sink.hold(*key)
                return group
        self._sink.forget(*key)
        del self._done[key]
        return None

    def finish(self) -> None:
        """Forget documents that the inputs no longer hold: all inputs were listed."""
        for key in self._done.keys() - self._kept:
            self._sink.forget(*key)


def _group(records: Iterator[Record]) -> Group:
    """The records of one document, the first of which is its own."""
    document = next(records)
    assert isinstance(document, DocumentRecord)
    rest = list(records)
    panels = [record for record in rest if isinstance(record, PanelRecord)]
    return document, panels, [record for record in rest if isinstance(record, NoticeRecord)]
