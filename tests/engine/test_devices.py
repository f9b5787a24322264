"""Devices that run out of memory, and several of them: what is told, and that no score shows which one did the work.

The devices are pretended: ONNX Runtime on the CPU plays them, with a limit, a delay or a failure of its own.
"""

import time
from pathlib import Path

import numpy as np
import pytest

from semscan.cli.main import main
from semscan.engine import pipeline, selftest
from semscan.engine.backends import cudart, open_backends
from semscan.engine.backends.choice import choose
from semscan.engine.backends.failures import OutOfDeviceMemory, failure
from semscan.engine.backends.fake import FakeBackend
from semscan.engine.backends.memory import HalvingBackend
from semscan.engine.backends.onnxruntime import OnnxRuntimeBackend
from semscan.engine.batcher import Batcher
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import DeviceError, NoticeCode, UsageError
from semscan.engine.options import ScanOptions
from semscan.engine.records import NoticeRecord, PanelRecord, RunRecord, SummaryRecord

PAPER = str(Path(__file__).parents[2] / "examples" / "paper.pdf")


class Limited(FakeBackend):
    """Has memory for so many tiles; its logits show the shape that they were scored in."""

    def __init__(self, most, device="cuda:0", spared=0):
        self.most, self.device, self.spared, self.sizes = most, device, spared, []

    def infer(self, tiles):
        self.sizes.append(len(tiles))
        if len(tiles) > self.most and len(self.sizes) > self.spared:
            raise OutOfDeviceMemory(f"{self.device} is out of memory", "use a smaller --batch-size")
        return super().infer(tiles) + np.float32(len(tiles))


def tiles_of(seed, count):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 8, 8), np.uint8)


@pytest.mark.parametrize(("batch", "half"), [(32, 16), (9, 5), (2, 1)])
def test_a_batch_that_does_not_fit_is_scored_as_the_smaller_one_would_be(batch, half):
    said = []
    device = Limited(half)
    backend = HalvingBackend(device, said.append)
    tiles = tiles_of(batch, batch)
    expected = FakeBackend().infer(tiles) + np.float32(half)
    for _ in range(3):
        np.testing.assert_array_equal(backend.infer(tiles), expected)
    assert said == [f"cuda:0 is out of memory with batches of {batch} tiles; it goes on with {half} at a time"]
    assert device.sizes == [batch, *[half] * 6]


def test_a_batch_is_halved_once_only():
    said = []
    backend = HalvingBackend(Limited(7), said.append)
    with pytest.raises(OutOfDeviceMemory, match="with batches of 16 tiles, too") as refusal:
        backend.infer(tiles_of(0, 32))
    assert "--batch-size 4" in refusal.value.remedy
    assert len(said) == 1
    with pytest.raises(OutOfDeviceMemory):
        HalvingBackend(Limited(0), said.append).infer(tiles_of(0, 1))  # nothing to halve
    assert len(said) == 1


@pytest.mark.parametrize(
    "words",
    [
        "[E:onnxruntime] Failed to allocate memory for requested buffer of size 4194304",
        "CUDA failure 2: out of memory ; GPU=0",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "std::bad_alloc",
    ],
)
def test_what_runtimes_say_when_memory_ends(words):
    assert isinstance(failure(RuntimeError(words), "ONNX Runtime", "cuda:0"), OutOfDeviceMemory)
    other = failure(RuntimeError("CUDA failure 700:\nan illegal memory access"), "ONNX Runtime", "cuda:1")
    assert not isinstance(other, OutOfDeviceMemory)
    assert other.message == "ONNX Runtime fails on cuda:1: CUDA failure 700: an illegal memory access"
    assert "semscan doctor" in other.remedy


def test_a_runtime_that_fails_while_it_scores_is_refused(monkeypatch):
    bundle = load_bundle()
    backend = OnnxRuntimeBackend(bundle)

    def run(names, inputs):
        raise RuntimeError("Failed to allocate memory for requested buffer of size 99")

    monkeypatch.setattr(backend, "_session", type("Session", (), {"run": staticmethod(run)}))
    with pytest.raises(OutOfDeviceMemory, match="cpu is out of memory"):
        backend.infer(np.zeros((1, 1, 128, 128), np.uint8))


class Slow(FakeBackend):
    def __init__(self, seconds):
        self.seconds, self.shapes = seconds, []

    def infer(self, tiles):
        time.sleep(self.seconds)
        self.shapes.append(tiles.shape)
        return super().infer(tiles)


@pytest.mark.parametrize("delays", [(0.0,), (0.0, 0.004), (0.004, 0.0), (0.0, 0.002, 0.001)])
def test_devices_take_turns_and_every_panel_gets_its_logits_once(delays):
    devices = [Slow(delay) for delay in delays]
    batcher = Batcher(devices, 4, 8)
    counts = [1 + number * 7 % 11 for number in range(20)]
    scored = [done for key, count in enumerate(counts) for done in batcher.add(key, tiles_of(key, count))]
    scored += batcher.flush()
    batcher.close()
    assert sorted(key for key, _ in scored) == list(range(len(counts)))
    for key, logits in scored:
        np.testing.assert_array_equal(logits, FakeBackend().infer(tiles_of(key, counts[key])))
    batches = -(-sum(counts) // 4)
    shares = [len(device.shapes) for device in devices]
    assert sum(shares) == batches
    assert max(shares) - min(shares) <= 1
    assert {shape for device in devices for shape in device.shapes} == {(4, 1, 8, 8)}


def test_one_failing_device_ends_the_batches():
    batcher = Batcher([FakeBackend(), Limited(0, "cuda:1")], 4, 8)
    with pytest.raises(OutOfDeviceMemory, match="cuda:1"):
        for key in range(40):
            batcher.add(key, tiles_of(key, 3))
    batcher.close()


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("cuda:0,cuda:1", ["cuda:0", "cuda:1"]),
        ("cuda:3,cuda:1", ["cuda:3", "cuda:1"]),
        ("cuda,cuda:2", ["cuda:0", "cuda:2"]),
        ("cuda:all", ["cuda:0", "cuda:1", "cuda:2"]),
        ("cuda:7", ["cuda:7"]),
        ("cpu", ["cpu"]),
    ],
)
def test_which_devices_are_opened(monkeypatch, device, expected):
    monkeypatch.setattr(cudart, "device_count", lambda: 3)
    monkeypatch.setattr("semscan.engine.backends.open_backend", lambda bundle, choice, way: choice.device)
    assert open_backends(None, choose(device)) == expected


@pytest.mark.parametrize(
    "device", ["cuda:0,cuda:0", "cuda,cuda:0", "cuda:0,cpu", "cuda:0,", ",", "cuda:all,cuda:1", "cuda:²"]
)
def test_devices_that_make_no_sense_are_refused(device):
    with pytest.raises(UsageError, match=r"there is no such choice|names a device twice"):
        choose(device)


class OnDevice:
    """ONNX Runtime on the CPU under the name of a device."""

    name, precision, how = "onnxruntime", "fp32", ""

    def __init__(self, device, most=1 << 20, fails_after=1 << 20):
        self.device, self.most, self.fails_after = device, most, fails_after
        self._backend, self.sizes = OnnxRuntimeBackend(load_bundle()), []

    def infer(self, tiles):
        self.sizes.append(len(tiles))
        if len(tiles) > self.most:
            raise OutOfDeviceMemory(f"{self.device} is out of memory")
        if len(self.sizes) > self.fails_after:
            raise DeviceError(f"ONNX Runtime fails on {self.device}: CUDA failure 700", "semscan doctor")
        return self._backend.infer(tiles)


def scanned(monkeypatch, *devices, batch=4):
    monkeypatch.setattr(selftest, "open_backends", lambda bundle, choice, way: list(devices))
    return list(pipeline.scan(PAPER, ScanOptions(batch_size=batch, jobs=1)))


def scores(records):
    return {r.panel_id: (r.score, r.level) for r in records if isinstance(r, PanelRecord) and r.score is not None}


@pytest.fixture(scope="module")
def alone():
    """Scores of the example paper on one device."""
    found = scores(pipeline.scan(PAPER, ScanOptions(batch_size=4, jobs=1)))
    assert len(found) > 3
    return found


def test_two_devices_share_a_scan_and_change_no_score(monkeypatch, alone):
    devices = OnDevice("cuda:0"), OnDevice("cuda:1")
    records = scanned(monkeypatch, *devices)
    assert records[0].device == "cuda:0,cuda:1"
    assert isinstance(records[0], RunRecord)
    assert records[0].chosen == "starts fastest"
    assert scores(records) == alone
    shares = [len(device.sizes) for device in devices]
    assert abs(shares[0] - shares[1]) <= 1
    assert {size for device in devices for size in device.sizes} == {4}


def test_memory_that_is_too_small_is_found_before_the_scan_and_told(monkeypatch, alone):
    device = OnDevice("cuda:0", most=2)
    records = scanned(monkeypatch, device)
    assert scores(records) == alone
    assert device.sizes[0] == 4
    assert set(device.sizes[1:]) == {2}  # all tiles of the scan in one shape
    (notice,) = [r for r in records if isinstance(r, NoticeRecord)]
    assert records.index(notice) == 1
    assert (notice.code, notice.severity, notice.path) == (NoticeCode.BATCH_HALVED, "warning", "cuda:0")
    summary = records[-1]
    assert isinstance(summary, SummaryRecord)
    assert (
        summary.remarks
        == (notice.message,)
        == ("cuda:0 is out of memory with batches of 4 tiles; it goes on with 2 at a time",)
    )
    assert summary.exit_code == 0


def test_the_user_reads_of_it_twice(monkeypatch, capsys):
    monkeypatch.setattr(selftest, "open_backends", lambda bundle, choice, way: [OnDevice("cuda:0", most=16)])
    assert main([PAPER, "--device", "cuda", "--json", "-j", "1"]) == 0
    said = capsys.readouterr().err
    assert "semscan: warning: cuda:0: cuda:0 is out of memory with batches of 32 tiles" in said
    assert "Note       cuda:0 is out of memory" in said


@pytest.mark.parametrize("limit", [{"most": 15}, {"fails_after": 1}], ids=["memory", "failure"])
def test_a_device_that_cannot_go_on_is_refused(monkeypatch, capsys, limit):
    devices = [OnDevice("cuda:0"), OnDevice("cuda:1", **limit)]
    monkeypatch.setattr(selftest, "open_backends", lambda bundle, choice, way: devices)
    assert main([PAPER, "--device", "cuda:0,cuda:1", "--json", "-j", "1"]) == 2
    said = capsys.readouterr().err
    assert "cuda:1" in said
    assert "--batch-size 4" in said if "most" in limit else "semscan doctor" in said
