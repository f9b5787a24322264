"""A run that is killed, however often, ends with the records of a run that was not."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from pdf_factory import Pdf, encrypted, micrograph
from test_bundle import model_file

from semscan.engine.backends.fake import FakeBackend
from semscan.engine.journal import Journal
from semscan.engine.options import ScanOptions
from semscan.engine.pipeline import scan
from semscan.engine.sinks.sqlite import SqliteSink

DOCUMENTS, KILLS = 500, 20

RUN = """
import sys
from semscan.engine.backends.fake import FakeBackend
from semscan.engine.journal import Journal
from semscan.engine.options import ScanOptions
from semscan.engine.pipeline import scan
from semscan.engine.sinks.sqlite import SqliteSink
from pathlib import Path

folder, model, target, jobs = sys.argv[1:]
sink = SqliteSink(Path(target), resume=True)
options = ScanOptions(model=model, fpr=0.99, all_images=True, jobs=int(jobs))
for record in scan(folder, options, backend=FakeBackend(), journal=Journal(sink)):
    sink.write(record)
sink.close()
"""


def command(folder, model, target, jobs) -> list[str]:
    return [sys.executable, "-c", RUN, str(folder), str(model), str(target), str(jobs)]


def contents(target) -> dict:
    """Records by document, without what depends on the clock, and the sums of the summary."""
    sink = SqliteSink(target, resume=True)
    documents: dict[str, list] = {}
    for record in sink.records():
        if record.type == "document":
            documents[record.path] = group = []
        group.append({k: v for k, v in vars_of(record).items() if k != "seconds"})
    summary = json.loads(sink._db.execute("SELECT record FROM summary").fetchone()[0])
    sink.close()
    return {"documents": documents, "summary": [summary[k] for k in ("documents", "panels", "expected_flags")]}


def vars_of(record) -> dict:
    from semscan.engine.records import to_jsonable

    return to_jsonable(record)


def archive(tmp_path, documents: int):
    """Small PDFs of one or two pages, no two alike; every tenth file is broken."""
    folder = tmp_path / "papers"
    folder.mkdir()
    textures = [micrograph(400, 400, seed) for seed in range(4)]
    for number in range(documents):
        pdf = Pdf()
        for page in range(1 + number % 2):
            cut = textures[page][number % 200 :, number // 3 % 200 :][:140, :150]
            pdf.page("300 0 0 240 50 400 cm /I Do", I=pdf.flate(150, 140, cut.tobytes()))
        (folder / f"{number:03}.pdf").write_bytes(pdf.build() if number % 10 else b"broken")
    return folder


def test_kills_at_random_moments_lose_and_repeat_nothing(tmp_path):
    papers = archive(tmp_path, DOCUMENTS)
    model = model_file(tmp_path / "m.onnx")
    subprocess.run(command(papers, model, tmp_path / "whole.sqlite", 2), check=True)
    expected = contents(tmp_path / "whole.sqlite")
    failed = DOCUMENTS // 10
    assert len(expected["documents"]) == DOCUMENTS
    assert expected["summary"][0] == {"read": DOCUMENTS - failed, "failed": failed}

    target, rng, kills, seen = tmp_path / "cut.sqlite", random.Random(7), 0, []
    for _ in range(KILLS):
        process = subprocess.Popen(command(papers, model, target, 2))
        time.sleep(rng.uniform(0.3, 1.0))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        if target.exists():
            sink = SqliteSink(target, resume=True)
            seen.append(len(list(sink.done())))
            sink.close()
    subprocess.run(command(papers, model, target, 1), check=True)
    assert kills, "no run was killed: this test would prove nothing"
    assert seen == sorted(seen), "documents were lost between two runs"
    assert contents(target) == expected


def test_a_resumed_run_counts_each_document_once_and_forgets_those_that_are_gone(tmp_path):
    papers = archive(tmp_path, 40)
    model = model_file(tmp_path / "m.onnx")
    target = tmp_path / "run.sqlite"
    subprocess.run(command(papers, model, target, 2), check=True)
    before, seconds = contents(target)["documents"], stored_seconds(target)
    (papers / "001.pdf").write_bytes((papers / "002.pdf").read_bytes())
    (papers / "003.pdf").unlink()
    (papers / "new.pdf").write_bytes((papers / "004.pdf").read_bytes())
    subprocess.run(command(papers, model, target, 2), check=True)
    whole = tmp_path / "whole.sqlite"
    subprocess.run(command(papers, model, whole, 2), check=True)
    assert contents(target) == contents(whole)
    after, again = contents(target)["documents"], stored_seconds(target)
    changed = {Path(path).name for path in after if path not in before or after[path] != before[path]}
    assert changed == {"001.pdf", "new.pdf"}
    assert {Path(path).name for path in again if seconds.get(path) != again[path]} <= changed


def test_what_time_memory_or_a_password_may_cure_is_tried_again(tmp_path):
    papers = archive(tmp_path, 2)
    (papers / "locked.pdf").write_bytes(encrypted((papers / "001.pdf").read_bytes(), user_password="secret"))
    model, target = model_file(tmp_path / "m.onnx"), tmp_path / "run.sqlite"

    def run(**options) -> list:
        sink = SqliteSink(target, resume=True)
        chosen = ScanOptions(model=str(model), fpr=0.99, all_images=True, jobs=1, **options)
        records = list(scan(papers, chosen, backend=FakeBackend(), journal=Journal(sink)))
        for record in records:
            sink.write(record)
        sink.close()
        return records

    assert run()[-1].documents == {"read": 1, "failed": 2}
    records = run(password="secret")
    assert records[-1].documents == {"read": 2, "failed": 1}  # 000.pdf stays broken
    assert [r.type for r in records].count("document") == 3


def stored_seconds(target) -> dict:
    sink = SqliteSink(target, resume=True)
    found = {r.path: r.seconds for r in sink.records() if r.type == "document"}
    sink.close()
    return found
