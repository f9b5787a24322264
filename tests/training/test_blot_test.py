import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from semscan.engine.errors import UsageError
from semscan.training import blot_test
from semscan.training.blot_test import CHANNELS, Settings, compare, delong_interval, made_blots
from semscan.training.blots import compose_blots


def write_pack(folder, generator, step, tiles):
    folder.mkdir(parents=True, exist_ok=True)
    manifest = json.dumps({"generator": generator, "step": step}).encode()
    np.savez(folder / f"{generator}-{step:07}.npz", tiles=tiles, manifest=np.frombuffer(manifest, np.uint8))


def gratings(count, side=64):
    """Blots that stripes of one pixel give away."""
    tiles = compose_blots(5, count, side) // 2 + 40
    tiles[..., ::2] += 40
    return tiles


def test_packs_are_read_latest_first_and_in_one_size(tmp_path):
    tiles = gratings(8)
    write_pack(tmp_path, "blotgan_64", 100, tiles[:3])
    write_pack(tmp_path, "blotgan_64", 900, tiles[3:])
    write_pack(tmp_path, "blotgan_64", 950, np.zeros((4, 1, 160, 160), np.uint8))
    write_pack(tmp_path, "dcgan_64", 999, tiles)
    found, origin = made_blots(tmp_path, [tmp_path / "none.pt"], 7)
    assert np.array_equal(found[:5], tiles[3:, 0])
    assert len(found) == 7
    assert "900, 100" in origin
    with pytest.raises(UsageError, match="neither"):
        made_blots(tmp_path / "empty", [tmp_path / "none.pt"], 7)


def test_delong_agrees_with_the_textbook_case():
    """Hanley and McNeil's approximation is close for Gaussian scores."""
    rng = np.random.default_rng(4)
    genuine, made = rng.normal(0, 1, 1000), rng.normal(1.5, 1, 1000)
    low, high = delong_interval(genuine, made)
    area = norm.cdf(1.5 / math.sqrt(2))
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    expected = 2 * 1.96 * math.sqrt((area * (1 - area) + 999 * (q1 - area**2) + 999 * (q2 - area**2)) / 1e6)
    assert high - low == pytest.approx(expected, rel=0.1)
    assert low < area < high


def test_no_error_at_all_still_has_an_interval():
    low, high = delong_interval(np.zeros(100), np.ones(50))
    assert (low, high) == (pytest.approx(0.9289, abs=1e-3), 1.0)
    low, high = delong_interval(np.ones(100), np.zeros(50))
    assert (low, high) == (0.0, pytest.approx(0.0711, abs=1e-3))


@pytest.mark.usefixtures("one_thread")
def test_the_network_learns_stripes_and_is_tested_on_others():
    rows = compare(gratings(60)[:, 0], Settings(learned=40, tested=40, epochs=12, batch=8, seeds=(1,)))
    assert [row["stored"] for row in rows] == list(CHANNELS)
    assert all((row["learned"], row["tested"]) == (30, 30) for row in rows)
    assert rows[0]["auc"] > 0.95


@pytest.mark.usefixtures("one_thread")
def test_the_part_measures_and_says_that_blots_are_composed(tmp_path, monkeypatch):
    monkeypatch.setattr(blot_test, "CHECKPOINT", tmp_path / "none.pt")
    monkeypatch.setattr(blot_test, "Settings", lambda: Settings(learned=8, tested=8, epochs=1, seeds=(1,)))
    write_pack(tmp_path, "blotgan_64", 900, gratings(16))
    result = json.loads(
        json.dumps(blot_test.PART.measure(SimpleNamespace(packs=tmp_path, weights=tmp_path)), allow_nan=False)
    )
    assert "composed blots, not published ones" in result["verdict"]["measured"]
    text = "\n".join(blot_test.PART.render(result))
    assert "blots that we composed" in text and "8 + 8" in text
    empty = blot_test.PART.measure(SimpleNamespace(packs=tmp_path / "none", weights=tmp_path))
    assert blot_test.PART.render(empty)[0].startswith("Not measured")
