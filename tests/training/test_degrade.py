import numpy as np
import pytest

import semscan.training.pairs as pairs
from semscan.training.autoencoders import AutoencoderRecipe
from semscan.training.degrade import degrade, draw_degradation, jpeg, jpeg_with_tables, match_moments, mix
from semscan.training.nets.autoencoders import Autoencoder, AutoencoderSpec
from semscan.training.recipe import recipe_json
from semscan.training.rundir import save_checkpoint


@pytest.fixture
def grey():
    return np.random.default_rng(1).integers(0, 256, (320, 320), dtype=np.uint8)


@pytest.mark.parametrize("side", [150, 176, 320])
def test_every_chain_leaves_a_tile(side):
    grey = np.random.default_rng(1).integers(0, 256, (side, side + 8), dtype=np.uint8)
    for seed in range(60):
        chain = draw_degradation(np.random.default_rng(seed), side, 128)
        assert min(degrade(grey, chain).shape) >= 128, chain


def test_one_draw_treats_equal_pictures_equally(grey):
    for seed in range(30):
        chain = draw_degradation(np.random.default_rng(seed), 320, 128)
        np.testing.assert_array_equal(degrade(grey, chain), degrade(grey.copy(), chain))


def test_chain_cannot_tell_the_class(small_data, tmp_path, monkeypatch):
    """With a reconstruction that equals its partner both tiles of every pair are equal: nothing else differs."""
    monkeypatch.setattr(pairs, "make_fake", lambda model, genuine, tables, seed, blend: genuine.copy())
    spec = AutoencoderSpec("nearest", 1, 4, width=4)
    save_checkpoint(tmp_path / "a.pt", {"model": Autoencoder(spec).state_dict(), "spec": recipe_json(spec)})
    recipe = pairs.PairsRecipe(reconstructions=6, draws=3, crop_px=176, workers=1)
    pool = pairs.make_pool(recipe, 1, small_data, {"run/a": tmp_path / "a.pt"})
    assert pool.tiles.shape == (18, 2, 128, 128)
    np.testing.assert_array_equal(pool.tiles[:, 0], pool.tiles[:, 1])
    assert len({tile.tobytes() for tile in pool.tiles[:, 0]}) == 18


def test_reconstruction_gets_its_partners_moments(grey):
    made = match_moments((grey // 3 + 20).astype(np.uint8), (grey // 2 + 60).astype(np.uint8))
    genuine = grey // 2 + 60
    assert abs(made.mean() - genuine.mean()) < 0.5
    assert abs(made.std() - genuine.std()) < 0.5


def test_mixing(grey):
    flat = np.full_like(grey, 100)
    np.testing.assert_array_equal(mix(flat, grey, 0.0), flat)
    np.testing.assert_array_equal(mix(flat, grey, 1.0), grey)
    # High frequencies only: all of the genuine low frequencies come through.
    assert abs(mix(flat, grey, 0.0, high_only=True).mean() - grey.mean()) < 1


def test_same_tables_mean_the_same_compression(grey, tmp_path):
    from PIL import Image

    Image.fromarray(grey).save(tmp_path / "a.jpg", quality=71)
    tables = pairs.jpeg_tables(tmp_path / "a.jpg")
    np.testing.assert_array_equal(jpeg_with_tables(grey, tables), jpeg(grey, 71))
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert pairs.jpeg_tables(tmp_path / "a.png") is None


def test_recipes_of_decoders_are_checked():
    from semscan.engine.errors import UsageError

    with pytest.raises(UsageError, match="'neares' is not one of"):
        AutoencoderRecipe("x", {"a": AutoencoderSpec("neares", 1, 4)})
