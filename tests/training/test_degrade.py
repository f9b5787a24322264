import io

import numpy as np
import pytest
from PIL import Image

import semscan.training.pairs as pairs
from semscan.engine.luminance import read_luminance
from semscan.training.autoencoders import AutoencoderRecipe
from semscan.training.colours import COLOUR_JPEGS, false_colour, jpeg_through, luminance_of
from semscan.training.degrade import (
    degrade,
    draw_degradation,
    jpeg,
    jpeg_with_tables,
    least_side,
    match_levels,
    match_moments,
    mix,
)
from semscan.training.filters import FILTERS, MARKS, apply_filter, draw_mark, enlarge_by_taps
from semscan.training.nets.autoencoders import AutoencoderSpec


@pytest.fixture
def grey():
    return np.random.default_rng(1).integers(0, 256, (320, 320), dtype=np.uint8)


@pytest.fixture
def scene():
    """Blobs with a little noise: what filters are meant for."""
    y, x = np.mgrid[0:160, 0:160]
    waves = 120 + 60 * np.sin(x / 9) * np.cos(y / 11)
    return np.clip(waves + np.random.default_rng(2).normal(0, 4, (160, 160)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("side", "tile"), [(150, 128), (160, 96), (118, 96), (320, 128)])
def test_every_chain_leaves_a_tile(side, tile):
    assert side >= least_side(tile)
    grey = np.random.default_rng(1).integers(0, 256, (side, side + 8), dtype=np.uint8)
    for seed in range(120):
        chain = draw_degradation(np.random.default_rng(seed), side, tile)
        out = degrade(grey, chain)
        assert out.ndim == 2 and out.dtype == np.uint8
        assert min(out.shape) >= tile, chain


def test_one_draw_treats_equal_pictures_equally(grey):
    for seed in range(40):
        chain = draw_degradation(np.random.default_rng(seed), 320, 128)
        np.testing.assert_array_equal(degrade(grey, chain), degrade(grey.copy(), chain))


def test_every_step_of_the_chain_is_drawn_now_and_then():
    chains = [draw_degradation(np.random.default_rng(seed), 208, 96) for seed in range(1500)]
    assert {name for chain in chains for name, _ in chain.filters} == set(FILTERS)
    assert {name for chain in chains for name, *_ in chain.marks} == set(MARKS)
    assert {step.kind for chain in chains for step in chain.jpegs} == set(COLOUR_JPEGS)
    assert any(chain.tint is not None for chain in chains) and any(chain.rescale for chain in chains)
    assert any(chain.scale == (2.0, None) for chain in chains)
    assert min(chain.scale[0] for chain in chains if chain.scale) < 0.55


@pytest.mark.parametrize("kind", COLOUR_JPEGS)
def test_a_colour_jpeg_is_read_as_a_scan_reads_it(scene, kind):
    stored = jpeg_through(scene, 95, kind, black=0.4)
    assert stored.shape == scene.shape
    assert np.abs(stored.astype(int) - scene).mean() < 3
    if kind == "grey":
        np.testing.assert_array_equal(stored, jpeg(scene, 95))
    if kind == "4:2:0":
        buffer = io.BytesIO()
        Image.fromarray(np.repeat(scene[:, :, None], 3, 2)).save(buffer, "JPEG", quality=95, subsampling=2)
        np.testing.assert_array_equal(stored, read_luminance(buffer.getvalue()))


@pytest.mark.parametrize("black", [0.0, 0.5, 1.0])
def test_inks_give_the_grey_back(black):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None], 16, 0)
    assert np.abs(jpeg_through(ramp, 100, "cmyk", black).astype(int) - ramp).max() <= 4


def test_false_colours_rise_in_luminance():
    ramp = np.arange(256, dtype=np.uint8)[None]
    for seed in range(20):
        back = luminance_of(false_colour(ramp, seed))[0].astype(int)
        assert (np.diff(back) >= -1).all() and back[-1] - back[0] > 100


@pytest.mark.parametrize("name", FILTERS)
def test_filters_change_the_picture_and_nothing_random_but_the_noise(scene, name):
    out = apply_filter(scene, name, 1.5, 1)
    assert out.shape == scene.shape and out.dtype == np.uint8
    np.testing.assert_array_equal(out, apply_filter(scene, name, 1.5, 1))
    assert (out != scene).any()
    assert (apply_filter(scene, name, 1.5, 2) != out).any() == (name == "noise")


@pytest.mark.parametrize("name", ["wiener", "bilateral", "median", "blur"])
def test_denoisers_remove_noise_and_keep_the_scene(scene, name):
    out = apply_filter(scene, name, {"blur": 1.0}.get(name, 8.0), 1)
    slopes = [np.diff(x.astype(float), 2).std() for x in (scene, out)]
    assert slopes[1] < 0.7 * slopes[0]
    assert abs(float(out.mean()) - scene.mean()) < 1 and out.std() > 0.8 * scene.std()


def test_adaptive_equalisation_raises_local_contrast():
    flat = (np.random.default_rng(1).normal(128, 6, (160, 160))).astype(np.uint8)
    assert apply_filter(flat, "clahe", 4.0, 1).std() > 2 * flat.std()


def test_doubling_with_taps_keeps_the_mean_and_ramps(scene):
    big = enlarge_by_taps(scene)
    assert big.shape == (320, 320)
    assert abs(float(big.mean()) - scene.mean()) < 0.5
    ramp = np.repeat(np.arange(0, 200, 4, dtype=np.uint8)[None], 8, 0)
    assert set(np.diff(enlarge_by_taps(ramp).astype(int)[:, 2:-2]).ravel()) == {2}


@pytest.mark.parametrize("name", MARKS)
def test_marks_are_the_same_on_both_members(scene, name):
    other = 255 - scene
    one, two = (draw_mark(picture, name, (0.4, 0.4), 5) for picture in (scene, other))
    changed = (one != scene) | (two != other)
    assert 10 < changed.sum() < scene.size / 4
    # Letters are anti-aliased: what is under their edges shines through.
    assert (one[changed] == two[changed]).mean() > (0.3 if name == "letter" else 0.95)


def test_what_is_made_gets_its_partners_moments(grey):
    made = match_moments((grey // 3 + 20).astype(np.uint8), (grey // 2 + 60).astype(np.uint8))
    genuine = grey // 2 + 60
    assert abs(made.mean() - genuine.mean()) < 0.5
    assert abs(made.std() - genuine.std()) < 0.5


def test_missing_grey_levels_stay_missing(grey):
    stretched = (grey // 8 * 8).astype(np.uint8)
    moved = match_levels(grey, stretched)
    assert set(np.unique(moved)) <= set(np.unique(stretched))
    assert np.abs(moved.astype(int) - grey)[grey < 248].max() <= 4
    np.testing.assert_array_equal(match_levels(grey, grey), grey)
    assert (match_levels(grey, np.full((2, 2), 9, np.uint8)) == 9).all()


def test_mixing(grey):
    flat = np.full_like(grey, 100)
    np.testing.assert_array_equal(mix(flat, grey, 0.0), flat)
    np.testing.assert_array_equal(mix(flat, grey, 1.0), grey)
    # High frequencies only: all of the genuine low frequencies come through.
    assert abs(mix(flat, grey, 0.0, high_only=True).mean() - grey.mean()) < 1


def test_same_tables_mean_the_same_compression(grey, tmp_path):
    Image.fromarray(grey).save(tmp_path / "a.jpg", quality=71)
    tables = pairs.jpeg_tables(tmp_path / "a.jpg")
    np.testing.assert_array_equal(jpeg_with_tables(grey, tables), jpeg(grey, 71))
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert pairs.jpeg_tables(tmp_path / "a.png") is None


def test_recipes_of_decoders_are_checked():
    from semscan.engine.errors import UsageError

    with pytest.raises(UsageError, match="'neares' is not one of"):
        AutoencoderRecipe("x", {"a": AutoencoderSpec("neares", 1, 4)})
