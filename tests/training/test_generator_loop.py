"""The shared loop: a run's folder, resuming bit for bit, refusals, estimates, and every GAN learning 16 tiles."""

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from semscan.engine.errors import DeviceError, OutputError, UsageError
from semscan.training import loop as loop_module
from semscan.training.loop import LoopRecipe, System, load_trainee, train
from semscan.training.meter import Meter, bar_line
from semscan.training.pictures import average_into, grid_of, to_pixels, to_signed
from semscan.training.place import find_place
from semscan.training.recipe import load_recipe, read_system
from semscan.training.rundir import TrainingDiverged, load_checkpoint
from semscan.training.systems import GENERATORS, find_system, train_recipe

RECIPES = Path(__file__).parents[2] / "training" / "recipes"
SMALL = ("training.size_px=32", "training.amp=false", "training.keep_every=0")
SETTINGS = {
    "dcgan": ("training.batch=16", "width=16", "latent=32"),
    "fastgan": ("training.batch=8", "width=8", "latent=32"),
    "stylegan2_ada": ("training.batch=8", "base=512", "widest=32", "latent=16", "ema_kimg=0.1", "ada_kimg=0.1"),
    "blotgan": ("training.batch=8", "width=8", "latent=32", "lr=0.001", "critic_steps=3"),
}
STEPS_TO_LEARN = {"dcgan": 220, "fastgan": 60, "stylegan2_ada": 60, "blotgan": 30}

pytestmark = pytest.mark.usefixtures("one_thread")


def small_recipe(name, *more):
    return load_recipe(RECIPES / f"{name}_64.toml", find_system(name).recipe, [*SMALL, *SETTINGS[name], *more])


def sixteen_tiles(size=32):
    """Bright round particles on a dark ground with noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size]
    tiles = []
    for _ in range(16):
        (cy, cx), radius = rng.uniform(0.3, 0.7, 2) * size, rng.uniform(0.15, 0.3) * size
        disc = 1 / (1 + np.exp(np.hypot(y - cy, x - cx) - radius))
        tiles.append(np.clip(60 + 150 * disc + rng.normal(0, 4, (size, size)), 0, 255))
    return np.array(tiles).astype(np.uint8)[:, None]


def from_sixteen(recipe, data):
    """A source of genuine pictures for :class:`System` that needs no data folder."""
    tiles = sixteen_tiles(recipe.training.size_px)
    count = recipe.training.batch * getattr(recipe, "critic_steps", 1)
    return lambda rng: tiles[rng.integers(0, 16, count)]


def on_sixteen(name):
    return replace(find_system(name), batches=from_sixteen)


def distance(trainee):
    """Mean over the 16 tiles of the mean squared error of the nearest of 64 samples."""
    made = trainee.sample(64, 3).astype(float)
    return np.mean([((made - tile) ** 2).mean((1, 2, 3)).min() for tile in sixteen_tiles().astype(float)])


@pytest.mark.parametrize("name", SETTINGS)
def test_every_gan_learns_sixteen_tiles(tmp_path, name):
    recipe = small_recipe(name, f"training.steps={STEPS_TO_LEARN[name]}", "training.sample_every=1000")
    train(replace(on_sixteen(name)), replace(recipe, training=replace(recipe.training, steps=1)), None, tmp_path / "a")
    train(on_sixteen(name), recipe, None, tmp_path / "b")
    before, after = (distance(load_trainee(tmp_path / run / "checkpoint.pt")) for run in "ab")
    assert after < 0.5 * before


class Killed(BaseException):
    """What no code catches, as a kill would be."""


@pytest.mark.parametrize("name", SETTINGS)
def test_resuming_after_a_kill_continues_the_curve_bit_for_bit(tmp_path, monkeypatch, name):
    steps = ["training.steps=11", "training.save_every=4", "training.stats_every=3", "training.sample_every=50"]
    recipe, system = small_recipe(name, *steps), on_sixteen(name)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(system, recipe, None, whole)

    def dying(recipe, data):
        draw, calls = from_sixteen(recipe, data), iter(range(10))

        def until_killed(rng):
            if next(calls) == 9:  # after step 9, of which a line of statistics but no checkpoint is written
                raise Killed
            return draw(rng)

        return until_killed

    with pytest.raises(Killed):
        train(replace(system, batches=dying), recipe, None, cut)
    assert load_checkpoint(cut / "checkpoint.pt")["step"] == 8
    assert json.loads((cut / "stats.jsonl").read_text().splitlines()[-1])["step"] == 9
    train(system, recipe, None, cut, resume=True)
    states = [load_checkpoint(folder / "checkpoint.pt") for folder in (whole, cut)]
    assert_same(states[0], states[1])
    curves = [
        [json.loads(line) for line in (folder / "stats.jsonl").read_text().splitlines()] for folder in (whole, cut)
    ]
    for line in curves[0] + curves[1]:
        del line["s_per_step"]
    assert [line["step"] for line in curves[0]] == [3, 4, 6, 8, 9, 11]
    assert curves[0] == curves[1]
    sheets = [(folder / "samples" / "step_0000011.png").read_bytes() for folder in (whole, cut)]
    assert sheets[0] == sheets[1]


def assert_same(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@dataclass(frozen=True, slots=True)
class ToyRecipe:
    system: str = "toy"
    name: str = "toy"
    seed: int = 1
    training: LoopRecipe = field(default_factory=lambda: LoopRecipe(steps=6, batch=2, size_px=32, save_every=2))


class Toy:
    """One number that grows by the mean of the pictures; may go wrong at a step."""

    def __init__(self, recipe, place):
        self.net = nn.Linear(1, 1)
        self.real_shape = (2, 1, 32, 32)
        self.nan_loss_at = self.nan_weight_at = -1

    def state(self):
        return {"net": self.net}

    def step(self, step, real):
        with torch.no_grad():
            self.net.bias += real.mean() + torch.randn(())
            if step == self.nan_weight_at:
                self.net.bias.fill_(math.inf)
        return {"loss": math.nan if step == self.nan_loss_at else 1.0}

    def sample(self, count, seed):
        return np.full((count, 1, 32, 32), 7, np.uint8)


TOY = System(ToyRecipe, Toy, lambda recipe, data: lambda rng: rng.integers(0, 256, (2, 1, 32, 32), dtype=np.uint8))


def toy_that(**faults):
    def build(recipe, place):
        toy = Toy(recipe, place)
        for name, value in faults.items():
            setattr(toy, name, value)
        return toy

    return replace(TOY, build=build)


@pytest.mark.parametrize(("fault", "what"), [("nan_loss_at", "loss is nan"), ("nan_weight_at", "net is not finite")])
def test_nonsense_stops_the_run_and_names_the_last_good_checkpoint(tmp_path, fault, what):
    with pytest.raises(TrainingDiverged, match=what) as caught:
        train(toy_that(**{fault: 5}), ToyRecipe(), None, tmp_path / "run")
    assert "at step 5" in caught.value.message
    assert str(tmp_path / "run" / "checkpoint.pt") in caught.value.message and "step 4" in caught.value.message
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"] == 4
    with pytest.raises(TrainingDiverged, match="no checkpoint"):
        train(toy_that(**{fault: 0 if fault == "nan_loss_at" else 1}), ToyRecipe(), None, tmp_path / "early")


def test_a_run_folder_holds_what_is_promised(tmp_path):
    recipe = ToyRecipe(training=LoopRecipe(6, 2, 32, save_every=2, keep_every=4, sample_every=3, stats_every=2))
    train(TOY, recipe, None, tmp_path / "run")
    found = sorted(str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*") if p.is_file())
    assert found == [
        "checkpoint.pt", "config.json", "kept/step_0000004.pt", "previous.pt",
        "samples/step_0000003.png", "samples/step_0000006.png", "stats.jsonl",
    ]  # fmt: skip
    assert load_checkpoint(tmp_path / "run" / "previous.pt")["step"] == 4
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["recipe"]["training"]["steps"] == 6 and config["git_revision"] and config["variant"] == "toy"
    with Image.open(tmp_path / "run" / "samples" / "step_0000006.png") as sheet:
        assert sheet.mode == "L" and sheet.size == (256, 256)
    with pytest.raises(OutputError, match="already holds a run"):
        train(TOY, recipe, None, tmp_path / "run")
    with pytest.raises(OutputError, match="another recipe"):
        train(TOY, replace(recipe, seed=2), None, tmp_path / "run", resume=True)


def test_a_kill_between_two_checkpoints_leaves_the_previous_one(tmp_path, monkeypatch):
    run, recipe = tmp_path / "run", ToyRecipe()
    train(TOY, recipe, None, run)
    whole = load_checkpoint(run / "checkpoint.pt")
    (run / "checkpoint.pt").unlink()
    train(TOY, recipe, None, run, resume=True)
    assert_same(load_checkpoint(run / "checkpoint.pt"), whole)


def test_a_checkpoint_loads_alone_and_other_files_are_refused(tmp_path):
    recipe = small_recipe("dcgan", "training.steps=1")
    train(on_sixteen("dcgan"), recipe, None, tmp_path / "run")
    trainee = load_trainee(tmp_path / "run" / "checkpoint.pt")
    few, many = trainee.sample(3, 5), trainee.sample(20, 5)
    assert few.shape == (3, 1, 32, 32) and few.dtype == np.uint8
    assert np.array_equal(few, many[:3]) and not np.array_equal(few, trainee.sample(3, 6))
    before = torch.get_rng_state()
    trainee.sample(1, 5)
    assert torch.equal(before, torch.get_rng_state())  # sampling must not disturb a training
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises(UsageError, match="no checkpoint of a generator"):
        load_trainee(tmp_path / "other.pt")


@pytest.mark.parametrize("name", SETTINGS)
def test_a_dry_run_says_what_it_would_cost_and_writes_nothing(tmp_path, capsys, name):
    settings = [*SMALL, *SETTINGS[name]]
    target = train_recipe(RECIPES / f"{name}_64.toml", settings, None, tmp_path / "run", dry_run=True)
    assert not target.exists()
    said = capsys.readouterr().err
    assert "generator: " in said and "parameters" in said and "MiB" in said and "min on this machine" in said


def test_recipes_are_refused_with_a_reason(tmp_path):
    with pytest.raises(UsageError, match=r"unknown key training\.kimg"):
        small_recipe("fastgan", "training.kimg=3")
    for setting in ("training.size_px=100", "training.channels=2", "training.device=tpu", "training.batch=0"):
        with pytest.raises(UsageError, match=r"training\.|positive"):
            small_recipe("fastgan", setting)
    with pytest.raises(UsageError, match="no channels"):
        small_recipe("stylegan2_ada", "base=16")
    with pytest.raises(UsageError, match="composed blots are grey"):
        small_recipe("blotgan", "training.channels=3")
    path = tmp_path / "r.toml"
    path.write_text('name = "x"')
    with pytest.raises(UsageError, match="does not say which system"):
        train_recipe(path, [], None, None)
    path.write_text('system = "dall-e"')
    with pytest.raises(UsageError, match="no system 'dall-e'"):
        train_recipe(path, [], None, None)


def test_cuda_is_never_replaced_by_something_else(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="CUDA"):
        find_place("cuda")


SHIPPED = [path for path in sorted(RECIPES.glob("*.toml")) if read_system(path) in GENERATORS]


@pytest.mark.parametrize("name", SETTINGS)
def test_gans_have_recipes_of_four_sizes(name):
    assert {f"{name}_{size}" for size in (64, 128, 256, 512)} <= {path.stem for path in SHIPPED}


def test_the_512_recipes_are_those_of_the_thesis():
    recipe = load_recipe(RECIPES / "fastgan_512.toml", find_system("fastgan").recipe)
    assert (recipe.training.batch, recipe.width, recipe.latent, recipe.training.steps) == (8, 64, 256, 100_000)
    assert load_recipe(RECIPES / "stylegan2_ada_512.toml", find_system("stylegan2_ada").recipe).training.batch == 16


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_of_generators_are_valid(path):
    recipe = load_recipe(path, find_system(read_system(path)).recipe)
    assert recipe.name == path.stem
    assert path.stem.endswith(f"_{recipe.training.size_px}")
    assert recipe.training.device == ("cuda" if recipe.training.size_px > 128 else "cpu")


def test_pictures_survive_the_way_there_and_back():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    assert np.array_equal(to_pixels(to_signed(pixels, torch.device("cpu"))), pixels)
    assert to_pixels(torch.tensor([-9.0, 9.0])).tolist() == [0, 255]


def test_a_sheet_shows_pictures_in_reading_order():
    pictures = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 2), np.uint8) + 1
    assert grid_of(pictures)[::2, ::2].tolist() == [[1, 2, 3], [4, 5, 0]]
    assert grid_of(np.repeat(pictures, 3, 1)).shape == (4, 6, 3)


def test_averaging_moves_weights_and_copies_statistics():
    slow, fast = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    with torch.no_grad():
        fast.weight.fill_(3)
        fast.running_mean.fill_(5)
    average_into(slow, fast, 0.75)
    assert slow.weight.item() == 1.5 and slow.running_mean.item() == 5


def test_the_bar_is_for_terminals_only(monkeypatch, capsys):
    Meter("x", 10).update(5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    meter = Meter("x", 10)
    meter.update(10)
    meter.close()
    assert "10/10" in capsys.readouterr().err
    assert bar_line("dcgan", 5, 10, 60.0).endswith("dcgan  5/10  60.00 s/step  5 min left")
    assert bar_line("dcgan", 0, 1000, 60.0).endswith("16.7 h left")


def test_a_step_sees_the_same_randomness_however_the_run_got_there():
    assert loop_module.seed_of(1, 7) == loop_module.seed_of(1, 7) != loop_module.seed_of(1, 8)
    assert loop_module.seed_of(1, -1) != loop_module.seed_of(2, -1)
