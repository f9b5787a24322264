import json

import numpy as np
import pytest

from semscan.engine.errors import UsageError
from semscan.training import replica
from semscan.training.crops import load_crops_pool
from semscan.training.evaluation.parts import Context
from semscan.training.nets.npr import RESIDUAL_GAIN, npr_residual
from semscan.training.replica import AS_STORED, JPEG, Settings, figures, network_input, replicate
from semscan.training.replica_pictures import Pictures, deal, gan_pictures, split_pool, stored


def write_pack(folder, generator, step, tiles):
    folder.mkdir(parents=True, exist_ok=True)
    manifest = json.dumps({"generator": generator, "step": step, "system": "made up"}).encode()
    path = folder / f"{generator}-{step:07}.npz"
    np.savez(path, tiles=tiles[:, None], manifest=np.frombuffer(manifest, np.uint8))


def checkerboards(seed, count, side=64):
    """Noise on a checkerboard: easy to tell."""
    grey = np.random.default_rng(seed).integers(0, 180, (count, side, side), dtype=np.uint8)
    grey[:, ::2, ::2] += 70
    return grey


@pytest.fixture
def packs(tmp_path):
    folder = tmp_path / "packs"
    write_pack(folder, "fastgan_64", 100, checkerboards(1, 20))
    write_pack(folder, "fastgan_64", 2000, checkerboards(2, 4, 160))
    write_pack(folder, "stylegan2_ada_64", 300, checkerboards(3, 30))
    write_pack(folder, "dcgan_64", 300, checkerboards(4, 30))
    write_pack(folder / "test", "fastgan_64_test", 300, checkerboards(5, 10))
    return folder


def test_the_latest_checkpoints_come_first_and_are_cut_to_the_gans_size(packs):
    found = gan_pictures(packs, ("fastgan_64", "stylegan2_ada_64"), 60)
    assert found.grey.shape == (60, 64, 64)
    assert (found.maker == "fastgan_64").sum() == (found.maker == "stylegan2_ada_64").sum() == 30
    wide = checkerboards(2, 4, 160)
    assert np.array_equal(found.grey[:4], [wide[0, y : y + 64, x : x + 64] for y in (0, 96) for x in (0, 96)])
    assert np.array_equal(found.grey[16:30], checkerboards(1, 20)[:14])
    assert np.unique(found.whole, return_counts=True)[1].tolist() == [4] * 4 + [1] * 14 + [1] * 30


def test_what_was_cut_from_one_picture_is_on_one_side(packs):
    made = gan_pictures(packs, ("fastgan_64",), 30)
    parts = deal(made, 1)
    wholes = [set(part.whole.tolist()) for part in parts]
    assert sum(map(len, wholes)) == len(set().union(*wholes)) == 18
    assert sum(len(part.grey) for part in parts) == 30


def test_no_micrograph_is_on_two_sides(small_data):
    pool = load_crops_pool(small_data, "train")
    parts = split_pool(pool, 1)
    digests = [{picture.tobytes() for picture in part.pictures} for part in parts]
    assert sum(map(len, digests)) == len(pool.pictures) == len(set().union(*digests))
    assert all(part.weights.sum() == pytest.approx(1) for part in parts)


def test_the_network_sees_what_mean_and_deviation_one_half_would_give():
    grey = np.random.default_rng(3).integers(0, 256, (2, 64, 64), dtype=np.uint8)
    normalised = (grey / 255 - 0.5) / 0.5
    expected = (normalised - normalised[:, ::2, ::2].repeat(2, 1).repeat(2, 2)) * RESIDUAL_GAIN
    residual = npr_residual(network_input(grey, 64))
    assert residual.shape == (2, 3, 64, 64)
    assert residual[:, 1].numpy() == pytest.approx(expected, abs=1e-5)
    assert network_input(grey, 256).shape == (2, 3, 256, 256)


def test_figures_of_known_logits():
    pictures = Pictures(np.zeros((5, 64, 64), np.uint8), np.array(["", "", "a", "a", "b"]), np.arange(5))
    found = figures(np.array([-1.0, 0.5, 1.0, -2.0, 3.0]), pictures)
    assert (found["accuracy"]["k"], found["accuracy"]["n"]) == (3, 5)
    assert found["fpr"]["share"] == 0.5
    assert found["gans"]["a"]["share"] == 0.5
    assert found["auc"] == pytest.approx(4 / 6)
    assert found["ap"] == pytest.approx((1 + 1 + 3 / 5) / 3)


def test_compression_is_drawn_without_regard_to_the_class():
    one = checkerboards(6, 4)
    as_genuine = stored(Pictures(one, np.array([""] * 4), np.arange(4)), 60, 95, 1)
    as_made = stored(Pictures(one, np.array(["a"] * 4), np.arange(4)), 60, 95, 1)
    assert np.array_equal(as_genuine.grey, as_made.grey)
    assert not np.array_equal(as_genuine.grey, one)


@pytest.mark.usefixtures("one_thread")
def test_the_replica_learns_what_is_easy_and_tests_in_every_way(small_data, packs):
    rows = replicate(small_data, packs, Settings(pictures=40, resized_px=64, epochs=40, batch=8, lr=5e-3))
    ways = {(row["trained"], row["tested"], row["apart"]) for row in rows}
    assert len(ways) == len(rows) == 9
    assert {tested for _, tested, _ in ways} == {AS_STORED, JPEG}
    assert (JPEG, AS_STORED, "picture") not in ways
    assert rows[0]["genuine"] == rows[0]["made"] >= 8
    assert rows[0]["accuracy"]["share"] > 0.9
    assert all(row["made"] == 10 for row in rows if row["apart"] == "source and GAN")


def test_too_few_pictures_are_refused(small_data, tmp_path):
    with pytest.raises(UsageError, match="holds 0 pictures"):
        replicate(small_data, tmp_path, Settings())


def test_the_part_measures_and_renders(small_data, packs, tmp_path, monkeypatch):
    tiny = {"pictures": 40, "resized_px": 64, "epochs": 1}
    monkeypatch.setattr(replica, "Settings", lambda **given: Settings(**{**tiny, **given}))
    monkeypatch.setattr(replica, "NATIVE_SEEDS", (2,))
    context = Context(None, tmp_path, small_data, tmp_path, packs, tmp_path)
    result = json.loads(json.dumps(replica.PART.measure(context), allow_nan=False))
    text = "\n".join(replica.PART.render(result))
    assert "64 px" in text and "trained on a CPU" in text and "source and GAN" in text
    assert result["verdict"]["state"] in ("aim", "least", "missed")
    empty = replica.PART.measure(Context(None, tmp_path, small_data, tmp_path, tmp_path / "none", tmp_path))
    assert empty["verdict"]["state"] == "not measured"
    assert replica.PART.render(empty)[0].startswith("Not measured")
