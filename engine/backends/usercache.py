"""Folders for what can be made again, below the user's cache; nobody else may write there, for it is run as code."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from semscan.engine.errors import DeviceError


def private_folder(*names: str) -> Path:
    """A folder ``semscan/...`` in ``$XDG_CACHE_HOME`` or ``~/.cache``, made for this user alone where it is not there.

    Args:
        names: of the folders below ``semscan``, from the outside in.

    Raises:
        DeviceError: there is no such place, it cannot be made, or others may write to it.
    """
    folder = _cache_home()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # the mode of the last one; parents get the usual mode
        for name in ("semscan", *names):
            folder = folder / name
            folder.mkdir(mode=0o700, exist_ok=True)
            _require_private(folder)
    except OSError as error:
        raise DeviceError(
            f"no cache can be kept in {folder}: {error.strerror or error}", "name another place with XDG_CACHE_HOME"
        ) from error
    return folder


def _cache_home() -> Path:
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():  # others are to be ignored, says the XDG Base Directory Specification
        return named
    try:
        return Path.home() / ".cache"
    except RuntimeError as error:
        raise DeviceError("this user has no home folder to keep a cache in", "set XDG_CACHE_HOME") from error


def _require_private(folder: Path) -> None:
    found = folder.lstat()
    foreign = hasattr(os, "getuid") and found.st_uid != os.getuid()
    if not stat.S_ISDIR(found.st_mode) or foreign or stat.S_IMODE(found.st_mode) & 0o022:
        raise DeviceError(
            f"the cache folder {folder} is not this user's alone, and what lies in it is run as code",
            f"chmod 700 {folder}; or name another place with XDG_CACHE_HOME",
        )
