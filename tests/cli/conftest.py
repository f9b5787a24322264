"""Hand-built records, and a pipeline that yields them."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from types import SimpleNamespace

import pytest

from semscan.engine.records import (
    CalibrationId,
    Counts,
    DocumentRecord,
    ImageRecord,
    KindRecord,
    ModelId,
    NoticeRecord,
    PanelRecord,
    ReferenceRecord,
    RunRecord,
    SummaryRecord,
    Tool,
)

DOC = "sha256:4be1"
IMAGE = ImageRecord(
    sha256="c0ff",
    px=(976, 1783),
    bbox_px=(497, 942, 909, 1251),
    source="embedded",
    encoding="jpeg",
    object="83 0",
    jpeg_q=80,
    subsampling="4:2:0",
    components=3,
    bits=8,
    ppi=300,
)
RUN = RunRecord(
    run_id="r1",
    tool=Tool("0.1.0"),
    model=ModelId("sem-1", "9f3c1e7a" + 56 * "0"),
    calibration=CalibrationId("pub-1", 2431, 310),
    policy={"fpr_per_panel": 0.01, "min_panel_px": 128},
    argv=("semscan", "paper.pdf"),
    device="cpu",
    backend="onnxruntime",
    precision="fp32",
    started="2026-11-20T10:12:00+00:00",
)


def assessed(number: int, level: str = "none", **changes: object) -> PanelRecord:
    panel = PanelRecord(
        panel_id=f"4be1:4.1/{number}",
        doc_id=DOC,
        status="assessed",
        page=4,
        figure="Fig. 2",
        index=number,
        of=6,
        bbox_pt=(306.1, 88.4, 404.9, 162.6),
        image=IMAGE,
        kind=KindRecord("sem", 0.998),
        score=-0.41,
        tail=0.3,
        tail_ci95=(0.25, 0.36),
        reference=ReferenceRecord("jpeg75", 2431, 310),
        level=level,
        tiles=9,
    )
    return replace(panel, **changes)


LOOK = assessed(2, "look", panel="b", score=3.41, tail=0.0042, tail_ci95=(0.002, 0.0077))
SMALL = PanelRecord(
    panel_id="4be1:7.1/3",
    doc_id=DOC,
    status="not_assessed",
    page=7,
    figure="Fig. 5",
    panel="c",
    index=3,
    of=4,
    image=replace(IMAGE, bbox_px=(0, 0, 118, 96)),
    kind=KindRecord("sem", 0.9),
    reason="too_small",
    detail="short side 96 px < 128 px",
)
GRAPHIC = replace(SMALL, panel_id="4be1:8.1/1", reason="not_sem", detail="taken for: graphic", page=8)


def document(path: str = "paper.pdf", status: str = "partly_assessed", **counts: object) -> DocumentRecord:
    filled = {"images": 4, "figures": 6, "panels": 31, "sem": 16, "assessed": 14, "not_assessed": 2, "flagged": 1}
    filled |= {"other": {"graphic": 9, "tem": 4, "photograph": 2}} | counts
    return DocumentRecord(
        doc_id=DOC,
        path=path,
        media_type="application/pdf",
        bytes=2816081,
        pages=12,
        status=status,
        counts=Counts(**filled),
        p_any_false_flag=0.1313,
        seconds=2.1,
    )


def summary(**changes: object) -> SummaryRecord:
    record = SummaryRecord(
        run_id="r1",
        documents={"read": 1, "failed": 0},
        panels={"assessed": 14, "not_assessed": 2, "flagged": 1, "other": 15},
        expected_flags=0.1389,
        expected_ci95=(0.1, 0.19),
        exit_code=0,
        finished="2026-11-20T10:12:02+00:00",
        seconds=2.2,
    )
    return replace(record, **changes)


COUNTED = ("images", "figures", "panels", "sem", "assessed", "not_assessed", "flagged")
NOTHING = dict.fromkeys(COUNTED, 0) | {"other": {}}
FAILED = document("x/locked.pdf", "failed", **NOTHING)
NOTICE = NoticeRecord("error", "encrypted", "x/locked.pdf", "the PDF needs a password")
PAPER = [RUN, document(), assessed(1), LOOK, SMALL, GRAPHIC, summary()]


@pytest.fixture
def sample() -> SimpleNamespace:
    """The records above."""
    return SimpleNamespace(
        run=RUN,
        image=IMAGE,
        assessed=assessed,
        look=LOOK,
        small=SMALL,
        graphic=GRAPHIC,
        document=document,
        summary=summary,
        nothing=NOTHING,
        failed=FAILED,
        notice=NOTICE,
        paper=PAPER,
    )


@pytest.fixture
def pipeline(monkeypatch):
    """A pipeline that yields the records it is given; ``calls`` holds what it was asked."""
    fake = types.ModuleType("semscan.engine.pipeline")
    state = SimpleNamespace(records=list(PAPER), calls=[])

    def scan(paths, options, *, argv=(), progress=None, journal=None, stop=bool):
        state.calls.append(SimpleNamespace(paths=tuple(paths), options=options, argv=tuple(argv), progress=progress))
        for record in state.records:
            if isinstance(record, BaseException):
                raise record
            yield record

    fake.scan = scan
    monkeypatch.setitem(sys.modules, "semscan.engine.pipeline", fake)
    return state
