"""Proof that an artefact gives the scores of the network it came from, on tiles that try it hard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.engine.aggregate import assess
from semscan.engine.backends import Backend, open_backend
from semscan.engine.backends.choice import Choice, choose
from semscan.engine.backends.tensorrt import TensorRtBackend
from semscan.engine.bundle import Bundle, load_bundle
from semscan.engine.errors import DeviceError, ModelError, UsageError
from semscan.engine.selftest import open_proved
from semscan.engine.smoothness import smoothness
from semscan.export.reference import SHIFT, cut_to, reference_logits, trial_tiles
from semscan.export.variants import folded_of

RUNTIMES = (
    ("cpu", "onnxruntime"),
    ("cpu", "openvino"),
    ("cuda", "onnxruntime"),
    ("cuda", "onnxruntime-tensorrt"),
    ("cuda", "tensorrt"),
)
"""Devices and runtimes that a scan may be asked for."""
BATCH = 64
"""Tiles that are scored at once, whatever they are, as in a scan."""
TOLERANCES = {"fp32": 1e-4, "fp16": 2e-2, "int8": 0.25}
"""Largest deviation of a logit by precision, in logits; in 8 bits it is the levels that must not change."""

SHIFT_TOLERANCE = 1e-3
"""How far a logit may move, in logits, when a tile gets brighter as a whole."""
Reference = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""From tiles to their logits in double precision."""
CHANGED_VERDICTS = {"fp32": 0.0, "fp16": 0.0, "int8": 0.005}
"""Share of tiles that may change their level."""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: the largest deviation or share found, and the largest allowed."""

    what: str
    found: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Written so that a NaN fails."""
        return self.found <= self.allowed

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.what}: {self.found:.2g} (at most {self.allowed:g}){'' if self.passed else '  FAILED'}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found about an artefact.

    Attributes:
        checks: all comparisons, passed.
        absent: the runtimes that were not measured, each with the reason, for people.
    """

    checks: tuple[Check, ...]
    absent: tuple[str, ...]


def verify(
    model: Path, source: str | None = None, checkpoint: Path | None = None, tiles: NDArray[np.uint8] | None = None
) -> Verified:
    """Check a bundle, or an artefact made from one, on every runtime and kind of device that is usable here.

    On NVIDIA devices the first one is tried; with TensorRT it is the plan beside the bundle, if it was built from this
    very artefact.

    Args:
        model: the ``.onnx`` file.
        source: the single-precision bundle that an artefact was made from.
        checkpoint: the ``detector.pt`` that the bundle was exported from; without it the reference is the bundle's
            own folded network in double precision.
        tiles: uint8 [n, 1, h, w], tried beside golden, random, dark, bright and constant ones; the top left of larger
            ones is taken.

    Raises:
        UsageError: an artefact without its bundle, or with another one.
        DeviceError: no runtime is usable.
        ModelError: a check failed, and the message holds them all; or a runtime refuses the graph.
    """
    bundle = load_bundle(str(model))
    original = _source(bundle, source)
    reference = remembered(_reference(original, checkpoint))
    checks: list[Check] = []
    absent: list[str] = []
    for device, name in RUNTIMES:
        try:
            choice = choose(device, name, bundle.precision)
        except UsageError:
            continue  # no scan can ask for it
        where = name if device == "cpu" else f"{name} on {choice.device}"
        try:
            backend = _opened(bundle, original, choice)
        except DeviceError as refusal:
            absent.append(f"{where}: not measured, {refusal.message}")
            continue
        where += f", {backend.how}" if backend.how else ""
        checks += [replace(c, what=f"{where}: {c.what}") for c in compare(bundle, backend, reference, tiles)]
    if not checks:
        raise DeviceError("no inference runtime is installed", "pip install 'semscan[cpu]'")
    if not all(check.passed for check in checks):
        raise ModelError(f"{model} deviates: {'; '.join(map(str, checks))}", "export it again")
    return Verified(tuple(checks), tuple(absent))


def _opened(bundle: Bundle, original: Bundle, choice: Choice) -> Backend:
    """The runtime with an artefact as a scan would use it.

    Raises:
        DeviceError: it is not usable here, or there is no plan of the artefact for it.
        ModelError: it refuses the graph, or misses the golden scores on a device.
    """
    if choice.device == "cpu":
        return open_backend(bundle, choice)
    if choice.backend != "tensorrt":
        return open_proved(bundle, choice, BATCH).backends[0]
    try:
        return TensorRtBackend(bundle, original.path.with_suffix(".plan"), choice.index or 0)
    except ModelError as refusal:  # a plan is a cache that is often not there, or not for this machine
        raise DeviceError(refusal.message, refusal.remedy) from refusal


def remembered(reference: Reference) -> Reference:
    """The same, computing what it was asked before only once: it is the slowest part."""
    known: dict[int, NDArray[np.float64]] = {}

    def logits(tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
        key = hash(tiles.tobytes())
        if key not in known:
            known[key] = reference(tiles)
        return known[key]

    return logits


def compare(
    bundle: Bundle, backend: Backend, reference: Reference, tiles: NDArray[np.uint8] | None = None
) -> list[Check]:
    """The checks of :func:`verify` on one runtime, passed or not; ``reference`` gives the expected logits."""
    golden = bundle.golden()
    allowed = TOLERANCES[bundle.precision]
    stored = _largest(_in_batches(backend.infer, golden.tiles), golden.logits)
    checks = [Check("golden tiles, stored logits", stored, allowed)]
    trials = {
        "golden": golden.tiles,
        **trial_tiles(bundle.tile_px),
        **({} if tiles is None else {"given": cut_to(tiles, bundle.tile_px)}),
    }
    found, expected = {}, {}
    for name, batch in trials.items():
        found[name], expected[name] = _in_batches(backend.infer, batch), reference(batch)
        checks.append(
            Check(f"{name} tiles, max |delta logit| from float64", _largest(found[name], expected[name]), allowed)
        )
    shifted = _largest(found["bright"], found["dark"])
    checks.append(Check(f"brightness + {SHIFT}, max |delta logit|", shifted, SHIFT_TOLERANCE))
    changed = [_changed(bundle, trials[name], found[name], expected[name]) for name in trials]
    checks.append(
        Check(
            "tiles that change their level, share",
            float(np.mean(np.concatenate(changed))),
            CHANGED_VERDICTS[bundle.precision],
        )
    )
    return checks


def _source(bundle: Bundle, source: str | None) -> Bundle:
    """The single-precision bundle behind an artefact, or the bundle itself."""
    if bundle.precision == "fp32":
        return bundle
    if source is None:
        raise UsageError(
            f"{bundle.path} is an {bundle.precision} artefact", "name the bundle it was made from: --source"
        )
    original = load_bundle(source)
    if original.sha256 != bundle.metadata.get("made_from"):
        raise UsageError(f"{bundle.path} was not made from {original.path}", "give the bundle it was made from")
    return original


def _reference(bundle: Bundle, checkpoint: Path | None) -> Reference:
    if checkpoint is None:
        folded = folded_of(bundle)
        return lambda tiles: reference_logits(folded, tiles)
    import torch

    from semscan.training.nets.registry import load_detector

    network = load_detector(checkpoint).double()

    def logits(tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
        with torch.inference_mode():
            values: NDArray[np.float64] = network(torch.from_numpy(tiles.copy())).numpy()
            return values

    return logits


def _in_batches(
    infer: Callable[[NDArray[np.uint8]], NDArray[np.float32]], tiles: NDArray[np.uint8]
) -> NDArray[np.float32]:
    padded = np.concatenate([tiles, np.zeros((-len(tiles) % BATCH, *tiles.shape[1:]), np.uint8)])
    return np.concatenate([infer(padded[at : at + BATCH]) for at in range(0, len(padded), BATCH)])[: len(tiles)]


def _largest(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.abs(a - b).max())


def _changed(
    bundle: Bundle, tiles: NDArray[np.uint8], found: NDArray[np.float32], expected: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether each tile, taken for a panel of its own, gets another level; bool [n]."""
    calibration = bundle.calibration
    stratum = max(calibration.strata.values(), key=lambda s: s.sources)
    rate = calibration.supported_rate() or calibration.smallest_bound()

    def level(logit: float, smooth: float) -> str:
        return assess(np.array([logit], np.float32), smooth, stratum, calibration, rate).level

    smooth = [smoothness(tile[0]) for tile in tiles]
    pairs = zip(found, expected, smooth, strict=True)
    return np.array([level(float(a), s) != level(float(b), s) for a, b, s in pairs])
