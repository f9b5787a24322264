"""How fast is a scan, where does the time go, and how far is it from merely decoding the images?

    python benchmarks/bench_scan.py FOLDER [-j N] [--repeats 3] [-o result.json]

Scans and decode-only runs alternate, so that both see the same state of the machine; the ratio is the median of the
pairs. Prints a Markdown table; ``-o`` writes everything as JSON with a fingerprint of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import decode_only
from machine import fingerprint

from semscan.engine.backends import Backend
from semscan.engine.options import ScanOptions
from semscan.engine.pipeline import scan
from semscan.engine.records import DocumentRecord, RunRecord
from semscan.engine.sinks.jsonl import encode
from semscan.engine.stats import ScanStats

WORKER_STAGES = ("open", "place", "decode", "split", "gate", "letters", "tile")
STAGES = (*WORKER_STAGES, "infer", "write")


def measure_scan(files: list[Path], options: ScanOptions, *, backend: Backend | None = None) -> dict[str, Any]:
    """One scan with its records written to a file: counts, wall seconds, seconds by stage."""
    stats = ScanStats()
    seen: dict[str, Any] = {"failed": 0}
    start = time.perf_counter()
    writing = 0.0
    with tempfile.TemporaryFile() as out:
        for record in scan(files, options, stats=stats, backend=backend):
            began = time.perf_counter()
            out.write(encode(record) + b"\n")
            writing += time.perf_counter() - began
            if isinstance(record, RunRecord):
                seen["model"] = f"{record.model.id} {record.model.sha256[:12]}"
            elif isinstance(record, DocumentRecord):
                seen["failed"] += record.status == "failed"
    wall = time.perf_counter() - start
    stats.add({"write": writing})
    return {
        **seen,
        "wall_s": wall,
        "documents": stats.documents,
        "images": stats.images,
        "panels": stats.panels,
        "tiles": stats.tiles,
        "stages_s": {stage: stats.seconds.get(stage, 0.0) for stage in STAGES},
    }


def run(files: list[Path], options: ScanOptions, repeats: int) -> dict[str, Any]:
    """Alternate scans and decode-only runs; see the module's docstring for what comes out."""
    jobs = options.jobs or 1
    listed = [(path, xrefs) for path in files if (xrefs := decode_only.drawn_images(path))]
    measure_scan(files[:2], options)  # fills the file cache and compiles modules; not counted
    scans, floors = [], []
    for _ in range(repeats):
        scans.append(measure_scan(files, options))
        seconds, decoded = decode_only.measure(listed, jobs)
        floors.append({"wall_s": seconds, "images": decoded})
    middle = sorted(scans, key=lambda one: one["wall_s"])[len(scans) // 2]
    return {
        "question": "bench_scan",
        "fingerprint": fingerprint(),
        "model": middle["model"],
        "jobs": jobs,
        "files": len(files),
        "mib": round(sum(path.stat().st_size for path in files) / 2**20, 1),
        "per_second": {
            unit: statistics.median(one[unit] / one["wall_s"] for one in scans)
            for unit in ("documents", "images", "panels", "tiles")
        },
        "stages_s": middle["stages_s"],
        "decode_only_images_per_second": statistics.median(one["images"] / one["wall_s"] for one in floors),
        "scan_over_decode_only": statistics.median(
            one["wall_s"] / floor["wall_s"] for one, floor in zip(scans, floors, strict=True)
        ),
        "scans": scans,
        "decode_only": floors,
    }


def markdown(result: dict[str, Any]) -> str:
    """The result as a table for people."""
    one = sorted(result["scans"], key=lambda each: each["wall_s"])[len(result["scans"]) // 2]
    machine = result["fingerprint"]
    busy = sum(result["stages_s"].values())
    walls = ", ".join(f"{each['wall_s']:.2f}" for each in result["scans"])
    lines = [
        f"{machine['cpu']}, {machine['cores_usable']} cores, Python {machine['python']}, "
        f"semscan {machine['packages']['semscan']} ({machine['revision']}), model {result['model']}",
        "",
        f"`{machine['command']}`",
        "",
        f"| what ({result['files']} files, {result['mib']} MiB, {result['jobs']} workers) | value |",
        "|---|---|",
        *(f"| {unit} | {one[unit]} |" for unit in ("documents", "images", "panels", "tiles")),
        f"| failed documents | {one['failed']} |",
        *(f"| {unit}/s | {value:.2f} |" for unit, value in result["per_second"].items()),
        f"| decode-only images/s | {result['decode_only_images_per_second']:.2f} |",
        f"| scan time / decode-only time (median of pairs) | {result['scan_over_decode_only']:.2f} |",
        f"| wall seconds of each scan | {walls} |",
        "",
        f"| stage | seconds, all processes | share of {busy:.1f} s |",
        "|---|---|---|",
        *(
            f"| {stage} | {seconds:.2f} | {100 * seconds / busy:.1f} % |"
            for stage, seconds in result["stages_s"].items()
        ),
    ]
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Throughput of a scan and its ratio to decoding alone.")
    parser.add_argument("folder", type=Path, help="folder of PDFs, walked recursively; or one PDF")
    parser.add_argument("-j", "--jobs", type=int, default=None, help="worker processes (default: usable cores)")
    parser.add_argument("--repeats", type=int, default=3, help="pairs of scan and decode-only run (default 3)")
    parser.add_argument("--limit", type=int, default=None, help="use the first N files only")
    parser.add_argument("--model", default=None, help="model name or path (default: the shipped one)")
    parser.add_argument("-o", "--output", type=Path, default=None, help="write the result as JSON")
    arguments = parser.parse_args()
    files = sorted(arguments.folder.rglob("*.pdf")) if arguments.folder.is_dir() else [arguments.folder]
    files = files[: arguments.limit]
    if not files:
        parser.error(f"no PDF in {arguments.folder}")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    options = ScanOptions(model=arguments.model, jobs=arguments.jobs or usable)
    result = run(files, options, arguments.repeats)
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
