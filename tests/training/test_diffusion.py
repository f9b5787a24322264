"""Diffusion models: schedule, noising, DDIM, the U-Net, latents; they overfit, and continue as if never interrupted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from semscan.engine.errors import UsageError
from semscan.training.autoencoders import AutoencoderRecipe, train_one
from semscan.training.crops import CropsPool
from semscan.training.diffusion import (
    Ddpm,
    DdpmRecipe,
    Noise,
    add_noise,
    cosine_schedule,
    noise_loss,
    sample_ddim,
    sampler_step,
    visited,
)
from semscan.training.latent import LatentDdpm, LatentRecipe, LatentSpace
from semscan.training.loop import LoopRecipe, System, load_trainee, train
from semscan.training.nets.autoencoders import AutoencoderSpec
from semscan.training.nets.unet import UNet, UNetSpec, time_embedding
from semscan.training.pictures import to_signed
from semscan.training.place import Place
from semscan.training.rundir import load_checkpoint

SMALL = UNetSpec(width=8, multiples=(1, 2), blocks=1, attention=(1,), heads=2, patch=2)
CPU = Place(torch.device("cpu"))

pytestmark = pytest.mark.usefixtures("one_thread")


def discs(count=16, size=32):
    """Pictures of one bright disc each, at places of their own."""
    y, x = np.mgrid[0:size, 0:size]
    rng = np.random.default_rng(4)
    centres = rng.uniform(8, size - 8, (count, 2))
    return np.stack([np.where(np.hypot(y - a, x - b) < 6, 220, 40) for a, b in centres]).astype(np.uint8)[:, None]


def from_tiles(recipe, data):
    tiles = discs()
    return lambda rng: tiles[rng.integers(0, len(tiles), recipe.training.batch)]


def test_cosine_schedule_has_the_values_of_the_paper():
    kept = cosine_schedule(1000)
    t = torch.arange(1, 1001, dtype=torch.float64) / 1000
    course = torch.cos((t + 0.008) / 1.008 * torch.pi / 2) ** 2 / np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    # Only the very last steps are bounded: each may add at most .999 of the variance.
    torch.testing.assert_close(kept[:990].double(), course[:990], rtol=1e-4, atol=1e-7)
    assert kept[499] == pytest.approx(0.4938, abs=1e-3)
    assert kept[-1] > 0 and (kept.diff() < 0).all()
    steps = 1 - kept[1:].double() / kept[:-1].double()
    assert steps.max() <= 0.999 + 1e-6


def test_noised_pictures_keep_unit_variance():
    kept = cosine_schedule(1000)
    clean, noise = torch.randn(4, 1, 64, 64), torch.randn(4, 1, 64, 64)
    at = torch.tensor([0, 300, 600, 999])
    noisy = add_noise(clean, noise, at, kept)
    torch.testing.assert_close(noisy.std((1, 2, 3)), torch.ones(4), atol=0.05, rtol=0)
    torch.testing.assert_close(noisy[0], clean[0], atol=0.05, rtol=0.05)
    torch.testing.assert_close(noisy[3], noise[3], atol=0.01, rtol=0.01)


def test_a_perfect_predictor_has_no_loss_and_leads_ddim_back_to_the_picture():
    kept = cosine_schedule(1000)
    clean = torch.rand(2, 1, 8, 8) * 2 - 1

    def knows(x, at):
        share = kept[at][:, None, None, None]
        return (x - share.sqrt() * clean) / (1 - share).sqrt()

    at = torch.tensor([10, 700])
    assert noise_loss(knows, clean, torch.randn_like(clean), at, kept) < 1e-6
    for steps in (2, 10, 50):
        for eta in (0.0, 1.0):
            noise = Noise([(1, 0), (1, 1)], (1, 8, 8), clean.device)
            torch.testing.assert_close(sample_ddim(knows, noise, kept, steps, eta), clean, atol=1e-3, rtol=0)


def test_the_ancestral_step_has_the_variance_of_ddpm():
    kept = cosine_schedule(100)
    x, noise = torch.zeros(1, 1, 64, 64), torch.randn(1, 1, 64, 64)
    silent = lambda x, at: torch.zeros_like(x)  # noqa: E731
    plain = sampler_step(silent, x, 60, 59, kept, eta=1.0, noise=torch.zeros_like(noise))
    moved = sampler_step(silent, x, 60, 59, kept, eta=1.0, noise=noise)
    beta = 1 - kept[60] / kept[59]
    posterior = beta * (1 - kept[59]) / (1 - kept[60])
    torch.testing.assert_close(moved - plain, posterior.sqrt() * noise)


def test_sampler_visits_both_ends_once():
    assert visited(5, 1000) == [999, 749, 500, 250, 0]
    assert visited(50, 10) == list(range(9, -1, -1))


def test_noise_depends_on_seed_and_index_alone():
    noises = [Noise(seeds, (1, 4, 4), torch.device("cpu")) for seeds in ([(3, 0), (3, 1)], [(3, 1)], [(4, 1)])]
    for _ in range(2):
        both, same, other = (noise.draw() for noise in noises)
        assert torch.equal(same[0], both[1])
        assert not torch.equal(both[0], both[1])
        assert not torch.equal(other[0], both[1])


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_sampling_is_reproducible_by_seed_and_alone_or_together(eta):
    torch.manual_seed(0)
    trainee = Ddpm(replace(recipe(1), eta=eta), CPU)
    with torch.no_grad():
        for parameter in trainee.denoiser.slow.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    four = trainee.sample(4, seed=5)
    assert np.array_equal(four, trainee.sample(4, seed=5))
    assert np.abs(four[:2].astype(int) - trainee.sample(2, seed=5)).max() <= 1
    assert not np.array_equal(four, trainee.sample(4, seed=6))
    assert len({tile.tobytes() for tile in four}) == 4
    with pytest.raises(UsageError, match="eta"):
        replace(recipe(1), eta=1.5)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("patch", [1, 2])
def test_unet_keeps_the_shape_and_starts_with_nothing(channels, patch):
    net = UNet(replace(SMALL, patch=patch), channels)
    image = torch.randn(2, channels, 16, 24)
    out = net(image, torch.tensor([0, 900]))
    assert out.shape == image.shape
    assert out.abs().max() == 0
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    here, there = (net(image, torch.tensor([t, t])) for t in (0, 900))
    assert not torch.allclose(here, there)
    here.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_time_steps_have_embeddings_of_their_own():
    embedded = time_embedding(torch.arange(1000), 32)
    assert embedded.shape == (1000, 32)
    distances = torch.cdist(embedded, embedded) + torch.eye(1000) * 9
    assert distances.min() > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [({"width": 12}, "multiple of 8"), ({"attention": (2,)}, "attention levels"), ({"blocks": 0}, "at least 1")],
)
def test_impossible_unets_are_refused(change, message):
    with pytest.raises(UsageError, match=message):
        replace(SMALL, **change)


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(UsageError, match="multiple of 64"):
        DdpmRecipe("t", LoopRecipe(1, size_px=32), unet=replace(SMALL, multiples=(1,) * 6, attention=()))


def recipe(steps, **training):
    loop = LoopRecipe(steps, batch=8, size_px=32, stats_every=10, sample_every=1000, save_every=10, **training)
    return DdpmRecipe("t", loop, unet=SMALL, lr=2e-3, warm_up=10, sampling_steps=20, ema=0.98)


class Stop(Exception):
    pass


def train_whole_and_cut(kind, build, values, tmp_path):
    """One run in one go and one that is stopped after 15 steps and resumed; the states of both."""

    def interrupted(recipe, data):
        draw, calls = from_tiles(recipe, data), iter(range(15))

        def batches(rng):
            if next(calls, None) is None:
                raise Stop
            return draw(rng)

        return batches

    train(System(kind, build, from_tiles), values, None, tmp_path / "whole")
    with pytest.raises(Stop):
        train(System(kind, build, interrupted), values, None, tmp_path / "cut")
    assert load_checkpoint(tmp_path / "cut" / "checkpoint.pt")["step"] == 10
    train(System(kind, build, from_tiles), values, None, tmp_path / "cut", resume=True)
    return [load_checkpoint(tmp_path / name / "checkpoint.pt")["states"] for name in ("whole", "cut")]


def test_ddpm_resumes_bit_equal_and_samples_by_seed(tmp_path):
    states = train_whole_and_cut(DdpmRecipe, Ddpm, recipe(20), tmp_path)
    for part in ("unet", "average"):
        assert all(torch.equal(states[0][part][key], states[1][part][key]) for key in states[0][part])
    loaded = load_trainee(tmp_path / "cut" / "checkpoint.pt")
    pictures = loaded.sample(3, seed=7)
    assert pictures.shape == (3, 1, 32, 32) and pictures.dtype == np.uint8
    assert np.array_equal(pictures, loaded.sample(3, seed=7))
    assert not np.array_equal(pictures, loaded.sample(3, seed=8))


def test_a_velocity_is_turned_into_the_noise():
    denoiser = Ddpm(replace(recipe(1), velocity=True), CPU).denoiser
    clean, noise, at = torch.rand(3, 1, 8, 8), torch.randn(3, 1, 8, 8), torch.tensor([3, 500, 990])
    share = denoiser.kept[at][:, None, None, None]
    denoiser.slow = lambda x, at: share.sqrt() * noise - (1 - share).sqrt() * clean
    noisy = add_noise(clean, noise, at, denoiser.kept)
    torch.testing.assert_close(denoiser.predict(noisy, at), noise)
    assert noise_loss(denoiser.predict, clean, noise, at, denoiser.kept) < 1e-9
    # A network that knows nothing passes its input on, which is right where nearly all of it is noise.
    blank = Ddpm(replace(recipe(1), velocity=True), CPU).denoiser
    torch.testing.assert_close(blank.predict(noisy, at)[2], noise[2], atol=0.05, rtol=0.05)


@pytest.mark.slow
def test_ddpm_overfits_sixteen_tiles():
    torch.manual_seed(0)
    spec = UNetSpec(width=16, multiples=(1, 2), blocks=1, attention=(1,), heads=2, patch=2)
    trainee = Ddpm(replace(recipe(150), unet=spec), CPU)
    tiles = to_signed(discs(), torch.device("cpu"))
    losses = [trainee.step(step, tiles)["loss"] for step in range(150)]
    assert np.mean(losses[-20:]) < 0.3 * np.mean(losses[:10])
    # Half of the variance is noise here; a network that knows the tiles sees through it.
    at, kept = torch.full((16,), 500), trainee.denoiser.kept
    noisy = add_noise(tiles, torch.randn_like(tiles), at, kept)
    with torch.inference_mode():
        guessed = (noisy - (1 - kept[500]).sqrt() * trainee.denoiser.slow(noisy, at)) / kept[500].sqrt()
    spread = (tiles - tiles.mean(0)).square().mean()
    assert (guessed - tiles).square().mean() < spread / 2


def latent_recipe(path, steps=20):
    decoder = AutoencoderSpec("nearest", 2, 4, width=4, bottleneck="vae")
    loop = LoopRecipe(steps, batch=4, size_px=32, stats_every=10, sample_every=1000, save_every=10)
    unet = UNetSpec(width=8, multiples=(1, 2), blocks=1, attention=(1,), heads=2)
    return LatentRecipe("l", loop, str(path), decoder, unet=unet, sampling_steps=5, warm_up=1)


@pytest.fixture
def vae(tmp_path):
    design = AutoencoderSpec("nearest", 2, 4, width=4, bottleneck="vae")
    pool = CropsPool([tile[0] for tile in discs()], np.full(16, 1 / 16))
    train_one(AutoencoderRecipe("a", {"vae": design}, steps=5, batch=4, crop_px=32), "vae", pool, tmp_path)
    return tmp_path / "vae.pt"


def test_latents_have_unit_variance_and_the_shape_of_the_design():
    space = LatentSpace(AutoencoderSpec("nearest", 2, 4, width=4, bottleneck="vae"))
    picture = torch.rand(8, 1, 32, 48) * 2 - 1
    latent = space.encode(picture)
    assert latent.shape == (8, 4, 8, 12)
    torch.testing.assert_close(latent.std((0, 2, 3)), torch.ones(4), atol=1e-4, rtol=0)
    measured = space.deviation.clone()
    space.encode(picture * 0.1)
    assert torch.equal(space.deviation, measured)
    assert space.decode(latent).shape == picture.shape


def test_latent_model_stands_alone_and_leaves_its_autoencoder_alone(tmp_path, vae):
    stored = load_checkpoint(vae)["model"]
    folder = train(System(LatentRecipe, LatentDdpm, from_tiles), latent_recipe(vae), None, tmp_path / "run")
    vae.write_text("something else")
    loaded = load_trainee(folder / "checkpoint.pt")
    kept = loaded.space.autoencoder.state_dict()
    assert all(torch.equal(stored[key], kept[key]) for key in stored)
    pictures = loaded.sample(3, seed=7)
    assert pictures.shape == (3, 1, 32, 32)
    assert np.array_equal(pictures, loaded.sample(3, seed=7))


def test_latent_model_resumes_bit_equal(tmp_path, vae):
    states = train_whole_and_cut(LatentRecipe, LatentDdpm, latent_recipe(vae), tmp_path)
    for part in ("unet", "average", "space"):
        assert all(torch.equal(states[0][part][key], states[1][part][key]) for key in states[0][part])


@pytest.mark.slow
def test_latent_model_overfits_sixteen_tiles(tmp_path):
    pool = CropsPool([tile[0] for tile in discs()], np.full(16, 1 / 16))
    recipe = latent_recipe(tmp_path / "vae.pt")
    # Latents of a younger autoencoder are mostly the noise that it adds itself.
    training = AutoencoderRecipe("a", {"vae": recipe.decoder}, steps=150, batch=8, crop_px=32, l1_share=1.0)
    train_one(training, "vae", pool, tmp_path)
    torch.manual_seed(0)
    trainee = LatentDdpm(replace(recipe, lr=4e-3), CPU)
    tiles = to_signed(discs(), torch.device("cpu"))
    losses = [trainee.step(step, tiles)["loss"] for step in range(150)]
    assert np.mean(losses[-20:]) < 0.6 * np.mean(losses[:5])
    # Half of the variance is noise here; a network that knows the latents sees through it.
    denoiser, at = trainee.denoiser, torch.full((16,), 500)
    latents = trainee.space.encode(tiles)
    kept = denoiser.kept[500]
    with torch.inference_mode():
        noisy = add_noise(latents, torch.randn_like(latents), at, denoiser.kept)
        guessed = (noisy - (1 - kept).sqrt() * denoiser.predict(noisy, at)) / kept.sqrt()
    spread = (latents - latents.mean(0)).square().mean()
    assert (guessed - latents).square().mean() < spread / 3


def test_a_missing_or_different_autoencoder_is_refused(tmp_path, vae):
    from semscan.training.latent import SYSTEMS

    system = SYSTEMS["latent_ddpm"]
    with pytest.raises(UsageError, match="cannot be read"):
        train(system, latent_recipe(tmp_path / "none.pt"), None, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    other = replace(latent_recipe(vae), decoder=AutoencoderSpec("fir", 2, 4, width=4, bottleneck="vae"))
    with pytest.raises(UsageError, match="not of the design"):
        train(system, other, None, tmp_path / "run")
    assert not (tmp_path / "run").exists()
