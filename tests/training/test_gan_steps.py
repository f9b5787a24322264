"""One step of FastGAN and of StyleGAN2-ADA: what each loss is given, and when the penalties are due."""

import pytest
import torch

from semscan.training.fastgan import Fastgan, FastganRecipe
from semscan.training.gan import update
from semscan.training.loop import LoopRecipe
from semscan.training.place import Place
from semscan.training.stylegan2 import PATH_EVERY, PATH_WEIGHT, R1_EVERY, Stylegan2, StyleRecipe

CPU = Place(torch.device("cpu"))
LOOP = LoopRecipe(40, batch=4, size_px=32)


def fastgan():
    torch.manual_seed(0)
    return Fastgan(FastganRecipe("fastgan", "t", LOOP, width=4, latent=8), CPU)


def stylegan2(**change):
    torch.manual_seed(0)
    shape = {"base": 256, "widest": 8, "latent": 8}
    return Stylegan2(StyleRecipe("stylegan2_ada", "t", LOOP, **{**shape, **change}), CPU)


def pictures():
    return torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_fastgan_redraws_what_the_discriminator_was_shown_of_genuine_pictures(monkeypatch):
    trainee, shown, wanted, features, decoded = fastgan(), [], [], [], []
    forward, redraw = trainee.discriminator.forward, trainee.discriminator.redraw

    def watched(picture, small):
        shown.append(picture.detach().clone())
        features.append(forward(picture, small))
        return features[-1]

    def noted(fine, coarse, corner):
        decoded.append((fine, coarse))
        return redraw(fine, coarse, corner)

    def difference(drawn, target):
        wanted.append(target.clone())
        return drawn.square().mean()

    monkeypatch.setattr(trainee.discriminator, "forward", watched)
    monkeypatch.setattr(trainee.discriminator, "redraw", noted)
    monkeypatch.setattr(trainee, "difference", difference)
    trainee.step(0, pictures())
    # Genuine, generated for the discriminator, generated for the generator: all were augmented.
    assert len(shown) == 3 and torch.equal(shown[1], shown[2])
    assert not torch.equal(shown[0], pictures())
    # Only genuine pictures are decoded.
    ((fine, coarse),) = decoded
    assert fine is features[0][1] and coarse is features[0][2]
    part, whole = wanted
    assert torch.equal(whole, shown[0])
    patches = shown[0].unfold(2, 16, 2).unfold(3, 16, 2)
    assert (patches == part[:, :, None, None]).all(-1).all(-1).all(0).any()


def test_fastgan_hinge_of_known_logits(monkeypatch):
    trainee = fastgan()
    features = torch.zeros(4, 8, 16, 16), torch.zeros(4, 32, 8, 8)
    logits = iter([0.25, -3.0, 0.5])
    weight = next(trainee.discriminator.parameters())
    monkeypatch.setattr(trainee.discriminator, "forward", lambda *_: (next(logits) + 0 * weight.sum(), *features))
    monkeypatch.setattr(trainee.discriminator, "redraw", lambda *_: (0 * weight.sum(),) * 2)
    monkeypatch.setattr(trainee, "difference", lambda drawn, _: drawn)
    record = trainee.step(0, pictures())
    assert record["d_loss"] == pytest.approx(0.75 + 0)  # 1 - .25, and a generated one is beyond the margin
    assert record["g_loss"] == pytest.approx(-0.5)


def test_penalties_are_due_as_often_as_the_rates_of_adam_assume(monkeypatch):
    trainee, steps, penalties = stylegan2(r1_gamma=3.0), [], []

    def noted(optimizer, loss):
        steps.append((optimizer is trainee.d_adam, loss.item()))
        update(optimizer, loss)

    def measured(pictures, ws, forward=trainee.path.forward):
        penalty = forward(pictures, ws)
        penalties.append(penalty.item())
        return penalty

    monkeypatch.setattr("semscan.training.stylegan2.update", noted)
    monkeypatch.setattr(trainee.path, "forward", measured)
    due = {"r1": [], "path_length": []}
    for step in range(18):
        steps.clear()
        record = trainee.step(step, pictures())
        assert [is_d for is_d, _ in steps] == [True] + [True] * ("r1" in record) + [False] + [False] * (
            "path_length" in record
        )
        if "r1" in record:
            assert steps[1][1] == pytest.approx(3.0 / 2 * R1_EVERY * record["r1"])
        if "path_length" in record:
            assert steps[-1][1] == pytest.approx(PATH_WEIGHT * PATH_EVERY * penalties[-1])
        for name, found in due.items():
            found += [step] * (name in record)
    assert due == {"r1": [0, 16], "path_length": [0, 4, 8, 12, 16]}
    assert (R1_EVERY, PATH_EVERY, PATH_WEIGHT) == (16, 4, 2)


def test_what_the_generator_is_judged_by_is_augmented_too(monkeypatch):
    trainee, seen = stylegan2(), []
    trainee.ada.p.fill_(0.5)
    change = trainee.augment.forward

    def watched(x, p):
        seen.append((x.requires_grad, p))
        return change(x, p)

    monkeypatch.setattr(trainee.augment, "forward", watched)
    trainee.step(1, pictures())
    # Genuine and generated pictures for the discriminator, then generated ones through which gradients flow.
    assert seen == [(False, 0.5), (False, 0.5), (True, 0.5)]
