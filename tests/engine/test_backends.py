"""Which runtime a scan gets, and that all of them give the same scores."""

import importlib.util
import shutil
import sys

import numpy as np
import pytest

from semscan.engine.backends import open_backend
from semscan.engine.backends.choice import Choice, choose
from semscan.engine.backends.ways import Way
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import DeviceError, ModelError, UsageError
from semscan.engine.selftest import golden_self_test


def pretend_installed(monkeypatch, *names):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in names else None)


@pytest.mark.parametrize(
    ("installed", "precision", "expected"),
    [
        (("onnxruntime", "openvino"), "auto", ("onnxruntime", "fp32")),
        (("onnxruntime", "openvino"), "fp16", ("openvino", "fp16")),
        (("onnxruntime",), "fp16", ("onnxruntime", "fp16")),
        (("openvino",), "fp32", ("openvino", "fp32")),
    ],
)
def test_what_auto_takes(monkeypatch, installed, precision, expected):
    pretend_installed(monkeypatch, *installed)
    choice = choose(precision=precision)
    assert (choice.backend, choice.precision) == expected
    assert choice.why


def test_nothing_that_was_asked_for_is_replaced(monkeypatch, bundle):
    pretend_installed(monkeypatch, "onnxruntime")
    assert choose(backend="openvino").backend == "openvino"
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(DeviceError, match="OpenVINO is not installed"):
        open_backend(bundle, choose(backend="openvino"))
    pretend_installed(monkeypatch)
    with pytest.raises(DeviceError, match="no inference runtime"):
        choose()
    for wrong in ({"device": "tpu"}, {"backend": "caffe"}, {"precision": "fp8"}):
        with pytest.raises(UsageError, match="there is no such choice"):
            choose(**wrong)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_runtimes_agree_and_batch_mates_do_not_matter(bundle, tiles, backend):
    expected = open_backend(bundle, choose(backend="onnxruntime")).infer(tiles)
    runtime = open_backend(bundle, choose(backend=backend))
    assert (runtime.name, runtime.precision, runtime.device) == (backend, "fp32", "cpu")
    assert golden_self_test(bundle, runtime) < 1e-4
    found = runtime.infer(tiles)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    mates = tiles.copy()
    mates[1:] = 255 - mates[1:]
    assert runtime.infer(mates)[0] == found[0]
    np.testing.assert_allclose(runtime.infer(tiles), found, atol=0)
    with pytest.raises(ValueError, match="must be uint8"):
        runtime.infer(tiles[:, :, :64])


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_half_precision_is_close_and_close_only(bundle, tiles, backend):
    try:
        runtime = open_backend(bundle, choose(backend=backend, precision="fp16"))
    except DeviceError as refusal:
        assert "half precision" in refusal.message  # this CPU cannot, and it is not replaced by another precision
        return
    assert runtime.precision == "fp16"
    golden_self_test(bundle, runtime)
    expected = open_backend(bundle, choose(backend="onnxruntime")).infer(tiles)
    assert 1e-5 < np.abs(runtime.infer(tiles) - expected).max() < 2e-2


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_openvino_scores_alike_in_every_batch(bundle, precision):
    """It takes a fixed number of tiles at a time, and fills up what is missing."""
    pytest.importorskip("openvino")
    tiles = np.random.default_rng(4).integers(40, 220, (19, 1, 128, 128), dtype=np.uint8)
    try:
        expected = open_backend(bundle, choose(backend="openvino", precision=precision)).infer(tiles)
    except DeviceError:
        pytest.skip("this CPU does not compute in half precision")
    assert len(set(expected.tolist())) > 15  # half precision has few steps
    for batch in (1, 5, 16, 32):
        runtime = open_backend(bundle, choose(backend="openvino", precision=precision), Way(batch))
        for start, end in ((0, 19), (3, 4), (0, 16), (2, 19)):
            np.testing.assert_array_equal(runtime.infer(tiles[start:end]), expected[start:end])


def test_artefacts_lie_beside_their_bundle_and_belong_to_it(bundle, tmp_path):
    copy = tmp_path / "own.onnx"
    shutil.copy(bundle.path, copy)
    own = load_bundle(str(copy))
    assert own.at("fp32") is own
    with pytest.raises(ModelError, match="has no fp16 artefact") as refusal:
        own.at("fp16")
    assert "semscan export fp16" in refusal.value.remedy
    shutil.copy(bundle.path.with_suffix(".fp16.onnx"), tmp_path / "own.fp16.onnx")
    assert own.at("fp16").precision == "fp16"
    with copy.open("ab") as file:
        file.write(b"\x1a\x00")  # an empty field: another file with the same network
    with pytest.raises(ModelError, match="was not made from"):
        load_bundle(str(copy)).at("fp16")


def test_a_graph_that_no_runtime_takes_is_refused(bundle, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(bundle.path.read_bytes().replace(b"ReduceMean", b"ReduceMeam"))
    model = load_bundle(str(broken))
    for backend in ("onnxruntime", "openvino"):
        with pytest.raises(ModelError, match="refuses"):
            open_backend(model, Choice("cpu", backend, "fp32", ""))


@pytest.mark.parametrize(
    ("device", "backend", "precision", "expected"),
    [
        ("cuda", "auto", "auto", ("cuda:0", "onnxruntime", "fp32")),
        ("cuda:1", "auto", "fp16", ("cuda:1", "onnxruntime", "fp16")),
        ("auto", "tensorrt", "auto", ("cuda:0", "tensorrt", "fp16")),
        ("auto", "onnxruntime-tensorrt", "auto", ("cuda:0", "onnxruntime-tensorrt", "fp16")),
    ],
)
def test_what_is_asked_for_on_cuda(device, backend, precision, expected):
    choice = choose(device, backend, precision)
    assert (choice.device, choice.backend, choice.precision) == expected
    assert choice.index == int(expected[0][-1])
    assert (choice.why is None) == (backend != "auto")


@pytest.mark.parametrize(
    ("device", "backend", "precision"),
    [
        ("cuda:x", "auto", "auto"),
        ("cuda:", "auto", "auto"),
        ("cuda", "openvino", "auto"),
        ("cuda", "tensorrt", "fp32"),
        ("cuda", "auto", "int8"),
        ("cpu", "tensorrt", "auto"),
        ("cpu", "onnxruntime-tensorrt", "auto"),
        ("cuda", "onnxruntime-tensorrt", "fp32"),
        ("cuda", "onnxruntime-tensorrt", "int8"),
    ],
)
def test_combinations_that_do_not_exist_are_refused(device, backend, precision):
    with pytest.raises(UsageError):
        choose(device, backend, precision)


def test_tensorrt_that_is_not_installed_is_refused(bundle):
    with pytest.raises(DeviceError, match="TensorRT is not usable here"):
        open_backend(bundle, choose(backend="tensorrt"))
