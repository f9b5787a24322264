"""Proof, before every scan, that this model on this runtime gives the scores it was shipped with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from textwrap import shorten

import numpy as np

from semscan.engine.backends import Backend, open_backends
from semscan.engine.backends.choice import Choice
from semscan.engine.backends.failures import Unusable
from semscan.engine.backends.memory import HalvingBackend
from semscan.engine.backends.ways import ways
from semscan.engine.bundle import Bundle
from semscan.engine.errors import DeviceError, ModelError

TOLERANCES = {"fp32": 1e-3, "fp16": 2e-2, "int8": 0.25}
"""Largest deviation of a logit by precision, in logits; runtimes differ by about 1e-5 in fp32."""

_MOST_SAID = 160
"""Characters of each refusal of a way that are repeated."""


@dataclass(frozen=True, slots=True)
class Proved:
    """Runtimes that gave the golden scores.

    Attributes:
        backends: one for each device, all used the same way; each goes on with half the batch when its memory ends.
        deviation: the largest one of a golden logit, on any of them.
        how: how they are used and what was refused, one clause for people; ``None`` if there is nothing to say.
    """

    backends: tuple[Backend, ...]
    deviation: float
    how: str | None


def open_proved(
    bundle: Bundle, choice: Choice, batch_size: int, tell: Callable[[str, str], None] | None = None
) -> Proved:
    """The runtimes of a choice in the fastest way that gives the golden scores on every device.

    Args:
        bundle: the model.
        choice: what to run it on.
        batch_size: tiles in the batches that will come.
        tell: called with a device and a sentence for the user when its memory ends; ``None`` raises instead.

    Raises:
        ModelError: even the plain way misses the golden scores, or the runtime refuses the model.
        DeviceError: the device or the runtime is not usable, or fails in the plain way, too.
    """
    refused: list[str] = []
    for way in ways(choice, batch_size):
        opened: list[Backend] = []  # those of the way before give their memory back first
        try:
            opened = open_backends(bundle, choice, way)
            if not way.words and tell:  # a way that needs more memory than there is gives way to a plainer one first
                opened = [HalvingBackend(one, partial(tell, one.device)) for one in opened]
            # In the shape of the scan, unless there is memory anyway and it would only take time.
            shapes = [None if one.device == "cpu" else batch_size for one in opened]
            found = [golden_self_test(bundle, one, shape) for one, shape in zip(opened, shapes, strict=True)]
        except Unusable:
            raise  # nothing that is left out would help
        except (DeviceError, ModelError) as error:
            if not way.words:
                raise
            refused.append(f"{way.words} refused: {shorten(error.message, _MOST_SAID, placeholder=' ...')}")
        else:
            break
    if way.words and tell:
        opened = [HalvingBackend(one, partial(tell, one.device)) for one in opened]
    said = [opened[0].how] if opened[0].how else []
    return Proved(tuple(opened), max(found), "; ".join(said + refused) or None)


def golden_self_test(bundle: Bundle, backend: Backend, batch_size: int | None = None) -> float:
    """Score the bundle's golden tiles.

    Args:
        bundle: holds them.
        backend: the runtime.
        batch_size: score them in batches of this shape, padded with zero tiles, so that a device which has no memory
            for it says so before anything is scored, and twice, the other way round, so that a recording which does
            not read what is new is found; ``None`` takes them once and as they are.

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
    turned = [tiles, tiles[::-1]] if batch_size else [tiles]
    batches = [backend.infer(some[at : at + size]) for some in turned for at in range(0, len(tiles), size)]
    if {batch.shape for batch in batches} != {(size,)}:
        # Operators change their meaning from opset to opset, and not every runtime refuses one that it does not know.
        raise ModelError(
            f"{bundle.id} on {backend.name} ({backend.device}) does not give each tile a logit: the runtime takes "
            "the operators of its opset for something else",
            "pip install --upgrade " + backend.name.partition("-")[0],
        )
    found = np.concatenate(batches).reshape(len(turned), -1)
    found[1:] = found[1:, ::-1]
    deviation = float(np.max(np.abs(found[:, : len(golden.logits)] - golden.logits)))
    if not deviation <= TOLERANCES[backend.precision]:
        raise ModelError(
            f"{bundle.id} on {backend.name} ({backend.device}) misses its golden scores by {deviation:.2g} logits",
            "the runtime or the model file is damaged: reinstall both; scores from here would be meaningless",
        )
    return deviation
