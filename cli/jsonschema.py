"""JSON Schema of the records, made from their dataclasses so that it cannot fall behind them."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from semscan.engine.records import SCHEMA, Record

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def records_schema() -> dict[str, Any]:
    """Schema of one record, that is of one line of JSON Lines (JSON Schema, draft 2020-12).

    Every field of this version is required; unknown fields are allowed, because later versions add some.
    """
    kinds = get_args(Record)
    definitions: dict[str, Any] = {}
    for kind in kinds:
        _define(kind, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"One record of {SCHEMA}",
        "oneOf": [_reference(kind) for kind in kinds],
        "$defs": dict(sorted(definitions.items())),
    }


def _define(kind: type, definitions: dict[str, Any]) -> None:
    if kind.__name__ in definitions:
        return
    definitions[kind.__name__] = {}  # marks it as begun
    hints = get_type_hints(kind)
    properties: dict[str, Any] = {}
    if hasattr(kind, "type"):
        properties["type"] = {"const": kind.type}
    for field in fields(kind):
        properties[field.name] = _schema(hints[field.name], definitions)
    definitions[kind.__name__] = {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": properties,
        "required": list(properties),
    }


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Schema of a value with this type annotation.

    Raises:
        TypeError: the records use a type that this generator does not know.
    """
    if hint is Any:
        return {}
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    if is_dataclass(hint) and isinstance(hint, type):
        _define(hint, definitions)
        return _reference(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(argument, definitions) for argument in arguments]}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is tuple:
        items = [_schema(argument, definitions) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    raise TypeError(f"no JSON Schema for {hint!r}")


def _reference(kind: type) -> dict[str, str]:
    return {"$ref": f"#/$defs/{kind.__name__}"}
