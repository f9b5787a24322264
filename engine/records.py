"""The records that a scan yields: the frozen types of schema ``semscan/1``.

Each record becomes one JSON object whose first key is ``type``. Fields are only ever added. Coordinates ending in
``_pt`` are PDF points with the origin at the top left of the crop box as displayed; ``_px`` are pixels of the
stored image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, ClassVar, TypeAlias

from semscan.engine.parts import (
    CueRecord,
    ImageRecord,
    KindRecord,
    QualityRecord,
    ReferenceRecord,
    RegionRecord,
    SiblingRecord,
)

__all__ = [
    "SCHEMA",
    "CalibrationId",
    "Counts",
    "CueRecord",
    "DocumentRecord",
    "ImageRecord",
    "KindRecord",
    "ModelId",
    "NoticeRecord",
    "PanelRecord",
    "QualityRecord",
    "Record",
    "ReferenceRecord",
    "RegionRecord",
    "RunRecord",
    "SiblingRecord",
    "SummaryRecord",
    "Tool",
    "label",
    "to_jsonable",
]

SCHEMA = "semscan/1"

_PLAIN = frozenset({str, int, float, bool, type(None)})

_names_of: dict[type[Any], tuple[str, ...] | None] = {}


def to_jsonable(value: Any) -> Any:
    """Plain JSON types for a record or a part of one; a record's ``type`` comes first.

    >>> to_jsonable(Tool(version="1.2"))
    {'version': '1.2'}
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if (names := _field_names(kind)) is not None:
        return {name: to_jsonable(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: to_jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_jsonable(item) for item in value]
    return value


def _field_names(kind: type[Any]) -> tuple[str, ...] | None:
    """What is written of a dataclass, ``type`` first; ``None`` for any other type."""
    if kind not in _names_of:
        head = ("type",) if hasattr(kind, "type") else ()
        _names_of[kind] = (*head, *(field.name for field in fields(kind))) if is_dataclass(kind) else None
    return _names_of[kind]


def label(container: Sequence[str], path: str) -> str:
    """A path with the containers around it, as people are shown it.

    >>> label(["a.zip", "b.tar"], "paper.pdf")
    'a.zip!b.tar!paper.pdf'
    """
    return "!".join((*container, path))


@dataclass(frozen=True, slots=True)
class Tool:
    """The program that made a run."""

    version: str
    name: str = "semscan"


@dataclass(frozen=True, slots=True)
class ModelId:
    """A network used: its name and the SHA-256 of its file. ``caution`` is what its makers say first of its limits."""

    id: str
    sha256: str
    caution: str | None = None


@dataclass(frozen=True, slots=True)
class CalibrationId:
    """The genuine reference behind the tail fractions; ``n`` counts panels, ``sources`` independent sources."""

    id: str
    n: int
    sources: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """First record of a run: what was used, so that the run can be repeated.

    ``gate`` tells SEM from other kinds, ``letters`` reads panel letters in the pixels. ``chosen`` says why this device,
    backend or precision was taken, where that was left open, and how a device is used.
    """

    type: ClassVar[str] = "run"
    run_id: str
    tool: Tool
    model: ModelId
    calibration: CalibrationId
    policy: dict[str, Any]
    argv: tuple[str, ...]
    device: str
    backend: str
    precision: str
    started: str
    offline: bool = True
    schema: str = SCHEMA
    gate: ModelId | None = None
    chosen: str | None = None
    letters: ModelId | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What a document holds. ``panels`` = ``sem`` + ``other``; ``sem`` = ``assessed`` + ``not_assessed``.

    ``other`` maps a kind label (``graphic``, ``tem``, ...) to the number of panels of that kind, which were
    recognised and left alone. ``sem`` counts panels taken for SEM or possibly SEM (kind ``uncertain``) and images
    that could not be examined at all.
    """

    images: int = 0
    figures: int = 0
    panels: int = 0
    sem: int = 0
    assessed: int = 0
    not_assessed: int = 0
    flagged: int = 0
    other: dict[str, int] | None = None


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """One input file after it was processed, or failed.

    ``path`` is the name inside the innermost ``container``; the containers are listed from outside in. ``doi`` and
    ``title`` are what the file states of itself, else what its first page prints; ``null`` where nothing is convincing.
    """

    type: ClassVar[str] = "document"
    doc_id: str
    path: str
    media_type: str
    bytes: int
    pages: int
    status: str
    counts: Counts
    p_any_false_flag: float
    seconds: float
    reason: str | None = None
    container: tuple[str, ...] = ()
    cues: tuple[CueRecord, ...] = ()
    doi: str | None = None
    title: str | None = None

    @property
    def label(self) -> str:
        """Path with its containers: the ``path`` of the notices about this document."""
        return label(self.container, self.path)


@dataclass(frozen=True, slots=True)
class PanelRecord:
    """One panel of one figure, assessed or not.

    ``tail`` is the share of genuine reference panels of the same stratum that score at least as high, with
    ``tail_ci95``; ``level`` is ``none``, ``note`` or ``look``. A panel that was not assessed carries ``reason`` and
    ``detail`` instead. ``index`` and ``of`` give its place in reading order among the panels of its image; ``panel`` is
    its letter, read from the text of the page or from the image: ``panel_by`` is ``text`` or ``pixels``.

    ``smoothness`` is that of an assessed panel. ``siblings`` needs four more panels of the document that are stored
    alike; ``region`` is given where one part stands out more than in nine of ten genuine panels, by models that were
    calibrated for it.
    """

    type: ClassVar[str] = "panel"
    panel_id: str
    doc_id: str
    status: str
    page: int | None = None
    page_label: str | None = None
    figure: str | None = None
    panel: str | None = None
    index: int | None = None
    of: int | None = None
    bbox_pt: tuple[float, float, float, float] | None = None
    image: ImageRecord | None = None
    kind: KindRecord | None = None
    score: float | None = None
    tail: float | None = None
    tail_ci95: tuple[float, float] | None = None
    reference: ReferenceRecord | None = None
    level: str | None = None
    tiles: int | None = None
    reason: str | None = None
    detail: str | None = None
    duplicate_of: str | None = None
    quality: QualityRecord | None = None
    cues: tuple[CueRecord, ...] = ()
    smoothness: float | None = None
    siblings: SiblingRecord | None = None
    region: RegionRecord | None = None
    panel_by: str | None = None


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """Something the user must know about an input; ``severity`` is ``error`` or ``warning``."""

    type: ClassVar[str] = "notice"
    severity: str
    code: str
    path: str
    message: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class SummaryRecord:
    """Last record of a run. ``expected_flags``: flags to expect if every assessed panel were genuine.

    ``remarks`` say what the runtime had to do otherwise than asked.
    """

    type: ClassVar[str] = "summary"
    run_id: str
    documents: dict[str, int]
    panels: dict[str, int]
    expected_flags: float
    expected_ci95: tuple[float, float]
    exit_code: int
    finished: str
    seconds: float
    remarks: tuple[str, ...] = ()


Record: TypeAlias = RunRecord | DocumentRecord | PanelRecord | NoticeRecord | SummaryRecord
