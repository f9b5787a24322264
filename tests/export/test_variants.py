"""Artefacts of less precision: exact where they promise to be, and refused where they deviate."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from test_networks import as_bundle, trained

from semscan.cli.main import main
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import ModelError, UsageError
from semscan.export.fold import polyphase
from semscan.export.quantize import build_int8_graph
from semscan.export.reference import SHIFT, reference_logits, trial_tiles
from semscan.export.variants import export_fp16, export_int8, folded_of
from semscan.export.verify import verify


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Path of a bundle of the thesis network, whatever network ships; its first layer is as strong as a trained one."""
    network = trained("npr5k")
    with torch.no_grad():
        network.conv1.weight.mul_(40)
        network.head.weight.div_(10)
    return str(as_bundle(network, tmp_path_factory.mktemp("model") / "small.onnx"))


@pytest.fixture(scope="module")
def bundle(model):
    return load_bundle(model)


@pytest.fixture(scope="module")
def textures():
    """Smooth noise of many strengths, uint8 [96, 1, 128, 128]."""
    rng = np.random.default_rng(5)
    rough = rng.normal(0, 1, (96, 132, 132))
    fine = sum(rough[:, i : i + 128, j : j + 128] for i in range(0, 5, 2) for j in range(0, 5, 2))
    level, gain = rng.uniform(60, 190, (96, 1, 1)), rng.uniform(2, 15, (96, 1, 1))
    return np.clip(np.rint(level + gain * fine), 0, 255).astype(np.uint8)[:, None]


def run(path, tiles):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["logit"], {"tiles": tiles})[0]


def test_two_convolutions_equal_the_folded_one_exactly(bundle):
    first = folded_of(bundle).first
    cells = first.weight.reshape(len(first.weight), 2, 2, 2, 2).sum((2, 4))
    assert np.abs(cells).max() < 1e-7  # float32 weights of the bundle, read as float64
    differences, second = polyphase(first)
    assert set(np.unique(differences.weight)) == {-1.0, 0.0, 1.0}
    raw = torch.from_numpy(trial_tiles(128)["random"][:4].astype(np.float64))
    one = F.conv2d(F.pad(raw, (2, 0, 2, 0)), torch.from_numpy(first.weight), torch.from_numpy(first.bias), 2)
    parts = F.conv2d(raw, torch.from_numpy(differences.weight), stride=2)
    two = F.conv2d(F.pad(parts, (1, 0, 1, 0)), torch.from_numpy(second.weight), torch.from_numpy(second.bias))
    assert (one - two).abs().max() < 1e-5
    with pytest.raises(ValueError, match="only a folded residual"):
        polyphase(second)


def test_the_network_read_back_scores_like_the_graph(bundle):
    for tiles in trial_tiles(128).values():
        np.testing.assert_allclose(run(bundle.path, tiles), reference_logits(folded_of(bundle), tiles), atol=1e-4)


def test_half_precision(model, bundle, textures, tmp_path):
    path = export_fp16(model, tmp_path / "half.onnx")
    types = {c.name: c.data_type for c in onnx.load(path).graph.initializer}
    assert types["first_weight"] == onnx.TensorProto.FLOAT16
    assert types["head_weight"] == onnx.TensorProto.FLOAT
    half = load_bundle(str(path))
    assert (half.precision, half.id, half.card) == ("fp16", bundle.id, bundle.card)
    assert verify(path, model, tiles=textures).checks
    dark = trial_tiles(128)["dark"]
    np.testing.assert_array_equal(run(path, dark), run(path, dark + np.uint8(SHIFT)))


def test_half_precision_of_the_single_convolution_would_leak_brightness(bundle, tmp_path):
    """Why the first layer is taken apart: rounded, its cells no longer sum to zero."""
    rounded = folded_of(bundle).first.weight.astype(np.float16).astype(np.float64)
    assert np.abs(rounded.reshape(-1, 2, 2, 2, 2).sum((2, 4))).max() * SHIFT > 1e-3


def test_eight_bits(model, bundle, textures, tmp_path):
    path = export_int8(model, tmp_path / "eight.onnx", textures)
    graph = onnx.load(path).graph
    weight = {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}["first_weight"]
    assert weight.dtype == np.int8
    assert not weight.reshape(-1, 2, 2, 2, 2).sum((2, 4), dtype=np.int64).any()
    expected = reference_logits(folded_of(bundle), textures)
    assert np.abs(run(path, textures) - expected).max() < 0.25
    assert np.abs(run(path, textures) - expected).max() > 1e-3  # it really is another arithmetic
    dark = trial_tiles(128)["dark"]
    np.testing.assert_allclose(run(path, dark), run(path, dark + np.uint8(SHIFT)), atol=1e-4)


def test_ranges_follow_the_tiles(bundle, textures):
    def steps(tiles):
        graph = build_int8_graph(folded_of(bundle), 128, tiles).graph
        return {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}["pooled_scale"]

    flat = np.full_like(textures, 128)
    assert steps(textures) > 3 * steps(np.maximum(flat, textures // 8 + 112))


@pytest.mark.parametrize(
    ("tiles", "message"),
    [
        (np.zeros((9, 1, 128, 128), np.uint8), "too few"),
        (np.zeros((99, 1, 64, 64), np.uint8), "128 x 128"),
        (np.zeros((99, 3, 128, 128), np.uint8), "128 x 128"),
        (np.zeros((99, 1, 128, 128), np.float32), "128 x 128"),
    ],
)
def test_unusable_tiles_are_refused(model, tiles, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        export_int8(model, tmp_path / "x.onnx", tiles)
    assert not (tmp_path / "x.onnx").exists()


def test_larger_tiles_are_cut(model, textures, tmp_path):
    wide = np.pad(textures, ((0, 0), (0, 0), (0, 32), (0, 32)), constant_values=7)
    one, other = (export_int8(model, tmp_path / f"{len(t[0, 0])}.onnx", t) for t in (textures, wide))
    assert one.read_bytes() == other.read_bytes()
    assert "given tiles" in " ".join(check.what for check in verify(load_bundle(model).path, tiles=wide).checks)
    with pytest.raises(UsageError, match="128 x 128"):
        verify(load_bundle(model).path, tiles=textures[..., :64])


def test_an_artefact_is_only_made_of_and_compared_with_its_bundle(model, tmp_path):
    half = export_fp16(model, tmp_path / "half.onnx")
    with pytest.raises(UsageError, match="itself an fp16 artefact"):
        export_fp16(str(half), tmp_path / "quarter.onnx")
    with pytest.raises(UsageError, match="is an fp16 artefact"):
        verify(half)
    other = onnx.load(load_bundle(model).path)
    other.producer_name = "another"
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(UsageError, match="was not made from"):
        verify(half, str(tmp_path / "other.onnx"))


def test_a_deviating_artefact_is_refused(model, tmp_path):
    path = export_fp16(model, tmp_path / "half.onnx")
    changed = onnx.load(path)
    for constant in changed.graph.initializer:
        if constant.name == "block0_conv1_weight":
            values = onnx.numpy_helper.to_array(constant) * np.float16(1.5)
            constant.CopyFrom(onnx.numpy_helper.from_array(values, constant.name))
    onnx.save(changed, path)
    with pytest.raises(ModelError, match="FAILED"):
        verify(path, model)


def test_commands(model, textures, tmp_path, capsys):
    np.savez_compressed(tmp_path / "pack.npz", tiles=textures[:, 0])
    (tmp_path / "bad.npz").write_bytes(b"PK nonsense")
    pack, half, eight = (str(tmp_path / name) for name in ("pack.npz", "half.onnx", "eight.onnx"))
    assert main(["export", "fp16", model, "-o", half]) == 0
    assert main(["export", "verify", half, "--source", model, "--tiles", pack]) == 0
    said = capsys.readouterr().out
    assert "onnxruntime: given tiles, max |delta logit| from float64" in said
    assert ("openvino: given tiles" in said) == openvino_computes_in_half()
    assert main(["export", "int8", model, "-o", eight, "--tiles", pack]) == 0
    assert load_bundle(eight).precision == "int8"
    assert main(["export", "fp16", model, "-o", half]) == 2
    assert main(["export", "int8", model, "-o", eight, "--tiles", str(tmp_path / "bad.npz"), "--overwrite"]) == 2
    said = capsys.readouterr().err
    assert "exists already" in said
    assert "not a pack of tiles" in said


def openvino_computes_in_half():
    try:
        import openvino
    except ImportError:
        return False
    return "FP16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def test_artefacts_beside_a_bundle_are_checked_with_it(model, tmp_path, capsys):
    own = tmp_path / "own.onnx"
    own.write_bytes(load_bundle(model).path.read_bytes())
    assert main(["export", "fp16", str(own), "-o", str(tmp_path / "own.fp16.onnx")]) == 0
    capsys.readouterr()
    assert main(["export", "verify", str(own)]) == 0
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if not line.startswith(" ")] == [
        str(own),
        str(tmp_path / "own.fp16.onnx"),
    ]
    assert "(at most 0.0001)" in said
    assert "(at most 0.02)" in said
    with own.open("ab") as file:
        file.write(b"\x1a\x00")  # an empty field: another file with the same network
    assert main(["export", "verify", str(own)]) == 2
    assert "was not made from" in capsys.readouterr().err


def test_a_deviation_of_one_runtime_alone_is_noticed(model, monkeypatch):
    pytest.importorskip("openvino")
    from semscan.engine.backends.openvino import OpenVinoBackend

    infer = OpenVinoBackend.infer
    monkeypatch.setattr(OpenVinoBackend, "infer", lambda self, tiles: infer(self, tiles) + np.float32(0.01))
    with pytest.raises(ModelError, match=r"; openvino: golden tiles, stored logits: 0\.01 \(at most 0\.0001\)  FAILED"):
        verify(load_bundle(model).path)
