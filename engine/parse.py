"""Records back from JSON: what :func:`semscan.engine.records.to_jsonable` wrote, read again."""

from __future__ import annotations

from typing import Any, TypeVar

from semscan.engine.records import (
    CalibrationId,
    Counts,
    CueRecord,
    DocumentRecord,
    ImageRecord,
    KindRecord,
    ModelId,
    NoticeRecord,
    PanelRecord,
    QualityRecord,
    Record,
    ReferenceRecord,
    RegionRecord,
    RunRecord,
    SiblingRecord,
    SummaryRecord,
    Tool,
)

_RECORDS: dict[str, type[Record]] = {
    record.type: record for record in (RunRecord, DocumentRecord, PanelRecord, NoticeRecord, SummaryRecord)
}
_PARTS: dict[type[Any], dict[str, type[Any]]] = {
    RunRecord: {"tool": Tool, "model": ModelId, "calibration": CalibrationId, "gate": ModelId, "letters": ModelId},
    DocumentRecord: {"counts": Counts, "cues": CueRecord},
    PanelRecord: {
        "image": ImageRecord,
        "kind": KindRecord,
        "reference": ReferenceRecord,
        "quality": QualityRecord,
        "cues": CueRecord,
        "siblings": SiblingRecord,
        "region": RegionRecord,
    },
}
_NO_PARTS: dict[str, type[Any]] = {}

Type = TypeVar("Type")


def record_from_json(data: dict[str, Any]) -> Record:
    """The record that became ``data``.

    Raises:
        KeyError, TypeError: it is not a record of this schema.

    >>> from semscan.engine.records import to_jsonable
    >>> notice = NoticeRecord("error", "timeout", "a.pdf", "too long")
    >>> record_from_json(to_jsonable(notice)) == notice
    True
    """
    return build(_RECORDS[data["type"]], data)


def build(cls: type[Type], data: dict[str, Any]) -> Type:
    """One record or part of one; JSON's lists are tuples again.

    Raises:
        TypeError: a field is missing or unknown, or a part is not one.
    """
    if not isinstance(data, dict):
        raise TypeError(f"{cls.__name__} from {type(data).__name__}")
    values = {name: tuple(value) if type(value) is list else value for name, value in data.items() if name != "type"}
    for name, part in _PARTS.get(cls, _NO_PARTS).items():
        held = data.get(name)
        if held is not None:
            values[name] = tuple(build(part, item) for item in held) if type(held) is list else build(part, held)
    return cls(**values)
