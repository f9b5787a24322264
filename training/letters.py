"""Train the network that reads panel letters in the pixels.

``python -m semscan.training.letters --data ../shared/data --fonts DIR`` draws letters, finds shapes in these pictures
with the engine's own code, trains on what they are, and writes ``engine/models/letters-1.onnx`` with its card. ``DIR``
holds fonts; those of the shipped network are named in its card.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import string
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch.nn import functional

from semscan.engine.figures.corners import GLYPH_PX, Corner, find_shapes
from semscan.engine.figures.lettering import FORMAT, NAME
from semscan.export.glyph_graph import build_glyph_graph
from semscan.training.data import data_root
from semscan.training.letter_pictures import Lettered, backgrounds, draw_lettered, usual_fonts
from semscan.training.letter_text import card
from semscan.training.nets.glyph import GlyphNet

REPOSITORY = Path(__file__).resolve().parents[1]
LETTERS = string.ascii_lowercase + string.ascii_uppercase
NONE = len(LETTERS)
"""The class of what is no panel letter."""
PICTURES, STEPS, BATCH, RATE = 24_000, 8000, 256, 3e-3
_CHUNK = 500
_SAME, _SAME_STEM, _OTHER = 0.55, 0.25, 0.12
_LETTER_SHARE = 0.4
Samples = tuple[NDArray[np.uint8], NDArray[np.int64]]


def samples_of(picture: Lettered, corner: Corner) -> Samples:
    """Shapes at a corner, and what they are: the letter, or none; what is only part of the letter is left out."""
    (shapes,) = find_shapes(picture.grey, [picture.panel], (corner,))
    labels = np.full(len(shapes), NONE)
    if picture.letter is not None and len(shapes):
        overlap = _iou(shapes.boxes, picture.ink)
        own = overlap >= (_SAME_STEM if picture.letter in "ij" else _SAME)
        labels[own] = LETTERS.index(picture.letter)
        other = shapes.dark != picture.dark
        part = (overlap > _OTHER) & ~own & ~other
        keep = ~part & ~(own & other)
        return shapes.glyphs[keep], labels[keep]
    return shapes.glyphs, labels


def _iou(boxes: NDArray[np.float64], box: tuple[float, float, float, float]) -> NDArray[np.float64]:
    wide = np.minimum(boxes[:, 2], box[2]) - np.maximum(boxes[:, 0], box[0])
    high = np.minimum(boxes[:, 3], box[3]) - np.maximum(boxes[:, 1], box[1])
    both = np.maximum(wide, 0) * np.maximum(high, 0)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) + (box[2] - box[0]) * (box[3] - box[1])
    return np.asarray(both / np.maximum(areas - both, 1e-9))


_shared: list[object] = []


def _prepare(data: Path, fonts: Path) -> None:
    _shared[:] = [backgrounds(data), usual_fonts(fonts)]


def _draw(chunk: int, seed: int) -> Samples:
    """The samples of some pictures."""
    planes, fonts = _shared
    random = np.random.default_rng((seed, chunk))
    found = []
    for _ in range(_CHUNK):
        picture = draw_lettered(random, planes, fonts)  # type: ignore[arg-type]
        found.append(samples_of(picture, picture.corner))
        found.append(samples_of(picture, list(Corner)[random.integers(len(Corner))]))
    return np.concatenate([glyphs for glyphs, _ in found]), np.concatenate([labels for _, labels in found])


def collect(data: Path, fonts: Path, pictures: int, seed: int, processes: int) -> Samples:
    """Samples of many pictures: uint8 [n, GLYPH_PX, GLYPH_PX] and classes, int64 [n]."""
    with multiprocessing.get_context("spawn").Pool(processes, _prepare, (data, fonts)) as pool:
        found = pool.map(partial(_draw, seed=seed), range(-(-pictures // _CHUNK)), chunksize=1)
    return np.concatenate([glyphs for glyphs, _ in found]), np.concatenate([labels for _, labels in found])


def fit(samples: Samples, steps: int, seed: int) -> GlyphNet:
    """Train the network; letters and the rest are drawn in fixed shares."""
    glyphs, labels = samples
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    net = GlyphNet(NONE + 1, GLYPH_PX)
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 0.5 + 0.5 * math.cos(math.pi * step / steps))
    letters, rest = np.flatnonzero(labels != NONE), np.flatnonzero(labels == NONE)
    for step in range(steps):
        own = random.choice(letters, round(_LETTER_SHARE * BATCH))
        rows = np.concatenate([own, random.choice(rest, BATCH - len(own))])
        batch = _varied(glyphs[rows], random)
        loss = functional.cross_entropy(net(batch), torch.from_numpy(labels[rows]), label_smoothing=0.02)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step % 500 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    return net.eval()


def _varied(glyphs: NDArray[np.uint8], random: np.random.Generator) -> torch.Tensor:
    """The same in other contrast, sometimes noisy, shifted by up to a pixel."""
    count = len(glyphs)
    picture = glyphs.astype(np.float32) / 255
    gain, level = random.uniform(0.7, 1.2, (count, 1, 1)), random.uniform(-0.12, 0.12, (count, 1, 1))
    picture = (picture - 0.5) * gain.astype(np.float32) + 0.5 + level.astype(np.float32)
    noisy = (random.random((count, 1, 1)) < 0.3) * random.uniform(0, 0.08, (count, 1, 1))
    picture += (noisy * random.standard_normal(picture.shape)).astype(np.float32)
    dy, dx = random.integers(-1, 2, 2)
    picture = np.roll(picture, (dy, dx), axis=(1, 2))
    return torch.from_numpy(np.clip(picture, 0, 1)[:, None])


def probabilities(net: GlyphNet, glyphs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a network says of glyphs, float32 [n, classes]."""
    with torch.inference_mode():
        parts = [
            net(torch.from_numpy(part.astype(np.float32) / 255)[:, None]).softmax(1).numpy()
            for part in np.array_split(glyphs, max(1, len(glyphs) // 4096))
        ]
    return np.concatenate(parts)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw, train, write."""
    parser = argparse.ArgumentParser(
        prog="python -m semscan.training.letters", description="Train the reader of panel letters."
    )
    parser.add_argument("--data", type=Path, help="folder with micrographs.csv")
    parser.add_argument("--fonts", type=Path, required=True, help="folder with .ttf and .otf files, in any subfolders")
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--model", type=Path, default=REPOSITORY / "engine" / "models" / f"{NAME}.onnx")
    parser.add_argument("--samples", type=Path, help="keep the samples in this .npz, or read them from it")
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    if given.samples is not None and given.samples.exists():
        with np.load(given.samples) as held:
            samples = held["glyphs"], held["labels"]
    else:
        samples = collect(data_root(given.data), given.fonts, given.pictures, 1, given.processes)
        if given.samples is not None:
            np.savez_compressed(given.samples, glyphs=samples[0], labels=samples[1])
    net = fit(samples, given.steps, 0)
    own = int(np.count_nonzero(samples[1] != NONE))
    provenance: dict[str, object] = {"pictures": given.pictures, "letters": own, "rest": len(samples[1]) - own}
    write_model(net, provenance, given.model)
    print(f"wrote {given.model}")


def write_model(net: GlyphNet, provenance: dict[str, object], to: Path) -> None:
    """Write ``letters-N.onnx`` and, beside it, its card."""
    text = card(provenance)
    stored = {"format": FORMAT, "id": NAME, "letters": LETTERS, "provenance": provenance}
    onnx.save(build_glyph_graph(net, GLYPH_PX, stored, text), to)
    to.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
