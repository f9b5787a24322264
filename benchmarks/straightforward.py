"""What one would write in an afternoon: PyMuPDF's ``extract_image``, Pillow to grey, the network in eager PyTorch.

    python benchmarks/straightforward.py LIST CORES TILES

LIST is a text file with a path per line. One process, PyTorch on all given cores, no panels, no gate, no calibration,
no protection; the network is that of the model that ships. It is timed without its imports and after a warm-up, three
times: with whole images through the network (it is convolutional, so it takes any size), with as many tiles of each
image as a scan takes of a panel, and with TILES of each image, which is what a scan takes on average. Prints JSON.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pymupdf
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from semscan.engine.bundle import load_bundle
from semscan.engine.geometry import Box
from semscan.engine.options import ScanOptions
from semscan.engine.tiles import tile_origins
from semscan.training.nets.registry import build_network

TILE_PX = 128
WARM_UP = 3
MULTIPLE_PX = 16
"""The network takes sides that are a multiple of this."""


def images(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Images of a PDF, uint8 [H, W]."""
    with pymupdf.open(path) as document:
        for page in document:
            for listed in page.get_images(full=True):
                extracted = document.extract_image(listed[0])
                yield np.array(Image.open(io.BytesIO(extracted["image"])).convert("L"))


def whole(model: nn.Module, image: NDArray[np.uint8]) -> float:
    """Score of the whole image, cut to a size that the network takes."""
    height, width = (side // MULTIPLE_PX * MULTIPLE_PX for side in image.shape[:2])
    tensor = torch.from_numpy(image[None, None, :height, :width]).float()
    return float(model(tensor)[0])


def tiled(model: nn.Module, image: NDArray[np.uint8], most: int) -> float:
    """Mean score of the tiles that a scan would take of an image with one panel, had it to take at most so many."""
    box = Box(0, 0, image.shape[1], image.shape[0])
    origins = tile_origins(box, TILE_PX, most)
    tiles = np.stack([image[y : y + TILE_PX, x : x + TILE_PX] for x, y in origins])
    return float(model(torch.from_numpy(tiles[:, None]).float()).mean())


def seconds(
    files: list[Path], score: Callable[[nn.Module, NDArray[np.uint8]], float], model: nn.Module
) -> dict[str, float]:
    """Wall seconds of scoring every image of the files, and how many there were."""
    for path in files[:WARM_UP]:
        for image in images(path):
            score(model, image)
    start, count = time.perf_counter(), 0
    for path in files:
        for image in images(path):
            score(model, image)
            count += 1
    return {"wall_s": time.perf_counter() - start, "images": count}


def main() -> None:
    files = [Path(line) for line in Path(sys.argv[1]).read_text("utf-8").splitlines()]
    torch.set_num_threads(int(sys.argv[2]))
    provenance = json.loads(load_bundle(ScanOptions().model).metadata["provenance"])
    model = build_network(provenance["network"]).eval()
    with torch.inference_mode():
        result = {
            "whole": seconds(files, whole, model),
            "tiles": seconds(files, partial(tiled, most=ScanOptions().max_tiles_per_panel), model),
            "as_scan": seconds(files, partial(tiled, most=int(sys.argv[3])), model),
        }
    print(json.dumps({"torch": torch.__version__, **result}))


if __name__ == "__main__":
    main()
