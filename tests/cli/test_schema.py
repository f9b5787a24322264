"""The printed JSON Schema describes the records: a small validator accepts ours and refuses damaged ones."""

from __future__ import annotations

import json

import pytest

from semscan.cli.jsonschema import records_schema
from semscan.engine.records import to_jsonable

TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}


def valid(value, schema, root) -> bool:
    """Whether ``value`` satisfies ``schema``; knows the keywords that the generator uses, and refuses others."""
    known = {"$schema", "title", "description", "$defs", "$ref", "oneOf", "anyOf", "type", "const", "properties"}
    known |= {"required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems"}
    assert set(schema) <= known, schema
    if "$ref" in schema:
        return valid(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "oneOf" in schema:
        return sum(valid(value, option, root) for option in schema["oneOf"]) == 1
    if "anyOf" in schema:
        return any(valid(value, option, root) for option in schema["anyOf"])
    if "const" in schema:
        return value == schema["const"]
    kind = schema.get("type")
    if kind == "object":
        return isinstance(value, dict) and _valid_object(value, schema, root)
    if kind == "array":
        return isinstance(value, list) and _valid_array(value, schema, root)
    if kind is None:
        return True
    return isinstance(value, TYPES[kind]) and not (kind in ("integer", "number") and isinstance(value, bool))


def _valid_object(value, schema, root) -> bool:
    if any(name not in value for name in schema.get("required", [])):
        return False
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
    return all(valid(item, properties.get(name, rest), root) for name, item in value.items())


def _valid_array(value, schema, root) -> bool:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return False
    schemas = schema.get("prefixItems", [schema.get("items", {})] * len(value))
    return all(valid(item, part, root) for item, part in zip(value, schemas, strict=False))


def as_json(record):
    return json.loads(json.dumps(to_jsonable(record)))


def test_every_sample_record_satisfies_the_schema(sample):
    schema = json.loads(json.dumps(records_schema()))
    records = [*sample.paper, sample.failed, sample.notice]
    assert {record.type for record in records} == {"run", "document", "panel", "notice", "summary"}
    for record in records:
        assert valid(as_json(record), schema, schema), record


@pytest.mark.parametrize(
    "change",
    [
        {"type": "pannel"},
        {"page": "4"},
        {"score": True},
        {"bbox_pt": [1.0, 2.0]},
        {"image": {"sha256": "x"}},
        {"kind": []},
    ],
)
def test_damaged_records_do_not(sample, change):
    schema = records_schema()
    assert not valid(as_json(sample.look) | change, schema, schema)


def test_a_missing_field_is_noticed_and_a_new_one_allowed(sample):
    schema = records_schema()
    record = as_json(sample.look)
    assert valid(record | {"later": 1}, schema, schema)
    assert not valid({name: value for name, value in record.items() if name != "tail"}, schema, schema)


def test_fields_are_described_by_their_records():
    definitions = records_schema()["$defs"]
    assert next(iter(definitions["PanelRecord"]["properties"])) == "type"
    assert all(definition["description"] for definition in definitions.values())
