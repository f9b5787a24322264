"""Recipes name what they train, and the command finds it."""

from types import SimpleNamespace

import pytest

from semscan.engine.errors import UsageError
from semscan.training import systems
from semscan.training.autoencoders import AutoencoderRecipe
from semscan.training.detector import DetectorRecipe
from semscan.training.loop import System
from semscan.training.recipe import build_recipe, load_recipe, read_system, recipe_json
from semscan.training.systems import GENERATORS, OTHERS, find_system, train_recipe


def test_every_named_system_exists():
    for name in GENERATORS:
        system = find_system(name)
        assert isinstance(system, System) and {"system", "name", "seed", "training"} <= set(system.recipe.__slots__)
    for module, function in OTHERS.values():
        assert callable(getattr(__import__(f"semscan.training.{module}", fromlist=[function]), function))
    with pytest.raises(UsageError, match="no system"):
        find_system("detector")


def test_systems_with_loops_of_their_own_get_the_path(monkeypatch, tmp_path):
    calls = []
    fake = SimpleNamespace(train_detector=lambda *arguments: calls.append(arguments) or tmp_path)
    monkeypatch.setattr(systems, "import_module", {"semscan.training.detector": fake}.__getitem__)
    path = tmp_path / "r.toml"
    path.write_text('system = "detector"')
    assert train_recipe(path, ["a=1"], None, tmp_path, resume=True) == tmp_path
    assert calls == [(path, ["a=1"], None, tmp_path, True, False)]


def test_the_system_can_be_set_and_is_no_unknown_key(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('system = "detector"\nname = "x"\nmodel_id = "y"\nautoencoders = []')
    assert read_system(path, ["system=fastgan"]) == "fastgan"
    assert load_recipe(path, DetectorRecipe).name == "x"
    with pytest.raises(UsageError, match="unknown key autoencoders"):
        load_recipe(path, AutoencoderRecipe)


def test_a_recipe_survives_its_json():
    recipe = DetectorRecipe("x", "y", ("a", "b"))
    assert build_recipe(DetectorRecipe, recipe_json(recipe)) == recipe
