"""Which genuine pictures generators see, and the blots that are composed for them."""

import numpy as np
import pytest
from PIL import Image

from semscan.engine.errors import UsageError
from semscan.training.blotgan import BlotRecipe, blot_batches
from semscan.training.blots import compose_blot, compose_blots
from semscan.training.crops import CropsPool, DataRecipe, load_crops_pool, load_recipe_pool
from semscan.training.data import list_micrographs, read_panel
from semscan.training.loop import LoopRecipe


def test_only_the_split_and_the_sources_asked_for_are_read(small_data):
    everything = load_crops_pool(small_data)
    assert len(everything.pictures) == 6 and everything.weights.sum() == pytest.approx(1)
    one = load_crops_pool(small_data, "test", ["test1"])
    wanted = [read_panel(m) for m in list_micrographs(small_data, ["test"]) if m.source == "test1"]
    assert len(one.pictures) == len(wanted) == 2
    assert all(np.array_equal(a, b) for a, b in zip(one.pictures, wanted, strict=True))
    with pytest.raises(UsageError, match="test split has no source train0"):
        load_crops_pool(small_data, "test", ["train0"])


def test_a_changed_file_is_refused(small_data, monkeypatch):
    monkeypatch.setattr(
        "semscan.training.data.hashlib.sha256", lambda data: type("H", (), {"hexdigest": lambda s: ""})()
    )
    with pytest.raises(UsageError, match="differs from its entry"):
        load_crops_pool(small_data)


def test_crops_of_a_generator_keep_grey_levels_and_native_pixels():
    picture = np.random.default_rng(0).integers(60, 190, (40, 50), dtype=np.uint8)
    pool = CropsPool([picture], np.ones(1))
    crops = pool.draw_as(DataRecipe(shrink_share=0.0), np.random.default_rng(1), 20, 16)
    assert crops.shape == (20, 1, 16, 16)
    windows = {w.tobytes() for w in np.lib.stride_tricks.sliding_window_view(picture, (16, 16)).reshape(-1, 16, 16)}
    for crop in crops[:, 0]:
        versions = [np.rot90(v, k) for v in (crop, crop[:, ::-1]) for k in range(4)]
        assert any(np.ascontiguousarray(v).tobytes() in windows for v in versions)
    toned = pool.draw(np.random.default_rng(1), 60, 16)
    assert toned.min() < 60 or toned.max() > 190


def test_shrinking_reaches_as_far_as_asked_and_no_further_than_the_picture():
    x = np.mgrid[0:256, 0:256][1]
    pool = CropsPool([x.astype(np.uint8)], np.ones(1))
    crops = pool.draw_as(DataRecipe(shrink_share=1.0, most_shrink=4.0), np.random.default_rng(2), 40, 32)[:, 0]
    slopes = [max(np.abs(np.diff(c.astype(float), axis=a)).mean() for a in (0, 1)) for c in crops]
    assert 0.9 < min(slopes) < 2 < 3 < max(slopes) < 4.2
    small = CropsPool([x[:20, :20].astype(np.uint8)], np.ones(1))
    assert small.draw_as(DataRecipe(), np.random.default_rng(2), 2, 32).shape == (2, 1, 32, 32)


def test_a_folder_of_ones_own_in_grey_and_colour(tmp_path):
    (tmp_path / "deep").mkdir()
    Image.new("RGB", (40, 40), (200, 100, 50)).save(tmp_path / "deep" / "a.png")
    (tmp_path / "note.txt").touch()
    recipe, rng = DataRecipe(folder=str(tmp_path)), np.random.default_rng(1)
    colour = load_recipe_pool(recipe, None, 3).draw_as(recipe, rng, 2, 16)
    assert colour.shape == (2, 3, 16, 16) and colour[0, :, 0, 0].tolist() == [200, 100, 50]
    assert load_recipe_pool(recipe, None, 1).draw_as(recipe, rng, 2, 16).shape == (2, 1, 16, 16)
    with pytest.raises(UsageError, match="no folder"):
        load_recipe_pool(DataRecipe(folder=str(tmp_path / "gone")), None, 1)
    with pytest.raises(UsageError, match="no pictures"):
        (tmp_path / "empty").mkdir()
        load_recipe_pool(DataRecipe(folder=str(tmp_path / "empty")), None, 1)


def test_grey_micrographs_serve_colour_networks(small_data):
    crops = load_recipe_pool(DataRecipe(), small_data, 3).draw_as(DataRecipe(), np.random.default_rng(1), 2, 32)
    assert np.array_equal(crops[:, 0], crops[:, 1]) and crops.shape == (2, 3, 32, 32)


@pytest.mark.parametrize("values", [{"split": "all"}, {"shrink_share": 2.0}, {"most_shrink": 0.5}])
def test_nonsense_about_data_is_refused(values):
    with pytest.raises(UsageError, match="data"):
        DataRecipe(**values)


def test_composed_blots_are_dark_bands_on_a_light_membrane():
    blots = compose_blots(1, 24, 64)
    assert blots.shape == (24, 1, 64, 64) and np.array_equal(blots, compose_blots(1, 24, 64))
    assert len({blot.tobytes() for blot in blots}) == 24
    for blot in blots[:, 0].astype(float):
        assert np.median(blot) > 100 and np.median(blot) - blot.min() > 25
    # Lanes stand side by side: bands change more from column to column of a row than blank rows do.
    dark = (blots[:, 0] < np.median(blots, axis=(1, 2, 3))[:, None, None] - 25).mean((1, 2))
    assert 0.005 < dark.mean() < 0.5


def test_layout_grows_with_the_size_and_grain_does_not():
    small, large = (compose_blot(np.random.default_rng(3), size).astype(float) for size in (64, 256))
    ratio = (small < small.mean()).mean() / (large < large.mean()).mean()
    assert 0.6 < ratio < 1.7


def test_blots_are_drawn_whole_and_only_mirrored():
    recipe = BlotRecipe("blotgan", "t", LoopRecipe(steps=1, batch=4, size_px=32), composed=3, critic_steps=2)
    batch = blot_batches(recipe, None)(np.random.default_rng(1))
    known = {b.tobytes() for b in compose_blots(1, 3, 32)}
    mirrored = {np.ascontiguousarray(b[:, :, ::-1]).tobytes() for b in compose_blots(1, 3, 32)}
    drawn = [b.tobytes() for b in batch]
    assert len(drawn) == 8 and all(b in known | mirrored for b in drawn)
    assert any(b in known for b in drawn) and any(b in mirrored for b in drawn)
