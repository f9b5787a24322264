"""The benchmark of the engine runs on any machine, and names what it could not measure."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from pretended_cuda import Device
from pretended_onnx import Pretended

from semscan.engine.backends import cudart, onnxsettings
from semscan.engine.backends.cudart import Cuda

torch = pytest.importorskip("torch")
ROOT = Path(__file__).parent.parent


@pytest.fixture
def bench(monkeypatch):
    """The script as a module; it imports others of its folder."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    threads = torch.get_num_threads()
    import bench_engine

    yield bench_engine
    torch.set_num_threads(threads)
    for name in ("bench_engine", "engine_runtimes", "machine", "on_devices", "roofline", "verify_table"):
        sys.modules.pop(name, None)


def test_a_quick_run_measures_what_is_there_and_names_what_is_not(bench, monkeypatch, tmp_path):
    written = tmp_path / "export.json"
    words = ["--quick", "--networks", "npr5k", "-o", str(written), "--markdown", str(tmp_path / "export.md")]
    monkeypatch.setattr(sys, "argv", ["benchmarks/bench_engine.py", *words])
    monkeypatch.setitem(sys.modules, "openvino", None)  # as if it were not installed
    bench.main()
    part = json.loads(written.read_text("utf-8"))["networks"]["npr5k"]
    assert part["fresh"] is True  # no shipped model has it
    here = [name for name in part["runtimes"] if "CUDA" not in name]
    assert here == ["PyTorch eager fp32", *(f"onnxruntime {p}" for p in ("fp32", "fp16", "int8"))]
    assert all(row["tiles_per_s"] > 0 for row in part["runtimes"].values())
    assert part["runtimes"]["onnxruntime fp32"]["max_delta_logit"] < 1e-4
    absent = [line.partition(":")[0] for line in part["absent"]]
    assert [name for name in absent if "CUDA" not in name] == [
        "torch.compile",
        *(f"openvino {p}" for p in ("fp32", "fp16", "int8")),
    ]
    measured = [name for name in part["runtimes"] if "CUDA" in name]
    for name in (
        "PyTorch eager fp32",
        "onnxruntime fp32",
        "onnxruntime fp16",
        "onnxruntime-tensorrt fp16",
        "tensorrt fp16",
    ):
        assert any(found.startswith(f"{name} on CUDA") for found in absent + measured)
    assert all("not measured" in line for line in part["absent"])
    page = (tmp_path / "export.md").read_text("utf-8")
    assert "* openvino int8: not measured, OpenVINO is not installed" in page
    assert "| `semscan export verify` | fp32 | fp16 | int8 |" in page


def test_a_device_gets_a_row_for_every_way_and_a_roofline(bench, monkeypatch, tmp_path):
    """Pretended devices: the rows are there, whatever their numbers."""
    import engine_runtimes
    import verify_table

    Pretended(monkeypatch, faults=("nhwc",))
    device = Device()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cudart, "_load", lambda: device)
    monkeypatch.setattr(onnxsettings, "_tensorrt_version", lambda runtime: 101601)
    monkeypatch.setattr(bench, "bandwidth_bytes_per_s", lambda cuda: 1e12)
    for module in (bench, engine_runtimes):
        monkeypatch.setattr(module, "CUDA_BATCH", 8)
    bundle, _ = bench.find_bundle("npr5k", tmp_path)
    part = bench.measure(bundle, bench.tiles_of(bundle, None), bench.Effort(1, 1e-4, (8,), (4, 8), False))
    names = [name for name in part["runtimes"] if "CUDA" in name]
    assert names == [
        *(f"onnxruntime {p} on CUDA, {way}" for p in ("fp32", "fp16") for way in ("CUDA graph", "plain")),
        *(f"onnxruntime-tensorrt fp16 on CUDA, {way}" for way in ("CUDA graph", "plain")),
    ]
    refused = (
        "onnxruntime fp16 on CUDA, NHWC and CUDA graph: not measured, untrained npr5k on onnxruntime (cuda:0) misses"
    )
    assert any(line.startswith(refused) for line in part["absent"])
    assert any(
        line.startswith("tensorrt fp16 on CUDA: not measured, TensorRT is not usable") for line in part["absent"]
    )
    row = part["runtimes"][names[-1]]
    assert set(row["by_batch"]) == {"4", "8"}
    assert row["roofline"] == pytest.approx(row["resident_tiles_per_s"] * row["traffic_bytes"] / 1e12)
    assert row["max_delta_logit"] < 2e-2
    checks = verify_table.verified(bundle, bench.tiles_of(bundle, None))
    assert list(checks) == ["fp32", "fp16", "int8", *(f"{n} on CUDA" for n in (
        "onnxruntime fp32", "onnxruntime fp16", "onnxruntime-tensorrt fp16"))]  # fmt: skip
    part |= {"fresh": True, "parameters": 1, "verified": checks}
    page = "\n".join(bench._section("npr5k", part))
    assert "| tiles on the device already (its memory copies 1,000 GB/s) |" in page
    assert "| at most, per logit | 0.0001 | 0.02 | 0.25 | 0.0001 | 0.02 | 0.02 |" in page


def test_the_traffic_of_a_network_is_what_its_kernels_read_and_write(bench, tmp_path):
    import onnx
    import roofline

    helper, f16 = onnx.helper, onnx.TensorProto.FLOAT16
    nodes = [
        helper.make_node("Cast", ["tiles"], ["x"], to=f16),
        helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["y"], ["z"]),
        helper.make_node("AveragePool", ["z"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    weight = onnx.numpy_helper.from_array(np.zeros((3, 1, 3, 3), np.float16), "w")
    tiles = helper.make_tensor_value_info("tiles", onnx.TensorProto.UINT8, ["N", 1, 8, 8])
    out = helper.make_tensor_value_info("p", f16, ["N", 3, 4, 4])
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [tiles], [out], [weight])), tmp_path / "g.onnx")
    assert roofline.traffic_bytes(tmp_path / "g.onnx", 8) == 2 * (64 + 3 * 64) + 2 * (3 * 64 + 3 * 16)
    device = Device()
    assert roofline.bandwidth_bytes_per_s(Cuda(0, device), 1000, 3) > 0
    assert device.taken == {}


def test_the_full_run_measures_more_than_the_quick_one(bench):
    full, quick = bench.Effort(), bench.QUICK
    assert full.rounds > quick.rounds
    assert full.round_s > quick.round_s
    assert full.compiled and not quick.compiled
    assert set(quick.batches) < set(full.batches)
