"""Which package of TensorRT runs a plan, memory that is given back, and the computation without its copies."""

import importlib
import sys

import numpy as np
import pytest
from pretended_cuda import SIDE, Device, fake_trt

from semscan.engine.backends import cudart, tensorrt
from semscan.engine.backends.choice import choose
from semscan.engine.backends.failures import OutOfDeviceMemory, Unusable
from semscan.engine.backends.plan import PlanKey
from semscan.engine.backends.tensorrt import TensorRtBackend, import_tensorrt
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import DeviceError, ModelError
from semscan.engine.selftest import open_proved


@pytest.fixture
def bundle():
    return load_bundle().at("fp16")


@pytest.fixture
def device(monkeypatch):
    device = Device()
    monkeypatch.setattr(cudart, "_load", lambda: device)
    for name in tensorrt.PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)
    return device


@pytest.fixture
def plan(tmp_path, bundle):
    """Writes a plan, version-compatible or not."""

    def write(*flags, version="11.4.0"):
        path = tmp_path / "own.plan"
        path.write_bytes(b"plan")
        PlanKey(bundle.sha256, version, "9.0", 13, (1, 256, 1024), flags).save(path)
        return path

    return write


def install(monkeypatch, device, *names, **changes):
    for name in names:
        monkeypatch.setitem(sys.modules, name, fake_trt(device, name=name, **changes))
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: object() if name in names else None if "tensorrt" in name else there(name),
    )


@pytest.mark.parametrize("package", ["tensorrt_lean", "tensorrt_dispatch"])
def test_a_version_compatible_plan_needs_no_whole_tensorrt(monkeypatch, device, plan, bundle, package):
    install(monkeypatch, device, package, version="11.6.0")
    runner = TensorRtBackend(bundle, plan("version_compatible"))
    tiles = np.random.default_rng(1).integers(0, 256, (9, 1, SIDE, SIDE), dtype=np.uint8)
    np.testing.assert_array_equal(runner.infer(tiles), tiles.reshape(9, -1).mean(1).astype(np.float32))
    assert (runner.name, runner.how) == ("tensorrt", f"{package} 11.6.0")


def test_another_plan_does(monkeypatch, device, plan, bundle):
    install(monkeypatch, device, "tensorrt_lean")
    with pytest.raises(Unusable, match="TensorRT is not usable here") as refusal:
        TensorRtBackend(bundle, plan())
    assert refusal.value.remedy == (
        "pip install 'semscan[tensorrt]', or build the plan with --version-compatible, which the lean runtime that is "
        "installed can run"
    )


def test_the_whole_one_is_preferred_and_another_major_version_is_refused(monkeypatch, device, plan, bundle):
    install(monkeypatch, device, *tensorrt.PACKAGES)
    assert TensorRtBackend(bundle, plan("version_compatible")).how == "tensorrt 11.4.0"
    with pytest.raises(ModelError, match=r"tensorrt 10\.16\.1, here 11\.4\.0"):
        TensorRtBackend(bundle, plan("version_compatible", version="10.16.1"))


def test_none_is_installed(device, plan, bundle):
    with pytest.raises(Unusable, match="TensorRT is not usable here") as refusal:
        TensorRtBackend(bundle, plan("version_compatible"))
    assert refusal.value.remedy == "pip install 'semscan[tensorrt]'"
    with pytest.raises(Unusable):
        import_tensorrt()  # what builds plans takes the whole one only


def test_a_scan_says_which_one(monkeypatch, device, bundle, plan):
    install(monkeypatch, device, "tensorrt")
    own = load_bundle()
    monkeypatch.setattr(type(own.path), "with_suffix", lambda self, suffix: plan() if suffix == ".plan" else self)
    golden = own.golden()
    scores = golden.tiles.reshape(len(golden.tiles), -1).mean(1).astype(np.float32)
    monkeypatch.setattr(type(own), "golden", lambda self: type(golden)(golden.tiles, scores))
    monkeypatch.setattr(type(own), "at", lambda self, precision: bundle)
    found = open_proved(own, choose(backend="tensorrt"), 32)
    assert found.how == "tensorrt 11.4.0"
    assert found.deviation < 1e-4


@pytest.mark.parametrize("most", [0, 1])
def test_what_was_taken_is_given_back_if_the_rest_cannot_be_had(monkeypatch, device, plan, bundle, most):
    install(monkeypatch, device, "tensorrt")
    runner = TensorRtBackend(bundle, plan())
    device.most_pinned = most
    with pytest.raises(OutOfDeviceMemory, match="out of memory"):
        runner.infer(np.zeros((2, 1, SIDE, SIDE), np.uint8))
    assert (device.taken, device.pinned) == ({}, [])


@pytest.mark.parametrize("starts", [0, 1], ids=["at first", "while it is recorded"])
def test_a_network_that_does_not_start_leaves_nothing_behind(monkeypatch, device, plan, bundle, starts):
    install(monkeypatch, device, "tensorrt")
    runner = TensorRtBackend(bundle, plan())
    left = [True] * starts
    for lane in runner._lanes:
        monkeypatch.setattr(lane.context, "execute_async_v3", lambda stream: bool(left) and left.pop())
    with pytest.raises(DeviceError, match="fails to start"):
        runner.infer(np.zeros((2, 1, SIDE, SIDE), np.uint8))
    assert (device.taken, device.pinned, device.recording) == ({}, [], None)


def test_the_computation_alone_is_recorded_without_copies(monkeypatch, device, plan, bundle):
    install(monkeypatch, device, "tensorrt")
    runner = TensorRtBackend(bundle, plan())
    runner.infer(np.zeros((7, 1, SIDE, SIDE), np.uint8))  # the contexts have had other shapes
    compute = runner.resident(32)
    alone = device.graphs[-2:]
    assert [len(graph) for graph in alone] == [1, 1]
    launches = device.launches
    compute()
    assert device.launches - launches == 2
    tiles = np.random.default_rng(1).integers(0, 256, (32, 1, SIDE, SIDE), dtype=np.uint8)
    expected = tiles.reshape(32, -1).mean(1).astype(np.float32)
    np.testing.assert_array_equal(runner.infer(tiles), expected)
    compute()
    np.testing.assert_array_equal(runner.infer(tiles[::-1]), expected[::-1])
