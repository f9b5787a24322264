"""Training loops: they learn, stop at nonsense, and continue as if never interrupted."""

import io
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from semscan.engine.errors import OutputError, UsageError
from semscan.training import autoencoders
from semscan.training.autoencoders import AutoencoderRecipe, load_autoencoder, reconstruct, train_one
from semscan.training.crops import CropsPool
from semscan.training.detector import TrainingRecipe
from semscan.training.nets.autoencoders import UPSAMPLERS, Autoencoder, AutoencoderSpec
from semscan.training.rundir import Stats, TrainingDiverged, load_checkpoint, open_run

pytestmark = pytest.mark.usefixtures("one_thread")


def crops_pool():
    y, x = np.mgrid[0:64, 0:64]
    waves = [128 + 100 * np.sin(x / (4 + k)) * np.cos(y / (5 + k)) for k in range(2)]
    noise = np.random.default_rng(1).normal(0, 10, (64, 64))
    pictures = [np.clip(wave + noise, 0, 255).astype(np.uint8) for wave in waves]
    return CropsPool(pictures, np.array([0.5, 0.5]))


@pytest.mark.parametrize("up", UPSAMPLERS)
@pytest.mark.parametrize("bottleneck", ["plain", "vae", "vq"])
def test_every_design_keeps_the_size_and_passes_gradients(up, bottleneck):
    model = Autoencoder(AutoencoderSpec(up, 2, 8, width=4, norm="group", act="silu", bottleneck=bottleneck))
    made, loss = model(torch.rand(2, 1, 32, 40) * 2 - 1)
    assert made.shape == (2, 1, 32, 40)
    (made.square().mean() + loss).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("bottleneck", ["vae", "vq"])
def test_autoencoder_resumes_bit_equal(tmp_path, bottleneck):
    spec = AutoencoderSpec("nearest", 1, 4, width=4, norm="batch", bottleneck=bottleneck)
    recipe = AutoencoderRecipe("t", {"a": spec}, steps=6, batch=2, crop_px=16, save_every=3)
    folders = [tmp_path / name for name in ("whole", "cut")]
    for folder in folders:
        folder.mkdir()
    train_one(recipe, "a", crops_pool(), folders[0])
    train_one(recipe, "a", crops_pool(), folders[1])
    state = load_checkpoint(folders[1] / "a.pt")
    assert state["step"] == 6

    class Stop(Exception):
        pass

    def interrupted(*args):
        raise Stop

    (folders[1] / "a.pt").unlink()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        real, calls = CropsPool.draw, iter(range(10))
        patch.setattr(CropsPool, "draw", lambda *a: real(*a) if next(calls) < 5 else interrupted())
        train_one(recipe, "a", crops_pool(), folders[1])
    assert load_checkpoint(folders[1] / "a.pt")["step"] == 3
    train_one(recipe, "a", crops_pool(), folders[1])
    whole, cut = (load_checkpoint(folder / "a.pt")["model"] for folder in folders)
    assert all(torch.equal(whole[key], cut[key]) for key in whole)


@pytest.mark.parametrize(("bottleneck", "decibels"), [("plain", 25), ("vae", 20), ("vq", 20)])
def test_autoencoder_overfits_sixteen_tiles(tmp_path, bottleneck, decibels):
    y, x = np.mgrid[0:32, 0:32]
    waves = [128 + 100 * np.sin(x / (3 + k % 4)) * np.cos(y / (4 + k // 4)) for k in range(16)]
    tiles = [np.clip(wave, 0, 255).astype(np.uint8) for wave in waves]
    spec = AutoencoderSpec("bilinear", 1, 4, width=12, bottleneck=bottleneck)
    recipe = AutoencoderRecipe("t", {"a": spec}, steps=150, batch=4, crop_px=32, l1_share=0.9, save_every=150)
    train_one(recipe, "a", CropsPool(tiles, np.full(16, 1 / 16)), tmp_path)
    model = load_autoencoder(tmp_path / "a.pt")
    errors = [np.mean((reconstruct(model, tile, 1).astype(float) - tile) ** 2) for tile in tiles]
    assert 10 * np.log10(255**2 / np.mean(errors)) > decibels


def test_an_autoencoder_that_diverges_names_its_last_good_checkpoint(tmp_path, monkeypatch):
    recipe = AutoencoderRecipe(
        "t", {"a": AutoencoderSpec("nearest", 1, 4, width=4)}, steps=6, batch=2, crop_px=16, save_every=2
    )
    real, calls = autoencoders._step, iter(range(10))
    monkeypatch.setattr(autoencoders, "_step", lambda *a: real(*a) if next(calls) < 3 else (math.nan, 0.0))
    with pytest.raises(TrainingDiverged, match="loss is nan at step 3; the last good checkpoint is") as caught:
        train_one(recipe, "a", crops_pool(), tmp_path)
    assert str(tmp_path / "a.pt") in caught.value.message
    assert load_checkpoint(tmp_path / "a.pt")["step"] == 2
    # It comes out of a process of its own, so it must survive the way.
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.message, again.remedy) == (caught.value.message, caught.value.remedy)


def test_a_run_folder_is_not_reused_by_accident(tmp_path):
    recipe = TrainingRecipe()
    open_run(tmp_path / "r", recipe, resume=False)
    with pytest.raises(OutputError, match="already holds a run"):
        open_run(tmp_path / "r", recipe, resume=False)
    open_run(tmp_path / "r", recipe, resume=True)
    with pytest.raises(OutputError, match="another recipe"):
        open_run(tmp_path / "r", replace(recipe, steps=1), resume=True)


def test_statistics_stop_at_nonsense(tmp_path):
    with pytest.raises(TrainingDiverged, match="loss is nan"):
        Stats(tmp_path / "s.jsonl", "x").write(step=1, loss=float("nan"))


def test_what_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    zipped = io.BytesIO()
    np.savez(zipped, a=np.zeros(3))
    with pytest.raises(UsageError, match="cannot be read"):
        load_checkpoint(path)
    for content in (b"# words", b"", zipped.getvalue()):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="no checkpoint"):
            load_checkpoint(path)
    torch.save([1], path)
    with pytest.raises(UsageError, match="no checkpoint"):
        load_checkpoint(path)
    torch.save({"states": {}}, path)
    with pytest.raises(UsageError, match="no checkpoint of an autoencoder"):
        load_autoencoder(path)
