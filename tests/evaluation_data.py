"""Made-up panels and packs for tests of the evaluation."""

import json

import numpy as np

from semscan.training.evaluation.forgeries import SIDE_PX
from semscan.training.panels import Panel
from semscan.training.simulated import draw_tem


def panel(seed=1, side=SIDE_PX, source="s"):
    grey = np.asarray(draw_tem(np.random.default_rng(seed)).resize((side, side)).convert("L"))
    noise = np.random.default_rng(seed).normal(0, 4, grey.shape)
    return Panel(np.clip(grey + noise, 0, 255).astype(np.uint8), source, seed, "", None, "made up", f"{seed}.png")


def write_pack(path, generator, system="dcgan", side=160, count=6, masks=None, tiles=None):
    rng = np.random.default_rng(len(generator))
    made = rng.integers(0, 255, (count, 1, side, side), dtype=np.uint8) if tiles is None else tiles
    manifest = np.frombuffer(json.dumps({"generator": generator, "system": system}).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez(file, tiles=made, manifest=manifest, **({} if masks is None else {"masks": masks}))
