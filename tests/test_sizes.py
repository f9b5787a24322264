"""Modules stay small enough to be read in one sitting."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("semscan", "engine", "export", "training", "cli", "tests", "benchmarks", "examples")
SHIPPED = ("semscan", "engine", "export", "training", "cli")
MOST_LINES = 400
GOOD_LINES = 300


def too_long(most: int, root: Path = ROOT) -> list[str]:
    found = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            lines = len(path.read_text("utf-8").splitlines())
            if lines > most:
                found.append(f"{path.relative_to(root)}: {lines} lines")
    return found


def test_no_module_is_longer_than_400_lines():
    assert too_long(MOST_LINES) == []


def test_no_module_that_ships_is_longer_than_300_lines():
    assert [found for found in too_long(GOOD_LINES) if found.split("/")[0] in SHIPPED] == []


def test_a_long_module_is_found(tmp_path):
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "long.py").write_text("x = 1\n" * 401)
    (tmp_path / "engine" / "short.py").write_text("x = 1\n" * 400)
    assert too_long(MOST_LINES, tmp_path) == ["engine/long.py: 401 lines"]


@pytest.mark.parametrize("package", ["engine", "export", "training", "cli"])
def test_every_module_says_which_problem_lives_there(package):
    import ast

    silent = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []
