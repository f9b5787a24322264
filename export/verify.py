"""Compare the shipped graph with the network it came from, on golden and on random tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semscan.engine.backends.onnxruntime import OnnxRuntimeBackend
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import ModelError

TOLERANCE = 1e-4
"""Largest deviation of a logit, in logits."""
RANDOM_TILES = 64


def verify(model: Path, checkpoint: Path | None = None) -> list[str]:
    """Check a bundle.

    Args:
        model: the ``.onnx`` file.
        checkpoint: the ``detector.pt`` it was exported from; without it only the golden scores are checked.

    Returns:
        One readable line per check.

    Raises:
        ModelError: a deviation exceeds :data:`TOLERANCE`.
    """
    bundle = load_bundle(str(model))
    backend = OnnxRuntimeBackend(bundle)
    golden = bundle.golden()
    worst = {"golden tiles, stored logits": np.abs(backend.infer(golden.tiles) - golden.logits).max()}
    if checkpoint is not None:
        import torch

        from semscan.training.nets.npr import load_detector

        network = load_detector(checkpoint)
        side = bundle.tile_px
        noise = np.random.default_rng(0).integers(0, 256, (RANDOM_TILES, 1, side, side), dtype=np.uint8)
        for name, tiles in (("golden tiles, torch", golden.tiles), ("random tiles, torch", noise)):
            with torch.inference_mode():
                expected = network(torch.from_numpy(tiles.copy())).numpy()
            worst[name] = np.abs(backend.infer(tiles) - expected).max()
    lines = [f"{name}: max |delta logit| {float(value):.2g} (tolerance {TOLERANCE:g})" for name, value in worst.items()]
    # Written so that a NaN fails too.
    if not all(float(value) <= TOLERANCE for value in worst.values()):
        raise ModelError(f"{model} deviates: {'; '.join(lines)}", "export it again from its run")
    return lines
