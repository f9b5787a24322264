"""Folding is exact, the graph equals the network, and a whole small run ends in a bundle that the engine reads."""

import json
import shutil

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from random_networks import randomised

from semscan.engine.bundle import list_models, load_bundle
from semscan.engine.errors import ModelError, UsageError
from semscan.export.fold import fold
from semscan.export.golden import golden_tiles
from semscan.export.graph import build_graph
from semscan.export.to_onnx import _notes, export_onnx
from semscan.export.verify import verify
from semscan.training.nets.npr import Npr5k, npr_residual
from semscan.training.nets.registry import build_network


@pytest.fixture(scope="module")
def network():
    return randomised(Npr5k)


def tiles(level, spread=12):
    noise = np.random.default_rng(level).normal(level, spread, (4, 1, 128, 128))
    return torch.from_numpy(np.clip(np.rint(noise), 0, 255).astype(np.uint8))


@pytest.mark.parametrize("level", [5, 128, 250])
def test_fold_is_exact_in_float64(network, level):
    exact = Npr5k().double()
    exact.load_state_dict({key: value.double() for key, value in network.state_dict().items()})
    exact.eval()
    first = fold(network).first
    raw = tiles(level).double()
    plain = exact.bn1(exact.conv1(npr_residual(raw)))
    folded = F.conv2d(F.pad(raw, (2, 0, 2, 0)), torch.from_numpy(first.weight), torch.from_numpy(first.bias), 2)
    assert (folded - plain).abs().max() <= 1e-10
    assert np.abs(first.weight.sum((2, 3))).max() <= 1e-15


@pytest.mark.parametrize("level", [5, 128, 250])
def test_graph_equals_the_network(network, level):
    session = onnxruntime.InferenceSession(build_graph(fold(network), 128).SerializeToString())
    logit, evidence = session.run(["logit", "evidence"], {"tiles": tiles(level).numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logit, network(tiles(level)), atol=1e-5)
        np.testing.assert_allclose(evidence, network.evidence(tiles(level)), atol=1e-4)
    np.testing.assert_allclose(logit, evidence.mean((1, 2)), atol=1e-6)


def test_brightness_does_not_move_the_logit(network):
    session = onnxruntime.InferenceSession(build_graph(fold(network), 128).SerializeToString())
    dark = tiles(60).numpy()
    assert dark.max() < 140
    shifted = [session.run(["logit"], {"tiles": (dark + shift).astype(np.uint8)})[0] for shift in (0, 50, 110)]
    np.testing.assert_allclose(shifted[0], shifted[1], atol=1e-5)
    np.testing.assert_allclose(shifted[0], shifted[2], atol=1e-5)


def test_graph_has_no_resize_and_any_batch_size(network):
    model = build_graph(fold(network), 128)
    kinds = {node.op_type for node in model.graph.node}
    assert kinds == {"Cast", "Conv", "Relu", "MaxPool", "Add", "Squeeze", "ReduceMean"}
    session = onnxruntime.InferenceSession(model.SerializeToString())
    batch = tiles(128).numpy()
    (whole,) = session.run(["logit"], {"tiles": batch})
    alone = [session.run(["logit"], {"tiles": batch[i : i + 1]})[0][0] for i in range(len(batch))]
    np.testing.assert_allclose(whole, alone, atol=1e-6)


def test_only_the_known_first_layer_folds(network):
    other = Npr5k(3).eval()
    with pytest.raises(ValueError, match="only a one-channel"):
        fold(other)
    with pytest.raises(ValueError, match="multiple of 8"):
        build_graph(fold(network), 100)


def test_golden_tiles_are_the_same_each_time():
    first = golden_tiles(128)
    assert first.shape == (8, 1, 128, 128)
    np.testing.assert_array_equal(first, golden_tiles(128))
    assert first.min() == 0
    assert first[4].mean() > 230


@pytest.fixture(scope="module")
def small_run(small_data, tmp_path_factory):
    """Everything from autoencoders to evaluation on made-up pictures: worthless weights, whole path."""
    from semscan.training.autoencoders import train_autoencoders
    from semscan.training.calibrate import calibrate
    from semscan.training.detector import train_detector
    from semscan.training.evaluate import evaluate
    from semscan.training.pool import train_pool

    folder = tmp_path_factory.mktemp("runs")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    (folder / "ae.toml").write_text(
        'name = "ae"\nsteps = 2\nbatch = 2\ncrop_px = 32\nsave_every = 1\nworkers = 1\n'
        '[decoders.near]\nup = "nearest"\ndepth = 1\nlatent = 4\nwidth = 4\n'
        '[decoders.ct]\nup = "convt4"\ndepth = 1\nlatent = 4\nwidth = 4\n'
    )
    train_autoencoders(folder / "ae.toml", [], small_data, folder / "ae")
    (folder / "pool.toml").write_text(
        f"name = 'pool'\nautoencoders = ['{folder / 'ae'}']\npairs = 12\nworkers = 1\n"
        "[pairing]\ntile_px = 64\ncrop_px = 120\nalike_among = 2\n"
    )
    train_pool(folder / "pool.toml", [], small_data, folder / "pool")
    (folder / "det.toml").write_text(
        f"name = 'det'\nmodel_id = 'small'\nautoencoders = ['{folder / 'ae'}']\nheld_out = ['vae/ae/ct']\n"
        f"pool = '{folder / 'pool'}'\nnetwork = 'npr64k_lcn'\n"
        "[training]\nsteps = 4\npairs = 2\nsave_every = 2\n"
        "[evaluation]\npanels_per_source = 1\nfakes_per_panel = 2\nresamples = 50\n"
    )
    arguments = (folder / "det.toml", [], small_data, folder / "det")
    train_detector(*arguments)
    calibrate(*arguments)
    (folder / "none").mkdir()
    evaluate(*arguments, ("T1", "T4"), weights=folder, packs=folder / "none")
    torch.set_num_threads(before)
    return folder / "det"


def test_bundle_of_a_whole_run(small_run, tmp_path):
    path = export_onnx(small_run, tmp_path / "small.onnx")
    bundle = load_bundle(str(path))
    assert (bundle.id, bundle.tile_px, bundle.metadata["format"]) == ("small", 128, "1")
    assert list(bundle.calibration.strata) == ["lossless", "jpeg90", "jpeg75", "jpeg60"]
    assert {s.sources for s in bundle.calibration.strata.values()} == {4}
    assert bundle.card == path.with_suffix(".md").read_text()
    assert bundle.metadata["caution"] in bundle.card
    data = json.loads(bundle.metadata["provenance"])["data"]
    assert {entry["split"] for entry in data} == {"train", "calibrate", "test"}
    assert json.loads(bundle.metadata["provenance"])["network"] == "npr64k_lcn"
    assert json.loads(bundle.metadata["evidence"]) == {"cell_px": 4, "margin_px": 16}
    assert "npr64k_lcn" in bundle.card
    assert all(entry["licence"] for entry in data)
    checks = verify(path, checkpoint=small_run / "detector.pt").checks
    assert all(check.passed for check in checks)
    expected = {"onnxruntime: golden tiles, stored logits", "onnxruntime: brightness + 90, max |delta logit|"}
    assert expected < {check.what for check in checks}


def test_verify_notices_another_network(small_run, tmp_path):
    path = export_onnx(small_run, tmp_path / "small.onnx")
    state = torch.load(small_run / "detector.pt", weights_only=True)
    state["averaged"]["head.bias"] += 1
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(ModelError, match="deviates"):
        verify(path, checkpoint=tmp_path / "other.pt")


def test_a_run_of_another_network_is_refused_in_one_sentence(small_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(small_run, run, ignore=shutil.ignore_patterns("evaluation"))
    model = build_network("ladeda")
    torch.save({"network": "ladeda", "averaged": model.state_dict()}, run / "detector.pt")
    with pytest.raises(UsageError, match=r"^a network of the kind PatchNet cannot be exported, only npr5k"):
        export_onnx(run, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"holds no detector\.pt"):
        export_onnx(tmp_path, tmp_path / "x.onnx")


def test_what_is_known_of_one_model_is_not_said_of_another():
    known = {path.stem: _notes(path.stem) for path in list_models()}
    assert known
    for name, notes in known.items():
        assert not notes or notes.endswith("\n")
        assert notes in load_bundle(name).card
    assert _notes("sem-of-tomorrow") == ""
