"""From the logits of a panel's tiles to its score, its tail fraction and its level, and into its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semscan.engine.calibration import Calibration, Stratum, Tail
from semscan.engine.records import PanelRecord, ReferenceRecord, RegionRecord
from semscan.engine.region import find_region, highest_score

STANDS_OUT = 0.1
"""A region is reported if it stands out more than in all but this share of genuine panels."""


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


@dataclass(frozen=True, slots=True)
class Waiting:
    """What must be known of a panel, beside its record, when its tiles are scored.

    Attributes:
        stratum: name of its stratum.
        smoothness: of the panel.
        places: origins of its tiles in pixels from the top left of the panel, empty if unknown.
    """

    stratum: str
    smoothness: float
    places: tuple[tuple[int, int], ...] = ()


def scored(
    record: PanelRecord,
    waiting: Waiting,
    logits: NDArray[np.float32],
    tile_px: int,
    calibration: Calibration,
    rate: float,
) -> PanelRecord:
    """The record of a panel with all that its tiles say; arguments as for :func:`assess`."""
    stratum = calibration.strata[waiting.stratum]
    result = assess(logits, waiting.smoothness, stratum, calibration, rate)
    local = calibration.local.get(waiting.stratum)
    return replace(
        record,
        score=round(result.score, 4),
        tail=round(result.tail.value, 6),
        tail_ci95=_interval(result.tail),
        reference=ReferenceRecord(stratum.name, stratum.panels, stratum.sources),
        level=result.level,
        smoothness=round(waiting.smoothness, 4),
        region=None if local is None else _region(record, logits, waiting.places, tile_px, local),
    )


def outside_reference(stratum: str, smoothness: float, whose: str, calibration: Calibration) -> str | None:
    """Why the calibration holds no genuine panel like this one, if so.

    Args:
        stratum: name of the panel's stratum.
        smoothness: of the panel.
        whose: name of the model or of the calibration, for the reason.
        calibration: the reference.
    """
    if stratum not in calibration.strata:
        return f"{whose} has no genuine reference panels of stratum {stratum}"
    line = calibration.smoothness
    if line.covers(smoothness):
        return None
    than = "smoother" if smoothness < line.low else "rougher"
    limits = f"smoothness {smoothness:.2f}, reference {line.low:.2f} to {line.high:.2f}"
    return f"{than} than every genuine reference panel ({limits})"


def _region(
    record: PanelRecord,
    logits: NDArray[np.float32],
    places: Sequence[tuple[int, int]],
    tile_px: int,
    local: Stratum,
) -> RegionRecord | None:
    """The region of a panel, if it stands out among those of genuine panels."""
    image = record.image
    if image is None or len(places) != len(logits):
        return None
    if local.tail(highest_score(logits)).value > STANDS_OUT:
        return None  # most panels, without a look at where their tiles lie
    region = find_region(logits, places, tile_px)
    if region is None:
        return None
    tail = local.tail(region.score)
    if tail.value > STANDS_OUT:
        return None
    left, top = image.bbox_px[:2]
    box = (region.box.x0 + left, region.box.y0 + top, region.box.x1 + left, region.box.y1 + top)
    return RegionRecord(box, region.tiles, round(region.score, 4), round(tail.value, 6), _interval(tail), local.sources)


def _interval(tail: Tail) -> tuple[float, float]:
    return round(tail.low, 6), round(tail.high, 6)
