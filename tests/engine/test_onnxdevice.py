"""ONNX Runtime on pretended devices: what is asked of it, what is proved, and what happens when it refuses."""

import json
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from pretended_onnx import CUDA, Pretended, Session

from semscan.cli.main import main
from semscan.engine.backends import onnxdevice, open_backend
from semscan.engine.backends.choice import choose
from semscan.engine.backends.failures import OutOfDeviceMemory, Unusable
from semscan.engine.backends.onnxdevice import BoundBatch, require_all_on
from semscan.engine.backends.onnxruntime import open_session
from semscan.engine.backends.ways import Way
from semscan.engine.errors import DeviceError
from semscan.engine.selftest import golden_self_test, open_proved

PAPER = str(Path(__file__).parents[2] / "examples" / "paper.pdf")
PLAIN = {"device_id": "0", "cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": "0"}
NHWC, GRAPH = {"prefer_nhwc": "1"}, {"enable_cuda_graph": "1"}


@pytest.fixture(scope="module")
def expected(bundle, tiles):
    return open_backend(bundle, choose()).infer(tiles)


def proved(bundle, device="cuda", batch=5, tell=None):
    return open_proved(bundle, choose(device, "onnxruntime"), batch, tell)


@pytest.mark.parametrize(
    ("taken", "refusal"),
    [
        ((CUDA,), None),
        (("CPUExecutionProvider",), "took CPUExecutionProvider instead"),
        ((), "cannot use cuda:1: CUDA failure 100"),
    ],
)
def test_the_provider_is_proved(monkeypatch, bundle, taken, refusal):
    with pytest.raises(Unusable, match="cannot use CUDA"):
        open_backend(bundle, choose(device="cuda:1"))
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    session = type("Taken", (Session,), {"taken": taken})
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(onnxdevice, "find_library", lambda names: object())
    if refusal is None:
        assert open_backend(bundle, choose(device="cuda:1")).device == "cuda:1"
        assert session.asked == [(CUDA, PLAIN | {"device_id": "1"})]
    else:
        with pytest.raises(DeviceError, match=refusal):
            open_backend(bundle, choose(device="cuda:1"))


def test_layers_that_another_provider_computes_are_found(bundle):
    """The runtime's own account of its layers, on the CPU."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = onnxruntime.InferenceSession(str(bundle.path), options, providers=["CPUExecutionProvider"])
    if not hasattr(session, "get_provider_graph_assignment_info"):
        pytest.skip("this version does not tell")
    require_all_on(session, "CPUExecutionProvider", 0)
    with pytest.raises(DeviceError, match="leaves layers to CPUExecutionProvider that CUDAExecutionProvider was to"):
        require_all_on(session, CUDA, 0)
    with pytest.raises(DeviceError, match="leaves layers to nobody"):
        require_all_on(SimpleNamespace(get_provider_graph_assignment_info=list), CUDA, 0)


def test_bound_memory_gives_the_same_logits(bundle, tiles, expected):
    """The runtime's own calls, with memory of the CPU in the place of a device's."""
    batch = BoundBatch(open_session(bundle.path), tiles.shape, "cpu", 0)
    first = batch.infer(tiles)
    again = batch.infer(tiles[::-1])  # not contiguous, and written over the first
    np.testing.assert_array_equal(again, expected[::-1])
    np.testing.assert_array_equal(first, expected)


def test_the_fastest_way_records_once_and_replays(monkeypatch, bundle, tiles, expected):
    device = Pretended(monkeypatch)
    found = proved(bundle)
    (backend,) = found.backends
    assert device.opened == [(CUDA, PLAIN | NHWC | GRAPH)]
    assert found.how == backend.how == "NHWC and a CUDA graph for batches of 5"
    assert found.deviation < 1e-4
    device.replayed.clear()
    np.testing.assert_array_equal(backend.infer(tiles), expected)
    given = []
    thread = threading.Thread(target=lambda: given.append(backend.infer(tiles[::-1])))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(given[0], expected[::-1])
    assert (device.recorded, device.replayed) == ([5], [5, 5])  # neither the scan nor another thread records
    assert len(device.threads) == 1
    np.testing.assert_array_equal(backend.infer(tiles[:2]), expected[:2])
    assert device.plain == [2]  # a size that was not proved is never recorded
    backend.resident(5)()
    assert device.recorded == [5]


BOTH, SAID = "NHWC and a CUDA graph for batches of 5", "ONNX Runtime cannot use cuda:0: unknown provider option"


@pytest.mark.parametrize(
    ("refuses", "faults", "taken", "how", "reasons"),
    [
        (("prefer_nhwc",), (), GRAPH, "a CUDA graph for batches of 5", [f"{BOTH} refused: {SAID} prefer_nhwc"]),
        (("enable_cuda_graph",), (), NHWC, "NHWC", [f"{BOTH} refused: {SAID} enable_cuda_graph"]),
        ((), ("recording",), NHWC, "NHWC", ["when stream is capturing"]),
        ((), ("replaying",), NHWC, "NHWC", ["misses its golden scores by"]),
        ((), ("nhwc",), GRAPH, "a CUDA graph for batches of 5", ["misses its golden scores by 0.1 logits"]),
        (("enable_cuda_graph",), ("nhwc",), {}, "", [BOTH, "NHWC refused: ", "a CUDA graph for batches of 5 refused"]),
    ],
)
def test_what_is_refused_is_left_out_and_said(
    monkeypatch, bundle, tiles, expected, refuses, faults, taken, how, reasons
):
    device = Pretended(monkeypatch, refuses, faults)
    found = proved(bundle)
    assert device.opened[-1] == (CUDA, PLAIN | taken)
    assert found.how.startswith(how)
    assert found.backends[0].how == how
    for reason in reasons:
        assert reason in found.how
    assert found.how.count(" refused: ") == len(device.opened) - 1
    np.testing.assert_array_equal(found.backends[0].infer(tiles), expected)


def test_a_replay_that_does_not_read_what_is_new_is_found(monkeypatch, bundle):
    """In the order of before it would look right."""
    device = Pretended(monkeypatch, faults=("replaying",))
    backend = open_backend(bundle, choose("cuda"), Way(8, graph=True))
    golden = bundle.golden()
    for _ in range(2):
        np.testing.assert_allclose(backend.infer(golden.tiles), golden.logits, atol=1e-4)
    assert device.replayed
    with pytest.raises(Exception, match="misses its golden scores"):
        golden_self_test(bundle, backend, 8)


def test_all_devices_are_used_the_same_way(monkeypatch, bundle):
    device = Pretended(monkeypatch, ("enable_cuda_graph",))
    found = proved(bundle, "cuda:0,cuda:1")
    assert [one.device for one in found.backends] == ["cuda:0", "cuda:1"]
    assert {one.how for one in found.backends} == {"NHWC"}
    assert [asked["device_id"] for _, asked in device.opened] == ["0", "0", "1"]


def test_what_no_other_way_would_change_is_refused_at_once(monkeypatch, bundle):
    device = Pretended(monkeypatch, PLAIN)
    monkeypatch.setattr(onnxdevice, "find_library", lambda names: None)
    with pytest.raises(Unusable, match="CUDA is not installed"):
        proved(bundle)
    assert len(device.opened) == 1


def test_the_plain_way_is_the_last(monkeypatch, bundle):
    device = Pretended(monkeypatch, PLAIN)
    with pytest.raises(DeviceError, match="unknown provider option"):
        proved(bundle)
    assert len(device.opened) == 4


def test_memory_gives_way_in_turn_and_is_told(monkeypatch, bundle):
    """A graph needs more; then the batch is halved, which works without one."""
    said = []
    device = Pretended(monkeypatch, most=5)
    found = proved(bundle, tell=lambda *words: said.append(words))
    assert found.how.startswith(f"NHWC; {BOTH} refused: cuda:0 is out of memory")
    assert not said
    device = Pretended(monkeypatch, most=3)
    found = proved(bundle, tell=lambda *words: said.append(words))
    assert [device for device, _ in said] == ["cuda:0"]
    assert found.how.count("refused") == 3
    assert set(device.plain) == {3}
    with pytest.raises(OutOfDeviceMemory):
        proved(bundle)  # without anybody to tell it is refused


def test_nothing_is_replayed_that_reads_memory_given_back(monkeypatch, bundle, tiles, expected):
    device = Pretended(monkeypatch)
    backend = open_backend(bundle, choose("cuda"), Way(5, graph=True))
    np.testing.assert_array_equal(backend.infer(tiles), expected)
    device.most = 5
    with pytest.raises(OutOfDeviceMemory):
        backend.infer(tiles)  # its graph needs more than there is now
    np.testing.assert_array_equal(backend.infer(tiles), expected)
    assert (device.recorded, device.replayed, device.plain) == ([5], [], [5])


def test_a_scan_says_how_and_prints_nothing_else(monkeypatch, capsys):
    Pretended(monkeypatch, ("enable_cuda_graph",))
    assert main([PAPER, "--device", "cuda", "--json", "-j", "1"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]  # and not what the package prints
    chosen = records[0]["chosen"]
    assert chosen.startswith(
        "needs no plan that is built before; NHWC; NHWC and a CUDA graph for batches of 32 refused"
    )
