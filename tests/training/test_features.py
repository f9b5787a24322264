import numpy as np
import pytest

from semscan.training.features import BINS, GREYS, GROUPS, NAMES, cooccurrence, features, haralick, radial_spectrum


def column(found, name):
    return found[:, NAMES.index(name)]


def test_a_grating_stands_in_the_ring_of_its_period():
    """16 px of period are 1/8 of the highest frequency."""
    x = np.arange(128)
    tile = (128 + 100 * np.cos(2 * np.pi * x / 16))[None].repeat(128, 0).astype(np.uint8)
    assert np.argmax(radial_spectrum(tile)) == BINS // 8
    assert np.argmax(radial_spectrum(tile.T)) == BINS // 8


def test_the_spectrum_forgets_contrast():
    noise = np.random.default_rng(1).normal(0, 1, (64, 64))
    weak, strong = (np.clip(128 + gain * noise, 0, 255).astype(np.uint8) for gain in (12, 24))
    assert radial_spectrum(weak) == pytest.approx(radial_spectrum(strong), abs=0.3)


def test_cooccurrence_counts_pairs_both_ways():
    tile = np.array([[0, 16], [32, 48]], np.uint8)
    expected = np.zeros((GREYS, GREYS))
    expected[[0, 1, 2, 3], [1, 0, 3, 2]] = 0.25
    assert np.array_equal(cooccurrence(tile, (0, 1)), expected)
    diagonal = np.zeros((GREYS, GREYS))
    diagonal[[1, 2], [2, 1]] = 0.5
    assert np.array_equal(cooccurrence(tile, (1, -1)), diagonal)


def test_haralick_of_known_matrices():
    even = np.zeros((GREYS, GREYS))
    even[0, 1] = even[1, 0] = 0.5
    contrast, dissimilarity, homogeneity, energy, correlation, entropy = haralick(even)
    assert (contrast, dissimilarity, homogeneity) == (1, 1, 0.5)
    assert energy == pytest.approx(np.sqrt(0.5))
    assert correlation == pytest.approx(-1)
    assert entropy == pytest.approx(np.log(2))


def test_constant_tiles_are_finite():
    found = features(np.stack([np.full((64, 64), level, np.uint8) for level in (0, 128, 255)]))
    assert found.shape == (3, len(NAMES))
    assert np.isfinite(found).all()


def test_groups_are_all_columns():
    covered = [name for part in GROUPS.values() for name in NAMES[part]]
    assert tuple(covered) == NAMES


def test_nearest_doubling_zeroes_the_npr_planes():
    small = np.random.default_rng(2).integers(0, 256, (32, 32), dtype=np.uint8)
    plain = np.random.default_rng(3).integers(0, 256, (64, 64), dtype=np.uint8)
    found = features(np.stack([small.repeat(2, 0).repeat(2, 1), plain]))
    assert column(found, "npr_diagonal_zeros")[0] == 1
    assert column(found, "npr_diagonal_zeros")[1] < 0.05
    assert column(found, "across_zeros")[0] == pytest.approx(0.5, abs=0.05)
