"""Proof, before every scan, that this model on this runtime gives the scores it was shipped with."""

from __future__ import annotations

import numpy as np

from semscan.engine.backends import Backend
from semscan.engine.bundle import Bundle
from semscan.engine.errors import ModelError

TOLERANCES = {"fp32": 1e-3, "fp16": 2e-2, "int8": 0.25}
"""Largest deviation of a logit by precision, in logits; runtimes differ by about 1e-5 in fp32."""


def golden_self_test(bundle: Bundle, backend: Backend, batch_size: int | None = None) -> float:
    """Score the bundle's golden tiles.

    Args:
        bundle: holds them.
        backend: the runtime.
        batch_size: score them in batches of this shape, padded with zero tiles, so that a device which has no memory
            for it says so before anything is scored; ``None`` takes them as they are.

    Returns:
        Largest absolute deviation from the stored logits.

    Raises:
        ModelError: it exceeds :data:`TOLERANCES`, or the golden data is unusable.
        DeviceError: the device fails.
    """
    try:
        golden = bundle.golden()
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"the golden tiles of {bundle.path} are unusable: {error}", "download the model again"
        ) from error
    size = batch_size or len(golden.tiles)
    missing = -len(golden.tiles) % size
    tiles = np.concatenate([golden.tiles, np.zeros((missing, *golden.tiles.shape[1:]), np.uint8)])
    batches = [backend.infer(tiles[start : start + size]) for start in range(0, len(tiles), size)]
    if {batch.shape for batch in batches} != {(size,)}:
        # Operators change their meaning from opset to opset, and not every runtime refuses one that it does not know.
        raise ModelError(
            f"{bundle.id} on {backend.name} ({backend.device}) does not give each tile a logit: the runtime takes "
            "the operators of its opset for something else",
            "pip install --upgrade " + backend.name,
        )
    found = np.concatenate(batches)
    deviation = float(np.max(np.abs(found[: len(golden.logits)] - golden.logits)))
    if not deviation <= TOLERANCES[backend.precision]:
        raise ModelError(
            f"{bundle.id} on {backend.name} ({backend.device}) misses its golden scores by {deviation:.2g} logits",
            "the runtime or the model file is damaged: reinstall both; scores from here would be meaningless",
        )
    return deviation
