"""The exit code of a finished scan: what the pipeline says, and what ``--fail-on`` makes of it."""

from __future__ import annotations

from collections.abc import Iterable

from semscan.engine.errors import ExitCode, UsageError
from semscan.engine.records import SummaryRecord

CONDITIONS = ("flag", "unassessed", "error", "none")


def parse_conditions(values: Iterable[str]) -> frozenset[str]:
    """The conditions named by ``--fail-on``, which may be repeated and may hold lists separated by commas.

    Raises:
        UsageError: a condition does not exist, or ``none`` stands beside another one.
    """
    names = frozenset(name.strip() for value in values for name in value.split(",") if name.strip())
    for name in sorted(names):
        if name not in CONDITIONS:
            raise UsageError(f"--fail-on {name}: there is no such condition", f"use {', '.join(CONDITIONS)}")
    if "none" in names and len(names) > 1:
        raise UsageError("--fail-on none cannot be combined with other conditions", "leave out one of them")
    return names or frozenset({"error"})


def final_exit_code(summary: SummaryRecord, conditions: frozenset[str], unassessed_documents: int = 0) -> ExitCode:
    """The exit code of the process.

    An input that could not be read wins over ``flag`` and ``unassessed``: an incomplete scan must not read as a
    verdict. Only ``none`` ignores it. That there was no supported input at all is never ignored.

    Args:
        summary: last record of the run; its ``exit_code`` is 0, 3, 4 or 130.
        conditions: from :func:`parse_conditions`.
        unassessed_documents: documents that were read and in which no panel was assessed.
    """
    code = ExitCode(summary.exit_code)
    if code is ExitCode.INCOMPLETE and "none" in conditions:
        return ExitCode.OK
    if code is not ExitCode.OK:
        return code
    flagged = "flag" in conditions and summary.panels.get("flagged", 0) > 0
    unassessed = "unassessed" in conditions and (summary.panels.get("not_assessed", 0) > 0 or unassessed_documents > 0)
    return ExitCode.CONDITION_MET if flagged or unassessed else ExitCode.OK
