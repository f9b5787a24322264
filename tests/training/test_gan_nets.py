"""The ingredients that give FastGAN, StyleGAN2, DCGAN and BlotGAN their names."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from semscan.training.blotgan import gradient_penalty
from semscan.training.nets.blotgan import BlotCritic, BlotGenerator
from semscan.training.nets.dcgan import DcganDiscriminator, DcganGenerator
from semscan.training.nets.fastgan import (
    EXCITED_BY,
    FastganDiscriminator,
    FastganGenerator,
    LearnedNoise,
    SkipExcitation,
    second_scale,
)
from semscan.training.nets.layers import EqualLinear, Fir, MinibatchDeviation, StyledConv
from semscan.training.nets.stylegan2 import StyleDiscriminator, StyleGenerator
from semscan.training.stylegan2 import PathLength, lazy_adam, path_lengths, r1_penalty


@pytest.mark.parametrize("size", [64, 128, 256, 512])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_network_works_at_every_size_in_grey_and_colour(size, channels):
    torch.manual_seed(0)
    z = torch.randn(2, 8)
    made, small = FastganGenerator(size, channels, 4, 8)(z)
    assert made.shape == (2, channels, size, size)
    assert small.shape == (2, channels, second_scale(size), second_scale(size))
    logits, fine, coarse = FastganDiscriminator(size, channels, 4)(made, small)
    assert logits.shape == (2, 50)
    assert fine.shape[2:] == (16, 16) and coarse.shape[2:] == (8, 8)
    for generator, critic in (
        (DcganGenerator(size, channels, 2, 8), DcganDiscriminator(size, channels, 2)),
        (BlotGenerator(size, channels, 2, 8), BlotCritic(size, channels, 2)),
        (StyleGenerator(size, channels, 1024, 8, 8, 2), StyleDiscriminator(size, channels, 1024, 8)),
    ):
        made = generator(z)
        assert made.shape == (2, channels, size, size)
        critic(made).sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in critic.parameters())
        assert all(p.grad is not None for p in generator.parameters())


@pytest.mark.parametrize(("size", "pairs"), [(64, 1), (128, 2), (256, 3), (512, 4)])
def test_skip_excitation_joins_the_sides_of_the_paper(size, pairs):
    generator = FastganGenerator(size, 1, 8, 16)
    assert EXCITED_BY == {64: 4, 128: 8, 256: 16, 512: 32}
    assert len(generator.excitations) == pairs
    seen = {}
    for side, module in generator.excitations.items():
        module.register_forward_hook(lambda m, inputs, out, side=side: seen.update({side: (inputs, out)}))
    generator(torch.randn(2, 16))
    for side, ((coarse, fine), out) in seen.items():
        assert fine.shape[-1] == int(side) and coarse.shape[-1] == EXCITED_BY[int(side)]
        assert out.shape == fine.shape


def test_skip_excitation_gates_whole_channels_between_0_and_1():
    torch.manual_seed(1)
    module = SkipExcitation(6, 3)
    coarse, fine = torch.randn(2, 6, 8, 8) * 5, torch.randn(2, 3, 16, 16)
    gates = module(coarse, fine) / fine
    assert gates.min() > 0 and gates.max() < 1
    torch.testing.assert_close(gates, gates[:, :, :1, :1].expand_as(gates))
    assert gates[:, :, 0, 0].unique().numel() == 6
    torch.testing.assert_close(module(coarse, 2 * fine), 2 * gates * fine)


def test_fastgan_blocks_have_gated_units_and_noise_that_starts_silent():
    generator = FastganGenerator(64, 1, 4, 8)
    blocks = [[type(m) for m in block] for block in generator.blocks]
    assert [block.count(nn.GLU) for block in blocks] == [2, 1, 2, 1]
    assert [block.count(LearnedNoise) for block in blocks] == [2, 0, 2, 0]
    gated = generator.blocks[1][-1](torch.tensor([2.0, 0.0]).reshape(1, 2, 1, 1))
    assert gated.item() == pytest.approx(2.0 * 0.5)  # value times sigmoid of the other half
    noise = LearnedNoise()
    x = torch.zeros(2, 3, 4, 4)
    assert torch.equal(noise(x), x)
    with torch.no_grad():
        noise.strength.fill_(2.0)
    torch.manual_seed(0)
    noisy = noise(x)
    assert torch.equal(noisy[:, 0], noisy[:, 2]) and noisy.std().item() == pytest.approx(2, rel=0.3)


def test_fastgan_decoders_redraw_the_part_that_their_features_show():
    torch.manual_seed(0)
    network = FastganDiscriminator(64, 1, 4)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    picture = (y + x / 100)[None, None]
    part, whole = network.targets(picture, (8, 2))
    assert part.shape == (1, 1, 32, 32) and whole.shape == (1, 1, 64, 64)
    assert part[0, 0, 0, 0] == pytest.approx(32 + 0.08)
    part, whole = FastganDiscriminator(512, 1, 4).targets(torch.zeros(1, 1, 512, 512), (0, 0))
    assert part.shape == whole.shape == (1, 1, 128, 128)
    _, fine, coarse = network(torch.rand(2, 1, 64, 64), torch.rand(2, 1, 32, 32))
    drawn = network.redraw(fine, coarse, (8, 2))
    assert [d.shape[-1] for d in drawn] == [32, 64] and all(d.abs().max() <= 1 for d in drawn)
    moved = fine.clone()
    moved[:, :, :8] = 0  # outside the lower part: not looked at
    assert torch.allclose(network.eval().redraw(moved, coarse, (8, 2))[0], network.redraw(fine, coarse, (8, 2))[0])


@torch.no_grad()
def test_demodulation_keeps_unit_variance_whatever_the_style():
    torch.manual_seed(0)
    noise, flat = torch.randn(8, 32, 16, 16), torch.randn(8, 32, 1, 1).expand(-1, -1, 16, 16)
    # Doubling fills in between the pixels, so it keeps the variance of what is smooth.
    for doubles, x in ((False, noise), (True, flat)):
        out = StyledConv(32, 64, 3, 16, doubles)(x, 30 * torch.randn(8, 16))
        loud = StyledConv(32, 64, 3, 16, doubles, demodulates=False)(x, 30 * torch.randn(8, 16))
        assert float(out[:, :, 3:-3, 3:-3].var()) == pytest.approx(1, rel=0.15)
        assert float(loud[:, :, 3:-3, 3:-3].var()) > 50


def test_modulating_activations_equals_modulating_weights():
    torch.manual_seed(0)
    conv = StyledConv(3, 5, 3, 4)
    x, w = torch.randn(2, 3, 8, 8), torch.randn(2, 4)
    for picture, style, made in zip(x, conv.affine(w), conv(x, w), strict=True):
        weight = conv.weight * conv.scale * style[None, :, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        torch.testing.assert_close(F.conv2d(picture[None], weight, padding=1)[0], made)


def test_resampling_filter_keeps_means_and_removes_the_highest_frequency():
    flat = torch.ones(1, 2, 16, 16)
    torch.testing.assert_close(Fir(4.0).doubled(flat)[:, :, 2:-2, 2:-2], torch.ones(1, 2, 28, 28))
    torch.testing.assert_close(Fir()(flat, 1, 2)[:, :, 1:-1, 1:-1], torch.ones(1, 2, 6, 6))
    stripes = torch.ones(1, 1, 16, 16)
    stripes[..., ::2] = -1
    assert Fir()(stripes, 1, 2)[:, :, 1:-1, 1:-1].abs().max() < 1e-6


def test_equalised_rate_scales_at_run_time():
    torch.manual_seed(0)
    layer = EqualLinear(1000, 50, rate=0.01)
    assert float(layer.weight.detach().std()) == pytest.approx(100, rel=0.02)
    assert layer(torch.randn(64, 1000)).std().item() == pytest.approx(1, rel=0.05)


def test_minibatch_deviation_measures_variety_within_groups():
    same = torch.rand(1, 3, 4, 4).expand(4, 3, 4, 4)
    layer = MinibatchDeviation(2)
    assert layer(same).shape == (4, 4, 4, 4)
    assert layer(same)[:, 3].max() < 1e-3
    varied = torch.cat([same[:2], same[:1] + 3, same[:1] + 5])
    planes = layer(varied)[:, 3, 0, 0]
    assert planes.tolist() == pytest.approx([1.5, 2.5, 1.5, 2.5], rel=1e-3)  # pictures 0 and 2, 1 and 3


def test_style_mixing_changes_over_at_a_random_layer():
    torch.manual_seed(0)
    generator = StyleGenerator(32, 1, 64, 8, 6, 2)
    z = torch.randn(64, 6)
    assert torch.equal(generator.mixed(z, 0.0), generator.spread(generator.mapping(z)))
    ws = generator.mixed(z, 1.0)
    own = generator.mapping(z)
    kept = (ws == own[:, None]).all(2)
    assert kept[:, 0].all() and not kept[:, -1].any()
    assert len(kept.sum(1).unique()) == generator.synthesis.styles - 1
    assert generator.synthesis.styles == 2 * int(math.log2(32)) - 2


def test_r1_matches_the_derivative_of_a_toy():
    class Toy(nn.Module):
        def forward(self, x):
            return (x**2 * torch.arange(1.0, 5.0)).sum((1, 2, 3)) / 2

    x = torch.tensor([[1.0, -1.0, 2.0, 0.5], [0.0, 3.0, 0.0, 0.0]]).reshape(2, 1, 1, 4)
    slopes = x * torch.arange(1.0, 5.0)
    assert r1_penalty(Toy(), x).item() == pytest.approx(slopes.square().sum((1, 2, 3)).mean().item())
    scale = torch.nn.Parameter(torch.tensor(2.0))

    class Scaled(nn.Module):
        def forward(self, x):
            return scale * x.sum((1, 2, 3))

    penalty = r1_penalty(Scaled(), x)
    penalty.backward()
    assert penalty.item() == pytest.approx(16) and scale.grad.item() == pytest.approx(16)  # 4 s**2 and 8 s


def test_path_length_matches_the_jacobian_of_a_toy():
    torch.manual_seed(0)
    jacobian = torch.randn(6 * 6, 3 * 4, dtype=torch.float64)
    ws = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    pictures = (ws.flatten(1) @ jacobian.T).reshape(2, 1, 6, 6)
    torch.manual_seed(5)
    lengths = path_lengths(pictures, ws)
    torch.manual_seed(5)
    noise = torch.randn(2, 1, 6, 6, dtype=torch.float64) / 6
    expected = (noise.flatten(1) @ jacobian).reshape(2, 3, 4).square().sum(2).mean(1).sqrt()
    torch.testing.assert_close(lengths, expected)
    path = PathLength().double()
    torch.manual_seed(5)
    penalty = path((ws.flatten(1) @ jacobian.T).reshape(2, 1, 6, 6), ws)
    assert path.mean.item() == pytest.approx(0.01 * expected.mean().item())
    assert penalty.item() == pytest.approx((expected - path.mean).square().mean().item())


def test_lazy_penalties_correct_adam():
    (group,) = lazy_adam(nn.Linear(1, 1), 0.002, 16).param_groups
    assert group["lr"] == pytest.approx(0.002 * 16 / 17)
    assert group["betas"] == (0.0, pytest.approx(0.99 ** (16 / 17)))


def layers_on_the_way(network):
    """Convolutions and fully connected layers, short cuts left out, in the manner of residual networks."""
    return [
        name
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and not name.endswith("short_cut")
    ]


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_blotgan_has_34_and_15_layers_and_no_batch_normalisation_in_the_critic(size):
    critic = BlotCritic(size, 1, 2)
    assert len(layers_on_the_way(BlotGenerator(size, 1, 2, 8))) == 34
    assert len(layers_on_the_way(critic)) == 15
    assert sum(type(m).__name__ == "_CriticBlock" for m in critic.modules()) == 2
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in critic.modules())
    x = torch.rand(3, 1, size, size)
    torch.testing.assert_close(critic(x)[:1], critic(x[:1]), rtol=1e-3, atol=1e-5)


def test_gradient_penalty_is_zero_at_slope_one():
    class Sloped(nn.Module):
        def __init__(self, slope):
            super().__init__()
            self.slope = slope

        def forward(self, x):
            return self.slope * x.flatten(1)[:, 0]

    real, made = torch.rand(2, 4, 1, 8, 8)
    assert gradient_penalty(Sloped(1.0), real, made).item() == pytest.approx(0, abs=1e-9)
    assert gradient_penalty(Sloped(3.0), real, made).item() == pytest.approx(4)


def test_dcgan_is_a_chain_of_even_transposed_convolutions():
    generator = DcganGenerator(64, 1, 8, 10)
    ups = [m for m in generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.kernel_size, m.stride) for m in ups] == [((4, 4), (4, 4)), *[((4, 4), (2, 2))] * 4]
    assert isinstance(list(generator.modules())[-1], nn.Tanh)
    weights = np.concatenate([m.weight.detach().numpy().ravel() for m in ups])
    assert weights.std() == pytest.approx(0.02, rel=0.02)
    norms = [m for m in DcganDiscriminator(64, 1, 8).modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 3  # not in the first and the last of five layers
