"""The benchmark of the engine runs on any machine, and names what it could not measure."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

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
    for name in ("bench_engine", "machine", "verify_table"):
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
    cuda = ["onnxruntime fp32 on CUDA", "onnxruntime fp16 on CUDA", "tensorrt fp16 on CUDA"]
    assert absent[:4] == ["torch.compile", *(f"openvino {p}" for p in ("fp32", "fp16", "int8"))]
    assert set(absent[4:]) <= set(cuda)
    assert all("not measured" in line for line in part["absent"])
    page = (tmp_path / "export.md").read_text("utf-8")
    assert "* openvino int8: not measured, OpenVINO is not installed" in page
    assert "| `semscan export verify` | fp32 | fp16 | int8 |" in page


def test_the_full_run_measures_more_than_the_quick_one(bench):
    full, quick = bench.Effort(), bench.QUICK
    assert full.rounds > quick.rounds
    assert full.round_s > quick.round_s
    assert full.compiled and not quick.compiled
    assert set(quick.batches) < set(full.batches)
