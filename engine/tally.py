"""Counting: what a document held, what a run found, and what it would have found had every panel been genuine."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from semscan.engine.calibration import Calibration
from semscan.engine.errors import ExitCode, NoticeCode, Reason
from semscan.engine.records import Counts, DocumentRecord, NoticeRecord, PanelRecord, SummaryRecord

_MOST_CUES = 32
"""Different cues of one document's panels that its record repeats."""


def count_panels(panels: Iterable[PanelRecord], images: int, figures: int) -> Counts:
    """What a document holds; see :class:`Counts` for the meaning of the columns."""
    total = assessed = not_assessed = flagged = 0
    other: Counter[str] = Counter()
    for panel in panels:
        total += 1
        if panel.status == "assessed":
            assessed += 1
            flagged += panel.level == "look"
        elif panel.reason == Reason.DUPLICATE_OF:
            other["duplicate"] += 1
        elif panel.reason == Reason.NOT_SEM or (panel.kind and panel.kind.label == "tiny"):
            other[panel.kind.label if panel.kind else "graphic"] += 1
        else:
            not_assessed += 1
    return Counts(
        images=images,
        figures=figures,
        panels=total,
        sem=assessed + not_assessed,
        assessed=assessed,
        not_assessed=not_assessed,
        flagged=flagged,
        other=dict(sorted(other.items())),
    )


def document_record(
    *,
    doc_id: str,
    path: str,
    container: tuple[str, ...] = (),
    media_type: str,
    size_bytes: int,
    pages: int,
    images: int,
    figures: int,
    panels: Iterable[PanelRecord],
    notices: Iterable[NoticeRecord],
    rate: float,
    seconds: float,
    doi: str | None = None,
    title: str | None = None,
) -> DocumentRecord:
    """The record of a finished document.

    Status: ``failed`` when an error stopped it before any panel was found; ``not_assessed`` when no panel was
    assessed; ``partly_assessed`` when a panel or a part of the document could not be; else ``assessed``.
    """
    panels = tuple(panels)
    counts = count_panels(panels, images, figures)
    codes = [notice.code for notice in notices]
    broken = any(notice.severity == "error" for notice in notices)
    status: str
    reason: str | None = None
    if broken and not counts.panels:
        status, reason = "failed", codes[0]
    elif not counts.assessed:
        status, reason = "not_assessed", None if counts.sem else (codes or [Reason.NO_PANELS])[0]
    else:
        status = "partly_assessed" if counts.not_assessed or codes else "assessed"
    return DocumentRecord(
        doc_id=doc_id,
        path=path,
        media_type=media_type,
        bytes=size_bytes,
        pages=pages,
        status=status,
        counts=counts,
        p_any_false_flag=round(1 - (1 - rate) ** counts.assessed, 4),
        seconds=round(seconds, 3),
        reason=reason,
        container=container,
        cues=tuple(islice(dict.fromkeys(cue for panel in panels for cue in panel.cues), _MOST_CUES)),
        doi=doi,
        title=title,
    )


@dataclass(slots=True)
class Tally:
    """Totals of a run.

    Attributes:
        calibration: says which flags to expect of genuine panels.
        rate: share of genuine panels that may be flagged.
        read: documents that were read.
        failed: documents that failed.
        panels: assessed, not assessed, flagged, and others.
        errors: by code.
        interrupted: whether documents were left out because somebody stopped the run.
        remarks: what the runtime had to do otherwise than asked.
    """

    calibration: Calibration
    rate: float
    read: int = 0
    failed: int = 0
    panels: Counter[str] = field(default_factory=Counter)
    _expected: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    errors: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False
    remarks: list[str] = field(default_factory=list)
    _unread: int = 0
    _shares: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)

    def add_notice(self, notice: NoticeRecord) -> None:
        """A notice about an input that never became a document, or about one that did."""
        if notice.severity == "error":
            self.errors[notice.code] += 1
            self._unread += notice.code != NoticeCode.UNSUPPORTED_TYPE

    def add_document(
        self, record: DocumentRecord, panels: Iterable[PanelRecord], notices: Iterable[NoticeRecord]
    ) -> None:
        """A finished document."""
        if record.status == "failed":
            self.failed += 1
        else:
            self.read += 1
        for notice in notices:
            self.add_notice(notice)
        for name in ("assessed", "not_assessed", "flagged"):
            self.panels[name] += getattr(record.counts, name)
        self.panels["other"] += sum((record.counts.other or {}).values())
        for panel in panels:
            if panel.reference is not None:
                for index, share in enumerate(self._share(panel.reference.stratum)):
                    self._expected[index] += share

    def _share(self, stratum: str) -> tuple[float, float, float]:
        """Share of genuine panels of a stratum that is flagged, with its bounds."""
        if stratum not in self._shares:
            tail = self.calibration.strata[stratum].realised(self.rate)
            self._shares[stratum] = tail.value, tail.low, tail.high
        return self._shares[stratum]

    @property
    def expected(self) -> float:
        """Flags to expect if every panel assessed so far were genuine."""
        return self._expected[0]

    def exit_code(self) -> ExitCode:
        """0, 3, 4 or 130; what ``--fail-on`` makes of it is the command line's."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if not (self.read or self.failed or self._unread):
            return ExitCode.NO_INPUT
        return ExitCode.INCOMPLETE if self.errors else ExitCode.OK

    def summary(self, run_id: str) -> SummaryRecord:
        """The last record of a run."""
        value, low, high = (round(total, 4) for total in self._expected)
        return SummaryRecord(
            run_id=run_id,
            documents={"read": self.read, "failed": self.failed},
            panels={name: self.panels[name] for name in ("assessed", "not_assessed", "flagged", "other")},
            expected_flags=value,
            expected_ci95=(low, high),
            exit_code=int(self.exit_code()),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self._started, 3),
            remarks=tuple(self.remarks),
        )
