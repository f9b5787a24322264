"""The page on the generators: plots, tables and what is not trained, from packs made in the test."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def page(monkeypatch):
    """The script as a module; it imports its neighbours as files of one folder."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import generators

    yield generators
    for name in ("generators", "generators_page", "machine", "plots"):
        sys.modules.pop(name, None)


@pytest.fixture
def encoder():
    import torch

    from semscan.training.nets.autoencoders import Autoencoder, AutoencoderSpec

    torch.manual_seed(0)
    return Autoencoder(AutoencoderSpec("nearest", 1, 2, width=4, bottleneck="vae")).eval()


MARK = {"command": "python x", "cpu": "c", "cores_usable": 2, "system": "s", "python": "3", "revision": "r"}
FINGERPRINT = {"fingerprint": MARK, "commands": ["python x", "python y"], "encoder": "vae"}


def manifest(step, trained_on="train"):
    return {
        "generator": "ddpm_64", "system": "ddpm", "variant": "ddpm", "recipe_sha256": "ab" * 32, "step": step,
        "seed": 0, "trained_on": trained_on, "pictures_from": "", "seconds": 120,
        "trained_px": 32, "made_px": 32, "sources": [{"data_set": "grains", "licence": "CC0-1.0"}],
        "curve": [{"step": s, "loss": 1.0 / s} for s in (1, 2, 3)], "parameters": {"unet": 12345},
        "recipe": {"name": "ddpm_64", "seed": 1, "training": {"steps": 9, "batch": 2, "size_px": 32},
                   "data": {"sources": []}},
    }  # fmt: skip


def test_genuine_tiles_come_from_the_right_side(page, small_data, monkeypatch):
    splits = []
    real = page.load_recipe_pool
    monkeypatch.setattr(page, "load_recipe_pool", lambda *a: splits.append(a[0].split) or real(*a))
    for trained_on, unseen in (("train", False), ("train", True), ("test", True)):
        origin = manifest(1, trained_on)
        origin["recipe"]["data"]["split"] = trained_on
        page.read_pool.cache_clear()
        draw = page.genuine_source(origin, small_data, unseen=unseen)
        tiles = draw(3, 1)
        assert tiles.shape == (3, 1, 32, 32)
        assert np.array_equal(tiles, draw(3, 1)) and not np.array_equal(tiles, draw(3, 2))
    assert splits == ["train", "test", "train"]


def test_page_and_plots_of_packs(page, small_data, encoder, monkeypatch, tmp_path):
    from semscan.training.packs import Pack

    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (20, 1, 32, 32), dtype=np.uint8)
    found = {"ddpm_64": [Pack(tiles, None, manifest(step)) for step in (3, 9)]}
    monkeypatch.setattr(page, "load_autoencoder", lambda path: encoder)
    rows = page.report(found, small_data, tmp_path / "vae.pt", None, tmp_path)
    result = {
        **FINGERPRINT, "generators": json.loads(json.dumps(rows)), "not_trained": page.not_trained({"ddpm_64"}),
    }  # fmt: skip
    text = page.markdown(result, {"ddpm_64": "Cloudy."})
    assert "| [ddpm_64](#ddpm_64) | train | 9 | 2 |" in text
    assert "genuine pictures: grains (CC0-1.0)" in text
    assert "Written by `python x` and then `python y` from the packs" in text
    assert "Cloudy." in text and "stopped at step 9" in text and "unet 12,345" in text
    assert "step 3: " in text and "in place of LPIPS" in text
    assert "ddpm_256" in text.partition("**not trained**")[2].partition("\n")[0]
    assert " ddpm_64," not in text.partition("**not trained**")[2].partition("\n")[0]
    drawn = ET.parse(tmp_path / "ddpm_64.svg").getroot()
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}polyline"))) == 7
    assert (tmp_path / "ddpm_64-steps.png").is_file()
    assert (tmp_path / "ddpm_64.png").stat().st_size > 1000
    assert "Nobody has looked" in page.markdown(result, {})
    assert "not on Inception, whose weights were not at hand" in text and "revision r." in text
    distances = {"network": "Inception v3 of the FID", "kid": 1.5, "kid_floor": 0.25, "fid": 40.0, "fid_floor": 9.0}
    known = {**result, "generators": [{**result["generators"][0], "inception": distances, "revision": "q"}]}
    known["costs"] = {
        "fingerprint": MARK, "timed_steps": 3,
        "recipes": [{"recipe": "ddpm_128", "parameters": 1000, "state_mib": 2.0, "cpu_s": 0.5, "steps": 7200}],
    }  # fmt: skip
    text = page.markdown(known, {})
    assert "where a section says so on Inception v3 of the FID" in text and "not at hand" not in text
    assert "* Inception v3 of the FID: KID x 1000 1.50 (floor 0.25), FID 40.0 (floor 9.0)" in text
    assert "revision q." in text and "| ddpm_128 | 1,000 | 2 | 0.50 | 7200 | 1.00 |" in text


def test_some_generators_are_measured_anew_and_the_others_stay(page, monkeypatch, tmp_path):
    def row(name, value, trained_on="train", is_live=False):
        return {"name": name, "kid": value, "manifest": {"trained_on": trained_on, "is_live": is_live}}

    kept = [row("b", 1), row("d", 1, "test"), row("e/x", 1, is_live=True)]
    rows = page.joined(kept, [row("b", 2), row("c", 2), row("e/a", 2, is_live=True)])
    assert [(r["name"], r["kid"]) for r in rows] == [("b", 2), ("c", 2), ("d", 1), ("e/a", 2), ("e/x", 1)]
    (tmp_path / "b_64-0000100.npz").touch()
    (tmp_path / "b_64_test-0000200.npz").touch()
    monkeypatch.setattr(page, "list_packs", lambda folder=tmp_path: sorted(tmp_path.glob("*.npz")))
    monkeypatch.setattr(page, "read_pack", lambda path: page.Pack(np.zeros(1), None, manifest(1)))
    assert [len(group) for group in page.find_packs(["b_64"]).values()] == [2]  # the same of both folders, here
    assert page.find_packs([]) == {}


def test_live_tiles_are_measured_but_not_shown(page, small_data, encoder, monkeypatch, tmp_path):
    from semscan.training.synthesize import Made, Maker, Origin

    tiles = np.random.default_rng(0).integers(0, 256, (16, 1, 64, 64), dtype=np.uint8)
    origin = Origin("a/near", "autoencoders", "autoencoders", "ab" * 32, 5, 0, 64, 64, "train", "train")
    maker = Maker(origin, lambda count, *_: Made(tiles[:count]), {"recipe": {"size_px": 64}, "psnr_db": 21.0})
    monkeypatch.setattr(page, "open_maker", lambda *_: maker)
    monkeypatch.setattr(page, "load_autoencoder", lambda path: encoder)
    (tmp_path / "near.pt").touch()
    found = page.make_live([tmp_path], small_data)
    assert [len(packs[0].tiles) for packs in found.values()] == [page.LIVE]
    rows = page.report(found, small_data, tmp_path / "vae.pt", None, tmp_path)
    text = page.markdown({**FINGERPRINT, "generators": rows, "not_trained": []}, {rows[0]["name"]: "Blurred."})
    assert "The best of the autoencoders reconstructs at 21.0 dB; 30 are wanted." in text
    assert "reconstructs crops at 21.0 dB" in text and f"{tmp_path.name}-near.svg" in text and ".png" not in text
    assert not list(tmp_path.glob("*.png"))


def test_wide_blots_are_compared_by_their_middle_and_other_tiles_as_they_are(page):
    wide = {"trained_px": 64, "made_px": 160, "trained_on": "train"}
    assert page.compared_px(wide) == 160
    assert page.compared_px({**wide, "trained_on": "composed"}) == 64
    tiles = np.arange(160, dtype=np.uint8)[None, None, None].repeat(160, 2)
    assert page.middle(tiles, 64)[0, 0, 0, [0, -1]].tolist() == [48, 111]
    assert page.middle(tiles, 160).shape == tiles.shape


def test_lines_of_a_plot_stay_inside_their_axes(page):
    x = np.linspace(-3, 5, 9)
    text = page.draw([page.Panel("t", "x", [page.Line("a", x, x**2), page.Line("b", x, -x)])])
    lines = list(ET.fromstring(text).iter("{http://www.w3.org/2000/svg}polyline"))
    assert len(lines) == 2
    for line in lines:
        points = np.array([point.split(",") for point in line.get("points").split()], float)
        assert points[:, 0].min() >= 44 and points[:, 0].max() <= 294
        assert points[:, 1].min() >= 24 and points[:, 1].max() <= 174
    outline = page.histogram("h", np.array([0.5, 1.5, 1.6]), np.array([0.0, 1, 2]))
    assert outline.y.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])
