"""How far does a light method read panel letters that are part of the pixels?

    python -m benchmarks.burnt_letters --data ../shared/data [--figures 400] [-o docs/results/figures.md]

Connected components in the two upper corners of every panel, nearly white or nearly black, are compared with the
letters of four fonts that PyMuPDF brings. One panel proves nothing: components of a micrograph look like ``c``, ``l``
or ``o`` often enough. So a letter is only believed where the panels of one image, in reading order, bear their own
letters in the same corner: the first panel ``a``, the second ``b``, and so on, at least three panels and three in ten,
two of the first three among them, and a letter only beside another one. Panels whose own letter was not seen get none.
A trial beside the engine, which does not read such letters.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
from numpy.typing import NDArray
from PIL import Image

from benchmarks import compose
from benchmarks.compose_content import SharedPictures
from benchmarks.figures import grey_of
from benchmarks.machine import fingerprint
from benchmarks.matching import match
from benchmarks.real_truth import read_papers
from benchmarks.sections import put_section
from semscan.engine.extract import ExtractedPanel, extract_panels
from semscan.engine.figures.components import connected
from semscan.engine.figures.panels import split_panels
from semscan.engine.intervals import upper_bound
from semscan.engine.options import ScanOptions

FIRST_SEED = 95_000
"""Thresholds were chosen on figures of seeds from 80 000 to 90 400."""
Grey = NDArray[np.uint8]
LETTERS = "abcdefghijklmnopqrstuvwx"
_FONTS = ("helv", "hebo", "tiro", "tibo")
_GLYPH_PX = 18
_CORNER_SHARE, _SMALLEST_CORNER_PX, _LARGEST_CORNER_PX = 0.3, 24, 140
_BRIGHT, _DARK = 200, 55
_SHORTEST_PX, _TALLEST_SHARE = 8, 0.8
_SLIMMEST, _WIDEST, _EMPTIEST, _FULLEST = 0.25, 1.4, 0.2, 0.8
_MOST_COMPONENTS, _MOST_RUNS = 120, 4000
_FORM_WEIGHT = 0.3
_LEAST_LIKENESS, _BEHIND = 0.55, 0.08
_LEAST_SHARE, _FEWEST = 0.3, 3
_FIRST, _OF_FIRST = 2, 3


@dataclass(slots=True)
class Reading:
    """Letters of one set: ``right``, ``wrong`` and how many there are to read; CPU seconds and figures."""

    right: int = 0
    wrong: int = 0
    of: int = 0
    elsewhere: int = 0
    cpu_s: float = 0.0
    figures: int = 0


def read_letters(panels: Sequence[Grey]) -> list[str | None]:
    """The burnt-in letters of the panels of one image, in reading order; ``None`` where there is doubt."""
    count = len(panels)
    if not _FEWEST <= count <= len(LETTERS):
        return [None] * count
    likeness = np.stack([_likeness(panel) for panel in panels])
    own = np.arange(count)
    for corner in likeness.transpose(1, 0, 2):
        mine = corner[own, own]
        seen = (mine >= _LEAST_LIKENESS) & (mine >= corner.max(axis=1) - _BEHIND)
        begins = np.count_nonzero(seen[:_OF_FIRST]) >= _FIRST
        if begins and np.count_nonzero(seen) >= max(_FEWEST, _LEAST_SHARE * count):
            beside = np.zeros(count, np.bool_)
            beside[1:] |= seen[:-1]
            beside[:-1] |= seen[1:]
            return [LETTERS[i] if seen[i] and beside[i] else None for i in range(count)]
    return [None] * count


def _likeness(panel: Grey) -> NDArray[np.float32]:
    """How much the best component of each upper corner is like each letter, float32 [2, letters]."""
    side = int(np.clip(_CORNER_SHARE * min(panel.shape), _SMALLEST_CORNER_PX, _LARGEST_CORNER_PX))
    best = np.full((2, len(LETTERS)), -1.0, np.float32)
    glyphs, forms = _glyphs()
    for corner, part in enumerate((panel[:side, :side], panel[:side, -side:])):
        for mask in (part >= _BRIGHT, part <= _DARK):
            for shape in _shapes(mask, side):
                pixels, form = _normalised(shape)
                alike = glyphs @ pixels - _FORM_WEIGHT * np.abs(np.log(form / forms))
                best[corner] = np.maximum(best[corner], alike.reshape(-1, len(LETTERS)).max(axis=0))
    return best


def _shapes(mask: NDArray[np.bool_], side: int) -> list[NDArray[np.bool_]]:
    """Components that may be letters by their size and form."""
    found = connected(mask, _MOST_RUNS)
    if found is None:
        return []
    shapes = []
    for index in range(min(len(found), _MOST_COMPONENTS)):
        x0, y0, x1, y1 = found.boxes[index].tolist()
        tall, wide = y1 - y0, x1 - x0
        full = int(found.area[index]) / (tall * wide)
        fits = _SHORTEST_PX <= tall <= _TALLEST_SHARE * side and _SLIMMEST <= wide / tall <= _WIDEST
        if not fits or not _EMPTIEST <= full <= _FULLEST:
            continue
        shape = np.zeros((tall, wide), np.bool_)
        runs = found.label == index
        for row, start, end in zip(found.row[runs], found.start[runs], found.end[runs], strict=True):
            shape[row - y0, start - x0 : end - x0] = True
        shapes.append(shape)
    return shapes


def _normalised(shape: NDArray[np.bool_]) -> tuple[NDArray[np.float32], float]:
    """A shape in a square of fixed size, of mean 0 and length 1, and its width over its height."""
    tall, wide = shape.shape
    side = max(tall, wide)
    square = np.zeros((side, side), np.uint8)
    y, x = (side - tall) // 2, (side - wide) // 2
    square[y : y + tall, x : x + wide] = 255 * shape.astype(np.uint8)
    small = Image.fromarray(square).resize((_GLYPH_PX, _GLYPH_PX), Image.Resampling.BOX)
    pixels = np.asarray(small, np.float32).ravel()
    pixels -= pixels.mean()
    return pixels / max(float(np.linalg.norm(pixels)), 1e-6), wide / tall


@lru_cache(1)
def _glyphs() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Small and capital letters of all fonts, normalised, and their forms; letters run fastest."""
    glyphs, forms = [], []
    with pymupdf.open() as doc:
        for font in _FONTS:
            for letter in LETTERS + LETTERS.upper():
                page = doc.new_page(width=60, height=60)
                page.insert_text((15, 42), letter, fontsize=40, fontname=font)
                drawn = page.get_pixmap(colorspace=pymupdf.csGRAY)
                ink = np.frombuffer(drawn.samples, np.uint8).reshape(drawn.height, drawn.stride)[:, : drawn.width] < 128
                rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
                pixels, form = _normalised(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
                glyphs.append(pixels)
                forms.append(form)
    return np.stack(glyphs), np.array(forms, np.float32)


def composed(data: Path, seeds: Sequence[int]) -> Reading:
    """Composed figures; those with letters beside the panels or without letters count as chances to be wrong."""
    content, result = SharedPictures(data), Reading()
    for seed in seeds:
        figure = compose.compose(content, seed)
        grey, inside = grey_of(figure), figure.letters in ("left", "right")
        found = split_panels(grey)
        start = time.process_time()
        letters = read_letters([grey[b.y0 : b.y1, b.x0 : b.x1] for b in found])
        result.cpu_s += time.process_time() - start
        result.figures += 1
        result.of += sum(inside and kind != "graphic" for kind in figure.kinds)
        true = dict(match(found, figure.panels, 0.5))
        for index, letter in enumerate(letters):
            if letter is not None:
                at = true.get(index)
                right = at is not None and inside and figure.kinds[at] != "graphic" and letter == chr(97 + at % 26)
                result.right += right
                result.wrong += not right
    return result


def real(folder: Path) -> Reading:
    """Annotated papers; letters read on panels that are not annotated are only counted."""
    result = Reading()
    for paper in read_papers():
        figures: dict[tuple[int | None, str], list[ExtractedPanel]] = defaultdict(list)
        result.of += sum(t.panel is not None and t.role == "panel" for t in paper.panels)
        for item in extract_panels([folder / paper.name], ScanOptions(jobs=1, all_images=True)):
            record = item.record if isinstance(item, ExtractedPanel) else None
            if not (record and record.image and record.bbox_pt and record.kind) or item.pixels is None:
                continue
            if record.kind.label != "tiny":
                figures[record.page, record.image.sha256].append(item)
        for items in figures.values():
            items.sort(key=lambda item: item.record.index or 0)
            start = time.process_time()
            letters = read_letters([item.pixels for item in items])
            result.cpu_s += time.process_time() - start
            result.figures += 1
            for item, letter in zip(items, letters, strict=True):
                if letter is None:
                    continue
                near = [t for t in paper.panels if t.page == item.record.page]
                pairs = match([item.record.bbox_pt], [t.box_pt for t in near], 0.5)
                known = near[pairs[0][1]].panel if pairs else None
                if not pairs:
                    result.elsewhere += 1
                elif known is not None and known.lower() == letter:
                    result.right += 1
                else:
                    result.wrong += 1
    return result


def markdown(readings: dict[str, Reading], mark: dict[str, Any]) -> str:
    """The section of the report."""
    lines = [
        "## Letters that are part of the pixels",
        "",
        "The engine reads panel letters from the text of the page only. This is what a light method beside it reaches:",
        "components in the upper corners, compared with four fonts, believed only as a series `a`, `b`, `c` in reading",
        f"order. Letters are counted as if they were independent. Written by `{mark['command']}`.",
        "",
        "| figures | letters | read and right | wrong | upper 95 % | on panels not annotated | CPU ms a figure |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in readings.items():
        read = one.right + one.wrong
        high = float(upper_bound(one.wrong, read)) if read else 1.0
        cost = 1000 * one.cpu_s / max(1, one.figures)
        part = 100 * one.right / max(1, one.of)
        lines.append(
            f"| {name}, {one.figures} | {one.of} | {one.right} ({part:.0f} %) | {one.wrong} "
            f"| {100 * high:.1f} % | {one.elsewhere} | {cost:.1f} |"
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
    readings = {
        "composed": composed(given.data, range(given.first_seed, given.first_seed + given.figures)),
        "real papers": real(given.data / "pdfs"),
    }
    mark = fingerprint()
    page = markdown(readings, mark)
    print(page)
    if given.output:
        numbers = {name: {"right": r.right, "wrong": r.wrong, "of": r.of, "elsewhere": r.elsewhere,
                          "cpu_s": r.cpu_s, "figures": r.figures} for name, r in readings.items()}  # fmt: skip
        put_section(given.output, "letters", page, {**numbers, "fingerprint": mark})


if __name__ == "__main__":
    main()
