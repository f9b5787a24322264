"""What a user installs to run a scan contains no Rust: the installed files of ``semscan[cpu]`` are searched for it."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

BUILDERS = ("maturin", "setuptools-rust")
BINARY_SUFFIXES = (".so", ".pyd", ".dylib", ".dll")
# rustc writes the path of its standard library into every binary that can panic
RUSTC_MARK = b"/rustc/"


def runtime_distributions(extra: str = "cpu") -> dict[str, Distribution]:
    """Every distribution that ``semscan[extra]`` needs here, itself left out."""
    found: dict[str, Distribution] = {}
    waiting = [("semscan", frozenset({extra}))]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        dist = distribution(name)
        if name != "semscan":
            found[name] = dist
        for line in dist.requires or ():
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": wanted}) for wanted in extras or {""}):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def rust_marks(dist: Distribution) -> Iterator[str]:
    """Signs that a distribution was built from Rust."""
    generator = dist.read_text("WHEEL") or ""
    for line in generator.splitlines():
        if line.startswith("Generator:") and any(builder in line for builder in BUILDERS):
            yield f"{dist.name}: {line}"
    for file in dist.files or ():
        path = Path(str(dist.locate_file(file)))
        if (path.suffix in BINARY_SUFFIXES or ".so." in path.name) and path.is_file() and path.stat().st_size:
            with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
                if data.find(RUSTC_MARK) >= 0:
                    yield f"{dist.name}: {file} was compiled by rustc"


def test_the_run_time_contains_no_rust():
    found = runtime_distributions()
    assert {"numpy", "pillow", "pymupdf", "click", "onnxruntime"} <= set(found)
    assert not {"torch", "ruff", "mypy", "pytest"} & set(found), "development tools are not run time"
    binaries = [file for dist in found.values() for file in dist.files or () if file.suffix in BINARY_SUFFIXES]
    assert len(binaries) > 10, "no binaries found: this test would prove nothing"
    assert [mark for dist in found.values() for mark in rust_marks(dist)] == []


def planted(folder: Path, generator: str, binary: bytes) -> Distribution:
    info = folder / "planted-1.0.dist-info"
    info.mkdir()
    (folder / "planted.so").write_bytes(binary)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nGenerator: {generator}\n")
    (info / "RECORD").write_text("planted.so,,\nplanted-1.0.dist-info/METADATA,,\n")
    return Distribution.at(info)


def test_a_planted_builder_is_found(tmp_path):
    assert list(rust_marks(planted(tmp_path, "maturin (1.7.0)", b"\x7fELF"))) == ["planted: Generator: maturin (1.7.0)"]


def test_a_planted_binary_is_found(tmp_path):
    dist = planted(
        tmp_path, "setuptools (80.0)", b"\x7fELF" + b"\0" * 5000 + b"/rustc/90b35a6/library/core/src/panic.rs"
    )
    assert list(rust_marks(dist)) == ["planted: planted.so was compiled by rustc"]


def test_an_innocent_wheel_passes(tmp_path):
    assert list(rust_marks(planted(tmp_path, "setuptools (80.0)", b"\x7fELF" + b"\0" * 5000))) == []
