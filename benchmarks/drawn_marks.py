"""What is taken for an information bar or a drawing on genuine micrographs, what is missed, and what it costs.

    python benchmarks/drawn_marks.py ../shared/data [-o docs/results/drawn_marks.json]

Bars are counted by source against the column `databar` of the data's own list. Drawings are planted on micrographs of
sources that have none of their own, as stored and through JPEG 80 at 0.6 of the size; boxes on the same pictures
without them are false. Traces of enlarging and of JPEG's blocks are counted on pictures whose history is known.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from machine import fingerprint
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from semscan.engine.figures.databar import trim_data_bar
from semscan.engine.figures.overlays import covered_share, find_overlays
from semscan.engine.figures.quality import quality_of
from semscan.engine.figures.recompression import LOSSLESS
from semscan.engine.geometry import Box
from semscan.engine.imagefile import decode_image_file
from semscan.engine.smoothness import smoothness
from semscan.engine.tiles import clean_origins, panel_tiles, tile_origins
from semscan.training.data import Micrograph, list_micrographs

MOST_PER_SOURCE = 12
TILE_PX, MOST_TILES = 128, 16
UNMARKED = (
    *("ampis_powder", "ampis_spheroidite", "axon_myelin_sem", "fibsem_os", "gsc_rock_tiles", "nasa_ebc", "nasa_super"),
    *("nanocomposite_agglomerates", "nanowire_mumrah", "uhcs_manchester", "uhcs_matseg", "superalloy_amptere"),
)
"""Sources whose pictures carry no drawings above their bar, as far as looking at them shows."""

Grey = NDArray[np.uint8]
Paint = Callable[[ImageDraw.ImageDraw, int, int, int, int], Box]


def letter(canvas: ImageDraw.ImageDraw, width: int, height: int, size: int, ink: int) -> Box:
    canvas.text((8, 6), "(b)", fill=ink, font=ImageFont.load_default(size))
    return Box(*map(int, canvas.textbbox((8, 6), "(b)", font=ImageFont.load_default(size))))


def scale_bar(canvas: ImageDraw.ImageDraw, width: int, height: int, size: int, ink: int) -> Box:
    box = (width - 8 * size, height - size, width - 3 * size, height - size + max(3, size // 4))
    canvas.rectangle(box, fill=ink)
    return Box(*box)


def words(canvas: ImageDraw.ImageDraw, width: int, height: int, size: int, ink: int) -> Box:
    at = width - 8 * size, height - 3 * size
    canvas.text(at, "500 nm", fill=ink, font=ImageFont.load_default(size))
    return Box(*map(int, canvas.textbbox(at, "500 nm", font=ImageFont.load_default(size))))


def arrow(canvas: ImageDraw.ImageDraw, width: int, height: int, size: int, ink: int) -> Box:
    x, y = width // 2, height // 2
    canvas.line((x - 2 * size, y, x, y), fill=ink, width=max(3, size // 6))
    canvas.polygon([(x, y - size // 3), (x, y + size // 3), (x + size // 2, y)], fill=ink)
    return Box(x - 2 * size, y - size // 8, x + size // 4, y + size // 8)


def frame(canvas: ImageDraw.ImageDraw, width: int, height: int, size: int, ink: int) -> Box:
    box = (width // 3, height // 3, width // 3 + 5 * size, height // 3 + 4 * size)
    canvas.rectangle(box, outline=ink, width=2)
    return Box(box[0], box[1], box[2], box[1] + 2)


DRAWINGS: dict[str, Paint] = {"letter": letter, "scale bar": scale_bar, "words": words, "arrow": arrow, "frame": frame}


def read(micrograph: Micrograph) -> Grey:
    return decode_image_file(micrograph.path.read_bytes(), 10**9, 1)[0].grey


def whole(grey: Grey) -> Box:
    return Box(0, 0, grey.shape[1], grey.shape[0])


def thinned(micrographs: list[Micrograph]) -> Iterator[Micrograph]:
    by_source = defaultdict(list)
    for micrograph in micrographs:
        by_source[micrograph.source].append(micrograph)
    for listed in by_source.values():
        yield from (listed[i] for i in np.unique(np.linspace(0, len(listed) - 1, MOST_PER_SOURCE).astype(int)))


def stored(grey: Grey, form: str) -> Grey:
    if form == "as stored":
        return grey
    height, width = (round(0.6 * side) for side in grey.shape)
    held = io.BytesIO()
    Image.fromarray(grey).resize((width, height), Image.Resampling.LANCZOS).save(held, "JPEG", quality=80)
    return np.asarray(Image.open(held))


def count_bars(micrographs: list[Micrograph]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for micrograph in micrographs:
        grey = read(micrograph)
        counts[micrograph.source]["pictures"] += 1
        counts[micrograph.source]["trimmed"] += trim_data_bar(grey, whole(grey)) != whole(grey)
    return {source: dict(row) for source, row in counts.items()}


def count_drawings(greys: list[Grey]) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for plain in greys:
        for form in ("as stored", "JPEG 80 at 0.6"):
            grey = stored(plain, form)
            marks = find_overlays(grey, whole(grey))
            origins = tile_origins(whole(grey), TILE_PX, MOST_TILES)
            clean = clean_origins(whole(grey), TILE_PX, MOST_TILES, marks)
            found[form]["false area"].append(covered_share(whole(grey), marks))
            found[form]["false: tiles lost"].append(1 - len(clean) / max(1, len(origins)))
            for kind, paint in DRAWINGS.items():
                image, size = Image.fromarray(plain), max(16, round(0.05 * min(plain.shape)))
                place = plain.shape[1], plain.shape[0], size
                box = paint(ImageDraw.Draw(Image.fromarray(plain)), *place, 0)
                ground = float(plain[box.y0 : box.y1, box.x0 : box.x1].mean())
                paint(ImageDraw.Draw(image), *place, 255 if ground < 128 else 0)  # as authors do
                scale = grey.shape[0] / plain.shape[0]
                seen = find_overlays(stored(np.asarray(image), form), whole(grey))
                share = covered_share(Box(*(round(side * scale) for side in box)), seen)
                found[form][kind].append(share >= 0.8)
    return {form: {kind: round(float(np.mean(v)), 4) for kind, v in rows.items()} for form, rows in found.items()}


def count_traces(greys: list[Grey]) -> dict[str, dict[str, float]]:
    rows: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for plain in greys:
        image = Image.fromarray(plain[:640, :640])
        for factor in (1.0, 0.7, 1.25, 1.5, 1.8, 2.0, 2.5):
            size = round(image.width * factor), round(image.height * factor)
            sized = image if factor == 1 else image.resize(size, Image.Resampling.BICUBIC)
            for quality in (None, 90, 75):
                held = io.BytesIO()
                sized.save(
                    held, "PNG" if quality is None else "JPEG", **({} if quality is None else {"quality": quality})
                )
                grey = np.asarray(Image.open(held))
                tiles = panel_tiles(grey, whole(grey), TILE_PX, MOST_TILES)
                seen = quality_of(grey, whole(grey), tiles, (), LOSSLESS if quality is None else None)
                name = f"x {factor:g}, {'lossless' if quality is None else f'JPEG {quality}'}"
                rows[name].append((seen.resampling_period_px is not None, bool(seen.earlier_jpeg)))
    return {
        name: {"n": len(v), "period": round(sum(p for p, _ in v) / len(v), 3), "blocks": sum(b for _, b in v) / len(v)}
        for name, v in rows.items()
    }


def cost_ms(greys: list[Grey]) -> dict[str, float]:
    """Median processor time of each step on panels cut to 0.7 megapixels, the least of five goes."""
    rows = defaultdict(list)
    for grey in (np.ascontiguousarray(grey[:700, :1000]) for grey in greys if min(grey.shape) >= 700):
        content = trim_data_bar(grey, whole(grey))
        marks = find_overlays(grey, content)
        tiles = panel_tiles(grey, content, TILE_PX, MOST_TILES, marks)
        crop = grey[content.y0 : content.y1, content.x0 : content.x1]
        steps: dict[str, Callable[[], object]] = {
            "data bar": lambda: trim_data_bar(grey, whole(grey)),  # noqa: B023
            "drawings": lambda: find_overlays(grey, content),  # noqa: B023
            "tiles": lambda: panel_tiles(grey, content, TILE_PX, MOST_TILES, marks),  # noqa: B023
            "quality": lambda: quality_of(grey, content, tiles, marks, LOSSLESS),  # noqa: B023
            "smoothness": lambda: smoothness(crop),  # noqa: B023
        }
        for name, step in steps.items():
            rows[name].append(min(_timed(step) for _ in range(5)))
    return {name: round(1000 * float(np.median(times)), 2) for name, times in rows.items()}


def _timed(step: Callable[[], object]) -> float:
    started = time.process_time()
    step()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    micrographs = list_micrographs(arguments.data, ["train", "calibrate", "test"])
    unmarked = [read(m) for m in thinned([m for m in micrographs if m.source in UNMARKED])]
    contents = [grey[: trim_data_bar(grey, whole(grey)).y1] for grey in unmarked]
    contents = [np.ascontiguousarray(grey) for grey in contents if min(grey.shape) >= 220]
    result = {
        "bars": count_bars(micrographs),
        "drawings": count_drawings(contents),
        "traces": count_traces(contents),
        "cost_ms": cost_ms(unmarked),
        "machine": fingerprint(),
    }
    print(json.dumps({name: part for name, part in result.items() if name != "machine"}, indent=1))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
