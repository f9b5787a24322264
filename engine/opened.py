"""A document while its panels are coming in and being scored, and how far a scan is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from semscan.engine.aggregate import Waiting
from semscan.engine.calibration import Calibration
from semscan.engine.document import Document
from semscan.engine.pdf import wire
from semscan.engine.records import DocumentRecord, NoticeRecord, PanelRecord
from semscan.engine.siblings import compare
from semscan.engine.tally import document_record


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is.

    Attributes:
        documents_done: documents finished, those of an earlier run that is continued included.
        documents_total: ``None`` while inputs are still being listed.
        panels: panels found.
        flagged: panels for a closer look.
        failed: documents that failed.
        expected: flags to expect if every panel assessed so far were genuine.
        failures: errors by code.
    """

    documents_done: int
    documents_total: int | None
    panels: int
    flagged: int
    failed: int
    expected: float = 0.0
    failures: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class OpenDocument:
    """A document whose panels are still coming in or being scored."""

    source: Document
    started: float
    attempt: int = 1
    doc_id: str = ""
    pages: int = 0
    named: wire.Named | None = None
    done: wire.Done | None = None
    panels: dict[str, PanelRecord] = field(default_factory=dict)
    pending: dict[str, Waiting] = field(default_factory=dict)
    """Panels that wait for their score."""
    notices: list[NoticeRecord] = field(default_factory=list)

    def record(self, rate: float) -> DocumentRecord:
        """The finished document's record."""
        done, named = self.done or wire.Done(), self.named or wire.Named()
        return document_record(
            doc_id=self.doc_id,
            path=self.source.path,
            container=self.source.container,
            media_type=self.source.media_type,
            size_bytes=self.source.bytes,
            pages=self.pages,
            images=done.images,
            figures=done.figures,
            panels=self.panels.values(),
            notices=self.notices,
            rate=rate,
            seconds=time.monotonic() - self.started,
            doi=named.doi,
            title=named.title,
        )

    def compare(self, calibration: Calibration) -> None:
        """Put the panels beside each other, once all of them are scored."""
        for name, siblings in compare(self.panels.values(), calibration.strata).items():
            self.panels[name] = replace(self.panels[name], siblings=siblings)

    def restart(self, attempt: int) -> None:
        """Forget what an earlier try found."""
        self.attempt = attempt
        self.panels.clear()
        self.pending.clear()
        self.notices.clear()
