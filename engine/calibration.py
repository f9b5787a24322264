"""From a panel's score to how rare it is among genuine panels like it.

A score is compared with genuine reference panels that went through the same channel (the *stratum*). Each
independent source (a paper, a specimen) weighs the same however many panels it gave, because panels of one source
score alike. The tail fraction is the split-conformal one, ``(1 + k) / (S + 1)`` for ``S`` sources of which the
(fractional) number ``k`` scores at least as high. Its bounds are Clopper-Pearson ones (Biometrika 26, 1934), tabulated
when the model is calibrated so that no statistics package is needed here. A panel is flagged by the one-sided 95 %
bound: the rate that the sources support, not the one they happen to show.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

QUALITY_FLOOR = 60
"""JPEG quality below which no stratum exists."""

STRATA = ("lossless", "jpeg90", "jpeg75", "jpeg60")
"""Names of the channels that a stored image can have gone through last."""

RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
"""Rates at which a calibration may be used by default."""


@dataclass(frozen=True, slots=True)
class Tail:
    """How rare a score is, in shares between 0 and 1.

    Attributes:
        value: the tail fraction.
        low: lower end of its two-sided 95 % interval.
        high: upper end of its two-sided 95 % interval.
        bound: one-sided upper 95 % bound.
    """

    value: float
    low: float
    high: float
    bound: float


@dataclass(frozen=True, slots=True)
class Stratum:
    """Genuine reference scores of one channel.

    Attributes:
        name: ``lossless``, ``jpeg90``, ``jpeg75`` or ``jpeg60``.
        panels: reference panels.
        sources: independent sources they come from.
        scores: distinct reference scores, ascending.
        tails: the tail of a panel that scores exactly ``scores[i]``.
        beyond: the tail of a panel that scores above every reference panel.
    """

    name: str
    panels: int
    sources: int
    scores: tuple[float, ...]
    tails: tuple[Tail, ...]
    beyond: Tail

    def tail(self, score: float) -> Tail:
        """Share of genuine panels, each source weighing the same, that score at least as high."""
        index = bisect_left(self.scores, score)
        return self.tails[index] if index < len(self.tails) else self.beyond

    def realised(self, rate: float) -> Tail:
        """Tail at the lowest score that is flagged at ``rate``: what to expect of genuine panels."""
        flagged = [tail for tail in (*self.tails, self.beyond) if tail.bound <= rate]
        return max(flagged, key=lambda tail: tail.value, default=self.beyond)

    def supports(self, rate: float) -> bool:
        """Whether some score exists whose upper 95 % bound is at or below ``rate``."""
        return self.beyond.bound <= rate


@dataclass(frozen=True, slots=True)
class SmoothnessLine:
    """Straight line that a panel's smoothness explains of the score of genuine panels.

    Panels whose smoothness lies outside ``low..high`` were not seen in calibration.
    """

    slope: float
    intercept: float
    low: float
    high: float

    def explained(self, smoothness: float) -> float:
        """Part of the score that smoothness alone explains, in logits."""
        return self.slope * smoothness + self.intercept

    def covers(self, smoothness: float) -> bool:
        """Whether genuine panels this smooth were seen in calibration."""
        return self.low <= smoothness <= self.high


@dataclass(frozen=True, slots=True)
class Calibration:
    """The genuine reference of a model: one table per stratum and the smoothness line.

    ``local`` holds tables of a second statistic, by how much the highest region of a panel stands out, see
    :mod:`semscan.engine.region`; empty for a model that was not calibrated for it.
    """

    id: str
    strata: dict[str, Stratum]
    smoothness: SmoothnessLine
    local: dict[str, Stratum] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Reference panels in the largest stratum."""
        return max(s.panels for s in self.strata.values())

    @property
    def sources(self) -> int:
        """Independent sources in the largest stratum."""
        return max(s.sources for s in self.strata.values())

    def supported_rate(self) -> float | None:
        """The smallest of :data:`RATES` that every stratum supports; ``None`` when none does."""
        for rate in RATES:
            if all(stratum.supports(rate) for stratum in self.strata.values()):
                return rate
        return None

    def smallest_bound(self) -> float:
        """The smallest rate that can be stated with 95 % confidence in every stratum."""
        return max(stratum.beyond.bound for stratum in self.strata.values())

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Calibration:
        """Read the table that calibration wrote into a bundle.

        Raises:
            KeyError, TypeError, ValueError: the table is malformed.
        """
        line = [float(data["smoothness"][key]) for key in ("slope", "intercept", "low", "high")]
        if not data["strata"] or not all(map(math.isfinite, line)):
            raise ValueError("a calibration needs strata and a smoothness line of finite numbers")
        return cls(
            id=str(data["id"]),
            strata={name: _stratum(name, table) for name, table in data["strata"].items()},
            smoothness=SmoothnessLine(*line),
            local={name: _stratum(name, table) for name, table in data.get("local", {}).items()},
        )


def _stratum(name: str, table: dict[str, Any]) -> Stratum:
    columns = [[float(v) for v in table[key]] for key in ("scores", "tail", "low95", "high95", "upper95")]
    scores, *bounds = columns
    if not scores or any(len(column) != len(scores) for column in columns):
        raise ValueError(f"calibration stratum {name!r} has columns of different or zero length")
    if not all(map(math.isfinite, scores)) or any(a >= b for a, b in itertools.pairwise(scores)):
        raise ValueError(f"calibration stratum {name!r} is not sorted by score")
    if not all(0 <= share <= 1 for column in bounds for share in column):
        raise ValueError(f"calibration stratum {name!r} has shares that are none")
    sources = int(table["sources"])
    if sources < 1:
        raise ValueError(f"calibration stratum {name!r} has no source")
    return Stratum(
        name=name,
        panels=int(table["n"]),
        sources=sources,
        scores=tuple(scores),
        tails=tuple(Tail(*row) for row in zip(*bounds, strict=True)),
        beyond=Tail(1 / (sources + 1), 0.0, 1 - 0.025 ** (1 / sources), 1 - 0.05 ** (1 / sources)),
    )


def stratum_name(encoding: str, jpeg_q: int | None) -> str | None:
    """The channel a stored image went through last, or ``None`` below the quality floor.

    JPEG 2000 loses information in a way that no reference panel went through, so it has no stratum.

    >>> stratum_name("jpeg", 87), stratum_name("flate", None), stratum_name("jpeg", 40)
    ('jpeg75', 'lossless', None)
    """
    if encoding == "jpeg":
        quality = 0 if jpeg_q is None else jpeg_q
        for floor in (90, 75, QUALITY_FLOOR):
            if quality >= floor:
                return f"jpeg{floor}"
        return None
    return None if encoding == "jpx" else "lossless"
