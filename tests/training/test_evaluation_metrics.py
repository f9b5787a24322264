"""Statistics of the evaluation against values worked out by hand or by brute force."""

import numpy as np
import pytest

from semscan.training.metrics import (
    auc,
    auc_interval,
    average_precision,
    partial_auc,
    rate_interval,
    roc,
    supports,
)

RNG = np.random.default_rng(8)


def test_roc_goes_from_corner_to_corner_and_holds_the_auc():
    genuine, made = RNG.normal(0, 1, 60).round(1), RNG.normal(1, 1, 40).round(1)
    fpr, tpr = roc(genuine, made)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all() and (np.diff(tpr) >= 0).all()
    assert float(np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2)) == pytest.approx(auc(genuine, made))


def test_partial_auc_is_half_for_chance_and_one_for_perfect():
    scores = np.arange(1000.0)
    assert partial_auc(scores, scores) == pytest.approx(0.5, abs=0.01)
    assert partial_auc(scores, scores + 2000) == pytest.approx(1.0)
    # Everything below every genuine score: no true positive before the last false one.
    assert partial_auc(scores + 2000, scores) < 0.5
    assert partial_auc(scores, scores, 1.0) == pytest.approx(0.5)


def test_average_precision_by_hand():
    # Ranks from the top: made, genuine, made, genuine.
    assert average_precision(np.array([3.0, 1.0]), np.array([4.0, 2.0])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == 1.0
    # All tied: the share of made panels.
    assert average_precision(np.ones(30), np.ones(10)) == pytest.approx(0.25)


def test_made_panels_without_a_partner_are_drawn_by_themselves():
    genuine, made = RNG.normal(0, 1, 40), RNG.normal(1, 1, 30)
    sources = [f"s{i % 8}" for i in range(40)]
    apart = auc_interval(genuine, sources, made, [f"gan/{i}" for i in range(30)], 400, 1)
    few = auc_interval(genuine, sources, made, [f"gan/{i % 2}" for i in range(30)], 400, 1)
    assert apart[0] < auc(genuine, made) < apart[1]
    # Thirty clusters of one each move the interval although none of them has a genuine panel.
    fixed = auc_interval(genuine, sources, np.full(30, 1.0), [f"gan/{i}" for i in range(30)], 400, 1)
    assert apart != few and apart != fixed


def test_a_rate_over_few_sources_is_less_certain():
    hits = [True] * 10 + [False] * 90
    together = rate_interval(hits, ["a"] * 10 + [f"b{i // 10}" for i in range(90)], 500, 1)
    spread = rate_interval(hits, [f"s{i % 50}" for i in range(100)], 500, 1)
    assert spread[0] <= 0.1 <= spread[1]
    assert together[1] - together[0] > spread[1] - spread[0]


def test_which_rates_a_number_of_panels_can_tell():
    assert [supports(102, rate) for rate in (0.05, 0.01, 0.001)] == [True, True, False]
    assert not supports(99, 0.01)
