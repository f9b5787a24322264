"""Every name of TensorRT's Python API that we use exists in 8.6, 10 and 11: their real bindings, without a GPU.

So do those that run plans in the lean and in the dispatch runtime, which cannot build any.

The binding wheels are small; the libraries they link to are replaced by stubs compiled here. Which names we use is
read from our own syntax trees, so nothing can be forgotten.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILDS, RUNS = ROOT / "export" / "to_tensorrt.py", ROOT / "engine" / "backends" / "tensorrt.py"
WHEELS = {
    ("8", "tensorrt"): "tensorrt_bindings==8.6.1",
    ("10", "tensorrt"): "tensorrt-cu12-bindings==10.16.1.11",
    ("11", "tensorrt"): "tensorrt-cu13-bindings==11.4.0.106",
    ("8", "tensorrt_lean"): "tensorrt_lean_bindings==8.6.1",
    ("10", "tensorrt_lean"): "tensorrt-lean-cu12-bindings==10.16.1.11",
    ("11", "tensorrt_lean"): "tensorrt-lean-cu13-bindings==11.4.0.106",
    ("11", "tensorrt_dispatch"): "tensorrt-dispatch-cu13-bindings==11.4.0.106",
}
_RUNTIME = "createInferRefitter_INTERNAL createInferRuntime_INTERNAL getPluginRegistry"
STUBS = {
    "nvinfer_lean": _RUNTIME,
    "nvinfer_dispatch": _RUNTIME,
    "nvinfer": "createInferBuilder_INTERNAL createInferRefitter_INTERNAL createInferRuntime_INTERNAL "
    "getBuilderPluginRegistry getPluginRegistry",
    "nvonnxparser": "createNvOnnxParser_INTERNAL createNvOnnxParserRefitter_INTERNAL getNvOnnxParserVersion",
    "nvinfer_plugin": "initLibNvInferPlugins",
    "nvparsers": "_ZN11nvuffparser15createUffParserEv _ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi "
    "_ZN14nvcaffeparser117createCaffeParserEv _ZN14nvcaffeparser123shutdownProtobufLibraryEv",
}
# our variables -> the classes behind them
VARIABLES = {
    "builder": "Builder",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "config": "IBuilderConfig",
    "profile": "IOptimizationProfile",
    "runtime": "Runtime",
    "engine": "ICudaEngine",
    "context": "IExecutionContext",
    "inspector": "EngineInspector",
}
# names that only some versions have, and that we use behind a question; the rest must be in all of them
ONLY_IN = {
    "BuilderFlag.FP16": {"8", "10"},
    "NetworkDefinitionCreationFlag.EXPLICIT_BATCH": {"8", "10"},
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED": {"10", "11"},
}
LOOK = """
import importlib, json, sys
trt = importlib.import_module(sys.argv[1] + "_bindings")
def has(name):
    found = trt
    for part in name.split("."):
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True
names = json.load(sys.stdin)
print(json.dumps({"version": trt.__version__, "has": {name: has(name) for name in names}}))
"""


def names_used(source: str) -> set[str]:
    """Dotted names below ``trt`` that a module uses, methods of our variables by their class."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        parts: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if parts and isinstance(inner, ast.Name):
            if inner.id == "trt":
                found.add(".".join(parts))
            elif inner.id == "known":
                found.add("NetworkDefinitionCreationFlag." + parts[0])
            elif inner.id in VARIABLES:
                found.add(f"{VARIABLES[inner.id]}.{parts[0]}")
    return found


@pytest.fixture(scope="module", params=sorted(WHEELS), ids=" ".join)
def bindings(request, tmp_path_factory):
    """Environment that finds the bindings and the stubs, the major version and the package."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler for the stub libraries")
    major, package = request.param
    folder = tmp_path_factory.mktemp(f"{package}{major}")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check"]
    got = subprocess.run(
        [*command, "-d", str(folder), WHEELS[request.param]], capture_output=True, text=True, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        pytest.skip(f"{WHEELS[request.param]} is not to be had here: {got.stderr.strip().splitlines()[-1:]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(folder)
    for name, symbols in STUBS.items():
        code = folder / f"{name}.c"
        code.write_text("".join(f"void* {symbol}(void) {{ return 0; }}\n" for symbol in symbols.split()))
        library = folder / f"lib{name}.so.{major}"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(code)], check=True)
    return {**os.environ, "PYTHONPATH": str(folder), "LD_LIBRARY_PATH": str(folder)}, major, package


def test_every_name_exists(bindings):
    environment, major, package = bindings
    sources = (BUILDS, RUNS) if package == "tensorrt" else (RUNS,)
    names = sorted(set().union(*(names_used(path.read_text("utf-8")) for path in sources)))
    done = subprocess.run(
        [sys.executable, "-c", LOOK, package],
        input=json.dumps(names),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert answer["version"].startswith(f"{major}.")
    missing = {name for name, there in answer["has"].items() if not there}
    assert missing == {name for name, versions in ONLY_IN.items() if major not in versions and name in names}


def test_names_are_read_from_the_code():
    names = set().union(*(names_used(path.read_text("utf-8")) for path in (BUILDS, RUNS)))
    assert {
        "Builder.build_serialized_network",
        "IExecutionContext.execute_async_v3",
        "ICudaEngine.get_tensor_mode",
        "IBuilderConfig.set_timing_cache",
        "OnnxParser.parse",
        "DataType.UINT8",
        *ONLY_IN,
    } <= names
    assert {"Runtime.engine_host_code_allowed", "TensorIOMode.INPUT"} <= names_used(RUNS.read_text("utf-8"))
    assert names_used("trt.Logger(trt.Logger.NO_SUCH)\nengine.gone(1)") == {
        "Logger",
        "Logger.NO_SUCH",
        "ICudaEngine.gone",
    }
