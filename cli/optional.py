"""Packages that only some commands need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from semscan.engine.errors import SemscanError

_EXTRA_OF = {"torch": "train", "onnx": "train", "scipy": "train", "onnxruntime": "cpu"}


@contextmanager
def optional_packages(command: str) -> Iterator[None]:
    """Turn a missing optional package into a refusal with the command that installs it.

    Args:
        command: for the message, such as ``semscan train``.

    Raises:
        SemscanError: one of the optional packages is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        extra = _EXTRA_OF.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        raise SemscanError(
            f"{command} needs the package {error.name}, which is not installed", f"pip install 'semscan[{extra}]'"
        ) from error
