"""Records travel unharmed, and what is not exactly a record is refused."""

import json
from dataclasses import dataclass, fields, replace

import pytest

from semscan.engine.pdf.packed import LARGEST, Packing, packing
from semscan.engine.records import ImageRecord, KindRecord, NoticeRecord, PanelRecord

IMAGE = ImageRecord("ab", (640, 480), (0, 0, 300, 300), "embedded", "jpeg", "83 0", 85, "4:2:0", 3, 8, 300)
PANEL = PanelRecord("a:1.1/1", "d", "assessed", page=1, bbox_pt=(0.5, 1, 2, 3), image=IMAGE, kind=KindRecord("sem", 1))


def sent(record):
    return json.loads(json.dumps(packing(type(record)).pack(record)))


@pytest.mark.parametrize(
    "record",
    [
        PANEL,
        replace(PANEL, image=None, kind=None, bbox_pt=None),
        replace(PANEL, figure="Fig. \u00b5 \ud800"),
        NoticeRecord("error", "timeout", "caf\udce9.pdf", "too long"),
    ],
)
def test_what_arrives_is_what_was_sent(record):
    for _ in range(2):  # the second time by what was learned the first time
        assert packing(type(record)).unpack(sent(record)) == record


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("panel_id", None),
        ("panel_id", 7),
        ("page", "1"),
        ("page", True),
        ("page", 1.5),
        ("page", LARGEST),
        ("page", -(10**400)),
        ("detail", ["x"]),
        ("image", "x"),
        ("image", {}),
        ("image", [1, 2]),
        ("bbox_pt", [1.0, 2.0, 3.0]),
        ("bbox_pt", [1.0, 2.0, 3.0, "4"]),
        ("bbox_pt", [1.0, 2.0, 3.0, float("nan")]),
        ("bbox_pt", [1.0, 2.0, float("-inf"), float("inf")]),
        ("score", float("nan")),
        ("kind", ["sem", float("inf")]),
    ],
)
def test_a_field_of_another_type_or_size_is_refused(name, value):
    values = sent(PANEL)
    values[[field.name for field in fields(PanelRecord)].index(name)] = value
    with pytest.raises((TypeError, ValueError)):
        packing(PanelRecord).unpack(values)


@pytest.mark.parametrize("values", [None, "x", {}, [], [1] * 50])
def test_what_is_no_record_at_all_is_refused(values):
    with pytest.raises(TypeError):
        packing(PanelRecord).unpack(values)


def test_somebody_who_plays_with_types_does_not_fill_the_memory():
    packs = Packing(PanelRecord)
    optional = [at for at, field in enumerate(fields(PanelRecord)) if field.default is None][:10]
    for pattern in range(2 ** len(optional)):
        values = sent(PanelRecord("a", "d", "assessed"))
        for bit, at in enumerate(optional):
            kind = next(iter(packs._kinds[at] - {type(None), list}), None)
            values[at] = kind(1) if kind and pattern >> bit & 1 else None
        packs.unpack(values)
    assert len(packs._numbers) <= 256


@dataclass(frozen=True)
class Pair:
    name: str
    share: float


@dataclass(frozen=True)
class Several:
    pairs: tuple[Pair, ...]
    words: tuple[str, ...] = ()


def test_tuples_of_any_length_hold_words_or_records():
    for several in (Several(()), Several((Pair("a", 0.5), Pair("b", 1)), ("x", "y", "z"))):
        assert packing(Several).unpack(sent(several)) == several
    for pairs in (["a"], [["a"]], [["a", "b"]], [["a", float("nan")]], None):
        with pytest.raises((TypeError, ValueError)):
            packing(Several).unpack([pairs, []])


def test_a_class_whose_fields_cannot_be_checked_does_not_travel():
    @dataclass
    class Loose:
        a: str
        b: dict

    with pytest.raises(TypeError, match="cannot travel"):
        Packing(Loose)
