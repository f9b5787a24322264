"""Whole scans through real workers: good documents are scored, bad ones are answered for, none disturbs another."""

from dataclasses import replace

import pytest
from pdf_factory import Pdf, bomb_pdf, bomb_png, encode, encrypted, micrograph, write_pdf
from test_bundle import model_file

import semscan
from semscan.engine.backends.fake import FakeBackend
from semscan.engine.errors import ExitCode, NoticeCode, Reason, UsageError
from semscan.engine.extract import ExtractedPanel, extract_panels
from semscan.engine.options import ScanOptions
from semscan.engine.pdf import pool
from semscan.engine.pipeline import scan
from semscan.engine.records import DocumentRecord, NoticeRecord, PanelRecord, RunRecord, SummaryRecord
from semscan.engine.stats import ScanStats

DRAW = "400 0 0 300 50 400 cm /I Do"
DRAW_TWICE = DRAW + " 1 0 0 1 0 -1.2 cm /I Do"


def jpeg(seed: int = 0) -> bytes:
    return encode(micrograph(300, 400, seed), "JPEG", quality=88)


def paper(*images: bytes, content: str = DRAW) -> bytes:
    pdf = Pdf()
    for image in images:
        pdf.page(content, I=pdf.jpeg(image))
    return pdf.build()


@pytest.fixture
def run(tmp_path):
    model = str(model_file(tmp_path / "model" / "m.onnx")) if (tmp_path / "model").mkdir() is None else ""

    def scanned(paths, **options):
        chosen = ScanOptions(model=model, fpr=0.99, all_images=True, jobs=2, **options)
        return list(scan(paths, chosen, backend=FakeBackend()))

    return scanned


def of(kind, records):
    return [record for record in records if isinstance(record, kind)]


def status_of(records, name: str) -> str:
    (record,) = [r for r in of(DocumentRecord, records) if r.path.endswith(name)]
    return record.status


def looping_pages() -> bytes:
    return write_pdf(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Count 3/Kids [3 0 R 2 0 R]>>",
            3: b"<</Type/Page/Parent 2 0 R/MediaBox [0 0 200 200]>>",
        }
    )


BAD = {
    "text.pdf": (b"this is not a PDF", NoticeCode.NOT_A_PDF),
    "empty.pdf": (b"", NoticeCode.EMPTY_FILE),
    "locked.pdf": (encrypted(paper(jpeg()), user_password="secret"), NoticeCode.ENCRYPTED),
    "pageless.pdf": (Pdf().build(), NoticeCode.NO_PAGES),
    "header.pdf": (b"%PDF-1.7\n" + bytes(500), NoticeCode.CORRUPT),
    "bomb.png": (bomb_png(), NoticeCode.CORRUPT),
    "cut.jpg": (jpeg()[:3000], NoticeCode.CORRUPT),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_document_is_a_notice_and_its_neighbour_is_scored(run, tmp_path, name):
    data, code = BAD[name]
    (tmp_path / name).write_bytes(data)
    (tmp_path / "good.pdf").write_bytes(paper(jpeg()))
    records = run([tmp_path / name, tmp_path / "good.pdf"])
    (notice,) = of(NoticeRecord, records)
    if name not in ("pageless.pdf", "header.pdf"):  # MuPDF may call either of them damaged or without pages
        assert notice.code == code
    assert notice.code in (code, NoticeCode.CORRUPT, NoticeCode.NO_PAGES)
    assert notice.message and notice.path.endswith(name) and "Traceback" not in notice.message
    assert status_of(records, name) == "failed" and status_of(records, "good.pdf") == "assessed"
    assert records[-1].exit_code == ExitCode.INCOMPLETE


def test_documents_with_nothing_to_assess_are_read_and_say_so(run, tmp_path):
    empty = Pdf()
    empty.page("0 0 m 100 100 l S")
    (tmp_path / "vector.pdf").write_bytes(empty.build())
    (tmp_path / "loop.pdf").write_bytes(looping_pages())
    (tmp_path / "bomb.pdf").write_bytes(bomb_pdf())
    records = run([tmp_path / name for name in ("vector.pdf", "bomb.pdf", "loop.pdf")])
    assert status_of(records, "vector.pdf") == status_of(records, "bomb.pdf") == "not_assessed"
    (bomb,) = of(PanelRecord, records)
    assert (bomb.reason, bomb.page) == (Reason.TOO_LARGE, 1)
    assert [r for r in of(DocumentRecord, records) if r.path.endswith("loop.pdf")]


def test_a_truncated_pdf_is_answered_for(run, tmp_path):
    whole = paper(jpeg(0), jpeg(1))
    for size in (200, len(whole) // 2, len(whole) - 30):
        (tmp_path / f"cut{size}.pdf").write_bytes(whole[:size])
    records = run([tmp_path])
    assert len(of(DocumentRecord, records)) == 3
    for document in of(DocumentRecord, records):
        about_it = [r for r in of(NoticeRecord, records) if r.path == document.path]
        assert document.counts.panels or about_it or document.status == "not_assessed"


def test_a_password_opens_a_locked_pdf_and_is_written_nowhere(run, tmp_path):
    (tmp_path / "locked.pdf").write_bytes(encrypted(paper(jpeg()), user_password="secret"))
    records = run([tmp_path], password="secret")
    assert status_of(records, "locked.pdf") == "assessed"
    assert "secret" not in repr(records)


def test_an_image_file_scores_the_same_as_its_bytes_inside_a_pdf(run, tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg())
    (tmp_path / "a.pdf").write_bytes(paper(jpeg()))
    (tmp_path / "b.png").write_bytes(encode(micrograph(300, 400), "PNG"))
    pdf = Pdf()
    pdf.page(DRAW, I=pdf.flate(400, 300, micrograph(300, 400).tobytes()))
    (tmp_path / "b.pdf").write_bytes(pdf.build())
    records = run([tmp_path])
    by_document = {r.doc_id: r.path.rpartition("/")[2] for r in of(DocumentRecord, records)}
    scores = {
        by_document[r.doc_id]: (r.score, r.reference.stratum if r.reference else r.reason, r.tiles)
        for r in of(PanelRecord, records)
    }
    assert scores["a.jpg"] == scores["a.pdf"] and scores["b.png"] == scores["b.pdf"]
    assert scores["b.png"][0] is not None


def test_an_image_drawn_again_is_reported_at_each_place_and_scored_once(run, tmp_path):
    pdf = Pdf()
    image = pdf.flate(400, 300, micrograph(300, 400).tobytes())
    same_pixels = pdf.flate(400, 300, micrograph(300, 400).tobytes())
    pdf.page(DRAW + " 1 0 0 1 0 -1.2 cm /I Do", I=image)
    pdf.page(DRAW, I=same_pixels)
    (tmp_path / "a.pdf").write_bytes(pdf.build())
    records = run([tmp_path])
    first, *others = of(PanelRecord, records)
    assert first.status == "assessed" and len(others) == 2
    assert {r.duplicate_of for r in others} == {first.panel_id} and {r.reason for r in others} == {Reason.DUPLICATE_OF}
    assert [r.page for r in others] == [1, 2] and others[0].bbox_pt != first.bbox_pt
    assert of(DocumentRecord, records)[0].counts.sem == 1


def test_records_do_not_depend_on_workers_batches_order_or_company(tmp_path, monkeypatch):
    model = str(model_file(tmp_path / "m.onnx"))
    papers = tmp_path / "papers"
    papers.mkdir()
    quality = {"quality": 95}
    common = encode(micrograph(300, 400, 99), "JPEG", **quality)
    for seed in range(5):
        own = [encode(micrograph(300, 400, 9 * seed + i), "JPEG", **quality) for i in range(2)]
        (papers / f"{seed}.pdf").write_bytes(
            paper(*own, *[common] * (seed % 3), content=DRAW_TWICE if seed % 2 else DRAW)
        )
    (papers / "copy.pdf").write_bytes((papers / "1.pdf").read_bytes())
    (papers / "common.jpg").write_bytes(common)
    (papers / "common2.jpg").write_bytes(common)
    names = sorted(file.name for file in papers.iterdir())

    def records(paths, **options):
        found = {}
        for record in scan(paths, ScanOptions(model=model, fpr=0.99, **options), backend=FakeBackend()):
            if isinstance(record, DocumentRecord):
                document = found.setdefault(record.path.rpartition("/")[2], [replace(record, seconds=0.0)])
            elif isinstance(record, PanelRecord):
                document.append(record)
        return found

    alone = {}
    for name in names:
        alone |= records([papers / name], jobs=1, batch_size=1, all_images=True)
    assert sum(len(document) - 1 for document in alone.values()) == 27
    assert any(panel.duplicate_of for document in alone.values() for panel in document[1:])
    for jobs, batch_size, order in ((1, 64, names), (2, 7, names[::-1]), (3, 64, names)):
        together = records([papers / name for name in order], jobs=jobs, batch_size=batch_size, all_images=True)
        assert together == alone
    monkeypatch.setattr(pool, "TASKS_PER_WORKER", 2)
    assert records([papers / name for name in names], jobs=1, all_images=True) == alone


@pytest.mark.parametrize(("served", "scored"), [(500, 1), (1, 4), (2, 2)])
def test_copies_are_scored_once_by_each_worker(tmp_path, monkeypatch, served, scored):
    monkeypatch.setattr(pool, "TASKS_PER_WORKER", served)
    for number in range(4):
        (tmp_path / f"{number}.pdf").write_bytes(paper(encode(micrograph(300, 400), "JPEG", quality=88)))
    inferred = []

    class Counting(FakeBackend):
        def infer(self, tiles):
            inferred.append(int(tiles.any(axis=(1, 2, 3)).sum()))
            return super().infer(tiles)

    options = ScanOptions(model=str(model_file(tmp_path / "m.onnx")), fpr=0.99, all_images=True, jobs=1)
    panels = of(PanelRecord, scan(tmp_path, options, backend=Counting()))
    assert len(panels) == 4 and len({p.score for p in panels}) == 1 and panels[0].score is not None
    assert sum(inferred) == scored * panels[0].tiles


def test_records_come_in_the_documented_order_with_counts_that_add_up(run, tmp_path):
    (tmp_path / "a.pdf").write_bytes(paper(jpeg(0), jpeg(1)))
    records = run([tmp_path])
    assert [type(r) for r in records] == [RunRecord, DocumentRecord, PanelRecord, PanelRecord, SummaryRecord]
    run_record, document, first, second, summary = records
    assert run_record.model.id == "test" and run_record.offline
    assert document.doc_id == first.doc_id == second.doc_id and (first.page, second.page) == (1, 2)
    assert first.image.encoding == "jpeg" and first.image.px == (400, 300) and first.image.ppi == 72
    assert summary.panels["assessed"] + summary.panels["not_assessed"] == document.counts.sem


def test_a_rate_that_the_calibration_cannot_support_is_refused(tmp_path):
    model = str(model_file(tmp_path / "m.onnx"))
    with pytest.raises(UsageError, match="sources"):
        list(scan(tmp_path, ScanOptions(model=model, fpr=0.01), backend=FakeBackend()))
    with pytest.raises(UsageError, match="too few independent"):
        list(scan(tmp_path, ScanOptions(model=model), backend=FakeBackend()))


def test_stats_count_what_was_done(tmp_path):
    (tmp_path / "a.pdf").write_bytes(paper(jpeg(0), jpeg(1)))
    stats = ScanStats()
    options = ScanOptions(model=str(model_file(tmp_path / "m.onnx")), fpr=0.99, all_images=True, jobs=1)
    records = list(scan(tmp_path / "a.pdf", options, stats=stats, backend=FakeBackend()))
    assert (stats.documents, stats.images, stats.panels) == (1, 2, 2)
    assert stats.tiles == sum(r.tiles or 0 for r in records if isinstance(r, PanelRecord))
    assert {"open", "place", "decode", "split", "gate"} <= set(stats.seconds)


def test_extracted_panels_carry_their_pixels(tmp_path):
    (tmp_path / "a.pdf").write_bytes(paper(jpeg()))
    (tmp_path / "b.pdf").write_bytes(b"")
    found = list(extract_panels([tmp_path], ScanOptions(jobs=1, all_images=True)))
    (panel,) = [item for item in found if isinstance(item, ExtractedPanel)]
    box = panel.record.image.bbox_px
    assert panel.pixels.shape == (box[3] - box[1], box[2] - box[0])
    assert [item.code for item in found if isinstance(item, NoticeRecord)] == [NoticeCode.EMPTY_FILE]


def test_the_public_face_is_the_pipeline():
    assert semscan.scan is scan and semscan.PanelRecord is PanelRecord
    assert set(semscan.__all__) <= set(dir(semscan))
