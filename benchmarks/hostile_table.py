"""What becomes of every file of a corpus of broken, encrypted and malicious PDFs, corpus by corpus.

    python benchmarks/hostile_table.py FOLDER [-j N] [--timeout SEC] [-o docs/results/hostile.md]

Each subfolder of FOLDER is a corpus. Fails when a file has no record, when the scan ends other than with 0 or 3, or
when a worker is left behind.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

from machine import fingerprint

from semscan.engine.errors import ExitCode
from semscan.engine.options import ScanOptions
from semscan.engine.pipeline import scan
from semscan.engine.records import DocumentRecord, NoticeRecord, PanelRecord, SummaryRecord


def survey(folder: Path, options: ScanOptions) -> tuple[dict[str, Counter[str]], Counter[str], SummaryRecord]:
    """Outcomes by corpus, reasons of panels that were not assessed, and the summary."""
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[str] = Counter()
    answered: set[str] = set()
    for record in scan(folder, options):
        if isinstance(record, DocumentRecord):
            answered.add(record.path)
            corpus = Path(record.path).relative_to(folder).parts[0]
            outcomes[corpus][record.reason or record.status] += 1
        elif isinstance(record, NoticeRecord):
            answered.add(record.path)
            if record.severity == "warning":
                outcomes[Path(record.path).relative_to(folder).parts[0]][f"({record.code})"] += 1
        elif isinstance(record, PanelRecord) and record.reason:
            reasons[record.reason] += 1
        elif isinstance(record, SummaryRecord):
            summary = record
    silent = {str(path) for path in folder.rglob("*.pdf")} - answered
    if silent:
        sys.exit(f"no record for {len(silent)} files, {sorted(silent)[0]} among them")
    return outcomes, reasons, summary


def table(outcomes: dict[str, Counter[str]], reasons: Counter[str], summary: SummaryRecord) -> list[str]:
    """Markdown."""
    columns = sorted({name for counts in outcomes.values() for name in counts}, key=lambda n: (n.startswith("("), n))
    lines = [
        f"| corpus | files | {' | '.join(columns)} |",
        f"|---|{'---:|' * (len(columns) + 1)}",
    ]
    for corpus, counts in sorted(outcomes.items()):
        files = sum(count for name, count in counts.items() if not name.startswith("("))
        lines.append(f"| {corpus} | {files} | {' | '.join(str(counts[c] or '') for c in columns)} |")
    total: Counter[str] = sum(outcomes.values(), Counter())
    files = sum(count for name, count in total.items() if not name.startswith("("))
    lines.append(f"| **all** | {files} | {' | '.join(str(total[c]) for c in columns)} |")
    named = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    documents, panels = summary.documents, summary.panels
    return [
        *lines,
        "",
        "Columns in brackets are warnings about a part of a document that was read all the same.",
        "",
        f"Documents read {documents['read']}, failed {documents['failed']}; panels assessed {panels['assessed']}, not "
        f"assessed {panels['not_assessed']}, others {panels['other']}. Reasons of panels not assessed: {named}.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=20.0)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    options = ScanOptions(jobs=arguments.jobs, timeout_s=arguments.timeout)
    outcomes, reasons, summary = survey(arguments.folder, options)
    left = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "semscan.engine.pdf.worker"], capture_output=True)
    if left.stdout:
        sys.exit(f"workers left behind: {left.stdout.decode().split()}")
    if summary.exit_code not in (ExitCode.OK, ExitCode.INCOMPLETE):
        sys.exit(f"the scan ended with {summary.exit_code}")
    machine = fingerprint()
    total: Counter[str] = sum(outcomes.values(), Counter())
    text = "\n".join(
        [
            "# Hostile PDFs",
            "",
            "Every file of test corpora of PDF projects, and some that were made to hang or to expand. Written by "
            "`benchmarks/hostile_table.py`.",
            "",
            f"Options: {options.jobs} workers, {options.timeout_s:g} s for a document. Exit code {summary.exit_code}. "
            f"{summary.seconds:.0f} s on {machine['cpu']}. Workers that crashed: {total['worker_crashed']}; out of "
            f"memory: {total['out_of_memory']}; out of time: {total['timeout']}; left behind: 0 (checked).",
            "",
            *table(outcomes, reasons, summary),
            "",
        ]
    )
    print(text)
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
