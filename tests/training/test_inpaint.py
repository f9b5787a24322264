"""Inpainting: exact masks, genuine pixels untouched where restored, reproducible by seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from semscan.engine.errors import UsageError
from semscan.training.diffusion import Ddpm, DdpmRecipe
from semscan.training.inpaint import InpaintRecipe, draw_mask, inpaint, repaint
from semscan.training.latent import LatentDdpm, LatentRecipe
from semscan.training.loop import LoopRecipe
from semscan.training.nets.autoencoders import Autoencoder, AutoencoderSpec
from semscan.training.nets.unet import UNetSpec
from semscan.training.place import Place
from semscan.training.recipe import load_recipe, read_system
from semscan.training.systems import train_recipe

RECIPE = InpaintRecipe("t", "none.pt", size_px=32, sampling_steps=6, repeats=2, free_share=0.4)
UNET = UNetSpec(width=8, multiples=(1, 2), blocks=1, attention=(1,), heads=2)
VAE = AutoencoderSpec("nearest", 2, 4, width=4, bottleneck="vae")
RECIPES = Path(__file__).parents[2] / "training" / "recipes"
CPU = Place(torch.device("cpu"))


def generators():
    torch.manual_seed(0)
    loop = LoopRecipe(1, size_px=32)
    pixel = Ddpm(DdpmRecipe("d", loop, unet=UNET), CPU)
    latent = LatentDdpm(LatentRecipe("l", loop, "none.pt", VAE, unet=UNET), CPU)
    return {"ddpm": pixel, "latent": latent, "autoencoder": Autoencoder(VAE).eval()}


def genuine(count=4):
    return np.random.default_rng(0).integers(0, 256, (count, 1, 32, 32), dtype=np.uint8)


@pytest.mark.parametrize("name", ["ddpm", "latent", "autoencoder"])
def test_restored_pictures_are_genuine_outside_the_mask_bit_for_bit(name):
    real = genuine()
    made, masks = inpaint(generators()[name], RECIPE, real)
    outside = ~masks[:, None]
    assert np.array_equal(made[outside], real[outside])
    assert (made[~outside] != real[~outside]).mean() > 0.9
    assert made.dtype == np.uint8 and masks.dtype == bool


@pytest.mark.parametrize("name", ["ddpm", "latent", "autoencoder"])
def test_without_restoring_the_network_leaves_its_traces_everywhere(name):
    real = genuine()
    made, masks = inpaint(generators()[name], replace(RECIPE, restore=False), real)
    outside = ~masks[:, None]
    assert (made[outside] != real[outside]).mean() > 0.5


@pytest.mark.parametrize("name", ["ddpm", "latent", "autoencoder"])
def test_same_seed_same_picture(name):
    made, masks = inpaint(generators()[name], RECIPE, genuine())
    again, same = inpaint(generators()[name], RECIPE, genuine())
    other, differ = inpaint(generators()[name], replace(RECIPE, seed=2), genuine())
    assert np.array_equal(made, again) and np.array_equal(masks, same)
    assert not np.array_equal(made, other) and not np.array_equal(masks, differ)


def test_a_diffusion_inpainting_depends_on_its_number_not_on_its_neighbours():
    together = inpaint(generators()["ddpm"], RECIPE, genuine())
    alone = inpaint(generators()["ddpm"], RECIPE, genuine()[2:3], first=2)
    assert np.array_equal(together[1][2], alone[1][0])
    assert np.abs(together[0][2].astype(int) - alone[0][0]).max() <= 1


def test_what_is_known_is_put_back_at_the_noise_level_of_the_step():
    denoiser = generators()["ddpm"].denoiser
    known = torch.linspace(-1, 1, 32 * 32).reshape(1, 1, 32, 32)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    out = repaint(denoiser, known, mask, [[1, 0]], steps=5, repeats=3, free_share=0.0)
    assert torch.equal(out[mask == 0], known[mask == 0])
    assert not torch.allclose(out[mask == 1], known[mask == 1])


def test_masks_cover_what_they_are_asked_to_and_differ():
    masks = [draw_mask(np.random.default_rng(k), 64, 0.08, 0.35) for k in range(60)]
    areas = np.array([mask.mean() for mask in masks])
    assert areas.min() >= 0.08 and areas.max() <= 0.35 and areas.std() > 0.05
    assert len({mask.tobytes() for mask in masks}) == 60


def test_impossible_recipes_are_refused():
    with pytest.raises(UsageError, match="least_area"):
        replace(RECIPE, least_area=0.5)
    with pytest.raises(UsageError, match="size_px"):
        replace(RECIPE, size_px=100)


def test_there_is_nothing_to_train():
    with pytest.raises(UsageError, match="trains nothing"):
        train_recipe(RECIPES / "inpaint_64.toml", [], None, None)


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_shipped_recipes_name_a_generator_that_is_trained_by_another(size):
    recipe = load_recipe(RECIPES / f"inpaint_{size}.toml", InpaintRecipe)
    assert recipe.name == f"inpaint_{size}" and recipe.size_px == size
    run = Path(recipe.generator).parent.name
    assert read_system(RECIPES / f"{run}.toml") in ("ddpm", "latent_ddpm") and run.endswith(str(size))
