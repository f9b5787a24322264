"""From workers' messages to records: nothing is lost, doubled or scored for a try that no longer counts."""

import numpy as np
import pytest
from test_bundle import model_file

from semscan.engine.backends.fake import FakeBackend
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import ExitCode, NoticeCode, Reason
from semscan.engine.flow import Flow
from semscan.engine.options import ScanOptions
from semscan.engine.pdf import wire
from semscan.engine.pdf.pool import Progressed
from semscan.engine.records import DocumentRecord, ImageRecord, KindRecord, NoticeRecord, PanelRecord, SummaryRecord
from semscan.engine.stats import ScanStats

IMAGE = ImageRecord("ab", (300, 300), (0, 0, 300, 300), "embedded", "flate")


def panel(name: str, level=128, tiles=2, smoothness=0.0, stratum="lossless", token=None) -> wire.Found:
    record = PanelRecord(name, "sha256:d", "assessed", page=1, image=IMAGE, kind=KindRecord("sem", 1.0), tiles=tiles)
    return wire.Found(record, stratum, smoothness, np.full((tiles, 1, 128, 128), level, np.uint8), token=token)


def skipped(name: str, reason: Reason, kind: str) -> wire.Found:
    return wire.Found(
        PanelRecord(name, "sha256:d", "not_assessed", reason=reason, detail="x", kind=KindRecord(kind, 1.0))
    )


class ScriptedPool:
    """Plays messages: for each document a list of tries, each a list of messages."""

    def __init__(self, *documents: list[list[wire.Message]], workers=None, all_taken=True):
        self.documents, self.all_taken = documents, all_taken
        self.workers = workers or [0] * len(documents)

    def run(self, tasks):
        for (key, _), tries in zip(filter(None, tasks), self.documents, strict=self.all_taken):
            for attempt, messages in enumerate(tries, 1):
                yield Progressed(key, attempt, messages, self.workers[key])


@pytest.fixture
def records(tmp_path):
    def run(*documents, paths=None, batch_size=32, progress=None, stop=bool, workers=None):
        bundle = load_bundle(str(model_file(tmp_path / "m.onnx")))
        files = [tmp_path / f"{i}.pdf" for i in range(len(documents))]
        for file in files:
            file.write_bytes(b"%PDF-")
        pool = ScriptedPool(*documents, workers=workers, all_taken=stop is bool)
        chosen = ScanOptions(batch_size=batch_size)
        flow = Flow(bundle, [FakeBackend()], chosen, 0.05, pool, progress, ScanStats(), stop=stop)
        return list(flow.records(paths or files, "run"))

    return run


def of(kind, records):
    return [record for record in records if isinstance(record, kind)]


def test_every_panel_comes_back_scored_in_the_order_of_its_document(records):
    found = [wire.Opened("sha256:d", 3), panel("a", 10), panel("b", 200, tiles=40), panel("c", 30), wire.Done(3, 2)]
    out = records([found], [found], batch_size=7)
    assert [r.panel_id for r in of(PanelRecord, out)] == ["a", "b", "c"] * 2
    assert [r.score for r in of(PanelRecord, out)] == [10 - 128, 200 - 128, 30 - 128] * 2
    document = of(DocumentRecord, out)[0]
    assert (document.status, document.pages, document.counts.assessed) == ("assessed", 3, 3)
    assert document.p_any_false_flag == pytest.approx(1 - 0.95**3, abs=1e-4)
    assert isinstance(out[-1], SummaryRecord) and out[-1].panels["assessed"] == 6


def test_a_document_bears_the_names_told_last(records):
    names = wire.Named(None, "A title"), wire.Named("10.1234/a", "A title")
    out = records([[wire.Opened("d", 3), *names, wire.Done()]], [[wire.Opened("e", 3), wire.Done()]])
    assert [(r.doi, r.title) for r in of(DocumentRecord, out)] == [("10.1234/a", "A title"), (None, None)]


def test_panels_of_a_try_that_failed_do_not_count(records):
    lost = [wire.Opened("sha256:d", 1), panel("a"), panel("lost")]
    whole = [wire.Opened("sha256:d", 1), panel("a"), wire.Done()]
    out = records([lost, whole])
    assert [r.panel_id for r in of(PanelRecord, out)] == ["a"]
    assert out[-1].panels["assessed"] == 1


def test_counts_tell_sem_panels_from_the_rest(records):
    out = records(
        [
            [
                wire.Opened("sha256:d", 1),
                panel("a"),
                skipped("small", Reason.TOO_SMALL, "sem"),
                skipped("unsure", Reason.UNCERTAIN_KIND, "uncertain"),
                skipped("plot", Reason.NOT_SEM, "graphic"),
                skipped("icon", Reason.TOO_SMALL, "tiny"),
                skipped("again", Reason.DUPLICATE_OF, "sem"),
                wire.Done(6, 5),
            ]
        ]
    )
    counts = of(DocumentRecord, out)[0].counts
    assert (counts.panels, counts.sem, counts.assessed, counts.not_assessed) == (6, 3, 1, 2)
    assert counts.other == {"duplicate": 1, "graphic": 1, "tiny": 1}
    assert of(DocumentRecord, out)[0].status == "partly_assessed"


@pytest.mark.parametrize("unlike", [{"smoothness": -99.0}, {"stratum": "jpeg60"}])
def test_a_panel_unlike_every_reference_is_not_assessed(records, unlike):
    out = records([[wire.Opened("sha256:d", 1), panel("a", **unlike), wire.Done()]])
    (record,) = of(PanelRecord, out)
    assert (record.status, record.reason, record.score) == ("not_assessed", Reason.BELOW_QUALITY_FLOOR, None)


def test_a_failed_document_is_a_notice_and_the_run_is_incomplete(records):
    notice = NoticeRecord("error", NoticeCode.TIMEOUT, "0.pdf", "too long")
    out = records([[wire.Noted(notice), wire.Done()]], [[wire.Opened("sha256:d", 1), panel("a"), wire.Done()]])
    assert [r.status for r in of(DocumentRecord, out)] == ["failed", "assessed"]
    assert of(NoticeRecord, out) == [notice]
    assert out[-1].exit_code == ExitCode.INCOMPLETE and out[-1].documents == {"read": 1, "failed": 1}


def test_what_was_found_before_a_document_failed_is_kept(records):
    notice = NoticeRecord("error", NoticeCode.TIMEOUT, "0.pdf", "too long")
    out = records([[wire.Opened("sha256:d", 9), panel("a"), wire.Noted(notice), wire.Done()]])
    assert of(DocumentRecord, out)[0].status == "partly_assessed"
    assert of(PanelRecord, out)[0].score == 0.0
    assert out[-1].exit_code == ExitCode.INCOMPLETE


def test_nothing_supported_and_nothing_readable_are_different_endings(records, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert records(paths=[tmp_path / "notes.txt"])[-1].exit_code == ExitCode.NO_INPUT
    assert records(paths=[tmp_path / "missing.pdf"])[-1].exit_code == ExitCode.INCOMPLETE


def test_once_stopped_the_documents_in_hand_are_finished_and_no_other_is_taken(records):
    asked = iter([False, False, True])
    one = [wire.Opened("sha256:d", 1), panel("a"), wire.Done()]
    out = records(one_try := [one], one_try, one_try, stop=lambda: next(asked))
    assert [r.status for r in of(DocumentRecord, out)] == ["assessed", "assessed"]
    assert out[-1].exit_code == ExitCode.INTERRUPTED and out[-1].documents == {"read": 2, "failed": 0}


def test_progress_tells_flags_beside_those_expected_and_failures_by_code(records):
    seen = []
    notice = NoticeRecord("error", NoticeCode.TIMEOUT, "0.pdf", "too long")
    records([[wire.Noted(notice), wire.Done()]], [[wire.Opened("d", 1), panel("a"), wire.Done()]], progress=seen.append)
    last = seen[-1]
    assert (last.documents_done, last.failed, last.panels, last.failures) == (2, 1, 1, {NoticeCode.TIMEOUT: 1})
    assert last.expected > 0


def test_a_worker_cannot_give_its_score_to_the_tiles_of_another(records):
    def with_token(level, tiles=2):
        return [wire.Opened("sha256:d", 1), panel("a", level, tiles, token="t"), wire.Done()]

    out = records([with_token(10)], [with_token(200)], [with_token(10)], [with_token(90, 3)], workers=[1, 2, 1, 1])
    assert [r.score for r in of(PanelRecord, out)] == [10 - 128, 200 - 128, 10 - 128, 90 - 128]


def test_a_copy_is_scored_though_the_try_that_sent_it_first_no_longer_counts(records):
    lost = [wire.Opened("sha256:d", 1), panel("a", 10, token="t")]
    whole = [wire.Opened("sha256:d", 1), panel("a", 10, token="t"), wire.Done()]
    assert [r.score for r in of(PanelRecord, records([lost, whole]))] == [10 - 128]


def test_a_panel_id_sent_twice_counts_once(records):
    out = records([[wire.Opened("sha256:d", 1), panel("a", 10), panel("a", 200), panel("b"), wire.Done()]])
    assert [(r.panel_id, r.score) for r in of(PanelRecord, out)] == [("a", 10 - 128), ("b", 0.0)]
