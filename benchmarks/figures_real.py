"""Panels of real papers: what the engine finds, against what was annotated by looking.

    python -m benchmarks.figures_real ../shared/data/pdfs --report docs/results/figures.md --sheet sheet.png

Every number comes with its 95 % interval from drawing whole papers again with replacement. Nothing was fitted to the
annotation, but the papers are few, and people who wrote the engine have seen them.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.machine import fingerprint
from benchmarks.real_sheet import draw_sheet
from benchmarks.real_truth import Paper, Seen, Truth, elsewhere, names_right, on_panels, pairs, read_papers
from benchmarks.sections import put_section
from semscan.engine.examine import Examiner
from semscan.engine.options import SMALLEST_PANEL_PX, ScanOptions
from semscan.engine.pdf.wire import Found, Message, Named, Task

STAGES = ("place", "decode", "split", "gate", "letters", "tile")
CLEAN = ("text_", "negative_", "decoy_")
"""Names of papers in which nothing is to be assessed as SEM."""
WORDS = """\
Where the gate is in doubt words decide: a panel of `uncertain` kind becomes `sem` if they speak of SEM only, and a
panel taken for SEM becomes `uncertain` if they speak of other methods only. They multiply, or divide, the odds of SEM:
the caption by 10; the caption for the letter that a panel has by its place by 5, or by 10 if two letters that were read
on other panels confirm the places; sentences of the text that refer to the figure by 5; a paper that nowhere speaks of
SEM divides them by 10. The first of these that speaks decides. A panel below 128 px, for which the gate was not made,
is `sem` by words only.

What was known of these papers when: the rule for captions and its 10 were fixed before it was tried on them. Then their
captions were read beside the methods found in them; that added a spelling of powder diffraction, X-ray phase contrast,
and labels that stand apart from the first line, none of which a panel here depends on. The rest, further words for
methods among it, was made because light micrographs, X-ray tomograms, segmentations and parts of logos in these papers
had been taken for SEM (34 of 47 were right), but without a look at what the papers say of them, and its odds were set
before the first try, which gave 34 of 38. Then captions of six figures were read. Of that came that a letter which
begins a sentence of a caption is not of the sentence before (one segmentation less), and that rows and columns have
letters in regular grids only (no SEM panel depends on it). Later corrections, of bare letters and of where sentences
end, came from captions and sentences of other papers and changed no panel here. That letters confirm places was added
when one panel stood beside another whose letter had been read (one SEM panel more; that letter gave another). So
numbers with words are somewhat optimistic. The gate was fitted on these papers, so it is in doubt less often than
elsewhere.

What words changed, by annotated kind:"""
REPEATS = 2000


@dataclass(slots=True)
class Examined:
    """What the engine said about one paper, and the CPU seconds of each stage."""

    paper: Paper
    seen: list[Seen] = field(default_factory=list)
    images: int = 0
    figures: int = 0
    megapixels: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    named: Named = field(default_factory=Named)


def examine(folder: Path, papers: Sequence[Paper]) -> list[Examined]:
    """Run the engine's page-to-panel part over the papers, in this process, without a detector."""
    options = ScanOptions()
    done = []
    # Stages are timed by the CPU, so that other work on the machine does not count.
    with mock.patch("semscan.engine.stats.time.perf_counter", time.process_time):
        examiner = Examiner()
        for paper in papers:
            result = Examined(paper)
            sizes: dict[str, float] = {}

            def listen(message: Message, result: Examined = result, sizes: dict[str, float] = sizes) -> None:
                if isinstance(message, Found):
                    if seen := Seen.of(message.record):
                        result.seen.append(seen)
                    if image := message.record.image:
                        sizes[image.sha256] = image.px[0] * image.px[1] / 1e6
                elif isinstance(message, Named):
                    result.named = message

            last = examiner.examine(task_of(folder / paper.name, options), listen)
            result.images, result.figures, result.cpu_s = last.images, last.figures, dict(last.seconds)
            result.megapixels = sum(sizes.values())
            done.append(result)
    return done


def task_of(path: Path, options: ScanOptions) -> Task:
    return Task(
        path=path.name,
        media_type="application/pdf",
        tile_px=SMALLEST_PANEL_PX,
        max_tiles=options.max_tiles_per_panel,
        min_panel_px=options.min_panel_px,
        max_pixels=options.max_pixels,
        max_pages=options.max_pages,
        all_images=False,
        timeout_s=options.timeout_s,
        file=str(path),
    )


Fraction = tuple[int, int]
"""How many of how many."""


def boxes_found(one: Examined, least_iou: float) -> tuple[int, int, int]:
    """Hits, found, true of all annotated panels, whatever they are taken for."""
    true = [t for t in one.paper.panels if t.role == "panel"]
    return len(pairs(one.seen, true, least_iou)), len(on_panels(one.seen, one.paper.panels)), len(true)


def sem_found(one: Examined, least_iou: float, kinds: Iterable[str] = ("sem",)) -> tuple[int, int, int]:
    """Hits, found, true of SEM panels; hits are taken for one of ``kinds``.

    What matches a panel whose kind is disputed, false colour or an inset counts as nothing.
    """
    claimed = [s for s in one.seen if s.kind in kinds]
    hits = pairs(claimed, [t for t in one.paper.panels if t.sem], least_iou)
    used = {id(s) for s, _ in hits}
    spared = [t for t in one.paper.panels if not t.sem and (t.kind == "sem" or t.disputed or t.role == "inset")]
    rest = [s for s in claimed if id(s) not in used]
    wrong = len(rest) - len(pairs(rest, spared, 0.5))
    return len(hits), len(hits) + wrong, sum(t.sem for t in one.paper.panels)


def figures_right(one: Examined) -> Fraction:
    """Figure labels that are right, of the annotated panels that were found."""
    found = pairs(one.seen, [t for t in one.paper.panels if t.role == "panel"], 0.5)
    return sum(s.figure == t.figure for s, t in found), len(found)


def labels_on_page(one: Examined) -> Fraction:
    """Panels whose label is that of a caption on their page, of all that bear a label: plots and drawings, too."""
    named = [s for s in one.seen if s.figure is not None]
    return sum(one.paper.figures.get(s.figure or "") == s.page for s in named), len(named)


def letters_read(one: Examined) -> tuple[int, int, int]:
    """Letters right, letters read, and panels that were found and bear a letter."""
    found = pairs(one.seen, [t for t in one.paper.panels if t.role == "panel"], 0.5)
    read = [(s, t) for s, t in found if s.panel is not None]
    right = sum(t.panel is not None and (s.panel or "").lower() == t.panel.lower() for s, t in read)
    return right, len(read), sum(t.panel is not None for _, t in found)


def interval(parts: Sequence[Fraction], seed: int = 0) -> tuple[float, float]:
    """95 % interval of a pooled share when papers are drawn again with replacement."""
    table = np.array(parts, np.float64).reshape(-1, 2)
    if not table[:, 1].sum():
        return 0.0, 1.0
    drawn = table[np.random.default_rng(seed).integers(0, len(table), (REPEATS, len(table)))].sum(axis=1)
    shares = drawn[drawn[:, 1] > 0]
    low, high = np.percentile(shares[:, 0] / shares[:, 1], (2.5, 97.5))
    return float(low), float(high)


def share(parts: Sequence[Fraction]) -> dict[str, Any]:
    """A pooled share with its interval."""
    top, bottom = sum(p[0] for p in parts), sum(p[1] for p in parts)
    return {"hits": top, "of": bottom, "share": top / bottom if bottom else None, "ci95": interval(parts)}


def measure(examined: Sequence[Examined]) -> dict[str, Any]:
    """All numbers of the report."""
    rates: dict[str, dict[str, Any]] = {}

    def rate(name: str, count: Callable[[Examined], tuple[int, int, int]]) -> None:
        counts = [count(one) for one in examined]
        rates[f"{name}: recall"] = share([(hits, true) for hits, _, true in counts])
        rates[f"{name}: precision"] = share([(hits, found) for hits, found, _ in counts])
        rates[f"{name}: F1"] = share([(2 * hits, found + true) for hits, found, true in counts])

    for least in (0.5, 0.75):
        rate(f"SEM panels at IoU {least}", lambda one, least=least: sem_found(one, least))  # type: ignore[misc]
    rate("SEM panels at IoU 0.5, text not read", lambda one: sem_found(_without(one, "text"), 0.5))
    rate("SEM panels at IoU 0.5, no words read", lambda one: sem_found(_without(one, "text", "caption"), 0.5))
    rate("SEM panels at IoU 0.5, uncertain ones counted as SEM", lambda one: sem_found(one, 0.5, ("sem", "uncertain")))
    for least in (0.5, 0.75):
        rate(f"boxes of all panels at IoU {least}", lambda one, least=least: boxes_found(one, least))  # type: ignore[misc]
    rates["figure label right, of panels found"] = share([figures_right(one) for one in examined])
    rates["label is that of a caption on the page, of all panels with a label"] = share(
        [labels_on_page(one) for one in examined]
    )
    letters = [letters_read(one) for one in examined]
    rates["panel letter right, of those read"] = share([(right, read) for right, read, _ in letters])
    rates["panel letter read and right, of panels found that have one"] = share([(r, n) for r, _, n in letters])
    return {
        "papers": len(examined),
        "annotated": sum(len(one.paper.panels) for one in examined),
        "rates": rates,
        "confusion": confusion(examined),
        "words": words_changed(examined),
        "elsewhere": dict(Counter(s.kind for one in examined for s in elsewhere(one.seen, one.paper.panels))),
        "assessed_as_sem": wrongly_assessed(examined),
        "names": names_right([(one.named, one.paper) for one in examined]),
        "cost": cost(examined),
        "load": os.getloadavg()[0] / (os.cpu_count() or 1),
        "fingerprint": fingerprint(),
    }


def confusion(examined: Sequence[Examined]) -> dict[str, dict[str, int]]:
    """Label of the gate by annotated kind, of all annotated pictures that were found."""
    table: dict[str, Counter[str]] = {}
    for one in examined:
        for seen, true in pairs(one.seen, one.paper.panels, 0.5):
            table.setdefault(_named(true), Counter())[seen.kind or "not decoded"] += 1
    return {kind: dict(counts.most_common()) for kind, counts in sorted(table.items())}


def _without(one: Examined, *words: str) -> Examined:
    return replace(one, seen=[seen.without(*words) for seen in one.seen])


def words_changed(examined: Sequence[Examined]) -> dict[str, dict[str, int]]:
    """By annotated kind, how many panels the caption or the text turned into SEM, or into uncertain ones."""
    table: dict[str, Counter[str]] = {}
    for one in examined:
        known = {id(seen): _named(true) for seen, true in pairs(one.seen, one.paper.panels, 0.5)}
        for seen in one.seen:
            if seen.by != "pixels":
                change = f"{seen.kind} by {seen.by}"
                table.setdefault(known.get(id(seen), "not annotated"), Counter())[change] += 1
    return {kind: dict(counts) for kind, counts in sorted(table.items())}


def _named(true: Truth) -> str:
    coloured = ", false colour" if true.false_colour else ""
    return f"{true.kind}{coloured}{', disputed' if true.disputed else ''}"


def wrongly_assessed(examined: Sequence[Examined]) -> list[dict[str, Any]]:
    """Panels of papers without SEM that would be assessed."""
    return [
        {"paper": one.paper.name, "page": seen.page, "figure": seen.figure, "box_pt": seen.box_pt}
        for one in examined
        if one.paper.name.startswith(CLEAN)
        for seen in one.seen
        if seen.status == "assessed"
    ]


def cost(examined: Sequence[Examined]) -> dict[str, Any]:
    """CPU milliseconds by stage, per figure that was cut into panels and per megapixel of distinct images."""
    figures, mega = sum(one.figures for one in examined), sum(one.megapixels for one in examined)
    stages = {stage: sum(one.cpu_s.get(stage, 0.0) for one in examined) for stage in STAGES}
    return {
        "figures": figures,
        "megapixels": mega,
        "ms_per_1.5_megapixels": 1.5e3 * sum(v for k, v in stages.items() if k != "decode") / max(mega, 1e-9),
        "ms_per_figure": {stage: 1e3 * value / max(figures, 1) for stage, value in stages.items()},
        "ms_per_megapixel": {stage: 1e3 * value / max(mega, 1e-9) for stage, value in stages.items()},
    }


def markdown(result: dict[str, Any]) -> str:
    """The section of the report."""
    lines = [
        "## Real papers",
        "",
        f"{result['papers']} open-access papers, {result['annotated']} pictures annotated by eye "
        "([tests/truth](../../tests/truth/README.md)). Intervals: papers drawn again with replacement.",
        "",
        "| measure | value | 95 % interval | counts |",
        "|---|---|---|---|",
    ]
    for name, rate in result["rates"].items():
        value = "none" if rate["share"] is None else f"{rate['share']:.3f}"
        low, high = rate["ci95"]
        lines.append(f"| {name} | {value} | {low:.3f} to {high:.3f} | {rate['hits']} / {rate['of']} |")
    lines += ["", "What the gate says of annotated pictures that were found:", ""]
    labels = sorted({label for row in result["confusion"].values() for label in row})
    lines += ["| annotated as | " + " | ".join(labels) + " |", "|---" * (len(labels) + 1) + "|"]
    for kind, row in result["confusion"].items():
        lines.append(f"| {kind} | " + " | ".join(str(row.get(label, "")) for label in labels) + " |")
    lines += ["", WORDS, ""]
    lines += [
        f"* {kind}: {' and '.join(f'{count} to {change}' for change, count in row.items())}"
        for kind, row in result["words"].items()
    ] or ["* none"]
    others = ", ".join(f"{count} {kind}" for kind, count in sorted(result["elsewhere"].items()))
    lines += ["", f"Taken for a picture where none is annotated (plots, drawings, logos): {others or 'none'}."]
    lines += ["", "Assessed as SEM in papers without SEM (`text_*`, `negative_*`, `decoy_*`):", ""]
    lines += [
        f"* {item['paper']}, page {item['page']}, {item['figure'] or 'no figure'}, "
        f"box {', '.join(f'{v:.0f}' for v in item['box_pt'])}"
        for item in result["assessed_as_sem"]
    ] or ["* none"]
    names = "; ".join(f"{name}: {right} / {of}" for name, (right, of) in result["names"].items())
    lines += ["", f"What the papers are called: {names.replace('doi', 'DOI')}."]
    spent, mark = result["cost"], result["fingerprint"]
    lines += ["", "| stage | CPU ms per figure | CPU ms per megapixel |", "|---|---|---|"]
    for stage, value in spent["ms_per_figure"].items():
        lines.append(f"| {stage} | {value:.2f} | {spent['ms_per_megapixel'][stage]:.2f} |")
    lines += [
        "",
        f"All but decoding: {spent['ms_per_1.5_megapixels']:.2f} ms per 1.5 megapixels. "
        f"{spent['figures']} figures, {spent['megapixels']:.0f} megapixels, stored images counted once. "
        f"Meanwhile {result['load']:.1f} processes wanted each core: with more than one, times are too long. "
        f"{mark['cpu']}, revision {mark['revision']}, `{mark['command']}`.",
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the papers named in tests/truth/papers.json")
    parser.add_argument("--report", type=Path, help="Markdown page whose section is replaced; JSON beside it")
    parser.add_argument("--sheet", type=Path, help="PNG with annotated and found boxes drawn over the figures")
    chosen = parser.parse_args(argv)
    examined = examine(chosen.folder, read_papers())
    result = measure(examined)
    text = markdown(result)
    print(text)
    if chosen.report:
        put_section(chosen.report, "real", text, result)
    if chosen.sheet:
        draw_sheet(chosen.folder, [(one.paper, one.seen) for one in examined], chosen.sheet)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
