import json
from types import SimpleNamespace

import numpy as np
import pytest

from semscan.engine.errors import UsageError
from semscan.training import classical
from semscan.training.classical import describe_pool, find_descriptors, learners, train
from semscan.training.evaluation.parts import Context
from semscan.training.evaluation.sets import save_panels
from semscan.training.features import NAMES, features
from semscan.training.metrics import auc
from semscan.training.panels import Panel
from semscan.training.pool import Pool


def noise(seed, count, side):
    """White noise, and the same doubled by its nearest neighbours."""
    plain = np.random.default_rng(seed).integers(0, 256, (count, side, side), dtype=np.uint8)
    return plain, plain[:, : side // 2, : side // 2].repeat(2, 1).repeat(2, 2)


def small_pool(pairs=40, side=64):
    tiles = np.stack(noise(1, pairs, side), 1)
    zeros = np.zeros(pairs, np.int16)
    return Pool(tiles, zeros, ["gan/doubled"], zeros, ["source"])


def made_context(tmp_path):
    recipe = SimpleNamespace(held_out=(), kept_back=(), faithful=(), pool=str(tmp_path / "pool"))
    context = Context(recipe, tmp_path, tmp_path, tmp_path / "weights", tmp_path, tmp_path)
    genuine, made = noise(2, 8, 160)
    for name, pictures, maker in (("genuine_small", genuine, ""), ("packs_test", made, "gan/doubled")):
        panels = [Panel(g, f"s{i % 3}", i, maker, None, "") for i, g in enumerate(pictures)]
        save_panels(panels, context.folder / "sets" / f"{name}.npz")
    for name in ("genuine", "reconstructed"):
        save_panels([], context.folder / "sets" / f"{name}.npz")
    return context


def write_descriptors(path, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{**describe_pool(small_pool(), np.arange(40), 40, 1), **changes})


@pytest.mark.parametrize("name", learners(1))
def test_every_learner_tells_what_is_told_by_one_column(name):
    rng = np.random.default_rng(3)
    genuine, made, others = (rng.normal(0, 1, (60, 5)).astype(np.float32) for _ in range(3))
    made[:, 2] += 6
    others[30:, 2] += 6
    scores = train(name, genuine, made, 1)(others)
    assert auc(scores[:30], scores[30:]) > 0.95


def test_the_same_seed_draws_the_same():
    genuine, made = (np.random.default_rng(k).normal(0, 1, (40, 4)).astype(np.float32) for k in (1, 2))
    one, again, other = (train("random forest", genuine, made, seed)(made) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_descriptors_of_a_pool_keep_the_classes_apart():
    told = describe_pool(small_pool(), np.arange(20, 40), 20, 1)
    assert np.array_equal(
        np.sort(told["genuine"][:, 0]), np.sort(features(small_pool().tiles[20:, 0])[:, 0].astype("f2"))
    )
    column = NAMES.index("npr_diagonal_zeros")
    assert told["genuine"].shape == told["made"].shape == (20, len(NAMES))
    assert (told["made"][:, column] == 1).all()
    assert (told["genuine"][:, column] < 0.2).all()


def test_kept_descriptors_are_taken_first_and_checked(tmp_path):
    context = made_context(tmp_path)
    with pytest.raises(UsageError, match="no pool of pairs"):
        find_descriptors(context)
    assert "no pool" in classical.PART.measure(context)["not_measured"]
    write_descriptors(context.folder / "classical.npz", tile_px=np.array(16))
    assert find_descriptors(context)["tile_px"] == 16
    write_descriptors(context.weights / "classical.npz")
    assert find_descriptors(context)["tile_px"] == 64
    write_descriptors(context.weights / "classical.npz", columns=np.array(["other"]))
    with pytest.raises(UsageError, match="another version"):
        find_descriptors(context)


def test_the_part_measures_and_renders(tmp_path, monkeypatch):
    monkeypatch.setattr(classical, "SEEDS", (1, 2))
    monkeypatch.setattr(classical, "CHANNELS", {"png": "stored without loss"})
    context = made_context(tmp_path)
    write_descriptors(context.weights / "classical.npz")
    result = json.loads(json.dumps(classical.PART.measure(context), allow_nan=False))
    assert list(result["n"]) == ["packs/png"]
    boosting = [r for r in result["rows"] if r["learner"] == "gradient boosting" and r["columns"] == "all"]
    assert [row["packs/png"]["auc"] for row in boosting] == [1.0, 1.0]
    text = "\n".join(classical.PART.render(result))
    assert "| random forest | all | " in text and "smoothness alone" in text and "packs 8 genuine, 8 made" in text
