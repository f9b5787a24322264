"""Panels and operations of the evaluation: sets, names, leak check, forgeries, compound figures, textures."""

from pathlib import Path

import numpy as np
import pymupdf
import pytest
from evaluation_data import panel, write_pack
from PIL import Image

from semscan.training import pool
from semscan.training.detector import DetectorRecipe
from semscan.training.evaluation import leaks, sets
from semscan.training.evaluation.compound import COLOURS, Store, compose, write_pdf
from semscan.training.evaluation.forgeries import CONTROLS, PATCH_PX, SIDE_PX, control, untouched
from semscan.training.evaluation.operations import BENIGN, OPERATIONS, SWEEPS, operate
from semscan.training.evaluation.parts import Context
from semscan.training.evaluation.textures import quilted, random_phase
from semscan.training.recipe import load_recipe


@pytest.fixture
def context(small_data, tmp_path):
    recipe = DetectorRecipe("toy", "toy", (), held_out=("gan/",))
    for name in ("dcgan_64_test", "small_64_test", "masked_test"):
        side, masks = (64, None) if name == "small_64_test" else (160, None)
        masks = np.ones((6, 160, 160), bool) if name == "masked_test" else masks
        write_pack(tmp_path / "packs" / "test" / f"{name}.npz", name, side=side, masks=masks)
    write_pack(tmp_path / "packs" / "ddpm_64.npz", "ddpm_64", "ddpm")
    return Context(recipe, tmp_path / "run", small_data, tmp_path / "weights", tmp_path / "packs", tmp_path / "plots")


def test_names_of_makers():
    assert sets.maker_name("ddpm_64_test", "ddpm") == "diffusion/ddpm_64"
    assert sets.is_named("vae/autoencoders/fir", ["vae/autoencoders/fir"])
    assert sets.is_named("vae/autoencoders/fir", ["autoencoders/fir"])
    assert sets.is_named("gan/fastgan_64", ["gan/"])
    assert not sets.is_named("gan/fastgan_64", ["gan/fast"])
    assert not sets.is_named("gan/fastgan_64", [])


def test_sets_hold_what_is_wide_enough_and_are_built_once(context):
    sizes = sets.build_sets(context)
    found = {name: sets.load_set(context, name) for name in sets.SETS}
    assert sizes == {name: len(panels) for name, panels in found.items()}
    assert {p.decoder for p in found["packs_test"]} == {"gan/dcgan_64"}
    assert {p.decoder for p in found["packs_train"]} == {"diffusion/ddpm_64"}
    assert len(found["genuine"]) == 6 and not found["reconstructed"]
    assert {p.grey.shape for p in found["genuine_small"]} == {(sets.SMALL_PX, sets.SMALL_PX)}
    assert {p.decoder.split("/")[0] for p in found["remade"]} == {"untrained"}
    # A made crop has the moments of its genuine partner and is its own cluster.
    made = found["packs_test"][0]
    partners = [p for p in found["genuine_small"] if p.name == made.name]
    assert made.source not in {p.source for p in found["genuine_small"]}
    assert min(abs(made.grey.mean() - p.grey.mean()) for p in partners) < 3
    assert len({p.name for p in found["packs_test"]}) > 3  # not the partners of one source
    stamps = {name: (context.folder / "sets" / f"{name}.npz").stat().st_mtime_ns for name in sets.SETS}
    write_pack(context.packs / "test" / "fastgan_64_test.npz", "fastgan_64_test", "fastgan")
    sets.build_sets(context)
    changed = {
        name for name, at in stamps.items() if (context.folder / "sets" / f"{name}.npz").stat().st_mtime_ns != at
    }
    assert changed == {"packs_test"}


def test_panels_are_read_back_as_they_were(tmp_path):
    panels = [panel(1), panel(2, 144)]
    sets.save_panels(panels, tmp_path / "p.npz")
    for before, after in zip(panels, sets.load_panels(tmp_path / "p.npz"), strict=True):
        np.testing.assert_array_equal(before.grey, after.grey)
        assert (before.source, before.seed, before.name) == (after.source, after.seed, after.name)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_leaves_a_panel_that_can_be_tiled(name):
    one = panel(3, 168)
    grey, quality = operate(one, name)
    assert grey.dtype == np.uint8 and grey.ndim == 2 and min(grey.shape) >= 129
    assert (quality is not None) == (name.startswith("jpeg") or name == "screenshot")
    np.testing.assert_array_equal(grey, operate(one, name)[0])
    assert not np.array_equal(grey, one.grey)


def test_sweeps_and_benign_operations_have_names_of_their_own():
    assert len(OPERATIONS) == len(BENIGN) + sum(len(steps) for steps in SWEEPS.values())


def test_leak_check_finds_planted_leaks(context, small_data):
    sets.build_sets(context)
    clean = leaks.measure(context)
    assert clean["leaks"] == 0
    assert clean["genuine_tiles"] > 10
    # A pack that holds pixels of a genuine test panel, brighter.
    genuine = sets.load_set(context, "genuine")[-1].grey
    copied = np.clip(genuine[:160, :160].astype(int) * 0.8 + 40, 0, 255).astype(np.uint8)[None, None]
    write_pack(context.packs / "copies.npz", "copies", tiles=copied)
    planted = leaks.measure(context)
    assert planted["leaks"] == 1
    assert [row["alike"] for row in planted["packs"] if row["pack"] == "copies"] == [1]
    assert "**1 leaks.**" in leaks.render(planted)[0]
    assert planted["missing"] == list(leaks.OTHERS)  # the small folder has none of them, and the page says so
    assert all(any(f"not there: {name}" in line for line in leaks.render(planted)) for name in leaks.OTHERS)


def test_the_leak_check_looks_at_the_partners_that_the_pool_takes():
    recipe = load_recipe(Path(pool.__file__).parent / "recipes" / "detector_pool.toml", pool.PoolRecipe, [])
    assert sorted(recipe.others) == sorted(leaks.OTHERS)


def test_the_same_picture_in_another_split_would_be_found():
    one = panel(5, 300).grey
    again = np.asarray(Image.fromarray(255 - one).resize((280, 280)))
    a, b, c = (leaks.details_of(grey, 64, 9) for grey in (one, again, panel(6, 300).grey))
    assert abs(a @ b) > leaks.SAME > abs(a @ c)


def test_controls_change_exactly_their_region():
    panels = untouched([panel(k, 400, f"s{k}") for k in range(3)] + [panel(9, 200)], 10)
    assert len(panels) == 3 and {p.grey.shape for p in panels} == {(SIDE_PX, SIDE_PX)}
    for name in CONTROLS:
        for before, forgery in zip(panels, control(panels, name, 1), strict=True):
            changed = before.grey != forgery.grey
            assert not (changed & ~forgery.mask).any()
            assert changed[forgery.mask].mean() > 0.3
            assert 0.15 <= forgery.mask.sum() / PATCH_PX**2 <= 0.5
    first, second = (control(panels, name, 1)[0].mask for name in CONTROLS[:2])
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("colour", COLOURS)
def test_compound_figures_lie_where_they_say(colour, tmp_path):
    greys = [panel(k, 200).grey for k in range(4)]
    figure = compose(greys, Store(95, 0.8, colour), np.random.default_rng(1), 2)
    write_pdf([figure, figure], tmp_path / "f.pdf")
    with pymupdf.open(tmp_path / "f.pdf") as document:
        assert len(document) == 2
        image = document.extract_image(document[0].get_images()[0][0])
        assert (image["width"], image["height"]) == figure.size
        assert image["colorspace"] == {"grey": 1, "cmyk": 4}.get(colour, 3)
        shown = _grey(document)
    for grey, box in zip(greys, figure.boxes, strict=True):
        small = np.asarray(Image.fromarray(grey).resize((box.width, box.height), Image.Resampling.BICUBIC), float)
        part = shown[box.y0 : box.y1, box.x0 : box.x1].astype(float)
        inner = np.s_[20:-20, 20:-20]
        assert np.corrcoef(small[inner].ravel(), part[inner].ravel())[0, 1] > 0.95


def _grey(document):
    pixmap = pymupdf.Pixmap(document, document[0].get_images()[0][0])
    pixmap = pymupdf.Pixmap(pymupdf.csGRAY, pixmap)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width)


def test_classical_textures_keep_what_they_promise():
    grey = panel(7, 160).grey
    made = random_phase(grey, np.random.default_rng(1))
    spectra = [np.abs(np.fft.rfft2(x - x.mean())) for x in (grey.astype(float), made.astype(float))]
    assert np.corrcoef(spectra[0].ravel(), spectra[1].ravel())[0, 1] > 0.9
    assert abs(np.corrcoef(grey.ravel(), made.ravel())[0, 1]) < 0.5
    sewn = quilted(grey, np.random.default_rng(1))
    assert sewn.shape == grey.shape and abs(float(sewn.mean()) - float(grey.mean())) < 25
