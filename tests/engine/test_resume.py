"""A run that is killed, however often, ends with the records of a run that was not."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pdf_factory import Pdf, encode, micrograph
from test_bundle import model_file

from semscan.engine.sinks.sqlite import SqliteSink

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


@pytest.fixture
def archive(tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(60):
        pdf = Pdf()
        for page in range(1 + number % 2):
            image = encode(micrograph(160, 200, 2 * number + page), "JPEG", quality=92)
            pdf.page("300 0 0 240 50 400 cm /I Do", I=pdf.jpeg(image))
        (folder / f"{number:03}.pdf").write_bytes(pdf.build() if number % 10 else b"broken")
    return folder


def test_kills_at_random_moments_lose_and_repeat_nothing(tmp_path, archive):
    model = model_file(tmp_path / "m.onnx")
    subprocess.run(command(archive, model, tmp_path / "whole.sqlite", 2), check=True)
    expected = contents(tmp_path / "whole.sqlite")
    assert len(expected["documents"]) == 60 and expected["summary"][0] == {"read": 54, "failed": 6}

    target, rng, kills, seen = tmp_path / "cut.sqlite", random.Random(7), 0, []
    for _ in range(6):
        process = subprocess.Popen(command(archive, model, target, 2))
        time.sleep(rng.uniform(0.5, 1.1))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        if target.exists():
            sink = SqliteSink(target, resume=True)
            seen.append(len(list(sink.done())))
            sink.close()
    subprocess.run(command(archive, model, target, 1), check=True)
    assert kills, "no run was killed: this test would prove nothing"
    assert seen == sorted(seen), "documents were lost between two runs"
    assert contents(target) == expected


def test_changed_documents_are_done_again_and_unchanged_ones_are_not(tmp_path, archive):
    model = model_file(tmp_path / "m.onnx")
    target = tmp_path / "run.sqlite"
    subprocess.run(command(archive, model, target, 2), check=True)
    before = contents(target)["documents"]
    (archive / "001.pdf").write_bytes((archive / "002.pdf").read_bytes())
    seconds = stored_seconds(target)
    subprocess.run(command(archive, model, target, 2), check=True)
    after = contents(target)["documents"]
    assert set(after) == set(before)
    changed = {path for path in after if after[path] != before[path]}
    assert [Path(path).name for path in changed] == ["001.pdf"]
    again = {path for path, value in stored_seconds(target).items() if seconds[path] != value}
    assert again <= changed


def stored_seconds(target) -> dict:
    sink = SqliteSink(target, resume=True)
    found = {r.path: r.seconds for r in sink.records() if r.type == "document"}
    sink.close()
    return found
