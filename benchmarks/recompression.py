"""How often an earlier JPEG compression is named, and how often wrongly, on genuine micrographs and published panels.

    python -m benchmarks.recompression --data ../shared/data [-o docs/results/recompression.md]

Micrographs stored without loss, or their upper left 512 x 512 px, are compressed once and twice. Those whose list says
that they were a JPEG before are counted apart: what is named for them is likely to be true.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.machine import fingerprint
from semscan import PanelRecord, scan
from semscan.engine.figures.recompression import LOSSLESS, earlier_quality
from semscan.engine.geometry import Box
from semscan.engine.imagefile import decode_image_file
from semscan.engine.jpegfacts import standard_tables
from semscan.engine.options import ScanOptions

MOST_PER_SOURCE, SIDE = 25, 512
STORED = (65, 75, 85, 92, 96)
BEFORE = (60, 70, 80, 88, 94)

Grey = NDArray[np.uint8]


def micrographs(data: Path) -> list[tuple[Grey, bool, str]]:
    """Pictures stored without loss, whether nobody says that they were a JPEG before, and their sources."""
    by_source: dict[str, list[dict[str, str]]] = defaultdict(list)
    with (data / "micrographs.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["kind"] == "sem" and row["format"] != "JPEG":
                by_source[row["source"]].append(row)
    found = []
    for source, rows in by_source.items():
        for row in rows[:: max(1, len(rows) // MOST_PER_SOURCE)][:MOST_PER_SOURCE]:
            grey = decode_image_file((data / row["file"]).read_bytes(), 10**9, frames=1)[0].grey[:SIDE, :SIDE]
            if min(grey.shape) >= SIDE // 2:
                found.append((np.ascontiguousarray(grey), row["jpeg_history"] != "yes", source))
    return found


def compressed(grey: Grey, quality: int) -> Grey:
    held = io.BytesIO()
    Image.fromarray(grey).save(held, "JPEG", quality=quality)
    return decode_image_file(held.getvalue(), 10**9)[0].grey


def named(grey: Grey, quality: int | None, times: list[float]) -> int | None:
    steps = LOSSLESS if quality is None else tuple(standard_tables()[quality - 1].tolist())
    started = time.process_time()
    found = earlier_quality(grey, Box(0, 0, grey.shape[1], grey.shape[0]), steps)
    times.append(time.process_time() - started)
    return found


def measure(pictures: Sequence[tuple[Grey, bool, str]]) -> tuple[list[str], float]:
    """Rows of the tables, and the median time in milliseconds."""
    times: list[float] = []
    stored: tuple[int | None, ...] = (None, *STORED)
    head = [_name(quality) for quality in stored]
    rows = [f"| compressed | pictures | {' | '.join(f'stored: {name}' for name in head)} |", f"|---|{'---|' * 7}"]
    for text, is_free in (("once; nothing known of a JPEG before", True), ("once; was a JPEG before", False)):
        chosen = [grey for grey, free, _ in pictures if free == is_free]
        cells = []
        for quality in stored:
            hits = [named(grey if quality is None else compressed(grey, quality), quality, times) for grey in chosen]
            cells.append(f"{sum(hit is not None for hit in hits)}")
        rows.append(f"| {text} | {len(chosen)} | {' | '.join(cells)} |")
    free = [grey for grey, is_free, _ in pictures if is_free]
    for before in BEFORE:
        cells = []
        once = [compressed(grey, before) for grey in free]
        for quality in stored:
            if quality is not None and quality <= before:
                cells.append("")
                continue
            hits = [named(grey if quality is None else compressed(grey, quality), quality, times) for grey in once]
            seen = [hit for hit in hits if hit is not None]
            near = sum(abs(hit - before) <= 1 for hit in seen)
            cells.append(f"{len(seen)}, quality within 1: {near}")
        rows.append(f"| quality {before} before | {len(free)} | {' | '.join(cells)} |")
    return rows, float(np.median(times)) * 1e3


def _name(quality: int | None) -> str:
    return "without loss" if quality is None else f"quality {quality}"


def published(folder: Path) -> str:
    """What is found in the SEM panels of a folder."""
    counts: Counter[str] = Counter()
    for record in scan(folder, options=ScanOptions()):
        if isinstance(record, PanelRecord) and record.quality and record.image:
            counts["all"] += 1
            if quality := record.quality.earlier_jpeg_q:
                counts[f"{quality // 10 * 10} to {quality // 10 * 10 + 9}:"] += 1
    found = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if name != "all" and count)
    return f"| `{folder.name}` | {counts['all']} | {found or 'none'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    pictures = micrographs(given.data)
    rows, cost_ms = measure(pictures)
    sources = [source for _, is_free, source in pictures if is_free]
    found = [(source, quality) for grey, is_free, source in pictures if is_free and (quality := named(grey, None, []))]
    machine = fingerprint()
    text = PAGE.format(
        command=machine["command"], revision=machine["revision"], cpu=machine["cpu"], table="\n".join(rows),
        free=len(sources), sources=len(set(sources)), cost=f"{cost_ms:.2f}",
        named=", ".join(f"`{source}` {quality}" for source, quality in found) or "none",
        published="\n".join(published(given.data / name) for name in ("pdfs", "preprint_panels")),
    )  # fmt: skip
    if given.output:
        given.output.write_text(text, encoding="utf-8")
    print(text)


PAGE = """# Earlier JPEG compression

`{command}`, revision {revision}, {cpu}.

Genuine SEM micrographs, {free} of which, of {sources} sources, are not known to have been a JPEG before. How many are
said to have been one before they became what is stored:

{table}

Named as they are stored, although nothing is known of a JPEG before: {named}.

The least gain in likelihood that counts was chosen on these pictures. What was finer before than what is stored, or on
another grid of blocks, is not looked for. {cost} ms of processor time per panel.

Panels of published papers that are measured, and the quality that is named, by tens:

| folder | panels | named |
|---|---|---|
{published}
"""


if __name__ == "__main__":
    main()
