"""Single values that a worker sends: taken only if they are of exactly the type and size that they must have."""

from __future__ import annotations

from typing import Any, TypeVar

from semscan.engine.pdf.packed import LARGEST

Kind = TypeVar("Kind")

_INTEGERS = frozenset({int})


def typed(value: Any, kind: type[Kind]) -> Kind:
    """A value of exactly the type that it must have.

    Raises:
        TypeError: it has another one.
    """
    if type(value) is not kind:
        raise TypeError(f"{kind.__name__} expected")
    return value


def printable(value: Any, longest: int) -> str | None:
    """A text of one line that a worker has cleaned, or ``None``.

    Raises:
        TypeError, ValueError: it is none.
    """
    if value is not None and (len(typed(value, str)) > longest or not value.isprintable()):
        raise ValueError("a text that is too long or cannot be printed")
    return value  # type: ignore[no-any-return]


def number(value: Any) -> float:
    """A number that every output can hold.

    Raises:
        TypeError, ValueError: it is none.
    """
    if type(value) is not float and type(value) is not int:
        raise TypeError("a number expected")
    if not -LARGEST < value < LARGEST:
        raise ValueError("a number out of range")
    return float(value)


def pairs(values: Any) -> tuple[tuple[int, int], ...]:
    """Pairs of whole numbers that came one behind the other; all are looked at together, for there are many.

    Raises:
        TypeError, ValueError: they are none.
    """
    if typed(values, list):
        if not _INTEGERS.issuperset(map(type, values)):
            raise TypeError("whole numbers expected")
        if len(values) % 2 or min(values) < 0 or max(values) >= LARGEST:
            raise ValueError("a number without its pair, or out of range")
    return tuple(zip(values[::2], values[1::2], strict=True))


def whole(value: Any) -> int:
    """A whole number that every output can hold.

    Raises:
        TypeError, ValueError: it is none.
    """
    number = typed(value, int)
    if not 0 <= number < LARGEST:
        raise ValueError("a number out of range")
    return number
