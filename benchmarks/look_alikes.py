"""How often a scan takes panels that are not SEM for SEM, and flags them: labelled preprint panels, gate included.

    python benchmarks/look_alikes.py ../shared/data [-o result.json]

Prints a Markdown table by label. The figures in `training/recipes/sem-1.md` come from here.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

from machine import fingerprint

from semscan.engine.pipeline import scan
from semscan.engine.records import DocumentRecord, PanelRecord, RunRecord
from semscan.training.data import PREPRINT_LABELS, preprint_split


def count(data: Path) -> tuple[dict[str, Counter[str]], str]:
    """Panels, assessed and flagged ones by label; SEM panels by their split. And the model's digest."""
    with PREPRINT_LABELS.open(encoding="utf-8") as file:
        labels = {Path(row["file"]).name: row["label"] for row in csv.DictReader(file)}
    with (data / "preprint_panels.csv").open(encoding="utf-8") as file:
        preprints = {Path(row["file"]).name: row["preprint"] for row in csv.DictReader(file)}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    group = ""
    for record in scan(data / "preprint_panels"):
        if isinstance(record, RunRecord):
            model = f"{record.model.id} {record.model.sha256[:12]}"
        elif isinstance(record, DocumentRecord):
            name = Path(record.path).name
            group = labels[name]
            if group == "sem":
                group = f"sem, {preprint_split(preprints[name])} split"
        elif isinstance(record, PanelRecord):
            counts[group]["panels"] += 1
            counts[group]["assessed"] += record.status == "assessed"
            counts[group]["flagged"] += record.level == "look"
    return counts, model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    counts, model = count(arguments.data)
    others: Counter[str] = sum((c for label, c in counts.items() if not label.startswith("sem,")), Counter())
    columns = ("panels", "assessed", "flagged")
    print(f"Model {model}\n\n| label | {' | '.join(columns)} |\n|---|---:|---:|---:|")
    for label, row in [*sorted(counts.items()), ("**all that are not SEM**", others)]:
        print(f"| {label} | {' | '.join(str(row[c]) for c in columns)} |")
    if arguments.output:
        result = {"model": model, "counts": counts, "machine": fingerprint()}
        arguments.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
