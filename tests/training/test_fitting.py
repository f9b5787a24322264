import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from semscan.engine.errors import UsageError
from semscan.training.fitting import TrainingRecipe, draw_batch, fit
from semscan.training.kept_back import Choice, choose
from semscan.training.nets.registry import load_detector
from semscan.training.pool import Pool
from semscan.training.rundir import TrainingDiverged, load_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = ["gan/a", "gan/b", "vae/run/c", "inpaint/transplant/run/c"]


def pairs_pool(side=64, count=40):
    """Noise against noise enlarged by pixel repetition: the residual gives it away."""
    rng = np.random.default_rng(2)
    genuine = rng.integers(60, 190, (count, side, side), dtype=np.uint8)
    made = np.kron(rng.integers(60, 190, (count, side // 2, side // 2), dtype=np.uint8), np.ones((1, 2, 2), np.uint8))
    maker, source = (np.arange(count, dtype=np.int16) % n for n in (4, 5))
    return Pool(np.stack([genuine, made], 1), maker, NAMES, source, ["s", "t", "u", "v", "w"])


def everything(pool):
    return Choice(np.arange(len(pool.tiles)), np.zeros(0, np.int64))


def even(rows):
    return np.full(len(rows), 1 / len(rows))


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ("npr5k", {}),
        ("npr64k", {"optimizer": "adamw", "amp": True, "mine_every": 4, "cosine": True, "pairs": 4}),
    ],
)
def test_detector_learns_and_resumes_bit_equal(tmp_path, network, changes):
    steps = 40 if network == "npr5k" else 12
    recipe = TrainingRecipe(**{"steps": steps, "pairs": 8, "lr": 3e-3, "ema": 0.9, "save_every": steps // 2, **changes})
    pool = pairs_pool()
    choice = choose(pool, [], ["w"])
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    model = fit(recipe, network, 1, pool, choice, tmp_path / "whole")

    class Stop(Exception):
        pass

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        import semscan.training.fitting as fitting

        real, calls = fitting.draw_batch, iter(range(1000))

        def interrupted(*arguments):
            if next(calls) == steps // 2 + 2:
                raise Stop
            return real(*arguments)

        patch.setattr(fitting, "draw_batch", interrupted)
        fit(recipe, network, 1, pool, choice, tmp_path / "cut")
    assert load_checkpoint(tmp_path / "cut" / "detector.pt")["step"] == steps // 2
    again = fit(recipe, network, 1, pool, choice, tmp_path / "cut")
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
    lines = [(tmp_path / name / "detector.stats.jsonl").read_text().splitlines() for name in ("whole", "cut")]
    whole, cut = ([{**json.loads(line), "s_per_step": 0} for line in part] for part in lines)
    assert whole == cut and set(whole[-1]) >= {"auc_kept", "auc_gan", "auc_vae", "auc_inpaint", "loss"}
    stored = load_detector(tmp_path / "cut" / "detector.pt")
    rows = np.arange(len(pool.tiles))
    tiles, labels = draw_batch(pool, rows, even(rows), 40, 0, [9])
    with torch.inference_mode():
        torch.testing.assert_close(stored(tiles), model(tiles))
        if network == "npr5k":
            assert ((stored(tiles) > 0) == (labels > 0)).float().mean() > 0.9
    with pytest.raises(UsageError, match="is of the network"):
        fit(recipe, "ladeda", 1, pool, choice, tmp_path / "cut")


def test_a_batch_treats_both_members_of_a_pair_alike():
    pool = pairs_pool()
    same = replace(pool, tiles=np.stack([pool.tiles[:, 0]] * 2, 1))
    rows = np.arange(40)
    tiles, labels = draw_batch(same, rows, even(rows), 16, 48, [3])
    assert tiles.shape == (32, 1, 48, 48)
    assert torch.equal(tiles[:16], tiles[16:])
    assert labels.tolist() == [0.0] * 16 + [1.0] * 16


def test_crops_lie_on_even_pixels():
    """Repeated pixels stay in their cells under every crop, turn and mirror."""
    pool = pairs_pool()
    rows = np.arange(40)
    tiles, _ = draw_batch(pool, rows, even(rows), 32, 48, [5])
    made = tiles[32:, 0].numpy()
    assert (made[:, ::2, ::2] == made[:, 1::2, 1::2]).all()


def test_held_out_makers_and_kept_sources_do_not_train():
    pool = pairs_pool(count=200)
    choice = choose(pool, ["gan/", "inpaint/transplant/run"], ["t"])
    assert set(pool.maker[choice.train]) == {2}
    assert 1 not in pool.source[choice.train]
    assert set(pool.source[choice.kept]) == {1}
    # The curves show the makers held out as well.
    assert set(pool.maker[choice.kept]) == {0, 1, 2, 3}
    for held, kept in ((["gna/"], []), ([], ["x"])):
        with pytest.raises(UsageError, match="is not in the pool"):
            choose(pool, held, kept)
    with pytest.raises(UsageError, match="left to train on"):
        choose(pool, ["gan/", "vae/", "inpaint/"], [])


def test_hard_sources_are_preferred(tmp_path):
    """The genuine tiles of one source look made: repetition again. Its pairs come more often afterwards."""
    from semscan.training.fitting import _Fit

    pool = pairs_pool(count=200)
    pool.tiles[pool.source == 3, 0] = pool.tiles[pool.source == 3, 1]
    recipe = TrainingRecipe(steps=60, pairs=8, lr=3e-3, ema=0.9, mine_every=30, save_every=60)
    run = _Fit(recipe, "npr5k", 1, pool, everything(pool), tmp_path)
    np.testing.assert_allclose(run.chances, 1 / 200)
    for _ in range(30):
        run.advance()
    by_source = np.array([run.chances[pool.source == source].sum() for source in range(5)])
    assert by_source.argmax() == 3 and by_source[3] > 1.5 * np.delete(by_source, 3).max()


def test_a_teachers_opinion_is_learned(tmp_path):
    pool = pairs_pool()
    for name in ("teacher", "pupil"):
        (tmp_path / name).mkdir()
    recipe = TrainingRecipe(steps=40, pairs=8, lr=3e-3, ema=0.9, save_every=40)
    teacher = fit(recipe, "npr5k", 1, pool, everything(pool), tmp_path / "teacher")
    swapped = replace(pool, tiles=pool.tiles[:, ::-1])
    learning = replace(recipe, teacher=str(tmp_path / "teacher" / "detector.pt"), teacher_weight=1.0)
    pupil = fit(learning, "npr5k", 2, swapped, everything(pool), tmp_path / "pupil")
    with torch.inference_mode():
        tiles = torch.from_numpy(np.ascontiguousarray(pool.tiles[:, 1:2]))
        assert float(teacher(tiles).mean()) > 0 and float(pupil(tiles).mean()) > 0


def test_recipes_of_training_are_checked():
    with pytest.raises(UsageError, match="not one of"):
        TrainingRecipe(optimizer="sgd")
    with pytest.raises(UsageError, match="multiple of 16"):
        TrainingRecipe(crop_px=50)


def test_a_loss_that_is_no_number_names_the_last_good_checkpoint(tmp_path, monkeypatch):
    calls = iter(range(10))

    def broken(*arguments):
        tiles, labels = draw_batch(*arguments)
        return tiles, labels * (np.nan if next(calls) == 3 else 1)

    monkeypatch.setattr("semscan.training.fitting.draw_batch", broken)
    recipe, pool = TrainingRecipe(steps=6, pairs=4, save_every=2), pairs_pool()
    with pytest.raises(TrainingDiverged, match="nan at step 3; the last good checkpoint is") as caught:
        fit(recipe, "npr5k", 1, pool, choose(pool, [], ["w"]), tmp_path)
    assert str(tmp_path / "detector.pt") in caught.value.message
    assert load_checkpoint(tmp_path / "detector.pt")["step"] == 2
