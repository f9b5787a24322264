"""Examples for the SEM-or-not gate: pictures of every kind, as they look after a journal has printed them.

Micrographs that were never printed are cut, resized, labelled and compressed the way figures are; that is allowed
here because the gate asks what a picture shows and not, as the detector does, how its pixels came about.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from semscan.engine.errors import ImageUnusable
from semscan.engine.figures.panels import split_panels
from semscan.engine.geometry import Box
from semscan.engine.luminance import to_luminance
from semscan.engine.pdf.reader import PdfReader
from semscan.training.drawings import annotate, draw_gel, draw_graphic

LABELS_DIR = Path(__file__).resolve().parent / "labels"
SMALLEST_PX = 128
_MOST_PER_SOURCE = 24
_COLOUR_STEP = 2
_GRAPHICS, _GELS = 500, 150
_KIND_OF_MODALITY = {"fluorescence": "fluorescence", "histology": "light", "TEM": "tem"}


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One panel.

    Attributes:
        grey: uint8 [h, w].
        colour: uint8 [h', w', 3], ``None`` for a panel stored in grey.
        label: what it is.
        group: pictures of one group come from one source, paper or preprint.
        split: ``fit`` or ``test``.
        origin: ``micrographs``, ``tinted``, ``preprints``, ``drawn`` or ``pdfs``.
    """

    grey: NDArray[np.uint8]
    colour: NDArray[np.uint8] | None
    label: str
    group: str
    split: str
    origin: str


def examples(root: Path) -> Iterator[Example]:
    """Everything but the panels of the PDFs; printed look-alikes of the micrographs included.

    Args:
        root: the data folder.
    """
    yield from _micrographs(root)
    yield from _preprints(root)
    yield from _drawn()


def pdf_panels(root: Path) -> Iterator[Example]:
    """Labelled panels of the papers, cut and decoded as a scan does; for tests only.

    Raises:
        ValueError: a labelled panel is not found any more, because splitting has changed.
    """
    labels: dict[str, list[dict[str, str]]] = {}
    for row in _rows(LABELS_DIR / "pdf_panels.csv"):
        labels.setdefault(row["file"], []).append(row)
    for file, rows in labels.items():
        found = {(p.xref, p.box): p for p in cut_pdf(root / file)}
        for row in rows:
            box = Box(*(int(row[key]) for key in ("x0", "y0", "x1", "y1")))
            panel = found.get((int(row["xref"]), box)) or _closest(found, int(row["xref"]), box)
            yield Example(panel.grey, panel.colour, row["label"], file, "test", "pdfs")


@dataclass(frozen=True, slots=True, eq=False)
class PdfPanel:
    """A panel of a PDF with its place."""

    xref: int
    box: Box
    grey: NDArray[np.uint8]
    colour: NDArray[np.uint8] | None


def cut_pdf(path: Path) -> Iterator[PdfPanel]:
    """The panels of a PDF with a short side of at least 128 px, every stored image once."""
    reader = PdfReader(path.read_bytes(), None, 5000)
    seen = set()
    for page in range(reader.pages):
        for placed in reader.page_images(page)[0]:
            if placed.placement.xref in seen or not placed.placement.xref:
                continue
            seen.add(placed.placement.xref)
            try:
                raster = reader.open_image(placed.placement, 200_000_000).decode()
            except ImageUnusable:  # a scan reports it; here there is nothing to learn from it
                continue
            if raster.bits == 1:
                continue
            view = None if raster.load_colour is None else raster.load_colour()
            for box in split_panels(raster.grey):
                if box.short_side < SMALLEST_PX:
                    continue
                colour = None
                if view is not None:
                    scale = round(raster.grey.shape[0] / view.shape[0])
                    colour = view[box.y0 // scale : -(-box.y1 // scale), box.x0 // scale : -(-box.x1 // scale)]
                yield PdfPanel(placed.placement.xref, box, raster.grey[box.y0 : box.y1, box.x0 : box.x1], colour)


def _closest(found: dict[tuple[int, Box], PdfPanel], xref: int, box: Box) -> PdfPanel:
    """The panel that overlaps best, for labels made before splitting changed a little."""
    best, best_overlap = None, 0.7
    for (other, candidate), panel in found.items():
        if other == xref:
            width = min(box.x1, candidate.x1) - max(box.x0, candidate.x0)
            height = min(box.y1, candidate.y1) - max(box.y0, candidate.y0)
            shared = max(width, 0) * max(height, 0)
            overlap = shared / (box.width * box.height + candidate.width * candidate.height - shared)
            if overlap > best_overlap:
                best, best_overlap = panel, overlap
    if best is None:
        raise ValueError(f"no panel of object {xref} matches {tuple(box)}")
    return best


def _micrographs(root: Path) -> Iterator[Example]:
    by_source: dict[str, list[dict[str, str]]] = {}
    for row in _rows(root / "micrographs.csv"):
        by_source.setdefault(row["source"], []).append(row)
    really = {row["file"]: row["label"] for row in _rows(LABELS_DIR / "emps_tem.csv")}
    for source, rows in by_source.items():
        each_its_own = source.startswith("emps_")
        few = len(rows) if each_its_own else _MOST_PER_SOURCE
        for index in np.unique(np.linspace(0, len(rows) - 1, min(few, len(rows))).astype(int)):
            row = rows[index]
            label = "sem" if row["kind"] == "sem" else _KIND_OF_MODALITY[row["modality"].split()[0]]
            label = really.get(row["file"], label)
            group = f"{source}/{Path(row['file']).stem}" if each_its_own else source
            split = "test" if row["split"] == "test" else "fit"
            image = _open(root / row["file"])
            yield _example(image, label, group, split, "micrographs")
            random = _generator(row["sha256"])
            for _ in range(1 if each_its_own else 2):
                yield _example(_printed(image, random), label, group, split, "micrographs")
            if split == "fit" and label in ("sem", "tem"):
                yield from _tinted(_printed(image, random), label, group, random)


def _preprints(root: Path) -> Iterator[Example]:
    labels = {row["file"]: row["label"] for row in _rows(LABELS_DIR / "preprint_panels.csv")}
    for row in _rows(root / "preprint_panels.csv"):
        if labels[row["file"]] != "uncertain":
            image = _open(root / row["file"])
            if min(image.size) >= SMALLEST_PX // 2:
                yield _example(image, labels[row["file"]], row["preprint"], "fit", "preprints")


def _drawn() -> Iterator[Example]:
    for index in range(_GRAPHICS + _GELS):
        random = np.random.default_rng((20, index))
        label = "graphic" if index < _GRAPHICS else "gel"
        image = draw_graphic(random) if label == "graphic" else draw_gel(random)
        if random.random() < 0.7:
            image = _compressed(image, int(random.integers(60, 96)))
        yield _example(image, label, f"drawn/{index % 20}", "fit", "drawn")


def _example(image: Image.Image, label: str, group: str, split: str, origin: str) -> Example:
    colour = None
    if image.mode != "L":
        colour = np.ascontiguousarray(np.asarray(image.convert("RGB"))[::_COLOUR_STEP, ::_COLOUR_STEP])
    return Example(to_luminance(image), colour, label, group, split, origin)


def _printed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A picture as a panel of a figure: a part of it, reduced, marked, compressed."""
    width, height = image.size
    share = random.uniform(0.5, 1)
    w, h = int(width * share), int(height * share)
    x, y = int(random.integers(0, width - w + 1)), int(random.integers(0, height - h + 1))
    part = image.crop((x, y, x + w, y + h))
    factor = min(1.0, random.uniform(190, 650) / min(w, h))
    kernel = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)[random.integers(3)]
    part = part.resize((max(SMALLEST_PX, round(w * factor)), max(SMALLEST_PX, round(h * factor))), kernel)
    if random.random() < 0.7:
        part = annotate(part, random)
    return _compressed(part, int(random.integers(62, 96)))


def _tinted(image: Image.Image, label: str, group: str, random: np.random.Generator) -> Iterator[Example]:
    """Sometimes a false-colour version, which is ``other``, or one with a colour cast, which stays what it is."""
    tint = random.integers(0, 256, 3)
    strong = random.random() < 0.5
    share = random.uniform(0.5, 1) if strong else random.uniform(0.02, 0.1)
    middle = 128 + share * (tint - 128)
    if strong and np.ptp(middle) < 50:
        return
    low, high = (random.integers(0, 60, 3), random.integers(190, 256, 3)) if strong else ((0, 0, 0), (255, 255, 255))
    low, middle, high = (tuple(int(v) for v in colour) for colour in (low, middle, high))
    coloured = ImageOps.colorize(image.convert("L"), low, high, mid=middle)
    coloured = _compressed(coloured, int(random.integers(62, 96)))
    yield _example(coloured, "other" if strong else label, group, "fit", "tinted")


def _compressed(image: Image.Image, quality: int) -> Image.Image:
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return Image.open(io.BytesIO(held.getvalue()))


def _open(path: Path) -> Image.Image:
    """Eight-bit grey or RGB; alpha on white, deep data reduced as in a scan."""
    with Image.open(path) as image:
        if image.mode in ("L", "RGB") and image.format == "JPEG":
            return Image.open(io.BytesIO(path.read_bytes()))
        if image.mode in ("RGB", "P", "CMYK"):
            return image.convert("RGB")
        if image.mode == "RGBA":
            paper = Image.new("RGBA", image.size, (255, 255, 255, 255))
            return Image.alpha_composite(paper, image).convert("RGB")
        return Image.fromarray(to_luminance(image))


def _generator(seed: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(seed.encode()))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))
