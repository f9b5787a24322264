"""Augmentation: differentiable, anti-aliased, without leaks below p = 0.8, and adapted as in the paper."""

import numpy as np
import pytest
import torch

from semscan.training.ada import AdaAugment, AdaController
from semscan.training.augment import BRIGHTNESS, TRANSLATION, DiffAugment


def marked(count, side=16, channels=1):
    """Pictures of random spots, so that every move of one is seen."""
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.mark.parametrize("channels", [1, 3])
def test_augmentations_pass_gradients_to_every_part_that_is_shown(channels):
    torch.manual_seed(0)
    for augment in (DiffAugment.draw(4, torch.device("cpu")), lambda x: AdaAugment()(x, 0.7)):
        x = marked(4, 32, channels).requires_grad_()
        out = augment(x)
        assert out.shape == x.shape
        (gradient,) = torch.autograd.grad(out.square().sum(), x)
        assert torch.isfinite(gradient).all()
        assert (gradient.abs().sum((1, 2, 3)) > 0).all()


def test_gradient_agrees_with_differences():
    x, direction, weights = marked(4, 16).requires_grad_(), marked(8, 16)[4:], marked(12, 16)[8:]

    def seeded(x):
        torch.manual_seed(4)
        return (AdaAugment()(x, 1.0) * weights).sum()

    (gradient,) = torch.autograd.grad(seeded(x), x)
    with torch.no_grad():  # every change is affine, so a large step gives the exact slope
        slope = (seeded(x + direction) - seeded(x - direction)) / 2
    assert slope.item() == pytest.approx((gradient * direction).sum().item(), rel=1e-3, abs=1e-3)


def test_diffaugment_moves_both_scales_alike_within_its_bounds():
    torch.manual_seed(1)
    change = DiffAugment.draw(64, torch.device("cpu"))
    spot = torch.zeros(64, 1, 32, 32)
    spot[:, :, 16:18, 16:18] = 1
    still = DiffAugment(
        torch.zeros_like(change.brightness), change.saturation, torch.ones_like(change.contrast), change.shift
    )
    large = still(spot)
    small = still(torch.nn.functional.avg_pool2d(spot, 2))
    where = [torch.stack([(x > 0.5).float().nonzero()[:, k] for k in (2, 3)]).float() for x in (large, small)]
    centres = [w.reshape(2, 64, -1).mean(2) for w in where]
    assert (centres[0] / 2 - centres[1]).abs().max() <= 1.0
    assert (centres[0] - 16.5).abs().max() <= TRANSLATION * 32
    assert len(centres[0][0].unique()) > 5
    assert change.brightness.abs().max() <= BRIGHTNESS
    assert change.contrast.min() >= 0.5 and change.contrast.max() <= 1.5


def test_diffaugment_saturation_leaves_grey_pictures_alone():
    change = DiffAugment(
        torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.3), torch.ones(1, 1, 1, 1), torch.zeros(1, 2)
    )
    grey = marked(1)
    torch.testing.assert_close(change(grey), grey)
    colour = marked(1, channels=3)
    out = change(colour)
    torch.testing.assert_close(out.mean(1), colour.mean(1))
    assert out.std(1).mean() < 0.5 * colour.std(1).mean()


def test_nothing_changes_at_p_zero():
    x = marked(3)
    assert AdaAugment()(x, 0.0) is x


def turned_versions(picture):
    return [torch.rot90(flipped, k, (-2, -1)) for flipped in (picture, picture.flip(-1)) for k in range(4)]


def test_blits_only_move_pixels():
    torch.manual_seed(0)
    x = marked(200)
    out = AdaAugment().blit(x, 1.0)
    # Reflection repeats pixels but invents none.
    assert torch.isin(out, x).all()
    assert (out == x).all((1, 2, 3)).float().mean() < 0.05


def counts_of_versions(p, count=6000):
    """How often each of the eight mirrored and turned versions of a picture comes out, translation aside."""
    torch.manual_seed(2)
    picture = marked(1, 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("semscan.training.ada.TRANSLATION", 0.0)
        out = AdaAugment().blit(picture.expand(count, -1, -1, -1), p)
    return np.array([int((out == version).all((1, 2, 3)).sum()) for version in turned_versions(picture[0])])


@pytest.mark.parametrize("p", [0.3, 0.8])
def test_blits_do_not_leak_below_p_08(p):
    # What is seen is the distribution of versions mixed by how often each change is made. That can be undone, so
    # nothing leaks, if the mixing matrix has an inverse; with mirror and turn left out with probability 1 - p its
    # eigenvalues are (1 - p)**k, and the unchanged version is the commonest.
    counts = counts_of_versions(p)
    assert counts.sum() == 6000  # every result is one of the eight
    mirror, turn = (1 - p) + p / 2, (1 - p) + p / 4
    expected = [m * t for m in (mirror, p / 2) for t in (turn, p / 4, p / 4, p / 4)]
    np.testing.assert_allclose(counts / 6000, expected, atol=0.025)
    assert counts[0] > 1.3 * np.delete(counts, 0).max()


def test_blits_leak_at_p_one_as_the_paper_says():
    counts = counts_of_versions(1.0)
    assert counts.max() < 1.3 * counts.min()  # all versions alike: which one was right can no longer be told


def test_unchanged_share_of_geometry_and_colour_follows_p():
    torch.manual_seed(0)
    x = marked(4000, 8)
    augment = AdaAugment()
    still = (augment.geometry(x, 0.3) == x).all((1, 2, 3)).float().mean()
    # Scale, stretch and shift with 0.7 each; the two rotations together with 0.7.
    assert still.item() == pytest.approx(0.7**4, abs=0.03)
    kept = (augment.colour(x, 0.3) == x).all((1, 2, 3)).float().mean()
    assert kept.item() == pytest.approx(0.7**2 * 0.85, abs=0.03)  # half of the inversions invert nothing


def test_resampling_is_anti_aliased():
    augment = AdaAugment()
    smooth = torch.sin(torch.arange(64) * 0.4).expand(1, 1, 64, 64)
    back = augment._halved(augment._doubled(smooth))
    assert (back - smooth)[..., 8:-8, 8:-8].abs().max() < 0.02
    stripes = torch.ones(1, 1, 64, 64)
    stripes[..., ::2] = -1
    # The highest frequency of the doubled grid has no place on the single one: it must vanish, not become another.
    assert augment._halved(stripes)[..., 8:-8, 8:-8].abs().max() < 0.02


def test_hue_and_lightness_of_colour_pictures():
    torch.manual_seed(0)
    x = marked(500, 4, 3)
    out = AdaAugment().colour(x, 1.0)
    lightness = [t.mean(1) for t in (x, out)]
    spread = [(t - t.mean(1, keepdim=True)).norm(dim=1) for t in (x, out)]
    # Hue turns, saturation stretches: within a picture all colour distances change by one factor.
    ratio = (spread[1] / spread[0]).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-3, atol=1e-4)
    slope = (lightness[1].flatten(1).diff(dim=1) / lightness[0].flatten(1).diff(dim=1)).median(1).values
    assert 0.35 < (slope < 0).float().mean().item() < 0.65


def test_r_t_moves_p_as_in_the_paper():
    controller = AdaController(kimg=500)
    sure, unsure = torch.ones(16), torch.cat([torch.ones(8), -torch.ones(8)])
    for step in range(3):
        controller.observe(step, sure)
    assert controller.p.item() == 0  # only every fourth step
    controller.observe(3, sure)
    assert controller.p.item() == pytest.approx(4 * 16 / 500_000)
    for step in range(4, 12):
        controller.observe(step, sure)
    assert controller.p.item() == pytest.approx(3 * 4 * 16 / 500_000)
    for step in range(12, 16):
        controller.observe(step, unsure)  # r_t = 0 is below 0.6
    assert controller.p.item() == pytest.approx(2 * 4 * 16 / 500_000)
    for step in range(16, 100):
        controller.observe(step, unsure)
    assert controller.p.item() == 0  # never negative
    fast = AdaController(kimg=0.032)
    for step in range(8):
        fast.observe(step, sure)
    assert fast.p.item() == 1  # never above one


def test_geometry_scales_and_shifts_by_what_is_drawn(monkeypatch):
    spot = torch.zeros(1, 1, 64, 64)
    spot[..., 24:40, 24:40] = 1
    augment = AdaAugment()
    at = torch.arange(64.0) - 31.5

    def only(normal):
        """Geometry with everything drawn, no rotation, and these four standard normal numbers."""
        with monkeypatch.context() as patch:
            patch.setattr(torch, "randn", lambda *size, **_: torch.tensor(normal)[:, None])
            patch.setattr(torch, "rand", lambda *size, **_: torch.tensor([0.5]))
            weight = augment.geometry(spot, 1.0)[0, 0]
        total = weight.sum()
        return (weight.sum(1) * at).sum() / total, (weight.sum(0) * at).sum() / total, total

    y, x, area = only([1.0, 0.0, 0.0, 0.0])
    assert area.item() == pytest.approx(256 * 2**0.4, rel=0.03)  # both sides grow by 2 ** 0.2
    y, x, area = only([0.0, 1.0, 0.0, 0.0])
    assert area.item() == pytest.approx(256, rel=0.03)  # stretched one way, shrunk the other
    y, x, area = only([0.0, 0.0, 1.0, -0.5])
    assert (x.item(), y.item()) == (pytest.approx(8, abs=0.1), pytest.approx(-4, abs=0.1))  # shares of 64 px
