from math import comb

import numpy as np
import pytest

from semscan.engine.calibration import Calibration
from semscan.engine.intervals import upper_bound
from semscan.engine.tailtable import balanced, tail_table
from semscan.training.calibrate import choose_line, crossed, tables
from semscan.training.metrics import auc, auc_interval, clopper_pearson, tpr_at
from semscan.training.scoring import Scores


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    # Closed forms for 0 and n, and the textbook interval of 5 in 100.
    [(0, 100, 0.0, 1 - 0.025**0.01), (100, 100, 0.025**0.01, 1.0), (5, 100, 0.016432, 0.112835)],
)
def test_clopper_pearson(k, n, low, high):
    assert clopper_pearson(k, n) == pytest.approx((low, high), abs=2e-6)


def test_one_sided_bound():
    assert upper_bound(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert upper_bound(0, 59) < 0.05 < upper_bound(0, 58)
    assert upper_bound(7, 7) == 1.0


def test_tail_counts_sources_not_panels():
    table = tail_table(np.array([1.0, 2.0, 3.0, 4.0, 0.5]), ["a", "a", "a", "a", "b"], 3)
    assert (table["n"], table["sources"]) == (3, 2)
    assert table["scores"] == [0.5, 1.0, 2.0, 3.0, 4.0]
    np.testing.assert_allclose(table["tail"], np.array([3, 2, 1.75, 1.5, 1.25]) / 3, atol=1e-6)


SOURCES = [f"big/{i}" for i in range(70)] + [f"paper/{i}" for i in range(22)] + ["lab"]


def test_no_collection_counts_more_than_twice_all_the_others():
    weights = balanced([*SOURCES, "big/1"])
    assert set(weights) == set(SOURCES)
    assert sum(weights[name] for name in SOURCES if name.startswith("big/")) == pytest.approx(46)
    assert weights["lab"] == weights["paper/3"] == 1
    assert set(balanced(["a/1", "a/2"]).values()) == {1.0}  # nothing to balance against
    # Others score higher: of the plain table 23 of 93 sources, of the balanced one every third.
    scores = np.array([0.0] * 70 + [1.0] * 23)
    plain, table = tail_table(scores, SOURCES, 93), tail_table(scores, SOURCES, 93, weights)
    assert plain["tail"][1] == pytest.approx(24 / 94, abs=1e-6) and "counted" not in plain
    assert (table["sources"], table["counted"]) == (69, 93)
    assert table["tail"][1] == pytest.approx(24 / 70, abs=1e-6)
    assert table["upper95"][1] == pytest.approx(float(upper_bound(23, 69)), abs=1e-6)


@pytest.mark.parametrize("share_of_big", [0.0, 0.3, 2 / 3, 0.9, 1.0])
def test_the_bound_holds_whichever_collection_scores_high(share_of_big):
    """The true share is just above a rate: a bound at or below that rate may come out in one of twenty at most."""
    rate = 0.1
    weights = balanced(SOURCES)
    big, other = rate * share_of_big * 1.5, rate * (1 - share_of_big) * 3
    few = [comb(23, k) * other**k * (1 - other) ** (23 - k) for k in range(24)]
    many = [comb(70, k) * big**k * (1 - big) ** (70 - k) for k in range(71)]
    events = np.array([[few[a] * many[b] for b in range(71)] for a in range(24)])
    count = np.array([[a + b * weights["big/0"] for b in range(71)] for a in range(24)])
    assert events.sum() == pytest.approx(1)
    assert events[upper_bound(count, 69) <= rate].sum() <= 0.05


def test_a_reference_of_one_collection_is_tried_on_the_others():
    logit = np.r_[np.linspace(0, 1, 70), np.full(11, 2.0), np.full(12, 0.0)]
    found = crossed(Scores(logit, np.zeros(93)), SOURCES, {"slope": 0.0, "intercept": 0.0})
    assert found["collection"] == "big" and found["panels"] == found["sources"] == pytest.approx(11 / 23)
    assert crossed(Scores(logit[:70], np.zeros(70)), SOURCES[:70], {"slope": 0, "intercept": 0}) == {
        "collection": "big"
    }


def test_table_is_monotone_and_readable_by_the_engine():
    rng = np.random.default_rng(4)
    sources = [f"s{i % 30}" for i in range(80)]
    scores = rng.normal(0, 1, 80)
    table = tail_table(scores, sources, len(scores))
    assert all(a < b for a, b in zip(table["scores"], table["scores"][1:], strict=False))
    for key in ("tail", "low95", "high95", "upper95"):
        assert all(a >= b for a, b in zip(table[key], table[key][1:], strict=False)), key
    assert all(
        low <= up <= high for low, up, high in zip(table["low95"], table["upper95"], table["high95"], strict=True)
    )
    line = {"slope": 0.0, "intercept": 0.0, "low": -1.0, "high": 1.0}
    stratum = Calibration.from_json({"id": "x", "smoothness": line, "strata": {"lossless": table}}).strata["lossless"]
    assert stratum.tail(1e9).value == pytest.approx(1 / 31)
    assert stratum.tail(-1e9).value == pytest.approx(1.0)
    assert stratum.tail(float(scores.max())).bound >= stratum.tail(1e9).bound


def line_scores(helps):
    rng = np.random.default_rng(3)
    level = rng.uniform(-3, 2, 200)
    noise = rng.normal(0, 0.1, 200)
    genuine = Scores(2 * level + noise, level)
    # Made panels score one logit more than genuine ones of the same smoothness, or one more whatever theirs is.
    made = Scores(2 * level + 1 + noise, level) if helps else Scores(np.full(200, 4.5), np.full(200, 1.9))
    return {"lossless": (genuine, made)}, [f"s{i}" for i in range(200)]


def test_line_is_kept_when_it_helps():
    line, report = choose_line(*line_scores(helps=True))
    assert line["slope"] == pytest.approx(2, abs=0.05)
    assert report["auc_with"]["lossless"] > 0.95 > report["auc_without"]["lossless"]
    assert line["low"] <= -2.9 and line["high"] >= 1.9


def test_line_is_dropped_when_it_does_not():
    line, report = choose_line(*line_scores(helps=False))
    assert (line["slope"], line["intercept"], report["kept"]) == (0.0, 0.0, False)


def test_ranking_statistics():
    genuine, made = np.array([0.0, 1.0, 2.0, 3.0]), np.array([3.0, 4.0])
    assert auc(genuine, made) == (7.5 / 8)
    assert tpr_at(np.arange(100.0), np.array([98.5, 94.5, 93.5, 10.0]), 0.05) == 0.5
    assert tpr_at(np.arange(100.0), np.array([98.5, 94.5, 93.5, 10.0]), 0.01) == 0.25
    low, high = auc_interval(genuine, ["a", "b", "c", "d"], made, ["a", "b"], 200, 1)
    assert 0.5 <= low <= 7.5 / 8 <= high <= 1.0


def test_regions_have_tables_of_their_own_and_unassessed_panels_have_none():
    rng = np.random.default_rng(7)
    count = 40
    local = rng.normal(1, 0.2, 2 * count)
    local[:5] = np.nan  # too few tiles for a region
    assessed = np.ones(2 * count, bool)
    assessed[[6, count + 6]] = False
    scores = Scores(rng.normal(0, 1, 2 * count), np.zeros(2 * count), local, assessed)
    sources = 2 * [f"s{i}" for i in range(count)]
    found = tables({"lossless": scores, "jpeg75": scores}, sources, {"slope": 0.0, "intercept": 0.0})
    assert (found["strata"]["lossless"]["n"], found["strata"]["lossless"]["sources"]) == (count - 1, count - 1)
    assert found["local"]["jpeg75"]["sources"] == count - 1
    assert len(found["local"]["jpeg75"]["scores"]) == 2 * count - 2 - 5


def test_regions_of_few_sources_are_not_calibrated():
    scores = Scores(np.arange(40.0), np.zeros(40), np.arange(40.0), np.ones(40, bool))
    assert "local" not in tables({"lossless": scores}, 2 * [f"s{i}" for i in range(20)], {"slope": 0, "intercept": 0})
