"""The TensorRT runner and its plans on a pretended device: host memory plays the device's, mean grey level the network.

What a GPU would do is not shown here; that lanes, padding, recordings and refusals do what they should is.
"""

import json
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from pretended_cuda import SIDE, Device, fake_trt

from semscan.engine.backends import cudart, tensorrt
from semscan.engine.backends.cudart import Cuda
from semscan.engine.backends.failures import OutOfDeviceMemory
from semscan.engine.backends.memory import HalvingBackend
from semscan.engine.backends.plan import PlanKey, read_key, require_same
from semscan.engine.backends.tensorrt import TensorRtBackend
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import DeviceError, ModelError
from semscan.export.to_tensorrt import build_plan, half_share, network_flags


@pytest.fixture
def bundle():
    return load_bundle().at("fp16")


@pytest.fixture
def plan(tmp_path, bundle):
    path = tmp_path / "own.plan"
    path.write_bytes(b"plan")
    PlanKey(bundle.sha256, "11.4.0", "9.0", 13, (1, 256, 1024)).save(path)
    return path


@pytest.fixture
def device(monkeypatch):
    device = Device()
    monkeypatch.setattr(cudart, "_load", lambda: device)
    monkeypatch.setattr(tensorrt, "import_tensorrt", lambda *packages: fake_trt(device))
    return device


@pytest.mark.parametrize("count", [1, 2, 7, 32, 33])
def test_each_tile_gets_its_own_logit(device, plan, bundle, count):
    runner = TensorRtBackend(bundle, plan)
    tiles = np.random.default_rng(count).integers(0, 256, (count, 1, SIDE, SIDE), dtype=np.uint8)
    expected = tiles.reshape(count, -1).mean(1).astype(np.float32)
    for _ in range(2):
        np.testing.assert_array_equal(runner.infer(tiles), expected)
    assert (runner.name, runner.precision, runner.device) == ("tensorrt", "fp16", "cuda:0")


def test_a_batch_size_is_recorded_once_per_lane_and_replayed(device, plan, bundle):
    runner = TensorRtBackend(bundle, plan)
    tiles = np.zeros((32, 1, SIDE, SIDE), np.uint8)
    for _ in range(5):
        runner.infer(tiles)
    assert len(device.graphs) == 2
    assert device.launches == 10


def test_more_than_the_largest_batch_goes_in_turns(device, plan, bundle):
    PlanKey(bundle.sha256, "11.4.0", "9.0", 13, (1, 2, 4)).save(plan)
    tiles = np.random.default_rng(0).integers(0, 256, (19, 1, SIDE, SIDE), dtype=np.uint8)
    expected = tiles.reshape(19, -1).mean(1).astype(np.float32)
    np.testing.assert_array_equal(TensorRtBackend(bundle, plan).infer(tiles), expected)


def test_a_thread_of_its_own_uses_the_device_that_was_asked_for(device, plan, bundle):
    device.devices = 2
    runner = TensorRtBackend(bundle, plan, 1)
    device.used.clear()
    thread = threading.Thread(target=runner.infer, args=(np.zeros((2, 1, SIDE, SIDE), np.uint8),))
    thread.start()
    thread.join()
    assert device.used == {1}


def test_half_the_batch_gets_the_memory_that_the_whole_one_did_not(device, plan, bundle):
    said = []
    tiles = np.random.default_rng(3).integers(0, 256, (32, 1, SIDE, SIDE), dtype=np.uint8)
    backend = HalvingBackend(TensorRtBackend(bundle, plan), said.append)
    device.free = before = 16 * (SIDE * SIDE + 4 + 4 * 24 * 24)  # enough for one lane of the whole batch, not for two
    np.testing.assert_array_equal(backend.infer(tiles), tiles.reshape(32, -1).mean(1).astype(np.float32))
    assert len(said) == 1
    assert device.free == 0
    assert sum(device.taken.values()) == before


def test_a_plan_that_does_not_fit_is_refused(device, plan, bundle, monkeypatch):
    trt = fake_trt(device)
    trt.Runtime(None).deserialize_cuda_engine(b"").create_execution_context = lambda: None
    monkeypatch.setattr(tensorrt, "import_tensorrt", lambda *packages: trt)
    with pytest.raises(OutOfDeviceMemory, match="too little memory for the plan"):
        TensorRtBackend(bundle, plan)


def test_no_device_no_memory_no_such_device(monkeypatch):
    with pytest.raises(DeviceError, match="no CUDA device"):
        Cuda(0, Device(devices=0))
    with pytest.raises(DeviceError, match="no device cuda:3"):
        Cuda(3, Device(devices=2))
    with pytest.raises(OutOfDeviceMemory, match="out of memory"):
        Cuda(0, Device(memory_bytes=10)).device_memory(11)
    monkeypatch.setattr(cudart, "LIBRARIES", ("libno-such-cudart.so",))
    with pytest.raises(DeviceError, match="not installed") as refusal:
        Cuda(0)
    assert "'semscan[gpu]'" in refusal.value.remedy and "'semscan[tensorrt]'" in refusal.value.remedy


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"onnx_sha256": "00"}, "onnx sha256"),
        ({"tensorrt": "10.16.1"}, "tensorrt 10.16.1, here 11.4.0"),
        ({"capability": "8.6"}, "capability 8.6, here 9.0"),
        ({"driver_major": 12}, "driver major"),
    ],
)
def test_a_plan_for_something_else_is_refused_with_the_command(device, plan, bundle, change, named):
    key = {"onnx_sha256": bundle.sha256, "tensorrt": "11.4.0", "capability": "9.0", "driver_major": 13}
    PlanKey(**{**key, **change}, batches=(1, 2, 4)).save(plan)
    with pytest.raises(ModelError, match=named) as refusal:
        TensorRtBackend(bundle, plan)
    assert "semscan export tensorrt" in refusal.value.remedy


def test_a_version_compatible_plan_runs_on_other_minor_versions_only():
    here = PlanKey("a", "11.4.0", "9.0", 13, (1, 2, 4))
    flags = ("version_compatible",)
    require_same(None, PlanKey("a", "11.1.0", "9.0", 13, (1, 2, 4), flags), here)
    with pytest.raises(ModelError, match="tensorrt 10"):
        require_same(None, PlanKey("a", "10.1.0", "9.0", 13, (1, 2, 4), flags), here)


def test_a_missing_or_damaged_key_is_refused(plan):
    plan.with_name("own.plan.json").write_text(json.dumps({"tensorrt": "11"}))
    with pytest.raises(ModelError, match="cannot be read"):
        read_key(plan)
    with pytest.raises(ModelError, match="there is no TensorRT plan"):
        read_key(plan.with_name("other.plan"))


def test_a_refused_or_foreign_engine(device, plan, bundle, monkeypatch):
    monkeypatch.setattr(tensorrt, "import_tensorrt", lambda *packages: fake_trt(device, refuses=True))
    with pytest.raises(ModelError, match="refuses the plan"):
        TensorRtBackend(bundle, plan)
    monkeypatch.setattr(tensorrt, "import_tensorrt", lambda *packages: fake_trt(device, outputs=("score",)))
    with pytest.raises(ModelError, match="not those of"):
        TensorRtBackend(bundle, plan)


class Recorder:
    """Takes any call and attribute, and remembers the calls."""

    def __init__(self, log, **fixed):
        self.__dict__.update(fixed)
        self.log = log

    def __getattr__(self, name):
        def call(*arguments, **named):
            self.log.append((name, *arguments))
            return Recorder(self.log, serialize=lambda: b"cache", parse=lambda onnx: onnx == b"good", num_errors=0)

        return call


def building(flags, creation):
    log = []
    trt = SimpleNamespace(
        __version__="x",
        Logger=type("Logger", (), {"WARNING": 1, "__init__": lambda self, level: None}),
        Builder=lambda logger: Recorder(log, build_serialized_network=lambda network, config: b"plan"),
        OnnxParser=lambda network, logger: Recorder(log, parse=lambda onnx: onnx == b"good", num_errors=0),
        NetworkDefinitionCreationFlag=SimpleNamespace(**creation),
        BuilderFlag=SimpleNamespace(**flags),
        MemoryPoolType=SimpleNamespace(WORKSPACE=0),
        ProfilingVerbosity=SimpleNamespace(DETAILED=2),
    )
    return trt, log


@pytest.mark.parametrize(
    ("creation", "network", "sets"),
    [
        ({"EXPLICIT_BATCH": 0}, 1 << 0, ["FP16"]),
        ({"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1}, 1 << 1, []),
        ({"STRONGLY_TYPED": 1}, 1 << 1, []),
    ],
    ids=["8.6", "10", "11"],
)
def test_the_precision_flag_is_set_where_it_is_needed_and_only_there(creation, network, sets):
    trt, log = building({"FP16": "FP16", "VERSION_COMPATIBLE": "VC"}, creation)
    assert network_flags(trt) == network
    assert build_plan(trt, b"good", SIDE, b"", version_compatible=False) == (b"plan", b"cache")
    assert [call[1] for call in log if call[0] == "set_flag"] == sets
    assert ("create_network", network) in log
    assert ("set_shape", "tiles", (1, 1, SIDE, SIDE), (256, 1, SIDE, SIDE), (1024, 1, SIDE, SIDE)) in log
    log.clear()
    build_plan(trt, b"good", SIDE, b"", version_compatible=True)
    assert [call[1] for call in log if call[0] == "set_flag"] == [*sets, "VC"]


def test_an_unreadable_graph_is_refused():
    trt, _ = building({}, {"STRONGLY_TYPED": 1})
    with pytest.raises(ModelError, match="cannot read the graph"):
        build_plan(trt, b"bad", SIDE, b"", version_compatible=False)


def test_the_precision_of_layers_is_read_from_the_inspector():
    def layer(kind):
        return {"Name": "conv", "Outputs": [{"Name": "x", "Format/Datatype": kind}]}

    half = json.dumps({"Layers": [layer("Channel major FP16 format"), layer("Half"), layer("Row major linear FP32")]})
    assert half_share(half) == pytest.approx(2 / 3)
    assert half_share(json.dumps({"Layers": [layer("Row major linear FP32")]})) == 0
    with pytest.raises(ModelError, match="does not tell"):
        half_share(json.dumps({"Layers": ["conv", "pool"]}))
