"""How many of the panel letters that are part of the pixels are read, and how many of those are wrong?

    python -m benchmarks.burnt_letters --data ../shared/data [--figures 400] [-o docs/results/figures.md]

Composed figures, with the panels as the engine finds them, and the annotated papers, as a scan sees them. In composed
figures every panel has its own spelling, case, size and ink, which is harder than in print; their font is none of those
that the network was trained with. Intervals draw whole figures again: what goes wrong in one goes wrong together.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks import compose
from benchmarks.compose_content import SharedPictures
from benchmarks.figures import grey_of
from benchmarks.figures_real import task_of
from benchmarks.machine import fingerprint
from benchmarks.matching import match
from benchmarks.real_truth import Truth, read_papers
from benchmarks.sections import put_section
from semscan.engine.examine import Examiner
from semscan.engine.figures.lettering import LetterReader
from semscan.engine.figures.panels import split_panels
from semscan.engine.geometry import Box
from semscan.engine.intervals import upper_bound
from semscan.engine.options import ScanOptions
from semscan.engine.pdf.wire import Found, Message
from semscan.engine.records import PanelRecord

FIRST_SEED = 99_000
"""The reader was made on figures of seeds from 80 000 to 81 240, and mended after those from 97 000 to 98 400."""
_OUTSIDE_FROM_PX = 20
_DRAWN = 2000


@dataclass(slots=True)
class Figure:
    """One figure: letters ``right`` and ``wrong``, and how many there are to read.

    ``inexact`` are right, but their box holds another panel too, or only a part of their own.
    """

    right: int = 0
    wrong: int = 0
    of: int = 0
    inexact: int = 0

    @property
    def read(self) -> int:
        """Letters that were read, rightly or not."""
        return self.right + self.inexact + self.wrong


@dataclass(slots=True)
class Reading:
    """Letters of one set; CPU seconds, and the panels that they were spent on; letters of what is not annotated."""

    figures: list[Figure] = field(default_factory=list)
    cpu_s: float = 0.0
    panels: int = 0
    elsewhere: int = 0

    def total(self, name: str) -> int:
        """``right``, ``inexact``, ``wrong``, ``read`` or ``of``, of all figures."""
        return sum(getattr(figure, name) for figure in self.figures)


def composed(data: Path, seeds: Sequence[int]) -> Reading:
    """Composed figures; those without letters count as chances to be wrong."""
    content, result, reader = SharedPictures(data), Reading(), LetterReader.load()
    reader.open()
    for seed in seeds:
        made = compose.compose(content, seed)
        grey = grey_of(made)
        outside = made.letters == "outside" and made.plan.gutter_px >= _OUTSIDE_FROM_PX
        has = [outside or (made.letters in ("left", "right") and kind != "graphic") for kind in made.kinds]
        found = split_panels(grey)
        start = time.process_time()
        letters = reader.read(grey, found)
        result.cpu_s += time.process_time() - start
        result.panels += len(found)
        figure, true = Figure(of=sum(has)), dict(match(found, made.panels, 0.5))
        for index, letter in enumerate(letters):
            if letter is not None:
                at = true.get(index)
                right = at is not None and has[at] and letter.lower() == chr(97 + at % 26)
                own = [box for i, box in enumerate(made.panels) if has[i] and letter.lower() == chr(97 + i % 26)]
                inexact = not right and any(_mostly_in(box, found[index]) for box in own)
                figure.right += right
                figure.inexact += inexact
                figure.wrong += not right and not inexact
        result.figures.append(figure)
    return result


def _mostly_in(one: Box, other: Box) -> bool:
    """Whether half of one of two boxes lies in the other one."""
    wide, high = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
    least = min(one.width * one.height, other.width * other.height)
    return wide > 0 and high > 0 and 2 * wide * high >= least


def real(folder: Path) -> tuple[Reading, Reading]:
    """Annotated papers, all panels and SEM panels alone.

    Letters read on panels that are not annotated, such as plots, are only counted.
    """
    result, sem, examiner, options = Reading(), Reading(), Examiner(), ScanOptions()
    with mock.patch("semscan.engine.stats.time.perf_counter", time.process_time):
        for paper in read_papers():
            records: list[PanelRecord] = []

            def listen(message: Message, records: list[PanelRecord] = records) -> None:
                if isinstance(message, Found) and message.record.image and message.record.bbox_pt:
                    records.append(message.record)

            last = examiner.examine(task_of(folder / paper.name, options), listen)
            result.cpu_s += last.seconds.get("letters", 0.0)
            figures: dict[tuple[int | None, str], list[PanelRecord]] = defaultdict(list)
            for record in records:
                if record.kind and record.kind.label != "tiny" and record.duplicate_of is None:
                    figures[record.page, record.panel_id.partition("/")[0]].append(record)
            for members in figures.values():
                if len(members) > 1 and any(r.kind and r.kind.label in ("sem", "uncertain", "tem") for r in members):
                    result.panels += len(members)
                _judge(members, paper.panels, result, sem)
    return result, replace(sem, cpu_s=result.cpu_s, panels=result.panels)


def _judge(members: Sequence[PanelRecord], truth: Sequence[Truth], result: Reading, sem: Reading) -> None:
    """Add one figure of a paper; letters that are printed as text are not to be read."""
    every, of_sem = Figure(), Figure()
    near = [true for true in truth if true.page == members[0].page and true.role == "panel"]
    pairs = dict(match([record.bbox_pt for record in members if record.bbox_pt], [true.box_pt for true in near], 0.5))
    for index, record in enumerate(members):
        true = near[pairs[index]] if index in pairs else None
        letter = record.panel if record.panel_by == "pixels" else None
        if true is None:
            result.elsewhere += letter is not None
            continue
        right = letter is not None and true.panel is not None and true.panel.lower() == letter.lower()
        for figure in (every, of_sem) if true.kind == "sem" else (every,):
            figure.of += true.panel is not None and record.panel_by != "text"
            figure.right += right
            figure.wrong += letter is not None and not right
    result.figures.append(every)
    if of_sem.of:
        sem.figures.append(of_sem)


def most_wrong(figures: Sequence[Figure], names: Sequence[str] = ("wrong",)) -> float:
    """Upper 95 % bound of the share of wrong letters among those read, when figures are drawn again.

    Without a wrong one it is the exact bound that counts each figure with letters once.
    """
    read = [figure for figure in figures if figure.read]
    if not read:
        return 1.0
    table = np.array([(sum(getattr(figure, name) for name in names), figure.read) for figure in read], np.float64)
    if not table[:, 0].any():
        return float(upper_bound(0, len(read)))
    drawn = table[np.random.default_rng(0).integers(0, len(table), (_DRAWN, len(table)))].sum(axis=1)
    return float(np.percentile(drawn[:, 0] / drawn[:, 1], 95))


def markdown(readings: dict[str, Reading], mark: dict[str, Any]) -> str:
    """The section of the report."""
    lines = [
        "## Letters that are part of the pixels",
        "",
        "Read where an image has several panels and one of them may be an electron micrograph: shapes near the corners",
        "of panels, named by a small network (`letters-1`), believed as a series over the panels. A letter is inexact",
        "where its box holds another panel too, or only a part of its own. In composed figures spelling, case, size",
        "and ink change from panel to panel, and the font is none of those trained with; the seeds had no part in",
        "making the reader, the micrographs had. In the papers letters printed as text are not counted; of the",
        "others about a quarter are not in the pixels of the panel at all: drawn elsewhere, or once for several",
        "pictures. These papers were looked at while the reader was made; letters that it read on their plots were",
        "looked at, too, and all were right. Upper bounds are of the letters read; they draw whole figures again or,",
        "where nothing went wrong, count each figure once.",
        "",
        f"Written by `{mark['command']}` at revision {mark['revision']}. Meanwhile",
        f"{os.getloadavg()[0] / (os.cpu_count() or 1):.1f} processes wanted each core: with more than one, times are",
        "too long.",
        "",
        "| figures | with a letter read | letters | read and right | right, box inexact | wrong "
        "| wrong or inexact, upper 95 % | on plots and the like | CPU ms a panel |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in readings.items():
        right, wrong, of = one.total("right"), one.total("wrong"), one.total("of")
        some = sum(figure.read > 0 for figure in one.figures)
        lines.append(
            f"| {name}, {len(one.figures)} | {some} | {of} | {right} ({100 * right / max(1, of):.0f} %) "
            f"| {one.total('inexact')} | {wrong} | {100 * most_wrong(one.figures, ('wrong', 'inexact')):.1f} % "
            f"| {one.elsewhere} "
            f"| {1000 * one.cpu_s / max(1, one.panels):.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with micrographs.csv and pdfs/")
    parser.add_argument("--figures", type=int, default=400)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("-o", "--output", type=Path, help="write the section here as well")
    given = parser.parse_args()
    readings = {"composed": composed(given.data, range(given.first_seed, given.first_seed + given.figures))}
    readings["real papers"], readings["of these, SEM panels"] = real(given.data / "pdfs")
    mark = fingerprint()
    page = markdown(readings, mark)
    print(page)
    if given.output:
        numbers = {
            name: {
                "right": one.total("right"),
                "inexact": one.total("inexact"),
                "wrong": one.total("wrong"),
                "of": one.total("of"),
                "wrong_upper95": most_wrong(one.figures),
                "wrong_or_inexact_upper95": most_wrong(one.figures, ("wrong", "inexact")),
                "elsewhere": one.elsewhere,
                "figures": len(one.figures),
                "panels": one.panels,
                "cpu_s": one.cpu_s,
            }
            for name, one in readings.items()
        }
        put_section(given.output, "letters", page, {**numbers, "fingerprint": mark})


if __name__ == "__main__":
    main()
