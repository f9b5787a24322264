"""``semscan synthesize`` and packs: every kind of generator, its manifest, and what must never be written."""

import json
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semscan.cli.main import main
from semscan.engine.errors import OutputError, UsageError
from semscan.training import packs
from semscan.training.autoencoders import AutoencoderRecipe, train_one
from semscan.training.crops import DataRecipe, load_crops_pool
from semscan.training.cycle import SYSTEMS as CYCLE
from semscan.training.cycle import CycleRecipe
from semscan.training.diffusion import SYSTEMS as DIFFUSION
from semscan.training.diffusion import DdpmRecipe
from semscan.training.loop import LoopRecipe, train
from semscan.training.nets.autoencoders import AutoencoderSpec
from semscan.training.nets.unet import UNetSpec
from semscan.training.packs import read_pack, write_pack
from semscan.training.recipe import recipe_sha256
from semscan.training.synthesize import Made, open_maker

LOOP = LoopRecipe(2, batch=2, size_px=32, stats_every=1, sample_every=10)
UNET = UNetSpec(width=8, multiples=(1, 2), blocks=1, attention=(1,), heads=2, patch=2)
DDPM = DdpmRecipe("d", LOOP, unet=UNET, sampling_steps=3)
INPAINT = 'system = "inpaint"\nname = "i"\ngenerator = "{}"\nsize_px = 32\nsampling_steps = 3\nrepeats = 1\n'


@pytest.fixture(scope="module")
def runs(small_data, tmp_path_factory):
    """A run of each kind, of two steps."""
    root = tmp_path_factory.mktemp("runs")
    train(DIFFUSION["ddpm"], DDPM, small_data, root / "d")
    domains = (DataRecipe(sources=("train0",)), DataRecipe(sources=("train1",)))
    train(CYCLE["cyclegan"], CycleRecipe("c", LOOP, *domains, width=4, blocks=1), small_data, root / "c")
    (root / "a").mkdir()
    spec = AutoencoderSpec("nearest", 1, 2, width=4)
    recipe = AutoencoderRecipe("a", {"near": spec}, steps=1, batch=1, crop_px=16)
    train_one(recipe, "near", load_crops_pool(small_data), root / "a")
    return root


@pytest.mark.parametrize("run", ["d/checkpoint.pt", "c/checkpoint.pt", "a/near.pt"])
def test_pictures_and_manifest_of_every_kind(run, runs, small_data, tmp_path, capsys):
    words = ["synthesize", str(runs / run), "-n", "3", "--data", str(small_data), "--seed", "4"]
    for name in ("one", "two"):
        assert main([*words, "-o", str(tmp_path / name)]) == 0
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    side = 128 if run.startswith("a") else 32
    for row in manifest["files"]:
        first, second = (Image.open(tmp_path / name / row["file"]) for name in ("one", "two"))
        assert first.mode == "L" and first.size == (side, side)
        assert first.tobytes() == second.tobytes()
    system = {"d": "ddpm", "c": "cyclegan", "a": "autoencoders"}[run[0]]
    assert (manifest["system"], manifest["seed"], manifest["count"]) == (system, 4, 3)
    assert manifest["trained_on"] == "train"
    assert manifest["pictures_from"] == ("" if system == "ddpm" else "train")
    if system == "ddpm":
        assert (manifest["step"], manifest["recipe_sha256"]) == (2, recipe_sha256(DDPM))
    assert str(tmp_path / "one" / "manifest.json") in capsys.readouterr().out


def test_more_pictures_begin_with_the_same_and_seeds_differ(runs):
    def tiles(count, seed):
        maker = open_maker(runs / "d" / "checkpoint.pt", seed)
        return np.concatenate([made.tiles for made in maker.groups(count)])

    assert np.array_equal(tiles(32, 1)[:16], tiles(16, 1))
    assert len({tile.tobytes() for tile in tiles(32, 1)}) == 32
    assert not np.array_equal(tiles(16, 2), tiles(16, 1))


def test_another_split_can_be_changed(runs, small_data):
    maker = open_maker(runs / "a" / "near.pt", 1, small_data, "test")
    assert (maker.origin.trained_on, maker.origin.pictures_from) == ("train", "test")
    train_tiles, test_tiles = (
        next(open_maker(runs / "c" / "checkpoint.pt", 1, small_data, split).groups(2)) for split in ("", "test")
    )
    assert not np.array_equal(train_tiles.genuine, test_tiles.genuine)
    with pytest.raises(UsageError, match="--split says nothing"):
        open_maker(runs / "d" / "checkpoint.pt", 1, small_data, "test")


def test_inpainting_writes_masks_and_keeps_the_background(runs, small_data, tmp_path):
    recipe = tmp_path / "i.toml"
    recipe.write_text(INPAINT.format(runs / "d" / "checkpoint.pt"))
    folder = tmp_path / "made"
    assert main(["synthesize", str(recipe), "-n", "2", "-o", str(folder), "--data", str(small_data)]) == 0
    row = json.loads((folder / "manifest.json").read_text())["files"][1]
    mask = np.asarray(Image.open(folder / row["mask"]))
    assert mask.dtype == bool and 0.05 < mask.mean() < 0.4
    made = next(open_maker(recipe, 0, small_data).groups(2))
    assert np.array_equal(np.asarray(Image.open(folder / row["file"])), made.tiles[1, 0])
    assert np.array_equal(made.tiles[1, 0][~mask], made.genuine[1, 0][~mask])


def test_refusals(runs, small_data, tmp_path, capsys):
    checkpoint = str(runs / "d" / "checkpoint.pt")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    for words, message in (
        ([checkpoint, "-o", str(tmp_path / "full")], "not empty"),
        ([checkpoint, "-o", str(tmp_path / "n"), "--set", "seed=2"], "this is a checkpoint"),
        (["ddpm_64", "-o", str(tmp_path / "n")], "has to be trained"),
        (["inpaint_64", "-o", str(tmp_path / "n"), "--set", "generator=none.pt"], "cannot be read"),
    ):
        assert main(["synthesize", *words]) == 2
        assert message in capsys.readouterr().err
    recipe = tmp_path / "i.toml"
    recipe.write_text(INPAINT.format(runs / "c" / "checkpoint.pt"))
    with pytest.raises(UsageError, match="only those fill"):
        open_maker(recipe, 0, small_data)


def test_a_pack_comes_back(runs, tmp_path):
    path = tmp_path / "d.npz"
    assert main(["synthesize", str(runs / "d" / "checkpoint.pt"), "-n", "5", "-o", str(path)]) == 0
    pack = read_pack(path)
    made = next(open_maker(runs / "d" / "checkpoint.pt", 0).groups(5))
    assert np.array_equal(pack.tiles, made.tiles) and pack.masks is None
    assert pack.manifest["step"] == 2 and pack.manifest["trained_on"] == "train"
    assert pack.manifest["recipe"]["unet"]["width"] == 8 and pack.manifest["seconds"] >= 0
    assert pack.manifest["parameters"]["unet"] > 1000
    with pytest.raises(OutputError):
        write_pack(open_maker(runs / "d" / "checkpoint.pt", 0), 1, path)
    (tmp_path / "bad.npz").write_bytes(b"no pack")
    with pytest.raises(UsageError, match="no pack"):
        read_pack(tmp_path / "bad.npz")


def test_genuine_pixels_never_enter_a_pack(runs, small_data, tmp_path):
    with pytest.raises(UsageError, match="near copies"):
        write_pack(open_maker(runs / "a" / "near.pt", 0, small_data), 2, tmp_path / "a.npz")
    recipe = tmp_path / "i.toml"
    recipe.write_text(INPAINT.format(runs / "d" / "checkpoint.pt"))
    with pytest.raises(UsageError, match=r"near copies of genuine pictures \(correlation 1.00"):
        write_pack(open_maker(recipe, 0, small_data), 2, tmp_path / "i.npz")
    assert not (tmp_path / "i.npz").exists()
    # Where the network has the last steps for itself, an untrained one leaves little of what was known.
    maker = open_maker(recipe, 0, small_data, overrides=["restore=false", "free_share=0.7"])
    pack = read_pack(write_pack(maker, 2, tmp_path / "i.npz"))
    assert pack.masks is not None and pack.masks.shape == (2, 32, 32)
    maker = open_maker(runs / "c" / "checkpoint.pt", 0, small_data)
    real = next(maker.groups(2)).genuine
    strange = np.random.default_rng(0).integers(0, 256, real.shape)
    copies = {"noisy": np.clip(real + strange / 16 - 8, 0, 255), "brighter": real // 2 + 127, "inverted": 255 - real}
    for name, pixels in {**copies, "strange": strange}.items():
        made = Made(pixels.astype(np.uint8), genuine=real)
        near = replace(maker, make=lambda *_, made=made: made)
        if name in copies:
            with pytest.raises(UsageError, match="near copies"):
                write_pack(near, 2, tmp_path / f"{name}.npz")
        else:
            write_pack(near, 2, tmp_path / f"{name}.npz")


def test_shipped_packs_are_small_honest_and_not_in_the_wheel():
    found = [*packs.list_packs(), *packs.list_packs(packs.TEST_FOLDER)]
    assert sum(path.stat().st_size for path in found) < 60e6
    for path in found:
        manifest = read_pack(path).manifest
        for_test = path.parent == packs.TEST_FOLDER
        assert (manifest["trained_on"] == "test") == for_test, path
        assert (manifest["pictures_from"] in ("", "test")) if for_test else (manifest["pictures_from"] != "test"), path
        assert {"generator", "recipe_sha256", "step", "seed"} <= set(manifest)
    by_generator = Counter(read_pack(path).manifest["generator"] for path in packs.list_packs())
    assert sum(count > 1 for count in by_generator.values()) >= 8  # with several checkpoints each
    setup = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert not any("packs" in package for package in setup["packages"])
    assert not any("npz" in pattern for patterns in setup["package-data"].values() for pattern in patterns)
