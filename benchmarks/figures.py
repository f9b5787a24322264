"""How well are compound figures cut into panels, and what does the figure stage cost?

    python -m benchmarks.figures [--data ../shared/data] [--figures 240] [-o docs/results/figures.md] [--sheet FILE.png]

Run from the root of the repository. Composes figures with exact truth (``compose``), cuts them, and prints precision,
recall and F1 of the panels at IoU 0.5 and 0.75 by width of the gutter and by what the figures show, with intervals
that draw whole figures again. Then single micrographs, which must stay whole, and the CPU time of splitting, gate and
tiles. Without ``--data`` everything is made from noise and there are no single micrographs.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.compose import Composed, compose
from benchmarks.compose_content import Content, SharedPictures, Textures
from benchmarks.machine import fingerprint
from benchmarks.matching import Counts, bootstrap_f1, count, total
from benchmarks.sections import put_section
from semscan.engine.figures.databar import trim_data_bar
from semscan.engine.figures.kind import KindGate
from semscan.engine.figures.panels import split_panels
from semscan.engine.geometry import Box
from semscan.engine.luminance import to_luminance
from semscan.engine.tiles import panel_tiles

FIRST_SEED = 10_000
"""Figures of smaller seeds were looked at while the splitter was made."""
_GUTTER_BINS = ((0, 0), (1, 1), (2, 3), (4, 8), (10, 40))
_TIMED_PX = 1_500_000
_TIMED = 3


@dataclass(frozen=True, slots=True)
class Judged:
    """One composed figure with what was found in it; the CPU seconds are the least of a few runs."""

    figure: Composed
    found: tuple[Box, ...]
    cpu_s: float

    def counts(self, least_iou: float) -> Counts:
        """Matches at this overlap."""
        return count(self.found, self.figure.panels, least_iou)


def judge(content: Content, seeds: Sequence[int]) -> list[Judged]:
    """Compose and cut one figure for each seed."""
    judged = []
    for seed in seeds:
        figure = compose(content, seed)
        grey = grey_of(figure)
        times = []
        for _ in range(_TIMED):
            start = time.process_time()
            found = split_panels(grey)
            times.append(time.process_time() - start)
        judged.append(Judged(figure, tuple(found), min(times)))
    return judged


def grey_of(figure: Composed) -> NDArray[np.uint8]:
    """The stored figure as the engine sees it."""
    with Image.open(io.BytesIO(figure.stored)) as image:
        return to_luminance(image)


def groups(judged: list[Judged]) -> list[tuple[str, list[Judged]]]:
    """The rows of the table: all figures, by gutter, by content."""
    rows = [("all figures", judged)]
    for low, high in _GUTTER_BINS:
        name = f"gutter {low} px" if low == high else f"gutter {low} to {high} px"
        rows.append((name, [j for j in judged if low <= j.figure.plan.gutter_px <= high]))
    rows.append(("micrographs only", [j for j in judged if "graphic" not in j.figure.kinds]))
    rows.append(("with graphics", [j for j in judged if "graphic" in j.figure.kinds]))
    rows.append(("lossless", [j for j in judged if j.figure.plan.quality is None]))
    rows.append(("JPEG after composing", [j for j in judged if j.figure.plan.quality is not None]))
    rows.append(("size changed after composing", [j for j in judged if j.figure.plan.scale != 1.0]))
    return [(name, some) for name, some in rows if some]


def recall_by_kind(judged: list[Judged], least_iou: float) -> dict[str, tuple[int, int]]:
    """Found and true panels of each kind."""
    tally: dict[str, tuple[int, int]] = {}
    for item in judged:
        for box, kind in zip(item.figure.panels, item.figure.kinds, strict=True):
            hit = count(item.found, [box], least_iou).hits
            hits, true = tally.get(kind, (0, 0))
            tally[kind] = (hits + hit, true + 1)
    return tally


def single_micrographs(data: Path) -> dict[str, tuple[int, int]]:
    """For each SEM source: how many of its single micrographs were cut into several, of how many."""
    tally: dict[str, tuple[int, int]] = {}
    with (data / "micrographs.csv").open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            if row["kind"] != "sem":
                continue
            with Image.open(data / row["file"]) as image:
                cut = len(split_panels(to_luminance(image))) > 1
            some, of = tally.get(row["source"], (0, 0))
            tally[row["source"]] = (some + cut, of + 1)
    return tally


def costs(content: Content) -> dict[str, float]:
    """CPU milliseconds of the stages for figures of 1.5 MP: one micrograph, and 2 x 3 panels with white gutters."""
    rng = np.random.default_rng(0)
    picture = to_luminance(Image.fromarray(content.picture(rng, "sem", 1500, 1000)))
    compound = picture.copy()
    compound[495:505] = 255
    compound[:, 495:505] = compound[:, 995:1005] = 255
    whole, gate = Box(0, 0, 1500, 1000), KindGate.load()
    return {
        "split, one micrograph": _ms(lambda: split_panels(picture)),
        "split, 2 x 3 panels": _ms(lambda: split_panels(compound)),
        "gate, one micrograph": _ms(lambda: gate.classify(picture, lambda: None)),
        "data bar and tiles, one micrograph": _ms(lambda: panel_tiles(picture, trim_data_bar(picture, whole), 128, 16)),
    }


def _ms(work: Callable[[], Any], repeats: int = 40) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)


def markdown(
    judged: list[Judged],
    singles: dict[str, tuple[int, int]],
    cost: dict[str, float],
    made_of: str,
    mark: dict[str, Any],
    load: float,
) -> str:
    """The section of ``docs/results/figures.md`` about composed figures."""
    lines = [
        "## Composed figures",
        "",
        f"Written by `{mark['command']}` at revision {mark['revision']} on {mark['cpu']}.",
        "",
        f"{len(judged)} figures of 2 to 24 panels made of {made_of}, with gutters of 0 to 40 px in any colour, frames,",
        "letters, scale bars, arrows, insets and data bars, about 70 % of them JPEG of quality 60 to 96, 15 % changed",
        "in size after composing. Intervals of 95 % draw whole figures again. The seeds had no part in making the",
        "splitter; the pictures had.",
        "",
        "| figures | n | panels | P at 0.5 | R at 0.5 | F1 at 0.5 | P at 0.75 | R at 0.75 | F1 at 0.75 | 95 % |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, some in groups(judged):
        half, most = (total([j.counts(least) for j in some]) for least in (0.5, 0.75))
        low, high = bootstrap_f1([j.counts(0.75) for j in some])
        values = (half.precision, half.recall, half.f1, most.precision, most.recall, most.f1)
        shown = " | ".join(f"{value:.3f}" for value in values)
        lines.append(f"| {name} | {len(some)} | {half.true} | {shown} | {low:.3f} to {high:.3f} |")
    lines += ["", "| kind | panels | found at 0.5 | found at 0.75 |", "|---|---|---|---|"]
    half_by_kind, most_by_kind = recall_by_kind(judged, 0.5), recall_by_kind(judged, 0.75)
    for kind, (hits, true) in sorted(most_by_kind.items(), key=lambda item: -item[1][1]):
        lines.append(f"| {kind} | {true} | {half_by_kind[kind][0] / true:.3f} | {hits / true:.3f} |")
    if singles:
        cut, of = (sum(column) for column in zip(*singles.values(), strict=True))
        wrong = ", ".join(f"{name} {some} of {all_}" for name, (some, all_) in sorted(singles.items()) if some)
        lines += [
            "",
            f"Single SEM micrographs cut into several: {cut} of {of} ({100 * cut / of:.1f} %): {wrong or 'none'}.",
        ]
    lines += ["", "| stage, 1.5 MP, one core | CPU ms |", "|---|---|"]
    lines += [f"| {name} | {value:.2f} |" for name, value in cost.items()]
    per_figure = [1000 * j.cpu_s * _TIMED_PX / (j.figure.pixels.shape[0] * j.figure.pixels.shape[1]) for j in judged]
    lines.append(f"| split, composed figures, median (scaled to 1.5 MP) | {statistics.median(per_figure):.2f} |")
    lines += ["", f"Meanwhile {load:.1f} processes wanted each core: with more than one, times are too long."]
    return "\n".join(lines) + "\n"


def contact_sheet(judged: list[Judged], cell: int = 390, columns: int = 4) -> Image.Image:
    """Figures with true boxes in green and found ones in red, the worst first."""
    worst = sorted(judged, key=lambda j: 2 * j.counts(0.75).hits - len(j.found) - len(j.figure.panels))[:16]
    sheet = Image.new("RGB", (columns * cell, -(-len(worst) // columns) * cell), "gray")
    for index, item in enumerate(worst):
        image = Image.fromarray(item.figure.pixels).convert("RGB")
        scale = (cell - 8) / max(image.size)
        image = image.resize([max(1, round(scale * side)) for side in image.size])
        pen = ImageDraw.Draw(image)
        for boxes, colour, width in ((item.figure.panels, "lime", 3), (item.found, "red", 1)):
            for box in boxes:
                pen.rectangle([round(scale * value) for value in box], outline=colour, width=width)
        sheet.paste(image, (index % columns * cell + 4, index // columns * cell + 4))
    return sheet


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with micrographs.csv")
    parser.add_argument("--figures", type=int, default=240)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("-o", "--output", type=Path, help="write the section here as well")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of the worst figures")
    given = parser.parse_args()
    content: Content = SharedPictures(given.data) if given.data else Textures()
    judged = judge(content, range(given.first_seed, given.first_seed + given.figures))
    singles = single_micrographs(given.data) if given.data else {}
    made_of = "genuine micrographs and drawn graphics" if given.data else "noise and drawn graphics"
    cost, mark, load = costs(content), fingerprint(), os.getloadavg()[0] / (os.cpu_count() or 1)
    page = markdown(judged, singles, cost, made_of, mark, load)
    print(page)
    if given.output:
        numbers = {"figures": len(judged), "singles": singles, "cpu_ms": cost, "load": load, "fingerprint": mark}
        for name, some in groups(judged):
            numbers[name] = {str(least): total([j.counts(least) for j in some])._asdict() for least in (0.5, 0.75)}
        put_section(given.output, "composed", page, numbers)
    if given.sheet:
        contact_sheet(judged).save(given.sheet)


if __name__ == "__main__":
    main()
