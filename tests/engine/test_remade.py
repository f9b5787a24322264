"""Records made anew are those of the constructor and of dataclasses.replace, in every respect but time."""

import dataclasses
import pickle
from dataclasses import dataclass, field

import pytest

from semscan.engine import parts, records
from semscan.engine.figures.findings import Finding
from semscan.engine.pdf.wire import Task
from semscan.engine.raster import Raster
from semscan.engine.remade import maker, replace

CLASSES = [
    *(getattr(records, name) for name in ("PanelRecord", "DocumentRecord", "NoticeRecord")),
    *(each for each in vars(parts).values() if dataclasses.is_dataclass(each)),
    *(Finding, Raster, Task),
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_record_from_its_values_is_that_of_the_constructor(cls):
    values = [f"value {at}" for at, _ in enumerate(dataclasses.fields(cls))]
    made, expected = maker(cls)(*values), cls(*values)
    assert type(made) is cls and maker(cls) is not cls
    assert [getattr(made, one.name) for one in dataclasses.fields(cls)] == values
    assert repr(made) == repr(expected)
    if cls.__eq__ is not object.__eq__:
        assert made == expected and hash(made) == hash(expected) and pickle.loads(pickle.dumps(made)) == expected
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(cls)[0].name, "other")


def test_what_is_not_changed_stays_and_the_original_too():
    panel = records.PanelRecord("a", "b", "assessed", tiles=3)
    changed = replace(panel, tiles=4, level="none")
    assert changed == dataclasses.replace(panel, tiles=4, level="none") and type(changed) is records.PanelRecord
    assert panel == records.PanelRecord("a", "b", "assessed", tiles=3)
    with pytest.raises(TypeError, match="no field 'tile'"):
        replace(panel, tile=4)


@dataclass(frozen=True)
class WithoutSlots:
    one: int
    two: int = 2


@dataclass(frozen=True, slots=True)
class Checked:
    one: int
    two: int = 2

    def __post_init__(self) -> None:
        if self.one > self.two:
            raise ValueError("upside down")


@dataclass(frozen=True, slots=True)
class Derived:
    one: int
    two: int = field(init=False, default=7)


@dataclass(frozen=True, slots=True)
class Single:
    one: int


def test_classes_that_do_more_than_keep_values_are_left_to_their_constructor():
    assert replace(WithoutSlots(1), two=3) == WithoutSlots(1, 3)
    assert maker(Checked) is Checked and maker(Derived) is Derived
    with pytest.raises(ValueError, match="upside down"):
        replace(Checked(1), one=3)
    assert replace(Derived(1), one=2) == Derived(2) and replace(Single(1), one=2) == Single(2)
