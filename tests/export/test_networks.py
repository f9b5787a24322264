"""The family of npr64k in every precision: folding is exact, the graph equals the network, brightness never leaks."""

import copy
import dataclasses
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from random_networks import randomised

from semscan.engine.backends.onnxruntime import OnnxRuntimeBackend
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import UsageError
from semscan.export.fold import by_differences, by_phases, fold, mean_of_phases, polyphase
from semscan.export.graph import _BAND, _SHRUNK, _bands, build_graph
from semscan.export.quantize import _balance_kernels, build_int8_graph
from semscan.export.reference import SHIFT, reference_evidence, reference_logits, trial_tiles
from semscan.export.variants import export_fp16, export_int8, folded_of
from semscan.export.verify import verify
from semscan.training.nets.npr64k import BOX_CELLS
from semscan.training.nets.registry import build_network

FAMILY = ("npr64k", "npr64k_lcn", "npr64k_lcn_one_sided", "npr_teacher")
SIDE = 64


@pytest.fixture(scope="module", params=FAMILY)
def network(request):
    return trained(request.param)


def trained(name):
    return randomised(lambda: build_network(name))


def as_bundle(network, path):
    """A bundle of a network, with all else from the shipped one."""
    shipped = load_bundle()
    model = build_graph(fold(network), shipped.tile_px)
    with torch.inference_mode():
        golden = network(torch.from_numpy(shipped.golden().tiles.copy())).tolist()
    logits = [round(value, 7) for value in golden]
    texts = {key: text for key, text in shipped.metadata.items() if key != "golden"}
    texts["golden"] = json.dumps({**json.loads(shipped.metadata["golden"]), "logits": logits})
    onnx.helper.set_model_props(model, {f"semscan.{key}": text for key, text in texts.items()})
    onnx.save(model, path)
    return path


def run(model, tiles, output="logit"):
    data = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run([output], {"tiles": tiles})[0]


def test_the_folded_network_is_the_network_in_float64(network):
    exact, folded = copy.deepcopy(network).double(), fold(network)
    for name, tiles in trial_tiles(SIDE).items():
        with torch.inference_mode():
            expected = exact.evidence(torch.from_numpy(tiles[:8])).numpy()
        np.testing.assert_allclose(reference_evidence(folded, tiles[:8]), expected, atol=1e-10, err_msg=name)
    assert np.abs(folded.first.weight[:, 0].sum((1, 2))).max() < 1e-15


@pytest.mark.parametrize("side", [64, 128, 160])
def test_the_graph_is_the_network(network, side):
    model = build_graph(fold(network), side)
    tiles = trial_tiles(side)["dark"][:3]
    logit, evidence = run(model, tiles), run(model, tiles, "evidence")
    with torch.inference_mode():
        np.testing.assert_allclose(evidence, network.evidence(torch.from_numpy(tiles)), atol=1e-4)
    np.testing.assert_allclose(logit, evidence.mean((1, 2)), atol=1e-6)
    declared = [d.dim_value for d in model.graph.output[1].type.tensor_type.shape.dim][1:]
    assert declared == list(evidence.shape[1:])
    alone = [run(model, tiles[k : k + 1])[0] for k in range(3)]
    np.testing.assert_allclose(logit, alone, atol=1e-6)


def test_differences_and_a_convolution_equal_the_first_one(network):
    first = fold(network).first
    differences, second = by_differences(first)
    assert set(np.unique(differences.weight)) == {-1.0, 0.0, 1.0}
    rng = np.random.default_rng(2)
    raw = torch.from_numpy(rng.integers(0, 256, (2, first.weight.shape[1], 32, 32)).astype(np.float64))
    one = F.conv2d(raw, torch.from_numpy(first.weight), torch.from_numpy(first.bias))
    parts = F.conv2d(raw, torch.from_numpy(differences.weight))
    two = F.conv2d(parts, torch.from_numpy(second.weight), torch.from_numpy(second.bias))
    assert (one - two).abs().max() < 1e-10
    assert np.abs(second.weight[:, :3]).max() <= np.abs(first.weight[:, 0]).max()
    with pytest.raises(ValueError, match="only a 5 x 5"):
        by_differences(second)
    with pytest.raises(ValueError, match="only a folded residual"):
        polyphase(first)


def test_cells_as_channels_equal_the_first_convolution_and_its_pooling(network):
    first = fold(network).first
    differences, second = by_phases(first)
    assert set(np.unique(differences.weight)) == {-1.0, 0.0, 1.0}
    assert not differences.weight.sum((1, 2, 3)).any()  # whole numbers in half precision, whatever the brightness
    rng = np.random.default_rng(2)
    grey = torch.from_numpy(rng.integers(0, 256, (2, 1, 32, 32)).astype(np.float64))
    root = torch.from_numpy(rng.random((2, first.weight.shape[1] - 1, 14, 14)))
    wide = F.pad(root, (1, 1, 1, 1), value=7.0)
    raw = torch.cat([grey, wide.repeat_interleave(2, 2).repeat_interleave(2, 3)], 1)
    expected = F.avg_pool2d(F.relu(F.conv2d(raw, torch.from_numpy(first.weight), torch.from_numpy(first.bias))), 2)
    padded = F.pad(F.pixel_unshuffle(grey, 2), (0, 1, 0, 1), value=1e9)  # what is padded meets zeros only
    parts = torch.cat([F.conv2d(padded, torch.from_numpy(differences.weight)), wide], 1)
    sides = F.relu(F.conv2d(parts, torch.from_numpy(second.weight), torch.from_numpy(second.bias)))
    found = F.conv2d(sides, torch.from_numpy(mean_of_phases(len(first.weight)).weight))
    assert (found - expected).abs().max() < 1e-5


def test_rounded_kernels_still_sum_to_zero(network):
    folded = fold(network)
    graph = build_graph(folded, 64).graph
    kernels = {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}["first_weight"][:, 0]
    plain = folded.first.weight[:, 0].astype(np.float32)
    sums = [np.abs(k.sum((1, 2), dtype=np.float64)).max() for k in (kernels, plain)]
    assert sums[0] < 0.1 * sums[1]
    np.testing.assert_allclose(kernels, plain, atol=1e-6 * np.abs(plain).max())


def test_flat_tiles_lose_least_where_grey_levels_are_centred():
    folded = fold(trained("npr64k_lcn"))
    strong = folded.first.weight * np.array([100.0, 1.0])[:, None, None]
    folded = dataclasses.replace(folded, first=dataclasses.replace(folded.first, weight=strong))
    flat = np.empty((32, 1, SIDE, SIDE), np.uint8)
    flat[:] = np.linspace(0, 255, 32).round().astype(np.uint8)[:, None, None, None]
    expected = reference_logits(folded, flat)
    model = build_graph(folded, SIDE)
    centred = np.abs(run(model, flat) - expected).max()
    (middle,) = [c for c in model.graph.initializer if c.name == "middle"]
    middle.CopyFrom(onnx.numpy_helper.from_array(np.float32(0), "middle"))
    assert centred < 0.8 * np.abs(run(model, flat) - expected).max()


@pytest.mark.parametrize("name", ["npr64k", "npr64k_lcn"])
def test_every_precision_verifies(name, tmp_path):
    """Parity with float64 on textures, noise, dark, bright and constant tiles, and no brightness in any."""
    network = trained(name)
    path = as_bundle(network, tmp_path / "net.onnx")
    folded = folded_of(load_bundle(str(path)))
    np.testing.assert_allclose(folded.first.weight, fold(network).first.weight, atol=1e-7)
    assert all(check.passed for check in verify(path).checks)
    half = export_fp16(str(path), tmp_path / "net.fp16.onnx")
    assert all(check.passed for check in verify(half, str(path)).checks)
    dark = trial_tiles(128)["dark"][:8]
    np.testing.assert_array_equal(run(half, dark), run(half, dark + np.uint8(SHIFT)))
    assert OnnxRuntimeBackend(load_bundle(str(path))).infer(dark).shape == (8,)


def test_the_first_convolution_in_half_precision_would_leak_brightness(network):
    """Why it is taken apart."""
    weight = fold(network).first.weight[:, 0]
    assert np.abs(weight.astype(np.float16).astype(np.float64).sum((1, 2))).max() * SHIFT > 1e-3


def test_half_precision_keeps_contrast_in_single():
    graph = build_graph(fold(trained("npr64k_lcn")), 128, "fp16").graph
    casts = {n.name: onnx.helper.get_attribute_value(n.attribute[0]) for n in graph.node if n.op_type == "Cast"}
    assert casts["grey"] == onnx.TensorProto.FLOAT  # the square of 255 would not fit into half precision
    assert casts["root"] == casts["pixels"] == onnx.TensorProto.FLOAT16


@pytest.mark.parametrize("name", ["npr64k", "npr64k_lcn"])
def test_eight_bits(name, tmp_path):
    network = trained(name)
    path = as_bundle(network, tmp_path / "net.onnx")
    tiles = np.concatenate([trial_tiles(128)["dark"], trial_tiles(128)["random"]])
    eight = export_int8(str(path), tmp_path / "net.int8.onnx", tiles)
    dark = tiles[:8]
    expected = reference_logits(fold(network), dark)
    assert 1e-4 < np.abs(run(eight, dark) - expected).max() < 0.25
    np.testing.assert_allclose(run(eight, dark), run(eight, dark + np.uint8(SHIFT)), atol=1e-4)
    weights = {c.name: onnx.numpy_helper.to_array(c) for c in onnx.load(eight).graph.initializer}
    assert weights["conv1_weight"].dtype == np.int8
    if name == "npr64k":
        assert not weights["first_weight"].astype(np.int64).sum((1, 2, 3)).any()
    else:
        assert weights["first_weight"].dtype == np.float32


def test_rounded_kernels_are_mended_where_it_costs_least():
    exact = np.array([[[[1.4, 2.45, -3.85]]], [[[1.6, 2.55, -4.15]]], [[[1.0, 2.0, -3.0]]]])
    whole = np.rint(exact)
    _balance_kernels(exact, whole)
    np.testing.assert_array_equal(whole[:, 0, 0], [[1, 3, -4], [2, 2, -4], [1, 2, -3]])
    rng = np.random.default_rng(1)
    exact = rng.normal(0, 50, (32, 1, 5, 5))
    exact -= exact.mean((1, 2, 3), keepdims=True)
    whole = np.rint(exact)
    _balance_kernels(exact, whole)
    assert not whole.sum((1, 2, 3)).any()
    assert np.abs(whole - exact).max() <= 1


def test_tiles_of_unusable_size_are_refused(network):
    for side in (24, 100, 120):
        with pytest.raises(ValueError, match="not a multiple of 16, or too small"):
            build_graph(fold(network), side)


@pytest.mark.parametrize("name", ["npr1m", "wavelet_hh", "ladeda", "patterns_cnn"])
def test_other_networks_are_refused_in_one_sentence(name):
    with pytest.raises(UsageError, match="cannot be exported, only npr5k and the family of npr64k can"):
        fold(build_network(name))


def test_eight_bit_ranges_follow_every_activation():
    folded = fold(trained("npr64k"))
    quiet, loud = (np.full((64, 1, 128, 128), 128, np.uint8) for _ in range(2))
    rng = np.random.default_rng(4)
    quiet += rng.integers(0, 3, quiet.shape, dtype=np.uint8)
    loud += rng.integers(0, 60, loud.shape, dtype=np.uint8)

    def scale(tiles, name):
        graph = build_int8_graph(folded, 128, tiles).graph
        return float({c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}[f"{name}_scale"])

    for name in ("first_relu", "first_pooled"):
        assert scale(loud, name) > 1.5 * scale(quiet, name)


def test_contrasts_fit_into_half_precision():
    """OpenVINO computes everything in half precision, also what the graph has typed single: 65504 must be enough."""
    pytest.importorskip("openvino")
    import openvino

    core = openvino.Core()
    if "FP16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU does not compute in half precision")
    folded = fold(trained("npr64k_lcn"))
    stark = (np.random.default_rng(1).integers(0, 2, (4, 1, SIDE, SIDE)) * 255).astype(np.uint8)
    model = core.read_model(build_graph(folded, SIDE, "fp16").SerializeToString())
    found = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f16"}).infer_new_request({"tiles": stark})
    expected = reference_evidence(folded, stark).mean((1, 2))
    np.testing.assert_allclose(found["logit"], expected, atol=2e-2)


def test_the_box_of_the_contrast_is_a_mean_even_in_half_precision():
    """Runtimes that take half precision for everything round its constants, and that must not shift every contrast."""
    bands, pixels = _bands(6)
    rng = np.random.default_rng(0)
    squares = rng.uniform(0, 500, (12, 12))
    found = bands @ squares @ bands.T / (_BAND**2 * pixels)
    expected = F.avg_pool2d(torch.from_numpy(squares)[None], 2)
    for size, pad in (((BOX_CELLS, 1), (3, 0)), ((1, BOX_CELLS), (0, 3))):
        expected = F.avg_pool2d(expected, size, 1, pad, count_include_pad=False)
    np.testing.assert_allclose(found, expected[0], rtol=1e-12)
    bands, pixels = _bands(62)
    assert (bands.astype(np.float16) == bands).all()
    shares = 0.5 / (_BAND**2 * pixels)
    deviation = np.abs(shares.astype(np.float16) / shares - 1)
    assert deviation[31, 31] < 3e-5
    assert deviation.max() < 1.5e-4
    most = (255 / _SHRUNK) ** 2 * 2
    assert (bands @ np.full((124, 124), most) @ bands.T).max() < 1000
