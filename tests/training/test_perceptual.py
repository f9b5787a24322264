"""LPIPS from weights of the expected shapes (random ones here), and its substitute."""

from dataclasses import replace

import pytest
import torch

from semscan.engine.errors import UsageError
from semscan.training.fastgan import Fastgan, FastganRecipe
from semscan.training.loop import LoopRecipe
from semscan.training.perceptual import LINEAR_FILE, STAGES, VGG_FILE, Lpips, pyramid_loss
from semscan.training.place import find_place


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lpips")
    generator = torch.Generator().manual_seed(0)
    vgg, linear, inputs, index = {}, {}, 3, 0
    for level, widths in enumerate(STAGES):
        index += 1 if level else 0
        for width in widths:
            vgg[f"features.{index}.weight"] = (
                torch.randn(width, inputs, 3, 3, generator=generator) * (inputs * 4.5) ** -0.5
            )
            vgg[f"features.{index}.bias"] = torch.zeros(width)
            inputs, index = width, index + 2
        linear[f"lin{level}.model.1.weight"] = torch.rand(1, inputs, 1, 1, generator=generator) / inputs
    torch.save(vgg, folder / VGG_FILE)
    torch.save(linear, folder / LINEAR_FILE)
    return folder


def test_layers_have_the_numbers_of_vgg16(weights):
    state = torch.load(weights / VGG_FILE, weights_only=True)
    numbers = [int(key.split(".")[1]) for key in state if key.endswith("weight")]
    assert numbers == [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]


def test_distance_is_zero_for_the_same_symmetric_and_grows_with_change(weights):
    distance = Lpips(weights)
    torch.manual_seed(0)
    a, b = torch.rand(2, 2, 1, 32, 32) * 2 - 1
    assert distance(a, a).item() == 0
    torch.testing.assert_close(distance(a, b), distance(b, a))
    assert distance(a, a + 0.05 * (b - a)).item() < distance(a, b).item()
    assert distance.distances(a, b).shape == (2,)
    torch.testing.assert_close(distance(a, b), distance(a.expand(-1, 3, -1, -1), b))
    assert not any(p.requires_grad for p in distance.parameters())
    a.requires_grad_()
    distance(a, b).backward()
    assert torch.isfinite(a.grad).all() and a.grad.abs().sum() > 0


def test_missing_or_other_weights_are_refused(weights, tmp_path):
    with pytest.raises(UsageError, match="missing"):
        Lpips(tmp_path)
    for name in (VGG_FILE, LINEAR_FILE):
        torch.save({"features.0.weight": torch.zeros(2)}, tmp_path / name)
    with pytest.raises(UsageError, match=r"features\.0\.weight"):
        Lpips(tmp_path)


def test_the_substitute_sees_levels_and_slopes():
    flat, stripes = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    stripes[..., ::2] = 0.5
    assert pyramid_loss(flat, flat).item() == 0
    brighter = flat + stripes.mean()
    assert pyramid_loss(flat, stripes).item() > pyramid_loss(flat, brighter).item() == pytest.approx(0.25)


def test_fastgan_bears_its_name_only_with_lpips(weights):
    loop = LoopRecipe(steps=1, batch=2, size_px=32)
    recipe = FastganRecipe("fastgan", "t", loop, width=4, latent=8)
    assert Fastgan(recipe, find_place("cpu")).variant == "fastgan-lite"
    full = Fastgan(replace(recipe, lpips=str(weights)), find_place("cpu"))
    assert full.variant == "fastgan"
    before = [p.clone() for p in full.discriminator.decode_whole.parameters()]
    assert full.step(0, torch.rand(2, 1, 32, 32) * 2 - 1)["redrawing"] > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, full.discriminator.decode_whole.parameters(), strict=True))


def test_decoders_learn_from_genuine_pictures_only(monkeypatch):
    torch.manual_seed(0)
    trainee = Fastgan(FastganRecipe("fastgan", "t", LoopRecipe(1, 2, 32), width=4, latent=8), find_place("cpu"))
    real, shown = torch.full((2, 1, 32, 32), 0.25), []
    redraw = trainee.discriminator.redraw
    monkeypatch.setattr(trainee.discriminator, "redraw", lambda *a: shown.append(a) or redraw(*a))
    judged = []
    trainee.discriminator.register_forward_hook(lambda module, inputs, out: judged.append((inputs[0], out)))
    wanted = []
    trainee.difference = lambda made, target: wanted.append(target) or pyramid_loss(made, target)
    trainee.step(0, real)
    (features,) = shown
    (seen, out), *others = judged
    assert features[0] is out[1] and features[1] is out[2]  # of the first pass, that of genuine pictures
    assert len(others) == 2  # generated pictures, once for each network
    # Constant pictures stay constant inside under colour changes; generated ones do not.
    assert seen[:, :, 10:22, 10:22].flatten(1).std(1).max() < 1e-5
    assert torch.equal(wanted[1], seen)
