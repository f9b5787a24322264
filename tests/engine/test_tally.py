"""What a document's record says of it: its status, and the reason when nothing of it was assessed."""

from __future__ import annotations

import pytest

from semscan.engine.errors import NoticeCode, Reason
from semscan.engine.records import KindRecord, NoticeRecord, PanelRecord
from semscan.engine.tally import document_record

ASSESSED = PanelRecord("a", "sha256:d", "assessed", kind=KindRecord("sem", 1.0))
GRAPHIC = PanelRecord("b", "sha256:d", "not_assessed", reason=Reason.NOT_SEM, kind=KindRecord("graphic", 1.0))
IN_DOUBT = PanelRecord("c", "sha256:d", "not_assessed", reason=Reason.UNCERTAIN_KIND, kind=KindRecord("uncertain", 0.4))
TIMEOUT = NoticeRecord("error", NoticeCode.TIMEOUT, "a.pdf", "took longer than 60 s, twice")
DAMAGED = NoticeRecord("warning", NoticeCode.PAGE_DAMAGED, "a.pdf", "page 3")


def record(*, panels=(), notices=()):
    return document_record(
        doc_id="sha256:d",
        path="a.pdf",
        media_type="application/pdf",
        size_bytes=10,
        pages=1,
        images=1,
        figures=1,
        panels=panels,
        notices=notices,
        rate=0.05,
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("panels", "notices", "status", "reason"),
    (
        ([], [], "not_assessed", Reason.NO_PANELS),
        ([GRAPHIC], [], "not_assessed", Reason.NO_PANELS),
        ([GRAPHIC, IN_DOUBT], [], "not_assessed", None),
        ([GRAPHIC], [DAMAGED], "not_assessed", NoticeCode.PAGE_DAMAGED),
        ([], [TIMEOUT], "failed", Reason.TIMEOUT),
        ([GRAPHIC], [TIMEOUT], "not_assessed", Reason.TIMEOUT),
        ([ASSESSED], [TIMEOUT], "partly_assessed", None),
        ([ASSESSED, IN_DOUBT], [], "partly_assessed", None),
        ([ASSESSED, GRAPHIC], [], "assessed", None),
    ),
)
def test_status_and_reason_of_a_document(panels, notices, status, reason):
    found = record(panels=panels, notices=notices)
    assert (found.status, found.reason) == (status, reason)


def test_chance_grows_with_the_panels_that_were_assessed():
    assert record(panels=[GRAPHIC]).p_any_false_flag == 0.0
    assert record(panels=[ASSESSED, ASSESSED]).p_any_false_flag == pytest.approx(1 - 0.95**2, abs=1e-4)
