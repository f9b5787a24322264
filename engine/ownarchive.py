"""The genuine reference of a publisher: the scores of its own archive, counted by independent source.

Everything in the archive is taken as genuine; nobody can check that here. A document is a source; those that are no
independent witnesses count as one, see :mod:`semscan.engine.witnesses`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from semscan import __version__
from semscan.engine.bundle import GATE, Bundle, network_sha256
from semscan.engine.calibration import STRATA, Calibration
from semscan.engine.errors import UsageError
from semscan.engine.intervals import sources_needed
from semscan.engine.records import DocumentRecord, PanelRecord, Record
from semscan.engine.reference import to_file
from semscan.engine.tailtable import tail_table
from semscan.engine.witnesses import Witnesses

TAKEN_AS_GENUINE = (
    "Every panel of the archive was taken as genuine; nobody checked that here. Panels in it that no microscope made "
    "raise the thresholds, and images like them are then not flagged."
)

RATES = (0.05, 0.1)
"""Strata with sources enough for the first of these are kept, or if there is none, for the next."""

_ROUNDED_UP = 0.5e-4
"""Records carry scores with four decimals; what is lost is added, so that a reference panel counts for itself."""

_HIGHEST = 5

_LISTED = "source "
"""What the name of a source begins with that a list gave."""


@dataclass(frozen=True, slots=True)
class _Counted:
    panel: PanelRecord
    path: str
    own: str


@dataclass(frozen=True, slots=True)
class OwnReference:
    """What was counted.

    Attributes:
        data: the content of the calibration file.
        calibration: the same, as a scan reads it.
        rate: what every stratum that was kept supports.
        sources: independent sources by stratum, those of strata that were left out included.
        panels: panels by stratum, likewise.
        highest: path, page and panel of those that score highest, which decide what is flagged.
        merged: documents that count with another one.
        single_images: sources that are one image file each, without those that a list of sources names.
    """

    data: dict[str, Any]
    calibration: Calibration
    rate: float
    sources: dict[str, int]
    panels: dict[str, int]
    highest: list[tuple[str, PanelRecord]]
    merged: int
    single_images: int


@dataclass(slots=True)
class ArchiveCount:
    """Collects the panels of an archive from the records of a scan that judges nothing.

    Attributes:
        listed: source by document, as :func:`document_key` names it; documents that are not listed are their own.
        documents: read so far.
        not_assessed: SEM panels that were not assessed, by reason.
        found: entries of ``listed`` that were met.
    """

    listed: Mapping[str, str] = field(default_factory=dict)
    documents: int = 0
    not_assessed: Counter[str] = field(default_factory=Counter)
    found: set[str] = field(default_factory=set)
    _panels: list[_Counted] = field(default_factory=list)
    _witnesses: Witnesses = field(default_factory=Witnesses)
    _document: DocumentRecord | None = None
    _own: str = ""

    def add(self, record: Record) -> None:
        """Take in the next record of the scan."""
        if isinstance(record, DocumentRecord):
            self._document = record
            self.documents += record.status != "failed"
            key = document_key(record)
            if key in self.listed:
                self.found.add(key)
            self._own = f"{_LISTED}{self.listed[key]}" if key in self.listed else f"document {key}"
            if record.counts.assessed:
                self._witnesses.saw(self._own, record)
        elif isinstance(record, PanelRecord) and self._document is not None:
            if record.status == "assessed" and record.image is not None:
                self._witnesses.holds(self._own, record.image)
                self._panels.append(_Counted(record, self._document.label, self._own))
            elif record.reason is not None:
                self.not_assessed[record.reason] += 1

    def reference(self, bundle: Bundle, rate: float | None = None) -> OwnReference:
        """Count.

        Args:
            bundle: the model that gave the scores.
            rate: strata with too few sources for it are left out; ``None`` takes the first of :data:`RATES` that any
                stratum supports.

        Raises:
            UsageError: no stratum has sources enough; the message names the number needed.
        """
        counted = self._distinct()
        panels = {name: [one for one in counted if _stratum(one) == name] for name in STRATA}
        sources = {
            name: len({self._witnesses.source(one.own) for one in held}) for name, held in panels.items() if held
        }
        chosen = self._rate(sources, rate)
        kept = [name for name, count in sources.items() if count >= sources_needed(chosen)]
        smooth = [one.panel.smoothness for name in kept for one in panels[name] if one.panel.smoothness is not None]
        line = bundle.calibration.smoothness
        tables: dict[str, Any] = {
            "smoothness": {
                "slope": line.slope,
                "intercept": line.intercept,
                "low": round(min(smooth) - 1e-4, 4),
                "high": round(max(smooth) + 1e-4, 4),
            },
            "strata": {name: self._table(panels[name], local=False) for name in kept},
        }
        if bundle.calibration.local:
            regions = {name: [one for one in panels[name] if one.panel.region is not None] for name in kept}
            tables["local"] = {name: self._table(held, local=True) for name, held in regions.items() if held}
        total = len({self._witnesses.source(one.own) for one in counted})
        digest = hashlib.sha256(json.dumps([bundle.sha256, tables]).encode()).hexdigest()
        identity = f"archive-{total}-{digest[:12]}"
        facts = {
            "taken_as_genuine": TAKEN_AS_GENUINE,
            "tool": __version__,
            "gate": {"id": GATE, "sha256": network_sha256(GATE)},
            "rate": chosen,
            "documents": self.documents,
            "sources": total,
            "left_out": {name: count for name, count in sources.items() if name not in kept},
            "not_assessed": dict(sorted(self.not_assessed.items(), key=lambda item: (-item[1], item[0]))),
        }
        highest = [one for one in counted if _stratum(one) in kept]
        return OwnReference(
            data=to_file(identity, tables, bundle, facts),
            calibration=Calibration.from_json({**tables, "id": identity}),
            rate=chosen,
            sources=sources,
            panels={name: len(panels[name]) for name in sources},
            highest=[(one.path, one.panel) for one in highest[:_HIGHEST]],
            merged=len({one.own for one in self._panels}) - total,
            single_images=len({self._witnesses.source(one.own) for one in counted if _is_unlisted_file(one)}),
        )

    def _rate(self, sources: Mapping[str, int], rate: float | None) -> float:
        most = max(sources.values(), default=0)
        for one in (rate,) if rate is not None else RATES:
            if most >= sources_needed(one):
                return one
        if not sources:
            why = (
                ", ".join(f"{reason} {count}" for reason, count in self.not_assessed.most_common(4)) or "none was found"
            )
            raise UsageError(
                f"no SEM panel could be assessed in {self.documents} documents ({why})",
                f"a rate of 5 % needs assessed panels from {sources_needed(0.05)} independent genuine sources",
            )
        name = max(sources, key=lambda key: sources[key])
        least = f"a rate of {100 * rate:g} % needs {sources_needed(rate)}" if rate is not None else _NEEDED
        raise UsageError(f"{most} independent genuine sources of stratum {name} are too few", f"{least}; {_MORE}")

    def _distinct(self) -> list[_Counted]:
        """One of each, the highest first: the same part of the same stored image is counted once.

        The order says nothing of when a document was finished, so that the same archive gives the same file.
        """
        seen: dict[Any, _Counted] = {}
        for one in sorted(self._panels, key=lambda one: (-(one.panel.score or 0.0), one.path, one.panel.panel_id)):
            image = one.panel.image
            assert image is not None
            seen.setdefault((image.sha256, image.bbox_px, _stratum(one)), one)
        return list(seen.values())

    def _table(self, held: list[_Counted], *, local: bool) -> dict[str, Any]:
        values = [one.panel.region.score if local and one.panel.region else one.panel.score for one in held]
        scores = np.array(values, np.float64) + _ROUNDED_UP
        return tail_table(scores, [self._witnesses.source(one.own) for one in held], len(held))


_NEEDED = f"a rate of 10 % needs {sources_needed(0.1)}, 5 % {sources_needed(0.05)}, 1 % {sources_needed(0.01)}"
_MORE = "add more genuine papers: more panels of the same papers do not help"


def document_key(record: DocumentRecord) -> str:
    """What a list of sources calls a document: its real path, and what is inside an archive behind ``!``."""
    outer, *inner = (*record.container, record.path)
    return "!".join((os.path.realpath(outer), *inner))


def _stratum(one: _Counted) -> str:
    return one.panel.reference.stratum if one.panel.reference else ""


def _is_unlisted_file(one: _Counted) -> bool:
    is_file = one.panel.image is not None and one.panel.image.source == "file"
    return is_file and not one.own.startswith(_LISTED)
