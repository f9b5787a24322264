"""The detector that is evaluated, frozen: tiles to logits, panels to scores, scores to flags."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from semscan.engine.bundle import load_bundle
from semscan.engine.calibration import Calibration, stratum_name
from semscan.engine.errors import ModelError, UsageError
from semscan.training.detector import DetectorRecipe
from semscan.training.nets.registry import load_detector
from semscan.training.scoring import Infer, PanelScorer, Scores, open_network

Floats = NDArray[np.float64]
BATCH = 32


@dataclass(frozen=True, slots=True)
class Measured:
    """Panels after one channel, as a scan would judge them.

    Attributes:
        logit: float64 [n], mean of the tile logits.
        smoothness: float64 [n].
        score: float64 [n], the logit without what the smoothness explains.
        tail: float64 [n], tail fraction; 1 below the quality floor.
        bound: float64 [n], its one-sided bound.
        covered: bool [n], false where a scan would not assess: smoothness or quality outside what was calibrated.
        rate: rate at which the detector flags.
    """

    logit: Floats
    smoothness: Floats
    score: Floats
    tail: Floats
    bound: Floats
    covered: NDArray[np.bool_]
    rate: float

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Panels that a scan flags at the shipped threshold; those that it does not assess are none."""
        return (self.bound <= self.rate) & self.covered

    @property
    def at_five(self) -> NDArray[np.bool_]:
        """Panels with a tail of at most 5 %, as many as 5 % of genuine ones by the calibration."""
        return (self.tail <= 0.05) & self.covered

    def where(self, mask: NDArray[Any]) -> Measured:
        """Some of the panels."""
        return Measured(
            self.logit[mask],
            self.smoothness[mask],
            self.score[mask],
            self.tail[mask],
            self.bound[mask],
            self.covered[mask],
            self.rate,
        )


class Judge:
    """A detector with its calibration.

    Args:
        detector: checkpoint (``.pt``), or bundle (``.onnx``) with the outputs ``logit`` and ``evidence``.
        calibration: genuine reference.
        tile_px: side of a tile.
        most_tiles: tiles taken of one panel.
        digest: tells this detector with this calibration from every other.
        label: what it is, for the page.
    """

    def __init__(
        self, detector: Path, calibration: Calibration, tile_px: int, most_tiles: int, digest: str, label: str
    ) -> None:
        self._detector = detector
        self.scorer = PanelScorer(detector, tile_px, most_tiles)
        self.calibration, self.tile_px, self.most_tiles = calibration, tile_px, most_tiles
        self.digest, self.label = digest, label
        self.rate = calibration.supported_rate() or 0.0
        self.logits: Infer = open_network(detector, tile_px)
        self._evidence: Infer | None = None

    def evidence(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Evidence maps, float32 [n, h, w], of tiles, uint8 [n, 1, T, T]; their means are the logits."""
        if self._evidence is None:
            self._evidence = _open_evidence(self._detector)
        return np.concatenate([self._evidence(tiles[k : k + BATCH]) for k in range(0, len(tiles), BATCH)])

    def measure(self, sent: Iterable[tuple[NDArray[np.uint8], int | None]]) -> Measured:
        """Judge panels: pixels as stored and the last JPEG quality, ``None`` if stored without loss."""
        qualities: list[int | None] = []

        def pictures() -> Iterator[NDArray[np.uint8]]:
            for grey, quality in sent:
                qualities.append(quality)
                yield grey

        return self.rejudge(self.scorer.score(pictures()), qualities)

    def rejudge(self, raw: Scores, qualities: list[int | None]) -> Measured:
        """Scores and tails of measured logits."""
        line = self.calibration.smoothness
        score: Floats = raw.logit - line.slope * raw.smoothness - line.intercept
        covered = np.array([line.covers(float(v)) for v in raw.smoothness], bool)
        if raw.assessed is not None:
            covered &= raw.assessed
        tails = []
        for index, quality in enumerate(qualities):
            name = stratum_name("png" if quality is None else "jpeg", quality)
            stratum = self.calibration.strata.get(name or "")
            covered[index] &= stratum is not None
            tail = stratum.tail(float(score[index])) if stratum else None
            tails.append((tail.value, tail.bound) if tail else (1.0, 1.0))
        value, bound = np.array(tails).reshape(-1, 2).T
        return Measured(raw.logit, raw.smoothness, score, value, bound, covered, self.rate)


def open_judge(recipe: DetectorRecipe, run_dir: Path) -> Judge:
    """The run's own detector if it is trained and calibrated, else the shipped model of the recipe's name.

    Raises:
        UsageError: there is neither.
    """
    most = recipe.evaluation.most_tiles
    if is_run(run_dir):
        path, text = run_dir / "detector.pt", (run_dir / "calibration.json").read_text(encoding="utf-8")
        digest = hashlib.sha256(path.read_bytes() + text.encode()).hexdigest()
        calibration = Calibration.from_json(json.loads(text))
        label = f"{recipe.model_id}, as trained and calibrated in its run"
        return Judge(path, calibration, recipe.pairs.tile_px, most, digest, label)
    try:
        bundle = load_bundle(recipe.model_id)
    except ModelError as error:
        raise UsageError(
            f"{run_dir} holds no trained and calibrated detector, and no model {recipe.model_id!r} is shipped",
            "run semscan train and semscan calibrate first, or name a shipped model with --set model_id=NAME",
        ) from error
    label = f"{bundle.id}, the shipped bundle {bundle.sha256[:12]}"
    return Judge(bundle.path, bundle.calibration, bundle.tile_px, most, bundle.sha256, label)


def is_run(run_dir: Path) -> bool:
    """Whether a folder holds a detector that is trained and calibrated."""
    return all((run_dir / name).is_file() for name in ("detector.pt", "calibration.json"))


def _open_evidence(detector: Path) -> Infer:
    if detector.suffix == ".pt":
        network = load_detector(detector)
        if not hasattr(network, "evidence"):
            raise UsageError(f"the network in {detector} has no evidence map")

        def through_torch(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
            with torch.inference_mode():
                values: NDArray[np.float32] = network.evidence(torch.from_numpy(tiles)).float().numpy()  # type: ignore[operator]
                return values

        return through_torch
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(detector), options, providers=["CPUExecutionProvider"])

    def through_onnx(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        values: NDArray[np.float32] = session.run(["evidence"], {"tiles": tiles})[0]
        return values

    return through_onnx
