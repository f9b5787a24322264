"""Which package may import which, read from the syntax trees: the arrows of ARCHITECTURE.md."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("engine", "export", "training", "cli")

# layer -> prefixes of our own modules that its modules may import
OURS = {
    "engine": ("semscan.engine",),
    "export": ("semscan.export", "semscan.engine", "semscan.training.nets", "semscan.training.report"),
    "training": ("semscan.training", "semscan.engine", "semscan.export"),
    "cli": ("semscan.cli", "semscan.engine", "semscan.export", "semscan.training"),
}
# layer -> distributions' import names that its modules may import besides the standard library
THEIRS = {
    "engine": {"numpy", "PIL", "pymupdf"},
    "engine.backends": {"numpy", "onnxruntime", "openvino", "tensorrt"},
    "export": {"numpy", "onnx", "onnxruntime", "torch"},
    "training": {"numpy", "PIL", "pymupdf", "onnx", "onnxruntime", "scipy", "sklearn", "threadpoolctl", "torch"},
    "cli": {"click", "numpy", "PIL"},
}


def imports(source: str, package: str) -> Iterator[str]:
    """Full names of everything that a module inside ``package`` imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join(start + ([node.module] if node.module else []))
            # `from semscan import training` and `from semscan.training import nets` name a module in the second half
            yield from (f"{base}.{alias.name}" for alias in node.names)


def starts(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def violations(source: str, module: str) -> list[str]:
    """Imports of ``module`` (``engine.pdf.decode``; the package itself for ``__init__``) that break a rule."""
    layer = module.split(".")[0]
    theirs = THEIRS["engine.backends"] if starts(module, "engine.backends") else THEIRS[layer]
    found = []
    for name in imports(source, "semscan." + module.rpartition(".")[0]):
        top = name.split(".")[0]
        if top == "semscan":
            # the name list of `from semscan import X` counts; `semscan.__version__` is the face's one constant
            if name != "semscan.__version__" and not any(starts(name, prefix) for prefix in OURS[layer]):
                found.append(f"{module} imports {name}")
        elif top not in sys.stdlib_module_names and top not in theirs:
            found.append(f"{module} imports {name}")
    return found


def modules() -> list[tuple[str, Path]]:
    found = []
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            found.append((".".join(path.relative_to(ROOT).with_suffix("").parts), path))
    return found


def test_the_arrows_between_the_packages():
    assert len(modules()) > 20, "no modules found: this test would prove nothing"
    assert [v for module, path in modules() for v in violations(path.read_text("utf-8"), module)] == []


def test_no_code_imports_a_second_copy_of_our_packages():
    guilty = []
    for folder in (*LAYERS, "semscan", "tests", "benchmarks", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            tops = {name.split(".")[0] for name in imports(path.read_text("utf-8"), "semscan")}
            guilty += [f"{path}: {top}" for top in tops & set(LAYERS)]
    assert guilty == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("engine.tiles", "import torch"),
        ("engine.tiles", "from semscan.training import nets"),
        ("engine.tiles", "from semscan import cli"),
        ("engine.pdf.decode", "from ...cli import main"),
        ("engine.tiles", "def late():\n    import scipy.ndimage"),
        ("engine.pipeline", "import onnxruntime"),
        ("engine.backends.onnxrt", "import click"),
        ("export.to_onnx", "from semscan.training.detector import train_detector"),
        ("export.to_onnx", "from semscan.cli import main"),
        ("training.data", "from semscan.cli.main import main"),
        ("training.data", "import matplotlib.pyplot"),
        ("cli.scan", "import torch"),
    ],
)
def test_planted_violations_are_found(module, source):
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("engine.pdf.decode", "import pymupdf\nfrom PIL import Image\nfrom ..errors import Reason"),
        ("engine.backends.onnxrt", "import onnxruntime"),
        ("export.fold", "from semscan.training.nets import npr\nimport torch"),
        ("training.evaluate", "from semscan.export.to_onnx import export_onnx"),
        ("cli.train", "def late():\n    from semscan.training.detector import train_detector"),
        ("cli.main", "from semscan import __version__"),
    ],
)
def test_allowed_imports_pass(module, source):
    assert violations(source, module) == []
