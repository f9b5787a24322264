"""What an ``.onnx`` file holds, read straight from its protobuf: metadata and constants, without an inference runtime.

The numbers are those of ``onnx.proto``. Files may come from anybody: whatever is malformed raises.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import ModelError

_GRAPH, _METADATA_PROPS = 7, 14  # of ModelProto
_INITIALIZER = 5  # of GraphProto
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 1, 2, 8, 9  # of TensorProto
_TYPES = {1: "<f4", 10: "<f2"}


def read_model(path: Path) -> tuple[dict[str, str], dict[str, NDArray[np.float32]]]:
    """Metadata and constants of a file that belongs to the package.

    Raises:
        ModelError: it is missing or damaged.
    """
    try:
        data = path.read_bytes()
        return metadata(data), constants(data)
    except OSError as error:
        raise ModelError(f"the model {path} cannot be read: {error.strerror}", "reinstall semscan") from error
    except (ValueError, IndexError) as error:
        raise ModelError(f"{path} is not a whole ONNX file", "reinstall semscan") from error


def metadata(model: bytes) -> dict[str, str]:
    """The metadata of a serialised ``onnx.ModelProto``.

    Raises:
        ValueError, IndexError: it is cut off or malformed.
    """
    entries = [
        {n: v.decode() for n, v in _parts(value)} for number, value in _parts(model) if number == _METADATA_PROPS
    ]
    return {entry.get(1, ""): entry.get(2, "") for entry in entries}


def constants(model: bytes) -> dict[str, NDArray[np.float32]]:
    """The constants of its graph in single or half precision, by name.

    Raises:
        ValueError, IndexError: it is cut off or malformed.
    """
    found = {}
    for number, graph in _parts(model):
        for inner, tensor in _parts(graph) if number == _GRAPH else ():
            if inner == _INITIALIZER:
                name, values = _tensor(tensor)
                if values is not None:
                    found[name] = values
    return found


def _tensor(message: bytes) -> tuple[str, NDArray[np.float32] | None]:
    """Name and values of a ``TensorProto``; ``None`` where they are neither float32 nor float16."""
    name, raw, kind, shape = "", b"", 0, []
    for number, value in _fields(message):
        if number == _DIMS and isinstance(value, int):
            shape.append(value)
        elif number == _DATA_TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME and isinstance(value, bytes):
            name = value.decode()
        elif number == _RAW_DATA and isinstance(value, bytes):
            raw = value
    form = np.dtype(_TYPES.get(kind, "V0"))
    if kind not in _TYPES or len(raw) != form.itemsize * math.prod(shape):
        return name, None
    return name, np.frombuffer(raw, form).reshape(shape).astype(np.float32, copy=False)


def _parts(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Length-delimited fields of a protobuf message."""
    return ((number, value) for number, value in _fields(message) if isinstance(value, bytes))


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Length-delimited fields and whole numbers of a protobuf message; other wire types are stepped over.

    Raises:
        ValueError, IndexError: the message is cut off or malformed.
    """
    view, at = memoryview(message), 0
    while at < len(view):
        key, at = _varint(view, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == 2:
            size, at = _varint(view, at)
            if at + size > len(view):
                raise ValueError("a field reaches past the end")
            yield number, bytes(view[at : at + size])
            at += size
        elif wire_type == 0:
            value, at = _varint(view, at)
            yield number, value
        elif wire_type in (1, 5):
            at += 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"unknown wire type {wire_type}")


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
