"""Exact intervals agree with the statistics package, and tables count sources."""

import numpy as np
import pytest
from scipy.stats import beta

from semscan.engine.calibration import Calibration
from semscan.engine.intervals import clopper_pearson, sources_needed, upper_bound
from semscan.engine.tailtable import MOST_ROWS, tail_table


@pytest.mark.parametrize("n", [1, 7, 59, 300, 20_000])
def test_bounds_are_those_of_the_beta_distribution(n):
    k = np.unique([0, 0.25, min(n, 1), n / 3, n * 0.97, n - 0.5, n])
    inner = np.clip(k, 1e-9, n - 1e-9)
    low, high = clopper_pearson(k, n)
    np.testing.assert_allclose(low, np.where(k > 0, beta.ppf(0.025, inner, n - k + 1), 0), atol=1e-9)
    np.testing.assert_allclose(high, np.where(k < n, beta.ppf(0.975, k + 1, n - inner), 1), atol=1e-9)
    np.testing.assert_allclose(upper_bound(k, n), np.where(k < n, beta.ppf(0.95, k + 1, n - inner), 1), atol=1e-9)


@pytest.mark.parametrize("rate", [0.1, 0.05, 0.01, 0.001])
def test_the_sources_needed_are_the_fewest_that_bound_the_rate(rate):
    needed = sources_needed(rate)
    assert float(upper_bound(0, needed)) <= rate < float(upper_bound(0, needed - 1))


def test_rates_next_to_nothing_need_more_than_can_be_counted():
    assert sources_needed(1e-320) == sources_needed(1e-30) == 2**53


def test_a_long_table_is_shortened_and_never_promises_more():
    rng = np.random.default_rng(2)
    scores, sources = np.sort(rng.normal(0, 1, 9000)), [f"s{i % 400}" for i in range(9000)]
    table = tail_table(scores, sources, 9000)
    assert len(table["scores"]) < MOST_ROWS < 9000
    line = {"slope": 0, "intercept": 0, "low": -1, "high": 1}
    stratum = Calibration.from_json({"id": "x", "smoothness": line, "strata": {"lossless": table}}).strata["lossless"]
    shares = 1 / np.bincount(np.unique(sources, return_inverse=True)[1])[np.unique(sources, return_inverse=True)[1]]
    for score in [*scores[::97], scores[-1], scores[-2], 9.0, -9.0]:
        exact = (1 + shares[np.round(scores, 6) >= round(score, 6)].sum()) / 401
        assert exact - 1e-6 <= stratum.tail(float(np.round(score, 6))).value <= 1.011 * exact + 1e-6


@pytest.mark.parametrize("scores", [[], [1.0, float("nan")], [float("inf")]])
def test_scores_that_are_none_make_no_table(scores):
    with pytest.raises(ValueError, match="finite"):
        tail_table(np.array(scores), ["a"] * len(scores), len(scores))
