"""Progress: a bar that redraws itself, lines for a log, nothing where nobody looks."""

from __future__ import annotations

import io

import pytest

from semscan.cli.progress import ProgressLine, describe
from semscan.engine.opened import Progress

HALF = Progress(documents_done=6, documents_total=12, panels=1379, flagged=2, failed=1)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_a_bar_redraws_itself_and_can_be_cleared():
    stream, clock = Terminal(), Clock()
    line = ProgressLine("auto", stream, clock, lambda: 100)
    line.update(HALF)
    shown = "[############------------] 6/12 documents   1,379 panels   2 flagged   1 failed"
    assert stream.getvalue() == shown
    line.clear()
    assert stream.getvalue() == shown + "\r" + " " * len(shown) + "\r"
    line.clear()
    assert stream.getvalue().count("\r") == 2


def test_a_narrow_terminal_loses_the_bar_then_the_end_of_the_line():
    for columns, shown in ((70, "6/12 documents   1,379 panels   2 flagged   1 failed"), (20, "6/12 documents   1,")):
        stream = Terminal()
        ProgressLine("bar", stream, Clock(), lambda columns=columns: columns).update(HALF)
        assert stream.getvalue() == shown


def test_updates_that_come_too_fast_are_dropped():
    stream, clock = Terminal(), Clock()
    line = ProgressLine("bar", stream, clock)
    line.update(HALF)
    line.update(HALF)
    assert stream.getvalue().count("documents") == 1
    clock.now_s = 1.0
    line.update(HALF)
    assert stream.getvalue().count("documents") == 2


def test_without_a_known_total_there_is_no_bar():
    stream = Terminal()
    ProgressLine("bar", stream, Clock()).update(Progress(6, None, 10, 0, 0))
    assert stream.getvalue() == "6 documents   10 panels   0 flagged"


def test_plain_lines_for_a_log():
    stream, clock = io.StringIO(), Clock()
    line = ProgressLine("plain", stream, clock)
    for clock.now_s in (0.0, 5.0, 10.0, 30.0):
        line.update(HALF)
    state = "6/12 documents   1,379 panels   2 flagged   1 failed"
    later = [f"{state}   0.6/s   0:10 left", f"{state}   0.2/s   0:30 left"]
    assert stream.getvalue().splitlines() == [state, *later]


def test_flags_stand_beside_those_expected_and_failures_are_named():
    progress = Progress(90, None, 400, 3, 3, 2.04, {"encrypted": 2, "timeout": 1})
    assert describe(progress, 45.0) == (
        "90 documents   400 panels   3 flagged, 2.0 expected   3 failed (2 encrypted, 1 timeout)   2.0/s"
    )
    assert describe(Progress(1, 4001, 0, 0, 0), 1.0).endswith("1.0/s   1 h 06 min left")


@pytest.mark.parametrize(("mode", "stream"), [("auto", io.StringIO()), ("none", Terminal())])
def test_nothing_where_nobody_looks(mode, stream):
    ProgressLine(mode, stream, Clock()).update(HALF)
    assert stream.getvalue() == ""
