"""What importing costs, and that every package of the tree is really installed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("numpy", "PIL", "pymupdf", "fitz", "onnxruntime", "torch", "onnx", "scipy", "sklearn")


def loaded_after(code: str, tmp_path: Path) -> tuple[set[str], str]:
    """Heavy packages in ``sys.modules`` after running ``code`` in a fresh interpreter, and what it printed."""
    tail = f"\nimport sys\nprint('LOADED', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    printed, _, loaded = done.stdout.rpartition("LOADED")
    return set(loaded.split()), printed


def test_import_semscan_loads_nothing_heavy(tmp_path):
    loaded, printed = loaded_after("import semscan\nprint(semscan.__version__)", tmp_path)
    assert loaded == set()
    assert printed.strip() == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["scan", "--help"]])
def test_help_loads_nothing_heavy(argv, tmp_path):
    code = f"import sys\nfrom semscan.cli.main import main\nsys.argv = ['semscan', *{argv!r}]\n"
    code += "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    loaded, printed = loaded_after(code, tmp_path)
    assert loaded == set()
    assert "semscan" in printed


def test_a_heavy_import_would_be_seen(tmp_path):
    assert loaded_after("import numpy", tmp_path)[0] == {"numpy"}


def test_every_package_is_listed_in_pyproject():
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    there = {"semscan"}
    for top in ("engine", "export", "training", "cli"):
        for init in (ROOT / top).rglob("__init__.py"):
            there.add("semscan." + ".".join(init.parent.relative_to(ROOT).parts))
    assert listed == there


@pytest.mark.parametrize("package", ["semscan", "engine", "export", "training", "cli"])
def test_packages_announce_their_types(package):
    assert (ROOT / package / "py.typed").is_file()
