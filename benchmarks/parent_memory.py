"""How much memory the parent of a scan has after the first and after the last tenth of a folder of small PDFs.

    python benchmarks/parent_memory.py FOLDER JOBS

A process of its own, so that what a benchmark holds is not counted. The records are looked at and dropped. Linux only:
the resident size is read from /proc. Prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from semscan.engine.backends.fake import FakeBackend
from semscan.engine.options import ScanOptions
from semscan.engine.pipeline import scan
from semscan.engine.records import DocumentRecord

SAMPLES = 100


def resident_mib() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    folder, jobs = Path(sys.argv[1]), int(sys.argv[2])
    total = sum(1 for _ in folder.rglob("*.pdf"))
    every = max(1, total // SAMPLES)
    start, done, curve = time.perf_counter(), 0, []
    for record in scan(folder, ScanOptions(jobs=jobs, all_images=True), backend=FakeBackend()):
        if isinstance(record, DocumentRecord):
            done += 1
            if done % every == 0:
                curve.append((done, round(resident_mib(), 2)))
    print(json.dumps({"documents": done, "wall_s": time.perf_counter() - start, "resident_mib": curve}))


if __name__ == "__main__":
    main()
