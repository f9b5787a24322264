"""Typed recipes: a TOML file plus ``key=value`` overrides becomes one frozen dataclass, or is refused.

A misspelt key in a training configuration silently trains something else, so unknown keys, wrong types and missing
required keys are errors that name the key.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from semscan.engine.errors import UsageError

Recipe = TypeVar("Recipe")


def load_recipe(path: Path, kind: type[Recipe], overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        path: TOML file.
        kind: frozen dataclass whose fields are the allowed keys; nested tables are nested dataclasses.
        overrides: ``dotted.key=value`` strings; the value is read as TOML, or as a plain string if it is not TOML.

    Returns:
        An instance of ``kind``.

    Raises:
        UsageError: the file cannot be read, or a key is unknown, missing or of the wrong type.
    """
    return build_recipe(kind, _read(path, overrides))


def build_recipe(kind: type[Recipe], values: Mapping[str, Any]) -> Recipe:
    """A recipe from the values that :func:`recipe_json` gave.

    Raises:
        UsageError: a key is unknown, missing or of the wrong type.
    """
    if "system" not in {field.name for field in fields(kind)}:  # type: ignore[arg-type]
        values = {key: value for key, value in values.items() if key != "system"}
    built: Recipe = _build(kind, values, "")
    return built


def read_system(path: Path, overrides: Sequence[str] = ()) -> str:
    """What a recipe trains: its key ``system``, which every recipe has.

    Raises:
        UsageError: the file cannot be read or has no such key.
    """
    system = _read(path, overrides).get("system")
    if not isinstance(system, str):
        raise UsageError(f"the recipe {path} does not say which system it trains", 'add a line like system = "fastgan"')
    return system


def recipe_json(recipe: Any) -> dict[str, Any]:
    """The recipe as JSON-ready values (tuples become lists)."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return values


def recipe_sha256(recipe: Any) -> str:
    """Hex digest that identifies a recipe's values, whatever file and overrides they came from."""
    return hashlib.sha256(json.dumps(recipe_json(recipe), sort_keys=True).encode()).hexdigest()


def _read(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the recipe {path} cannot be read: {error.strerror}", "give a .toml file") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the recipe {path} is not valid TOML: {error}") from error
    for override in overrides:
        _override(values, override)
    return values


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {override!r} is not of the form key=value", "for example --set training.steps=200")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, leaf = key.strip().split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise UsageError(f"--set {override!r}: {table} is not a table")
    values[leaf] = value


def _build(kind: Any, values: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise UsageError(f"unknown key {where}{unknown[0]} in the recipe", f"known keys: {', '.join(sorted(hints))}")
    built = {}
    for field in fields(kind):
        if field.name in values:
            built[field.name] = _typed(hints[field.name], values[field.name], f"{where}{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise UsageError(f"the recipe lacks the key {where}{field.name}")
    return kind(**built)


def _typed(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise UsageError(f"{where} must be a table")
        return _build(hint, value, f"{where}.")
    if get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise UsageError(f"{where} must be a table")
        return {key: _typed(get_args(hint)[1], item, f"{where}.{key}") for key, item in value.items()}
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise UsageError(f"{where} must be a list")
        return tuple(_typed(get_args(hint)[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise UsageError(f"{where} must be of type {hint.__name__}, not {value!r}")
    return value
