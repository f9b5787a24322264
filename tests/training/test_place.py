"""Devices: what is compiled where, precision, and an estimate that has seen every penalty once."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from semscan.training import estimate
from semscan.training.fastgan import Fastgan, FastganRecipe
from semscan.training.loop import LoopRecipe
from semscan.training.place import Place
from semscan.training.stylegan2 import R1_EVERY, Stylegan2, StyleRecipe


class Watched(nn.Module):
    """Notes where it is sent and whether it is compiled; there need be no such device."""

    def __init__(self):
        super().__init__()
        self.told = []

    def to(self, *place, **options):
        self.told.append(str(place[0]) if place else str(options["memory_format"]))
        return self

    def compile(self):
        self.told.append("compiled")


@pytest.mark.parametrize(
    ("device", "asked", "twice", "told"),
    [
        ("cuda", True, False, ["cuda", "torch.channels_last", "compiled"]),
        ("cuda", True, True, ["cuda", "torch.channels_last"]),
        ("cuda", False, False, ["cuda", "torch.channels_last"]),
        ("cpu", True, False, ["cpu"]),
    ],
)
def test_networks_are_compiled_on_cuda_unless_their_gradients_are_differentiated(device, asked, twice, told):
    network = Watched()
    Place(torch.device(device), compile=asked).prepare(network, differentiated_twice=twice)
    assert network.told == told


def test_precision_is_reduced_where_the_recipe_wants_it():
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    for amp, kind in ((True, torch.bfloat16), (False, torch.float32)):
        with Place(torch.device("cpu"), amp=amp).autocast():
            assert layer(x).dtype == kind


@pytest.mark.parametrize(("kind", "timed"), [("fastgan", estimate.TIMED_STEPS), ("stylegan2_ada", R1_EVERY)])
def test_an_estimate_times_every_penalty_once(kind, timed, capsys, monkeypatch):
    place, loop = Place(torch.device("cpu")), LoopRecipe(400, batch=4, size_px=32)
    if kind == "fastgan":
        recipe = FastganRecipe(kind, "t", loop, width=4, latent=8)
        trainee = Fastgan(recipe, place)
    else:
        recipe = StyleRecipe(kind, "t", loop, base=256, widest=8, latent=8)
        trainee = Stylegan2(recipe, place)
    records = []
    step = trainee.step
    monkeypatch.setattr(trainee, "step", lambda *a: records.append(step(*a)) or records[-1])
    estimate.print_estimate(recipe, trainee, place)
    measured = records[estimate.WARM_UP_STEPS :]
    assert len(measured) == timed
    if kind == "stylegan2_ada":
        assert sum("r1" in record for record in measured) == 1
        assert sum("path_length" in record for record in measured) == 4
    assert "400 steps" in capsys.readouterr().err
