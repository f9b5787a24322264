"""``doctor`` and ``models``: the truth about this installation, with a remedy where something is missing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from semscan.cli import diagnosis
from semscan.cli.main import main
from semscan.engine.bundle import Bundle
from semscan.engine.calibration import Calibration
from semscan.engine.errors import DeviceError, ModelError
from semscan.engine.figures.kind import KindGate

STRATUM = {
    "n": 400,
    "sources": 100,
    "scores": [0.0, 1.0],
    "tail": [0.5, 0.02],
    "low95": [0.4, 0.001],
    "high95": [0.6, 0.05],
    "upper95": [0.58, 0.046],
}
LINE = {"slope": 0.0, "intercept": 0.0, "low": -9.0, "high": 9.0}


@pytest.fixture
def installed(monkeypatch):
    """One shipped model whose backend gives the right scores."""
    calibration = Calibration.from_json({"id": "cal-1", "smoothness": LINE, "strata": {"lossless": STRATUM}})
    bundle = Bundle(
        Path("models/sem-x.onnx"), "sem-x", "ab" * 32, 128, calibration, {"card": "# sem-x\nIt misses things."}
    )
    backend = SimpleNamespace(name="fake", precision="fp32", device="cpu", how="")
    state = SimpleNamespace(deviation=3e-6, asked=[], backend=backend)

    def load_bundle(model=None):
        state.asked.append(model)
        return bundle

    def golden_self_test(tested, runtime, batch_size=None):
        assert (tested, runtime) == (bundle, backend)
        if isinstance(state.deviation, Exception):
            raise state.deviation
        return state.deviation

    monkeypatch.setattr("semscan.engine.bundle.list_models", lambda: [bundle.path])
    monkeypatch.setattr("semscan.engine.bundle.load_bundle", load_bundle)
    monkeypatch.setattr("semscan.engine.backends.open_backend", lambda given, choice, way=None: backend)
    monkeypatch.setattr("semscan.engine.selftest.golden_self_test", golden_self_test)
    return state


def test_doctor_is_ready_and_says_so(installed, capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith("\nready")
    assert "sem-x ok, largest deviation 3.0e-06 logits, fake fp32 on cpu" in out
    assert f"numpy {np.__version__}" in out


def test_doctor_as_json(installed, capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ready"] is True
    assert found["problems"] == []
    assert found["cores"] >= 1
    assert found["packages"]["numpy"] == np.__version__
    assert found["models"] == ["sem-x"]


@pytest.mark.parametrize(
    "error", [ModelError("it misses its golden scores", "reinstall"), DeviceError("no runtime", "pip")]
)
def test_doctor_prints_the_remedy_and_ends_with_2(installed, capsys, error):
    installed.deviation = error
    assert main(["doctor"]) == 2
    out = capsys.readouterr().out
    assert f"problem  {error.message}\n  {error.remedy}\n" in out
    assert out.rstrip().endswith("\nnot ready")


def test_doctor_tries_every_runtime_and_precision_on_every_device(installed, monkeypatch, capsys):
    tried = []

    def open_backend(bundle, choice, way):
        tried.append((choice.device, choice.backend, choice.precision, way))
        if choice.backend == "tensorrt":
            raise DeviceError(f"no plan for {choice.device}", "build one")
        if choice.backend == "onnxruntime-tensorrt" and way.graph:
            raise DeviceError("capture failed", "none")
        if choice.backend == "openvino" and choice.precision != "fp32":
            raise ModelError("there is no such artefact", "make one")
        return installed.backend

    monkeypatch.setattr("semscan.engine.backends.open_backend", open_backend)
    monkeypatch.setattr("semscan.engine.backends.cudart.device_count", lambda: 2)
    assert main(["doctor", "--json"]) == 0  # what nobody asked for is no problem
    lines = json.loads(capsys.readouterr().out)["could use"]
    ok = "ok, largest deviation 3.0e-06 logits"
    assert lines == [
        f"onnxruntime fp16/int8 on cpu: {ok}",
        f"openvino fp32 on cpu: {ok}",
        "openvino fp16 on cpu: there is no such artefact",
        "openvino int8 on cpu: there is no such artefact",
        f"onnxruntime fp32/fp16 on cuda:0: {ok}",
        f"onnxruntime-tensorrt fp16 on cuda:0: {ok}, a CUDA graph for batches of 32 refused: capture failed",
        "tensorrt fp16 on cuda:0: no plan for cuda:0",
        f"onnxruntime fp32/fp16 on cuda:1: {ok}",
        f"onnxruntime-tensorrt fp16 on cuda:1: {ok}, a CUDA graph for batches of 32 refused: capture failed",
        "tensorrt fp16 on cuda:1: no plan for cuda:1",
    ]
    assert len(tried) == len(set(tried)) == 1 + 2 + 3 + 2 * (2 + 2 + 1)
    assert main(["doctor"]) == 0
    assert f"could use   onnxruntime fp16/int8 on cpu: {ok}\n            openvino" in capsys.readouterr().out


def test_doctor_names_what_can_run_plans(installed, monkeypatch, capsys):
    owners = {"onnxruntime": ["onnxruntime"], "tensorrt_lean": ["tensorrt_lean_cu13"]}
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: owners)
    version = diagnosis._version
    monkeypatch.setattr(diagnosis, "_version", lambda name: "11.4.0" if name == "tensorrt_lean_cu13" else version(name))
    assert main(["doctor", "--json"]) == 0
    packages = json.loads(capsys.readouterr().out)["packages"]
    found = {name: packages[name] for name in packages if name.startswith("tensorrt")}
    assert found == {"tensorrt": None, "tensorrt_lean": "11.4.0", "tensorrt_dispatch": None}


def test_workers_that_do_not_start_are_a_problem_with_their_reason(installed, monkeypatch, capsys):
    monkeypatch.setattr(diagnosis, "WORKER_START", "import semscan.engine.no_such_module")
    assert main(["doctor"]) == 2
    out = capsys.readouterr().out
    assert "worker processes do not start: ModuleNotFoundError: No module named 'semscan.engine.no_such_module'" in out


def test_two_owners_of_the_runtime_are_a_problem(installed, monkeypatch, capsys):
    owners = {"onnxruntime": ["onnxruntime-gpu", "onnxruntime", "onnxruntime"], "numpy": ["numpy"]}
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: owners)
    assert main(["doctor", "--json"]) == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "onnxruntime and onnxruntime-gpu are installed together" in problem["message"]
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in problem["remedy"]


def test_a_missing_dependency_is_a_problem_not_a_crash(installed, monkeypatch, capsys):
    version = diagnosis._version
    monkeypatch.setattr(diagnosis, "_version", lambda name: None if name == "pymupdf" else version(name))
    assert main(["doctor"]) == 2
    out = capsys.readouterr().out
    assert "pip install pymupdf" in out
    assert "pymupdf not installed" in out
    assert installed.asked == []


@pytest.mark.parametrize(
    ("quota", "expected"), [("100000 100000\n", 1), ("50000 100000\n", 1), ("max 100000\n", 8), ("", 8)]
)
def test_cores_heed_the_quota_of_a_container(monkeypatch, quota, expected):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(diagnosis, "_read", lambda path: quota if path.endswith("cpu.max") else "")
    assert diagnosis.usable_cores() == expected


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        ("1073741824\n", "536870912\n", 512),
        ("max\n", "1\n", 2000),
        ("9223372036854771712\n", "1\n", 2000),
        ("", "", 2000),
    ],
)
def test_memory_heeds_the_limit_of_a_container(monkeypatch, limit, used, expected):
    texts = {"memory.max": limit, "memory.current": used, "meminfo": "MemTotal: 9 kB\nMemAvailable: 2048000 kB\n"}
    monkeypatch.setattr(diagnosis, "_read", lambda path: texts[Path(path).name])
    assert diagnosis.usable_memory_mib() == expected


def test_memory_is_unknown_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.setattr(diagnosis, "_read", lambda path: "")
    assert diagnosis.usable_memory_mib() is None


@pytest.mark.parametrize("words", [["models"], ["models", "list"]])
def test_models_are_listed(installed, words, capsys):
    assert main(words) == 0
    assert capsys.readouterr().out == f"sem-x\tsha256 {'ab' * 8}\ttile 128 px\trate 0.03\tcal-1\n"


def test_models_list_as_json(installed, capsys):
    assert main(["models", "list", "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)
    assert (model["id"], model["calibration"]["supported_rate"]) == ("sem-x", 0.03)


def test_an_installation_without_models_says_so(installed, monkeypatch, capsys):
    monkeypatch.setattr("semscan.engine.bundle.list_models", list)
    assert main(["models"]) == 2
    assert main(["models", "verify"]) == 2
    assert main(["models", "list", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_info_prints_the_card(installed, capsys):
    assert main(["models", "info", "sem-x"]) == 0
    out = capsys.readouterr().out
    assert "400 genuine panels, worth 100 sources" in out
    assert "It misses things." in out
    assert installed.asked == ["sem-x"]
    assert main(["models", "info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["card"].startswith("# sem-x")


def test_verify_reports_the_deviation_or_fails(installed, capsys):
    assert main(["models", "verify"]) == 0
    assert "sem-x\tok\tlargest deviation 3.0e-06 logits (allowed 0.001)" in capsys.readouterr().out
    installed.deviation = ModelError("it misses its golden scores", "reinstall")
    assert main(["models", "verify", "sem-x"]) == 2
    assert "it misses its golden scores" in capsys.readouterr().err


def test_doctor_names_the_gate(installed, capsys):
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["gate"], facts["letters"]) == ("kind-1 ok", "letters-1 ok")


def test_doctor_finds_a_gate_that_cannot_be_read(installed, capsys, monkeypatch, tmp_path):
    (tmp_path / "kind-1.onnx").write_bytes(b"no model")
    monkeypatch.setattr("semscan.engine.figures.kind.KindGate.load", lambda: KindGate(tmp_path / "kind-1.onnx"))
    assert main(["doctor"]) == 2
    assert "cannot be used" in capsys.readouterr().out
