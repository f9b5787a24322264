"""The table of exit codes."""

from __future__ import annotations

import pytest

from semscan.cli.exitcode import final_exit_code, parse_conditions
from semscan.engine.errors import UsageError


@pytest.mark.parametrize(
    ("pipeline", "flagged", "not_assessed", "documents", "fail_on", "expected"),
    [
        (0, 0, 0, 0, "", 0),
        (0, 5, 3, 1, "", 0),
        (0, 5, 3, 1, "error", 0),
        (0, 5, 3, 1, "none", 0),
        (0, 1, 0, 0, "flag", 1),
        (0, 0, 3, 1, "flag", 0),
        (0, 0, 1, 0, "unassessed", 1),
        (0, 0, 0, 1, "unassessed", 1),
        (0, 9, 0, 0, "unassessed", 0),
        (0, 0, 1, 0, "flag,unassessed", 1),
        (0, 1, 0, 0, "flag,unassessed", 1),
        (0, 0, 0, 0, "flag,unassessed", 0),
        (3, 0, 0, 0, "", 3),
        (3, 5, 3, 1, "flag,unassessed", 3),
        (3, 5, 3, 1, "flag,error", 3),
        (3, 5, 3, 1, "none", 0),
        (4, 0, 0, 0, "", 4),
        (4, 0, 0, 0, "none", 4),
        (4, 0, 0, 0, "flag,unassessed", 4),
    ],
)
def test_table(sample, pipeline, flagged, not_assessed, documents, fail_on, expected):
    panels = {"assessed": 10, "not_assessed": not_assessed, "flagged": flagged, "other": 0}
    record = sample.summary(exit_code=pipeline, panels=panels)
    assert final_exit_code(record, parse_conditions([fail_on]), documents) == expected


def test_conditions_may_be_repeated_or_listed():
    assert parse_conditions(["flag", "error"]) == parse_conditions(["flag, error"]) == {"flag", "error"}
    assert parse_conditions([]) == {"error"}


@pytest.mark.parametrize("words", [["flags"], ["none", "flag"], ["none,error"]])
def test_nonsense_is_refused(words):
    with pytest.raises(UsageError):
        parse_conditions(words)
