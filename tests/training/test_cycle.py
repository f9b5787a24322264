"""CycleGAN: its networks, its losses, its pool; it learns a translation and continues as if never interrupted."""

import numpy as np
import pytest
import torch
from torch import nn

from semscan.engine.errors import UsageError
from semscan.training.crops import DataRecipe
from semscan.training.cycle import CycleGan, CycleRecipe, Losses, PicturePool, discriminator_loss, generator_losses
from semscan.training.loop import LoopRecipe, System, load_trainee, train
from semscan.training.nets.cyclegan import PatchDiscriminator, ResnetGenerator
from semscan.training.place import Place
from semscan.training.rundir import load_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(steps, **change):
    loop = LoopRecipe(steps, batch=2, size_px=32, stats_every=4, sample_every=1000, save_every=4)
    values = {"width": 4, "blocks": 1, "lr": 2e-3, "pool": 3, **change}
    return CycleRecipe("t", loop, DataRecipe(), DataRecipe(), **values)


def domains(count=16, size=32):
    """Bright squares on black, and the same kind of squares dark on white."""
    rng = np.random.default_rng(2)
    tiles = np.full((2, count, 1, size, size), 20, np.uint8)
    for domain in range(2):
        for tile in tiles[domain, :, 0]:
            y, x = rng.integers(2, size - 14, 2)
            tile[y : y + 12, x : x + 12] = 230
    tiles[1] = 255 - tiles[1]
    return tiles


def from_tiles(recipe, data):
    tiles = domains()
    return lambda rng: tiles[:, rng.integers(0, tiles.shape[1], recipe.training.batch)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("blocks", [6, 9])
def test_generator_has_the_layers_of_the_paper(channels, blocks):
    net = ResnetGenerator(channels, 4, blocks)
    assert sum(type(m).__name__ == "_Residual" for m in net.modules()) == blocks
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(convolutions) == 3 + 2 * blocks + 3
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    image = torch.rand(2, channels, 32, 40) * 2 - 1
    made = net(image)
    assert made.shape == image.shape
    assert made.abs().max() <= 1
    assert net.state_dict().keys() == ResnetGenerator(channels, 4, blocks, skip=True).state_dict().keys()


def test_brightness_survives_only_with_the_skip():
    dark, bright = (torch.full((1, 1, 32, 32), level) for level in (-0.8, 0.6))
    for skip, kept in ((False, 0.0), (True, 1.4)):
        torch.manual_seed(0)
        net = ResnetGenerator(1, 4, 1, skip)
        assert (net(bright) - net(dark)).mean().item() == pytest.approx(kept, abs=0.05)


def test_each_logit_of_the_discriminator_sees_seventy_pixels():
    judge = PatchDiscriminator(1, 4)
    # Instance norm mixes the whole picture; what is asked here is the reach of the convolutions.
    convolutions = nn.Sequential(*[m for m in judge.body if not isinstance(m, nn.InstanceNorm2d)])
    image = torch.zeros(1, 1, 160, 160, requires_grad=True)
    logits = convolutions(image)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    seen = image.grad[0, 0].ne(0)
    assert [int(seen.any(axis).sum()) for axis in (0, 1)] == [70, 70]
    assert judge(torch.zeros(1, 1, 64, 64)).shape == (1, 1, 6, 6)


class Add(nn.Module):
    def __init__(self, amount):
        super().__init__()
        self.amount = amount

    def forward(self, x):
        return x + self.amount


class Constant(nn.Module):
    def __init__(self, logit):
        super().__init__()
        self.logit = logit

    def forward(self, x):
        return torch.full((len(x), 1, 2, 2), self.logit)


def test_losses_of_known_generators():
    a, b = torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8)
    losses = generator_losses(Add(-0.5), Add(0.75), Constant(1.0), Constant(0.5), a, b)
    assert losses.cycle == pytest.approx(2 * 0.25)
    assert losses.identity == pytest.approx(0.5 + 0.75)
    assert losses.adversarial == pytest.approx(0.25)
    torch.testing.assert_close(losses.as_b, a + 0.75)
    torch.testing.assert_close(losses.as_a, b - 0.5)
    # Half of a picture is another distance from each domain, so no picture can be taken for one of the other.
    halved = generator_losses(nn.AvgPool2d(1, divisor_override=2), Add(0.75), Constant(1.0), Constant(0.5), a, b)
    assert halved.cycle == pytest.approx(0.375 + 0.25)
    assert halved.identity == pytest.approx(0 + 0.75)
    inverse = generator_losses(Add(-1), Add(1), Constant(1.0), Constant(1.0), a, b)
    assert inverse.cycle == 0 and inverse.adversarial == 0 and inverse.identity == pytest.approx(2)


def test_discriminator_loss_is_half_of_least_squares_and_leaves_the_generator_alone():
    made = torch.zeros(2, 1, 8, 8, requires_grad=True)
    assert discriminator_loss(Constant(0.5), made, made) == pytest.approx((0.25 + 0.25) / 2)
    judge = PatchDiscriminator(1, 4)
    discriminator_loss(judge, torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32, requires_grad=True) * 2).backward()
    assert made.grad is None


def test_pool_shows_old_pictures_half_of_the_time_and_resumes():
    torch.manual_seed(0)
    pool = PicturePool(50)
    first = torch.arange(50.0).reshape(50, 1, 1, 1)
    assert torch.equal(pool.exchange(first), first)
    again = PicturePool(50)
    again.load_state_dict(pool.state_dict())
    new = torch.arange(1000.0, 2000.0).reshape(1000, 1, 1, 1)
    torch.manual_seed(1)
    shown = pool.exchange(new)
    assert 0.4 < (shown != new).float().mean() < 0.6
    assert len(pool.kept) == 50
    torch.manual_seed(1)
    assert torch.equal(again.exchange(new), shown)
    assert torch.equal(PicturePool(0).exchange(new), new)


def test_a_pool_from_a_checkpoint_shows_its_pictures_on_the_device_of_the_training():
    torch.manual_seed(0)
    pool = PicturePool(50)
    pool.exchange(torch.rand(50, 1, 2, 2))
    again = PicturePool(50)
    again.load_state_dict(pool.state_dict())
    assert again.exchange(torch.rand(20, 1, 2, 2, device="meta")).device.type == "meta"


def test_weights_of_the_losses_and_the_fall_of_the_rate():
    defaults = CycleRecipe("t", LoopRecipe(100), DataRecipe(), DataRecipe())
    assert (defaults.cycle_weight, defaults.identity_weight, defaults.pool, defaults.blocks) == (10, 0.5, 50, 9)
    trainee = CycleGan(recipe(100), Place(torch.device("cpu")))
    rates = []
    for step in (0, 50, 75, 99):
        trainee.step(step, torch.rand(2, 2, 1, 32, 32) * 2 - 1)
        rates.append(trainee.maker_optimizer.param_groups[0]["lr"] / 2e-3)
    assert rates == pytest.approx([1, 1, 0.5, 0.02])
    with pytest.raises(UsageError, match="decay_from"):
        recipe(1, decay_from=1.5)


def test_a_step_weighs_the_losses_as_the_recipe_says(monkeypatch):
    trainee = CycleGan(recipe(1, cycle_weight=7.0, identity_weight=0.25), Place(torch.device("cpu")))
    parts = [torch.tensor(1.0, requires_grad=True) for _ in range(3)]
    real = torch.rand(2, 2, 1, 32, 32) * 2 - 1
    monkeypatch.setattr("semscan.training.cycle.generator_losses", lambda *_: Losses(*parts, real[0], real[1]))
    trainee.step(0, real)
    assert [part.grad.item() for part in parts] == [1.0, 7.0, 7.0 * 0.25]


def test_cyclegan_resumes_bit_equal(tmp_path):
    train(System(CycleRecipe, CycleGan, from_tiles), recipe(8), None, tmp_path / "whole")

    class Stop(Exception):
        pass

    def interrupted(recipe, data):
        draw, calls = from_tiles(recipe, data), iter(range(6))

        def batches(rng):
            if next(calls, None) is None:
                raise Stop
            return draw(rng)

        return batches

    with pytest.raises(Stop):
        train(System(CycleRecipe, CycleGan, interrupted), recipe(8), None, tmp_path / "cut")
    assert load_checkpoint(tmp_path / "cut" / "checkpoint.pt")["step"] == 4
    train(System(CycleRecipe, CycleGan, from_tiles), recipe(8), None, tmp_path / "cut", resume=True)
    states = [load_checkpoint(tmp_path / name / "checkpoint.pt")["states"] for name in ("whole", "cut")]
    for part in ("to_a", "to_b", "judge_a", "judge_b"):
        assert all(torch.equal(states[0][part][key], states[1][part][key]) for key in states[0][part])
    loaded = load_trainee(tmp_path / "cut" / "checkpoint.pt")
    assert loaded.sample(20, 1).shape == (20, 1, 32, 32)
    assert np.array_equal(loaded.sample(4, 1), loaded.sample(4, 1))


@pytest.mark.slow
def test_cyclegan_overfits_sixteen_tiles():
    torch.manual_seed(0)
    trainee = CycleGan(recipe(200, width=8, identity_weight=0.0), Place(torch.device("cpu")))
    tiles = torch.from_numpy(domains()).float() / 127.5 - 1
    history = [trainee.step(step, tiles[:, torch.randperm(16)[:4]]) for step in range(200)]
    assert history[-1]["cycle"] < 0.3 * history[0]["cycle"]
    as_b = trainee.translate(domains()[0])
    assert as_b.mean() > 150 > 60 > domains()[0].mean()
    back = trainee.translate(as_b, to="a")
    assert np.abs(back.astype(float) - domains()[0]).mean() < 25


def test_a_checkpoint_that_saw_nothing_has_nothing_to_show():
    with pytest.raises(UsageError, match="no picture"):
        CycleGan(recipe(1), Place(torch.device("cpu"))).sample(1, 0)
