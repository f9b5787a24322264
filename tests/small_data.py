"""A small made-up data folder with the tables and splits of the real one."""

import csv
import hashlib

import numpy as np
import pytest
from PIL import Image, ImageFilter


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(5)
    columns = ("file", "source", "kind", "split", "sha256", "licence", "databar")
    rows = []
    for split, sources in (("train", 3), ("calibrate", 4), ("test", 3)):
        for source in range(sources):
            for index in range(2):
                suffix = "jpg" if source == 0 else "png"
                name = f"{split}_{source}_{index}.{suffix}"
                noise = Image.fromarray(rng.integers(0, 256, (176, 192), dtype=np.uint8))
                noise.filter(ImageFilter.GaussianBlur(0.7 + source / 2)).save(root / name)
                digest = hashlib.sha256((root / name).read_bytes()).hexdigest()
                rows.append((name, f"{split}{source}", "sem", split, digest, "made up", "no"))
    for name, header, body in (
        ("micrographs.csv", columns, rows),
        ("preprint_panels.csv", ("file", "preprint", "licence", "sha256"), []),
    ):
        with (root / name).open("w", newline="") as file:
            csv.writer(file).writerows([header, *body])
    return root
