"""Records as they travel from a worker to its supervisor: JSON arrays of field values, rebuilt with every type checked.

The supervisor holds what a worker sends for hostile. A record that arrives has exactly the types that its class
declares, whole numbers that every output can hold, and no number that JSON could not write again; so nothing behind
the line has to doubt it. Arrays rather than objects: the names of the fields would be most of what is sent.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from math import hypot
from operator import attrgetter, contains
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

Type = TypeVar("Type")

LARGEST = 2**53
"""Numbers travel if they are smaller than this, which JSON readers and databases hold exactly."""

_NOTHING = type(None)
_NUMBERS = frozenset({int, float})
_LIST: frozenset[type[Any]] = frozenset({list})

_MOST_SHAPES = 256
"""Combinations of types that are remembered as right, for each class: a handful, unless somebody plays with them."""


class Packing(Generic[Type]):
    """How the records of one class travel.

    Args:
        cls: a dataclass with two fields or more, each text, a number, a truth value, another such dataclass, a tuple of
            these, or ``None``.

    Raises:
        TypeError: a field is declared as something else.
    """

    def __init__(self, cls: type[Type]) -> None:
        names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        hints = get_type_hints(cls)
        declared = [_Declared(hints[name]) for name in names]
        self._cls = cls
        self._values: Callable[[Any], tuple[Any, ...]] = attrgetter(*names)
        self._kinds = [one.kinds for one in declared]
        self._parts = [(at, packing(one.part)) for at, one in enumerate(declared) if one.part is not None]
        self._tuples = [(at, one.items) for at, one in enumerate(declared) if one.items is not None]
        self._numbers: dict[tuple[type[Any], ...], list[int]] = {}

    def pack(self, record: Type) -> list[Any]:
        """Its values in the order of its fields, ready for JSON."""
        values = list(self._values(record))
        for at, part in self._parts:
            if values[at] is not None:
                values[at] = part.pack(values[at])
        for at, items in self._tuples:
            if values[at] and items.part is not None:
                values[at] = list(map(items.part.pack, values[at]))
        return values

    def unpack(self, values: Any) -> Type:
        """The record that was packed.

        Args:
            values: anything that JSON can hold; changed.

        Raises:
            TypeError: it is not such a record.
            ValueError: it holds a number that is too large or none at all.
        """
        if type(values) is not list:
            raise TypeError(f"{self._cls.__name__} expected")
        shape = tuple(map(type, values))
        numbers = self._numbers.get(shape)
        if numbers is None:
            numbers = self._checked(shape)
        _check_size([values[at] for at in numbers])
        for at, part in self._parts:
            if values[at] is not None:
                values[at] = part.unpack(values[at])
        for at, items in self._tuples:
            if values[at] is not None:
                values[at] = items.unpack(values[at])
        return self._cls(*values)

    def _checked(self, shape: tuple[type[Any], ...]) -> list[int]:
        """Where the numbers are in values of these types, which must be those of a record."""
        if len(shape) != len(self._kinds) or not all(map(contains, self._kinds, shape)):
            raise TypeError(f"{self._cls.__name__} with fields of other types")
        numbers = [at for at, kind in enumerate(shape) if kind in _NUMBERS]
        if len(self._numbers) < _MOST_SHAPES:
            self._numbers[shape] = numbers
        return numbers


def packing(cls: type[Type]) -> Packing[Type]:
    """The one packing of a class."""
    if cls not in _made:
        _made[cls] = Packing(cls)
    return _made[cls]


_made: dict[type[Any], Packing[Any]] = {}


class _Declared:
    """What a field may hold: the ``kinds`` of JSON values, and of a list whether it is a ``part`` or ``items``."""

    def __init__(self, hint: Any) -> None:
        self.part: type[Any] | None = None
        self.items: _Items | None = None
        options = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        self.kinds = frozenset().union(*map(self._kinds_of, options))

    def _kinds_of(self, option: Any) -> frozenset[type[Any]]:
        if get_origin(option) is tuple:
            self.items = _Items(get_args(option))
        elif is_dataclass(option):
            assert isinstance(option, type)
            self.part = option
        else:
            return _plain(option)
        return _LIST


class _Items:
    """The items of a tuple: all of one class, or all plain; a fixed number, or any."""

    def __init__(self, declared: tuple[Any, ...]) -> None:
        each = [item for item in declared if item is not Ellipsis]
        self._count = len(each) if len(each) == len(declared) else None
        self.part: Packing[Any] | None = None
        if isinstance(each[0], type) and is_dataclass(each[0]):
            self.part = packing(each[0])
        self._kinds = _LIST if self.part else frozenset().union(*map(_plain, each))

    def unpack(self, values: list[Any]) -> tuple[Any, ...]:
        """The tuple; raises as :meth:`Packing.unpack`."""
        if (self._count is not None and len(values) != self._count) or not self._kinds.issuperset(map(type, values)):
            raise TypeError("a tuple of another length or other types")
        if self.part is not None:
            return tuple(map(self.part.unpack, values))
        if self._kinds <= _NUMBERS:
            _check_size(values)
        return tuple(values)


def _plain(option: Any) -> frozenset[type[Any]]:
    if option is float:
        return _NUMBERS
    if option in (str, int, bool, _NOTHING):
        return frozenset({option})
    raise TypeError(f"a field of type {option} cannot travel")


def _check_size(numbers: list[Any]) -> None:
    """Refuse numbers whose size is out of range, and what is no number: no vector is shorter than its longest part."""
    try:
        inside = hypot(*numbers) < LARGEST
    except OverflowError:
        inside = False
    if not inside:
        raise ValueError("a number that is too large, or none")
