from dataclasses import dataclass, field

import pytest

from semscan.engine.errors import UsageError
from semscan.training.autoencoders import AutoencoderRecipe
from semscan.training.detector import DetectorRecipe
from semscan.training.pool import PoolRecipe
from semscan.training.recipe import load_recipe, recipe_json, recipe_sha256


@dataclass(frozen=True, slots=True)
class Inner:
    steps: int = 3
    lr: float = 0.1


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    inner: Inner = field(default_factory=Inner)
    names: tuple[str, ...] = ()


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('name = "x"\n[inner]\nsteps = 5\n')
    return path


def test_file_then_overrides(recipe_file):
    recipe = load_recipe(recipe_file, Outer, ["inner.lr=1", 'names=["a", "b"]', "name=plain text"])
    assert recipe == Outer("plain text", Inner(5, 1.0), ("a", "b"))
    assert recipe_json(recipe)["names"] == ["a", "b"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("inner.step=5", "unknown key inner.step"),
        ("spteps=5", "unknown key spteps"),
        ("inner.steps=2.5", "inner.steps must be of type int"),
        ("inner.steps=true", "inner.steps must be of type int"),
        ("inner=3", "inner must be a table"),
        ("names=3", "names must be a list"),
        ("name.deep=3", "name is not a table"),
        ("steps", "not of the form"),
    ],
)
def test_mistakes_are_refused(recipe_file, override, message):
    with pytest.raises(UsageError, match=message):
        load_recipe(recipe_file, Outer, [override])


def test_missing_key_bad_toml_and_missing_file(tmp_path):
    path = tmp_path / "r.toml"
    with pytest.raises(UsageError, match="cannot be read"):
        load_recipe(path, Outer)
    path.write_text("names = []")
    with pytest.raises(UsageError, match="lacks the key name"):
        load_recipe(path, Outer)
    path.write_text("names = [")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_recipe(path, Outer)


def test_digest_is_of_the_values(recipe_file):
    first = load_recipe(recipe_file, Outer)
    assert recipe_sha256(first) == recipe_sha256(Outer("x", Inner(5)))
    assert recipe_sha256(first) != recipe_sha256(Outer("x", Inner(6)))


def test_shipped_recipes_load():
    from pathlib import Path

    folder = Path(__file__).parents[2] / "training" / "recipes"
    families = {
        (spec.up, spec.bottleneck)
        for name in ("autoencoders", "autoencoders_more")
        for spec in load_recipe(folder / f"{name}.toml", AutoencoderRecipe).decoders.values()
    }
    assert len(families) >= 8
    assert load_recipe(folder / "detector.toml", DetectorRecipe).model_id == "sem-1"
    assert load_recipe(folder / "detector_pool.toml", PoolRecipe).pairs > 10000
