"""Tail fractions are conservative, monotone and never claim more than the sources support."""

import pytest

from semscan.engine.aggregate import assess
from semscan.engine.calibration import Calibration, stratum_name


def table(sources: int = 99) -> dict:
    """One panel per source, scoring 0, 1, 2, ..."""
    tail = [(1 + sources - i) / (sources + 1) for i in range(sources)]
    return {
        "n": sources,
        "sources": sources,
        "scores": list(range(sources)),
        "tail": tail,
        "low95": [max(0.0, t - 0.05) for t in tail],
        "high95": [min(1.0, t + 0.05) for t in tail],
        "upper95": [min(1.0, t + 0.04) for t in tail],
    }


def calibration(**strata: dict) -> Calibration:
    line = {"slope": 2.0, "intercept": 1.0, "low": -3.0, "high": 3.0}
    return Calibration.from_json({"id": "c", "smoothness": line, "strata": strata or {"lossless": table()}})


def test_the_tail_counts_reference_scores_at_least_as_high():
    stratum = calibration().strata["lossless"]
    assert stratum.tail(98).value == pytest.approx(2 / 100)
    assert stratum.tail(97.5).value == pytest.approx(2 / 100)
    assert stratum.tail(-5).value == 1.0
    values = [stratum.tail(score / 2).value for score in range(-4, 220)]
    assert values == sorted(values, reverse=True)


def test_a_score_beyond_every_reference_is_as_rare_as_the_sources_allow_and_no_rarer():
    tail = calibration().strata["lossless"].tail(1e9)
    assert tail.value == 1 / 100
    assert tail.low == 0.0
    assert tail.bound == pytest.approx(1 - 0.05 ** (1 / 99))  # the rule of three: about 3 / n
    assert tail.high == pytest.approx(1 - 0.025 ** (1 / 99))


@pytest.mark.parametrize(("sources", "rate"), [(28, None), (29, 0.1), (59, 0.05), (99, 0.03), (149, 0.02), (299, 0.01)])
def test_a_rate_is_supported_by_as_many_sources_as_the_rule_of_three_asks(sources, rate):
    assert calibration(lossless=table(sources)).supported_rate() == rate


def test_the_thinnest_stratum_decides():
    both = calibration(lossless=table(299), jpeg75=table(20))
    assert both.supported_rate() is None
    assert both.smallest_bound() == pytest.approx(1 - 0.05 ** (1 / 20))


def test_levels_follow_the_bound_and_smoothness_is_taken_out():
    reference = calibration()
    stratum = reference.strata["lossless"]

    def level(score: float, smoothness: float = 0.0) -> str:
        import numpy as np

        logits = np.full(4, score + 2.0 * smoothness + 1.0, np.float32)
        result = assess(logits, smoothness, stratum, reference, 0.05)
        assert result.score == pytest.approx(score, abs=1e-4)
        return result.level

    assert level(1000.0) == level(1000.0, smoothness=1.5) == "look"
    assert level(98.0) == "note"  # its tail is 0.02, but 99 sources cannot bound it below 0.05
    assert level(10.0) == "none"


@pytest.mark.parametrize(
    ("encoding", "quality", "expected"),
    [
        ("jpeg", 95, "jpeg90"),
        ("jpeg", 90, "jpeg90"),
        ("jpeg", 89, "jpeg75"),
        ("jpeg", 60, "jpeg60"),
        ("jpeg", 59, None),
        ("jpeg", None, None),
        ("jpx", None, None),
        ("png", None, "lossless"),
        ("flate", None, "lossless"),
    ],
)
def test_strata_follow_the_last_encoding(encoding, quality, expected):
    assert stratum_name(encoding, quality) == expected


@pytest.mark.parametrize("broken", ["tail", "upper95", "scores"])
def test_a_table_with_a_short_column_is_refused(broken):
    bad = table()
    bad[broken] = bad[broken][:-1]
    with pytest.raises(ValueError, match="columns"):
        calibration(lossless=bad)


def test_an_unsorted_table_is_refused():
    bad = table()
    bad["scores"] = bad["scores"][::-1]
    with pytest.raises(ValueError, match="sorted"):
        calibration(lossless=bad)
