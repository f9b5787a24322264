"""Pictures for the SEM-or-not gate, of every kind, with what they are and where they come from.

Real panels of preprints and papers, micrographs of the data folder, photographs and clip art of a folder of the user's
choice, and drawings and simulations made here. How they look in print is the affair of ``kind_print``.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image

from semscan.engine.errors import ImageUnusable
from semscan.engine.geometry import Box
from semscan.engine.luminance import to_luminance
from semscan.engine.pdf.decode import open_pdf_image
from semscan.engine.pdf.masks import InvisibleError
from semscan.engine.raster import Raster
from semscan.training.data import preprint_split
from semscan.training.drawings import draw_gel, draw_graphic
from semscan.training.kind_print import SMALLEST_PX, luma_with_chroma
from semscan.training.simulated import draw_map, draw_tem

LABELS_DIR = Path(__file__).resolve().parent / "labels"
LABELS = ("sem", "tem", "light", "fluorescence", "gel", "photograph", "graphic", "other")
MADE = {"graphic": 900, "gel": 350, "tem": 450, "other": 350}
_MOST_PER_SOURCE = 24
_MOST_PIXELS = 200_000_000
_KIND_OF_MODALITY = {"fluorescence": "fluorescence", "histology": "light", "TEM": "tem"}
_FEWEST_COLOURS = 6000


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture.

    Attributes:
        load: returns it, grey or RGB.
        name: of the file, or of the seed that it is drawn from.
        label: what it is, one of ``LABELS``.
        group: pictures of one group come from one source, paper or preprint.
        origin: ``preprints``, ``papers``, ``micrographs``, ``photographs`` or ``made``.
        panel: it is a panel as published.
        held: belongs to what the shipped gate is not fitted on: the preprints that the detector is tested on, and
            the micrographs of the test split.
    """

    load: Callable[[], Image.Image]
    name: str
    label: str
    group: str
    origin: str
    panel: bool
    held: bool

    def random(self, count: int) -> np.random.Generator:
        """The same numbers for the same picture and count, whatever else is read."""
        return np.random.default_rng((zlib.crc32(self.name.encode()), count))


def pictures(root: Path, photographs: Path | None) -> Iterator[Picture]:
    """All of them.

    Args:
        root: the data folder.
        photographs: folder with ``photographs/`` and ``graphics/``, each with one folder per package; optional.
    """
    yield from _preprints(root)
    yield from _papers(root)
    yield from _micrographs(root)
    if photographs is not None:
        yield from _collected(photographs)
    yield from _made()


def _preprints(root: Path) -> Iterator[Picture]:
    labels = {row["file"]: row["label"] for row in _rows(LABELS_DIR / "preprint_panels.csv")}
    for row in _rows(root / "preprint_panels.csv"):
        file, label = row["file"], labels[row["file"]]
        if label in LABELS:
            held = preprint_split(row["preprint"]) == "test"
            yield Picture(partial(_open, root / file), file, label, row["preprint"], "preprints", True, held)


def _papers(root: Path) -> Iterator[Picture]:
    by_file: dict[str, list[dict[str, str]]] = {}
    for row in _rows(LABELS_DIR / "pdf_panels.csv"):
        by_file.setdefault(row["file"], []).append(row)
    for file, rows in by_file.items():
        rasters = dict(read_rasters(root / file))
        for row in rows:
            if row["label"] not in LABELS:
                continue
            x0, y0, x1, y1 = (int(row[key]) for key in ("x0", "y0", "x1", "y1"))
            if int(row["xref"]) not in rasters:
                continue
            image = _cut(rasters[int(row["xref"])], Box(x0, y0, x1, y1))
            name = f"{file} {row['xref']} {x0} {y0}"
            yield Picture(lambda image=image: image, name, row["label"], file, "papers", True, False)  # type: ignore[misc]


def read_rasters(path: Path) -> Iterator[tuple[int, Raster]]:
    """The images that a PDF lists, by object number, as they are stored, drawn or not: the labels name them so.

    Those that cannot be decoded are left out.
    """
    with pymupdf.open(path) as document:
        listed = {image[0]: None for page in range(len(document)) for image in document.get_page_images(page)}
        for xref in listed:
            try:
                yield xref, open_pdf_image(document, xref, _MOST_PIXELS).decode()
            except (ImageUnusable, InvisibleError):  # a scan reports the first; nothing to learn from either
                continue


def _cut(raster: Raster, box: Box) -> Image.Image:
    colour = None
    if raster.load_colour is not None:
        view = raster.load_colour()
        scale = round(raster.grey.shape[0] / view.shape[0])
        colour = view[box.y0 // scale : -(-box.y1 // scale), box.x0 // scale : -(-box.x1 // scale)]
    return luma_with_chroma(raster.grey[box.y0 : box.y1, box.x0 : box.x1], colour)


def _micrographs(root: Path) -> Iterator[Picture]:
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
            load = partial(_open, root / row["file"])
            yield Picture(load, row["file"], label, group, "micrographs", each_its_own, row["split"] == "test")


def _collected(folder: Path) -> Iterator[Picture]:
    """Photographs: what has many colours, every picture once whatever sizes it comes in. Clip art: as it is."""
    known = set()
    for path in sorted((folder / "photographs").rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png") and (seen := _photograph(path)) and seen not in known:
            known.add(seen)
            yield Picture(
                partial(_open, path, 1024), path.name, "photograph", f"photo/{path.name}", "photographs", False, False
            )
    files = sorted(p for p in (folder / "graphics").rglob("*.png") if "flag" not in str(p))
    for path in files[:: max(1, len(files) // 300)]:
        yield Picture(partial(_open, path, 800), path.name, "graphic", f"art/{path.name[:2]}", "made", False, False)


def _made() -> Iterator[Picture]:
    for label, count in MADE.items():
        for index in range(count):
            name, group = f"{label} {index}", f"made/{label}/{index % 40}"
            yield Picture(partial(_draw, label, index), name, label, group, "made", False, False)


def _photograph(path: Path) -> bytes | None:
    """A small copy of a photograph, to know it again; ``None`` for what is small or has few colours."""
    try:
        with Image.open(path) as image:
            if min(image.size) < SMALLEST_PX:
                return None
            image.draft("RGB", (400, 400))
            small = image.convert("RGBA").resize((400, 400), Image.Resampling.NEAREST)
    except OSError:  # not every file with such a name is a picture
        return None
    pixels = np.asarray(small).reshape(-1, 4)
    seen = pixels[pixels[:, 3] > 200].astype(np.int64)
    if len(np.unique(seen[:, 0] << 16 | seen[:, 1] << 8 | seen[:, 2])) < _FEWEST_COLOURS:
        return None
    return (np.asarray(small.convert("L").resize((6, 6), Image.Resampling.BOX)) // 32).tobytes()


def _draw(label: str, index: int) -> Image.Image:
    random = np.random.default_rng((20, LABELS.index(label), index))
    if label == "other":
        return draw_map(random)
    return {"graphic": draw_graphic, "gel": draw_gel, "tem": draw_tem}[label](random)


def _open(path: Path, largest_px: int | None = None) -> Image.Image:
    """Eight-bit grey or RGB; alpha on a grey paper, deep data reduced as in a scan."""
    with Image.open(path) as image:
        if largest_px is not None:
            image.thumbnail((largest_px, largest_px))
        if image.mode == "L" or (image.mode == "RGB" and image.format != "JPEG"):
            return image.copy()
        if image.mode in ("RGBA", "LA", "P") and ("A" in image.getbands() or "transparency" in image.info):
            shade = 255 if zlib.crc32(path.name.encode()) % 2 else zlib.crc32(path.name.encode()) % 256
            paper = Image.new("RGBA", image.size, (shade, shade, shade, 255))
            return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
        if image.mode in ("RGB", "P", "CMYK"):
            return image.convert("RGB")
        return Image.fromarray(to_luminance(image))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))
