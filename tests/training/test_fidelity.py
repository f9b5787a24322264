"""Fidelity: every measure on tiles whose answer is known."""

import itertools

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from semscan.training.fidelity import (
    SUBSTITUTE,
    encoder_features,
    frechet_distance,
    kernel_distance,
    lpips_distances,
    measure,
    pyramid_distances,
    radial_spectrum,
    squared_errors,
)
from semscan.training.nets.autoencoders import Autoencoder, AutoencoderSpec
from semscan.training.perceptual import Lpips, pyramid_loss
from semscan.training.pictures import to_signed


def noise(count, seed=0, size=32, spread=40):
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(128, spread, (count, 1, size, size)), 0, 255).astype(np.uint8)


def encoder():
    torch.manual_seed(0)
    return Autoencoder(AutoencoderSpec("nearest", 2, 8, width=4, bottleneck="vae")).eval()


def test_squared_errors_of_pairs():
    first, second = noise(3, 1), noise(4, 2)
    pairs = squared_errors(first, second)
    assert pairs.shape == (3, 4)
    assert pairs[2, 1] == pytest.approx(((first[2].astype(float) - second[1]) ** 2).mean())
    assert squared_errors(first, first).diagonal() == pytest.approx(np.zeros(3))


def test_pyramid_distance_of_a_pair_is_the_loss_of_that_pair():
    first, second = noise(2, 1), noise(3, 2)
    pairs = pyramid_distances(first, second)
    for i in range(2):
        for j in range(3):
            loss = pyramid_loss(*(to_signed(t[None], torch.device("cpu")) for t in (first[i], second[j])))
            assert pairs[i, j] == pytest.approx(float(loss), rel=1e-4)


def test_lpips_of_a_pair_is_that_of_the_network():
    torch.manual_seed(0)
    net = Lpips.__new__(Lpips)
    torch.nn.Module.__init__(net)
    widths = (3, 4, 5)
    net.stages = torch.nn.ModuleList(
        torch.nn.Sequential(*([torch.nn.MaxPool2d(2)] if level else []), torch.nn.Conv2d(a, b, 3, padding=1))
        for level, (a, b) in enumerate(itertools.pairwise(widths))
    )
    net.linears = torch.nn.ParameterList(torch.nn.Parameter(torch.rand(1, width, 1, 1)) for width in widths[1:])
    net.shift, net.scale = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
    first, second = noise(2, 1), noise(2, 2)
    pairs = lpips_distances(net, first, second)
    with torch.inference_mode():
        known = net.distances(*(to_signed(tiles, torch.device("cpu")) for tiles in (first, second)))
    assert pairs.diagonal() == pytest.approx(known.numpy(), rel=1e-3)


def test_spectrum_is_flat_for_noise_and_peaks_at_a_wave():
    flat = radial_spectrum(noise(64, size=64, spread=20))
    assert flat.shape == (32,)
    # White noise of deviation s has power s squared at every frequency; a mean of logarithms is a little below.
    assert np.abs(flat[2:] - np.log10(20**2)).max() < 0.15
    x = np.arange(64)
    wave = np.tile(128 + 60 * np.sin(2 * np.pi * 10 * x / 64), (1, 1, 64, 1)).astype(np.uint8)
    assert radial_spectrum(wave).argmax() == 10


def test_kernel_distance_is_unbiased_and_sees_a_shift():
    rng = np.random.default_rng(0)
    same = [kernel_distance(*rng.normal(size=(2, 60, 5))) for _ in range(200)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(200)
    assert kernel_distance(rng.normal(size=(60, 5)) + 1, rng.normal(size=(60, 5))) > 10 * np.std(same)


def test_frechet_distance_of_known_distributions():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(400, 4)), rng.normal(size=(400, 4)) * [1, 2, 3, 4] + 1
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    shift = first.mean(0) - second.mean(0)
    known = shift @ shift + np.trace(one + two - 2 * sqrtm(one @ two).real)
    assert frechet_distance(first, second) == pytest.approx(known)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)


def test_features_are_those_of_the_last_two_levels():
    features = encoder_features(encoder(), noise(5))
    assert features.shape == (5, 2 * (8 + 12))
    assert features.std(0).max() > 0


def test_a_generator_that_repeats_is_caught_and_a_smooth_one_too():
    trained, again, unseen = noise(40, 1), noise(40, 2), noise(40, 3)
    copies = measure(trained[:20], trained, again, unseen, encoder(), None)
    assert copies.perceptual == SUBSTITUTE
    assert copies.mse_trained.least.max() == 0 < copies.mse_unseen.least.min()
    assert copies.seen_trained.least.max() == 0 < copies.seen_unseen.least.min()
    assert copies.mse_trained.mean.min() > 1000
    honest = measure(noise(40, 4), trained, again, unseen, encoder(), None)
    assert honest.mse_trained.least.mean() == pytest.approx(honest.mse_unseen.least.mean(), rel=0.02)
    assert 0.3 < honest.smoothness_auc < 0.7
    assert abs(honest.high_excess_db) < 0.3
    blurred = noise(40, 4)
    blurred = ((blurred + blurred[..., [*range(1, 32), 0]].astype(int)) // 2).astype(np.uint8)
    smooth = measure(blurred, trained, again, unseen, encoder(), None)
    assert smooth.smoothness_auc < 0.05
    assert smooth.high_excess_db < -2
    assert smooth.kid > honest.kid and smooth.fid > honest.fid
