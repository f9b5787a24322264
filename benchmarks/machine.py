"""Where a number was measured: machine, versions, command. Every result carries it."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("semscan", "numpy", "pillow", "pymupdf", "onnxruntime", "onnxruntime-gpu", "tensorrt")


def fingerprint() -> dict[str, Any]:
    """Machine, operating system, interpreter, package versions, revision and the exact command."""
    return {
        "cpu": _cpu_model(),
        "gpus": _gpus(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "revision": _revision(),
        "command": shlex.join(["python", *_program(), *_relative(sys.argv[1:])]),
    }


def _program() -> list[str]:
    """The script, or the module that ``python -m`` was given: some of these scripts only run as modules."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return _relative(sys.argv[:1]) if spec is None else ["-m", spec.name.removesuffix(".__main__")]


def _relative(argv: list[str]) -> list[str]:
    """Paths below or beside the working folder without the names of one machine."""
    return [os.path.relpath(word) if os.path.isabs(word) else word for word in argv]  # noqa: PTH117


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpus() -> list[str]:
    """Name, driver and memory of each NVIDIA device."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return done.stdout.strip().splitlines()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _revision() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
