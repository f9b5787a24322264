"""From the logits of a panel's tiles to its score, its tail fraction and its level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semscan.engine.calibration import Calibration, Stratum, Tail


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the detector says of one panel: score in logits, tail fraction with bounds, level."""

    score: float
    tail: Tail
    stratum: Stratum
    level: str


def assess(
    logits: NDArray[np.float32], smoothness: float, stratum: Stratum, calibration: Calibration, rate: float
) -> Assessment:
    """Score one panel.

    The score is the mean of the tile logits (the statistic for images generated as a whole) minus what the panel's
    smoothness explains. ``look`` needs the one-sided 95 % bound of the tail at or below ``rate``; ``note`` needs the
    tail itself within ten times the rate but not more than one panel in ten.

    Args:
        logits: float32 [n], one logit per tile, n >= 1.
        smoothness: of the panel, from :func:`semscan.engine.smoothness.smoothness`.
        stratum: the panel's reference.
        calibration: holds the smoothness line.
        rate: share of genuine panels that may be flagged.
    """
    score = float(np.add.reduce(logits, dtype=np.float64)) / len(logits) - calibration.smoothness.explained(smoothness)
    tail = stratum.tail(score)
    if tail.bound <= rate:
        level = "look"
    elif tail.value <= min(10 * rate, 0.1):
        level = "note"
    else:
        level = "none"
    return Assessment(score, tail, stratum, level)
