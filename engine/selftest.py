"""Proof, before every scan, that this model on this runtime gives the scores it was shipped with."""

from __future__ import annotations

import numpy as np

from semscan.engine.backends import Backend
from semscan.engine.bundle import Bundle
from semscan.engine.errors import ModelError

TOLERANCES = {"fp32": 1e-3, "fp16": 2e-2, "int8": 0.25}
"""Largest deviation of a logit by precision, in logits; runtimes differ by about 1e-5 in fp32."""


def golden_self_test(bundle: Bundle, backend: Backend) -> float:
    """Score the bundle's golden tiles.

    Returns:
        Largest absolute deviation from the stored logits.

    Raises:
        ModelError: it exceeds :data:`TOLERANCES`, or the golden data is unusable.
    """
    try:
        golden = bundle.golden()
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"the golden tiles of {bundle.path} are unusable: {error}", "download the model again"
        ) from error
    deviation = float(np.max(np.abs(backend.infer(golden.tiles) - golden.logits)))
    if not deviation <= TOLERANCES[backend.precision]:
        raise ModelError(
            f"{bundle.id} on {backend.name} ({backend.device}) misses its golden scores by {deviation:.2g} logits",
            "the runtime or the model file is damaged: reinstall both; scores from here would be meaningless",
        )
    return deviation
