"""``export verify`` on devices: pretended ones that compute right or wrong, and none at all."""

import numpy as np
import onnxruntime
import pytest
from pretended_cuda import Device, fake_trt
from pretended_onnx import REAL_SESSION, Pretended
from test_networks import as_bundle, trained

from semscan.cli.main import main
from semscan.engine.backends import cudart, onnxsettings, tensorrt
from semscan.engine.backends.plan import PlanKey
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import ModelError
from semscan.export.variants import export_fp16, export_int8
from semscan.export.verify import verify


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A bundle of the thesis network with its artefact of half precision."""
    path = as_bundle(trained("npr5k"), tmp_path_factory.mktemp("model") / "small.onnx")
    export_fp16(str(path), path.with_suffix(".fp16.onnx"))
    return path


@pytest.fixture
def machine(model, monkeypatch, tmp_path):
    """A device on which ONNX Runtime and TensorRT 11.4 compute what the artefact says, and its plan."""
    half = load_bundle(str(model)).at("fp16")
    session = REAL_SESSION(str(half.path), providers=["CPUExecutionProvider"])
    device, ort = Device(), Pretended(monkeypatch)
    trt = fake_trt(device, network=lambda tiles: session.run(["logit"], {"tiles": tiles})[0] + np.float32(device.wrong))
    device.wrong, device.ort = 0.0, ort
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cudart, "_load", lambda: device)
    monkeypatch.setattr(onnxsettings, "_tensorrt_version", lambda runtime: 101601)
    monkeypatch.setattr(tensorrt, "import_tensorrt", lambda *packages: trt)
    plan = model.with_suffix(".plan")
    plan.write_bytes(b"plan")
    PlanKey(half.sha256, "11.4.0", "9.0", 13, (1, 256, 1024)).save(plan)
    yield device
    plan.unlink()


def runtimes(found):
    """The runtimes with checks, each once, in their order."""
    return list(dict.fromkeys(check.what.rsplit(": ", 1)[0] for check in found.checks))


def test_every_device_is_measured(machine, model):
    recorded = "NHWC and a CUDA graph for batches of 64"
    ours = [name for name in runtimes(verify(model)) if "openvino" not in name]
    assert ours == ["onnxruntime", f"onnxruntime on cuda:0, {recorded}"]
    found = verify(model.with_suffix(".fp16.onnx"), str(model))
    ours = [name for name in runtimes(found) if "openvino" not in name]
    assert ours == [
        "onnxruntime",
        f"onnxruntime on cuda:0, {recorded}",
        "onnxruntime-tensorrt on cuda:0, a CUDA graph for batches of 64",
        "tensorrt on cuda:0, tensorrt 11.4.0",
    ]
    assert not [line for line in found.absent if "cuda" in line]
    assert len({len([c for c in found.checks if c.what.startswith(f"{name}: ")]) for name in ours}) == 1
    assert set(machine.ort.recorded) == {64}
    assert not machine.ort.plain  # everything was scored in the shape that was recorded


def test_a_plan_that_deviates_is_refused(machine, model):
    machine.wrong = 0.1
    with pytest.raises(ModelError, match=r"tensorrt on cuda:0, tensorrt 11.4.0: random tiles.* 0\.1 .*FAILED"):
        verify(model.with_suffix(".fp16.onnx"), str(model))


def test_a_plan_for_something_else_is_not_measured(machine, model):
    half = model.with_suffix(".fp16.onnx")
    PlanKey("0" * 64, "11.4.0", "8.6", 13, (1, 2, 4)).save(model.with_suffix(".plan"))
    (line,) = [line for line in verify(half, str(model)).absent if line.startswith("tensorrt")]
    assert line.startswith("tensorrt on cuda:0: not measured, the plan ")
    assert "capability 8.6, here 9.0" in line


def test_what_is_not_there_is_named_with_the_reason(model, capsys):
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there may be a device")
    assert main(["export", "verify", str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    cuda = "  onnxruntime on cuda:0: not measured, the installed ONNX Runtime cannot use CUDA"
    assert lines.count(cuda) == 2  # the bundle and its artefact
    assert "  onnxruntime-tensorrt on cuda:0: not measured, the installed ONNX Runtime cannot use TensorRT" in lines
    assert [
        line for line in lines if line.startswith("  tensorrt on cuda:0: not measured, TensorRT is not usable here")
    ]


def test_eight_bits_are_for_processors(model, tmp_path):
    tiles = np.random.default_rng(3).integers(60, 190, (64, 1, 128, 128), dtype=np.uint8)
    found = verify(export_int8(str(model), tmp_path / "small.int8.onnx", tiles), str(model))
    assert not [line for line in found.absent if "cuda" in line]
