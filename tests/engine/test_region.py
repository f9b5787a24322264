"""Where the evidence lies: a region is found where it was put, counted like a score, and never raises a level."""

import json

import numpy as np
import pytest
from test_bundle import METADATA, model_file
from test_flow import ScriptedPool, panel

from semscan.engine.backends.fake import FakeBackend
from semscan.engine.bundle import load_bundle
from semscan.engine.flow import Flow
from semscan.engine.geometry import Box
from semscan.engine.options import ScanOptions
from semscan.engine.pdf import wire
from semscan.engine.records import PanelRecord
from semscan.engine.region import find_region, highest_score
from semscan.engine.stats import ScanStats
from semscan.engine.tailtable import tail_table

GRID = [(x, y) for y in range(0, 640, 160) for x in range(0, 640, 160)]


def test_neighbours_with_high_logits_are_one_region():
    logits = np.zeros(16)
    logits[[5, 6, 9, 15]] = 4.0, 3.0, 3.5, 2.6
    region = find_region(logits, GRID, 128)
    assert (region.box, region.tiles) == (Box(160, 160, 448, 448), 3)  # the fourth lies apart
    assert region.score == pytest.approx(3.5 - 2.6 / 13)


def test_a_far_tile_is_left_out_even_if_it_is_high():
    logits = np.zeros(16)
    logits[[0, 3, 12, 15]] = 5.0, 4.0, 4.0, 4.0
    region = find_region(logits, GRID, 128)
    assert (region.box, region.tiles) == (Box(0, 0, 128, 128), 1)
    assert region.score == pytest.approx(5.0 - 12 / 15)


def test_the_order_and_a_common_offset_of_logits_change_nothing():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1, 16)
    order = rng.permutation(16)
    one = find_region(logits, GRID, 128)
    other = find_region(logits[order] + 7, [GRID[i] for i in order], 128)
    assert (other.box, other.tiles) == (one.box, one.tiles)
    assert other.score == pytest.approx(one.score)


def test_no_region_scores_higher_than_is_said_beforehand():
    rng = np.random.default_rng(3)
    for size in (4, 5, 7, 16):
        for _ in range(200):
            logits = (rng.normal(0, 1, size) * rng.choice([0.1, 30])).astype(np.float32)
            order = rng.permutation(16)[:size]
            assert find_region(logits, [GRID[i] for i in order], 128).score <= highest_score(logits)
    logits = np.array([0, 0, 0, 0, 0, 0, 0, 9.0])
    assert highest_score(logits) == pytest.approx(9.0, abs=1e-5)


def test_few_tiles_have_no_region_and_places_must_fit():
    assert find_region(np.ones(3), GRID[:3], 128) is None
    with pytest.raises(ValueError, match="origins"):
        find_region(np.ones(5), GRID[:4], 128)


def scan(tmp_path, found, *, local=True):
    """Records of one panel; local scores of 40 genuine sources reach from 0 to 39."""
    calibration = json.loads(METADATA["calibration"])
    table = tail_table(np.arange(200.0), [f"s{i}" for i in range(200)], 200)
    calibration["strata"] = {"lossless": table}
    if local:
        calibration["local"] = {"lossless": tail_table(np.arange(40.0), [f"s{i}" for i in range(40)], 40)}
    bundle = load_bundle(str(model_file(tmp_path / "m.onnx", calibration=json.dumps(calibration))))
    (tmp_path / "0.pdf").write_bytes(b"%PDF-")
    pool = ScriptedPool([[wire.Opened("sha256:d", 1), found, wire.Done()]])
    flow = Flow(bundle, [FakeBackend()], ScanOptions(), 0.05, pool, None, ScanStats())
    return next(r for r in flow.records([tmp_path / "0.pdf"], "run") if isinstance(r, PanelRecord))


def tiled(levels):
    places = ((0, 0), (130, 0), (0, 130), (130, 130))
    made = panel("a", tiles=4)
    made.tiles[:] = np.array(levels, np.uint8)[:, None, None, None]
    return wire.Found(made.record, "lossless", 0.0, made.tiles, places=places)


def test_a_region_that_stands_out_is_told_in_pixels_of_the_image_and_leaves_the_level(tmp_path):
    record = scan(tmp_path, tiled([20, 20, 20, 60]))
    assert record.region.bbox_px == (130, 130, 258, 258)
    assert (record.region.tiles, record.region.score, record.region.sources) == (1, 40.0, 40)
    assert record.region.tail == pytest.approx(1 / 41, abs=1e-6)
    assert record.level == "none"


def test_a_region_like_those_of_genuine_panels_is_not_told(tmp_path):
    assert scan(tmp_path, tiled([20, 20, 20, 30])).region is None


def test_a_model_without_the_second_table_tells_none(tmp_path):
    assert scan(tmp_path, tiled([20, 20, 20, 60]), local=False).region is None
