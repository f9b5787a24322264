"""A panel beside its siblings: compared with panels stored alike only, and never a reason for a level."""

from dataclasses import replace

import numpy as np
import pytest
from test_calibration import calibration, table
from test_flow import ScriptedPool, panel

from semscan.engine.backends.fake import FakeBackend
from semscan.engine.bundle import load_bundle
from semscan.engine.flow import Flow
from semscan.engine.options import ScanOptions
from semscan.engine.pdf import wire
from semscan.engine.records import PanelRecord, ReferenceRecord
from semscan.engine.siblings import FAR, compare
from semscan.engine.stats import ScanStats

STRATA = calibration(lossless=table(99), jpeg75=table(99)).strata


def panels(scores, stratum="lossless"):
    reference = ReferenceRecord(stratum, 99, 99)
    return [
        PanelRecord(f"{stratum}{i}", "d", "assessed", score=score, reference=reference)
        for i, score in enumerate(scores)
    ]


def test_one_far_above_the_others_is_seen_and_the_others_are_not():
    found = compare(panels([0.0, 10.0, 20.0, 30.0, 40.0, 400.0]), STRATA)
    assert found["lossless5"].deviation > FAR and found["lossless5"].higher == 0
    assert (found["lossless5"].n, found["lossless5"].median) == (5, 20.0)
    assert all(abs(found[f"lossless{i}"].deviation) < FAR for i in range(5))
    assert found["lossless0"].higher == 5


def test_four_others_stored_alike_are_needed():
    assert compare(panels([1.0, 2.0, 3.0, 90.0]), STRATA) == {}
    assert compare([*panels([1.0, 2.0, 3.0]), *panels([90.0, 1.0], "jpeg75")], STRATA) == {}
    assert len(compare(panels([1.0, 2.0, 3.0, 4.0, 90.0]), STRATA)) == 5


def test_siblings_that_agree_by_chance_make_nothing_far():
    found = compare(panels([5.0, 5.0, 5.0, 5.0, 9.0]), STRATA)  # quartiles of the reference lie 50 apart
    assert found["lossless4"].deviation < 1


def test_very_many_panels_are_compared_at_once():
    scores = np.random.default_rng(1).normal(0, 1, 5000).tolist()
    found = compare(panels([*scores, 500.0]), STRATA)
    assert len(found) == 5001 and found["lossless5000"].deviation > FAR


def test_panels_that_were_not_assessed_are_no_siblings():
    unassessed = [replace(one, status="not_assessed", score=None, reference=None) for one in panels([1.0] * 9)]
    assert compare([*unassessed, *panels([1.0, 2.0, 3.0], "jpeg75")], STRATA) == {}


def test_the_cue_is_in_the_records_and_the_level_stays(tmp_path):
    from test_bundle import model_file

    bundle = load_bundle(str(model_file(tmp_path / "m.onnx")))
    (tmp_path / "0.pdf").write_bytes(b"%PDF-")
    found = [panel(name, level) for name, level in zip("abcdef", (100, 101, 102, 103, 104, 250), strict=True)]
    pool = ScriptedPool([[wire.Opened("sha256:d", 1), *found, wire.Done()]])
    flow = Flow(bundle, [FakeBackend()], ScanOptions(), 0.05, pool, None, ScanStats())
    records = [r for r in flow.records([tmp_path / "0.pdf"], "run") if isinstance(r, PanelRecord)]
    assert records[5].siblings.deviation == pytest.approx((250 - 102) / (1.4826 * 1), abs=0.01)
    assert records[5].level == "none"
