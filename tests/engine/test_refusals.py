"""Models, devices and runtimes that cannot be used, through the command line: exit code 2, one sentence, one remedy."""

import ctypes
import importlib.metadata
import shutil
import sys
from pathlib import Path

import onnx
import pytest
from pretended_cuda import Device, fake_trt
from pretended_onnx import Session

from semscan.cli.main import main
from semscan.engine.backends import cudart, onnxdevice, tensorrt
from semscan.engine.backends.plan import PlanKey
from semscan.engine.bundle import MODELS, load_bundle

PAPER = str(Path(__file__).parents[2] / "examples" / "paper.pdf")


@pytest.fixture
def refused(capsys):
    """Runs a scan that must be refused; gives its sentence and its remedy."""

    def run(*words, output="never.jsonl"):
        assert main([PAPER, "-j", "1", "-f", "json", *words]) == 2
        said = capsys.readouterr()
        assert said.out.strip() in ("", "[]") or '"type":"run"' not in said.out
        sentence, remedy = said.err.rstrip("\n").split("\n")
        assert sentence.startswith("semscan: ")
        assert remedy.startswith("  ") and remedy.strip()
        return sentence.removeprefix("semscan: "), remedy.strip()

    return run


@pytest.fixture
def own(tmp_path):
    """A copy of the shipped model with its half-precision artefact."""
    shipped = load_bundle().path
    path = tmp_path / "own.onnx"
    shutil.copy(shipped, path)
    shutil.copy(shipped.with_suffix(".fp16.onnx"), tmp_path / "own.fp16.onnx")
    return path


@pytest.mark.parametrize(
    ("name", "content", "sentence", "remedy"),
    [
        ("text.onnx", b"This is no model.\n" * 9, "not a whole ONNX file", "semscan models list"),
        ("empty.onnx", b"", "not a semscan bundle", "semscan export onnx"),
        ("kind.onnx", (MODELS / "kind-1.onnx").read_bytes(), "not a semscan bundle", "semscan export onnx"),
        ("cut.onnx", load_bundle().path.read_bytes()[:-1], "not a whole ONNX file", "semscan models list"),
        ("half.onnx", load_bundle().path.read_bytes()[:90_000], "not a whole ONNX file", "semscan models list"),
    ],
)
def test_wrong_and_truncated_models(refused, tmp_path, name, content, sentence, remedy):
    (tmp_path / name).write_bytes(content)
    said, how = refused("--model", str(tmp_path / name))
    assert sentence in said
    assert remedy in how


def test_an_artefact_of_another_model(refused, own):
    with own.open("ab") as file:
        file.write(b"\x1a\x00")  # an empty field: another file with the same network
    said, how = refused("--model", str(own), "--precision", "fp16")
    assert "was not made from" in said
    assert "semscan export fp16" in how


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_an_opset_that_is_not_supported(refused, own, backend):
    pytest.importorskip(backend)
    model = onnx.load(own)
    model.opset_import[0].version = 999
    onnx.save(model, own)
    said, how = refused("--model", str(own), "--backend", backend)
    assert "opset" in said.lower()
    assert how == f"pip install --upgrade {backend}"


@pytest.mark.parametrize("size", ["0", "-1"])
def test_no_tiles_in_a_batch(refused, size):
    said, how = refused("--batch-size", size)
    assert said == f"--batch-size must be at least 1, not {size}"
    assert how == "--batch-size 32 is usual"


def test_two_runtimes(refused, monkeypatch):
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "1.30" if name == "onnxruntime-gpu" else version(name)
    )
    said, how = refused("--backend", "onnxruntime")
    assert said == "onnxruntime and onnxruntime-gpu are installed together and overwrite each other's files"
    assert how == "pip uninstall -y onnxruntime onnxruntime-gpu && pip install --no-cache-dir onnxruntime"


def test_no_runtime(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    said, how = refused("--backend", "onnxruntime")
    assert said == "no inference runtime is installed"
    assert "pip install 'semscan[cpu]'" in how


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "cuda:0,cuda:1"])
def test_a_runtime_without_cuda(refused, monkeypatch, device):
    runtime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(runtime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    said, how = refused("--device", device)
    assert said == "the installed ONNX Runtime cannot use CUDA"
    assert "pip install 'semscan[gpu]'" in how


@pytest.mark.parametrize("taken", [("CPUExecutionProvider",), ()], ids=["falls back", "fails"])
@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        ((), "cannot use cuda:0: CUDA is not installed (libcudart.so"),
        (cudart.LIBRARIES, "cannot use cuda:0: cuDNN is not installed (libcudnn.so.9)"),
    ],
)
def test_missing_libraries_of_cuda(refused, monkeypatch, taken, there, sentence):
    runtime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(runtime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(runtime, "preload_dlls", lambda: None)
    monkeypatch.setattr(runtime, "InferenceSession", type("Taken", (Session,), {"taken": taken}))
    monkeypatch.setattr(onnxdevice, "find_library", lambda names: object() if set(names) & set(there) else None)
    said, how = refused("--device", "cuda")
    assert sentence in said
    assert "pip install 'semscan[gpu]'" in how


def test_a_library_is_found_where_pip_puts_it(tmp_path, monkeypatch):
    folder = tmp_path / "nvidia" / "cudnn" / "lib"
    folder.mkdir(parents=True)
    (folder / "libcudnn.so.9").write_bytes(b"no library")
    monkeypatch.syspath_prepend(tmp_path)
    loaded = []

    def load(path):
        loaded.append(str(path))
        if path == "libcudnn.so.9":
            raise OSError("not there")
        return object()

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert cudart.find_library(cudart.CUDNN) is not None
    assert loaded == [str(folder / "libcudnn.so.9")]
    (folder / "libcudnn.so.9").unlink()
    assert cudart.find_library(cudart.CUDNN) is None


def test_tensorrt_is_not_installed(refused):
    said, how = refused("--backend", "tensorrt")
    assert "TensorRT is not usable here" in said
    assert how == "pip install 'semscan[tensorrt]'"


@pytest.fixture
def gpu(monkeypatch):
    """A pretended device with TensorRT 11.4."""
    device = Device()
    monkeypatch.setattr(cudart, "_load", lambda: device)
    monkeypatch.setattr(tensorrt, "import_tensorrt", lambda *packages: fake_trt(device))
    return device


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"capability": "8.6"}, "capability 8.6, here 9.0"),
        ({"tensorrt": "10.16.1"}, "tensorrt 10.16.1, here 11.4.0"),
        ({"driver_major": 12}, "driver major 12, here 13"),
        ({"onnx_sha256": "0" * 64}, "onnx sha256"),
    ],
    ids=["GPU", "version", "driver", "model"],
)
def test_a_plan_of_something_else(refused, own, gpu, changes, sentence):
    plan = own.with_suffix(".plan")
    plan.write_bytes(b"plan")
    key = {
        "onnx_sha256": load_bundle(str(own.with_suffix(".fp16.onnx"))).sha256,
        "tensorrt": "11.4.0",
        "capability": "9.0",
        "driver_major": 13,
    }
    PlanKey(**{**key, **changes}, batches=(1, 2, 4)).save(plan)
    said, how = refused("--model", str(own), "--backend", "tensorrt")
    assert sentence in said
    assert how.startswith("semscan export tensorrt")


def test_no_plan_a_damaged_one_and_no_such_device(refused, own, gpu):
    plan = own.with_suffix(".plan")
    assert "there is no TensorRT plan" in refused("--model", str(own), "--backend", "tensorrt")[0]
    plan.write_bytes(b"plan")
    plan.with_name("own.plan.json").write_text("{")
    said, how = refused("--model", str(own), "--backend", "tensorrt")
    assert "cannot be read" in said
    assert how.startswith("semscan export tensorrt")
    said, _ = refused("--model", str(own), "--backend", "tensorrt", "--device", "cuda:4")
    assert said == "there is no device cuda:4, only 1"
    gpu.devices = 0
    assert refused("--backend", "tensorrt", "--device", "cuda:all")[0] == "no CUDA device is usable here"
