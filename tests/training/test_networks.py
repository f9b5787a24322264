"""Every network keeps the common interface; npr64k's promises: exact evidence, brightness, phase, one convolution."""

import pytest
import torch
import torch.nn.functional as F
from random_networks import randomised

from semscan.engine.errors import UsageError
from semscan.training.nets.npr64k import BOX_CELLS, FLOOR, RESIDUAL_SCALE, Npr64k, contrast, residual_filters
from semscan.training.nets.registry import NETWORKS, build_network, evidence_grid, load_detector

PARAMETERS = {
    "npr5k": 4_969,
    "npr64k": 61_345,
    "npr64k_lcn": 61_345,
    "npr64k_lcn_one_sided": 61_345,
    "npr_teacher": 242_497,
    "npr1m": 1_437_761,
    "ladeda": 1_281,
    "wavelet_hh": 1_436_609,
    "patterns_cnn": 245_233,
}
OURS = ("npr64k", "npr64k_lcn")


def trained(name, seed=3):
    return randomised(lambda: build_network(name), seed)


def noise(n, side, level=128, spread=15, seed=1):
    draw = torch.randn(n, 1, side, side, generator=torch.Generator().manual_seed(seed))
    return (draw * spread + level).round().clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters(name):
    assert sum(p.numel() for p in build_network(name).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_interface(name):
    model = build_network(name)
    logits = model(noise(4, 64))
    assert (logits.shape, logits.dtype) == ((4,), torch.float32)
    logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())
    model.eval()
    with torch.inference_mode():
        assert model(noise(2, 160)).shape == (2,)
        torch.testing.assert_close(model(noise(2, 80)), model(noise(2, 80).float()))
        if hasattr(model, "evidence"):
            for side in (64, 96, 128):
                cells = model.evidence(noise(2, side))
                assert side < 96 or evidence_grid(side, cells.shape[-1]) == (model.cell_px, model.margin_px)
                assert cells.shape == (2, *2 * [(side - 2 * model.margin_px) // model.cell_px])
                torch.testing.assert_close(cells.mean((1, 2)), model(noise(2, side)))


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"patterns_cnn"}))
def test_brightness_does_not_move_the_logit(name):
    model = trained(name).double()
    dark = noise(2, 64, level=60)
    assert dark.max() < 140
    with torch.inference_mode():
        torch.testing.assert_close(model(dark), model(dark + 110), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", OURS)
def test_brightness_does_not_leak_in_half_precision_training(name):
    model, dark = trained(name), noise(2, 64, level=60)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        logits, brighter = model(dark), model(dark + 110)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, brighter, atol=2e-2, rtol=0)


def test_half_precision_training_follows_single():
    model, tiles = trained("npr64k"), noise(4, 96)
    with torch.inference_mode():
        single = model(tiles)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(tiles)
    assert not torch.equal(half, single)
    torch.testing.assert_close(half, single, atol=0.1, rtol=0.1)


def test_every_filter_sums_to_zero_and_is_whole_in_quarters():
    filters = residual_filters()
    assert filters.shape == (7, 1, 3, 3)
    assert not filters.sum((2, 3)).any()
    assert torch.equal(4 * filters, (4 * filters).round())
    assert torch.linalg.matrix_rank(filters.flatten(1)) == 6 + 1


def test_one_convolution_is_differences_and_mixing():
    model, tiles = trained("npr64k").double(), noise(2, 64).double()
    two = F.conv2d(F.conv2d(tiles, model.filters), model.mixing) * RESIDUAL_SCALE
    torch.testing.assert_close(model.residuals(tiles), two, atol=1e-10, rtol=1e-10)
    assert model.kernel().sum((2, 3)).abs().max() < 1e-12


@pytest.mark.parametrize("name", OURS)
def test_a_crop_by_one_pixel_only_moves_the_residuals(name):
    """The thesis network's residuals are others at odd offsets; ours are the same everywhere, up to the contrast's
    cells of 2 x 2 pixels."""
    model, big = trained(name).double(), noise(1, 82)
    with torch.inference_mode():
        whole, cropped = model.residuals(big[..., :80, :80]), model.residuals(big[..., 1:81, 1:81])
    moved = (cropped[..., 8:-9, 8:-9] - whole[..., 9:-8, 9:-8]).abs()
    assert moved.mean() < (1e-12 if name == "npr64k" else 0.03 * whole.std())


@pytest.mark.parametrize("name", OURS)
def test_the_evidence_of_a_tile_is_that_of_the_same_place_in_a_larger_picture(name):
    model, big = trained(name).double(), noise(1, 160)
    with torch.inference_mode():
        whole, tile = model.evidence(big), model.evidence(big[..., 32:128, 32:128])
    inner = slice(2, -2) if name == "npr64k_lcn" else slice(None)  # the contrast's box is cut off at edges
    torch.testing.assert_close(tile[:, inner, inner], whole[:, 8:24, 8:24][:, inner, inner], atol=1e-10, rtol=0)


def test_a_one_sided_network_never_finds_evidence_against():
    model, tiles = trained("npr64k_lcn_one_sided"), noise(2, 96)
    with torch.inference_mode():
        cells = model.evidence(tiles)
        model.head.weight -= 100  # far below zero, and still no weight is negative
        none = model.evidence(tiles)
    assert cells.min() > model.head.bias and cells.std() > 0
    torch.testing.assert_close(none, model.head.bias.expand_as(none))


def test_a_crop_by_one_pixel_hardly_moves_the_logit():
    """Pooling keeps one of four grids of averages; their mean over a tile is nearly the same."""
    model, big = trained("npr64k"), noise(16, 145)
    with torch.inference_mode():
        logits = [model(big[..., by : by + 144, by : by + 144]) for by in (0, 1)]
        cells = model.evidence(big[..., :144, :144]).std()
    assert (logits[0] - logits[1]).abs().max() < 0.05 * cells


def test_contrast_is_the_local_mean_square():
    picture = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    picture[..., ::2] = 6.0  # differences to the right are 6 everywhere, none downwards
    torch.testing.assert_close(contrast(picture), torch.full((1, 1, 30, 30), 18.0 + FLOOR, dtype=torch.float64))
    picture = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    picture[..., 32, 32] = 10.0  # four differences of 10, halved, spread over a box of 14 px
    assert contrast(picture).max() == pytest.approx(FLOOR + 4 * 100 / 2 / (2 * BOX_CELLS) ** 2)


def test_contrast_cancels_the_strength_of_a_texture():
    model, plain = trained("npr64k_lcn"), trained("npr64k")
    tiles = noise(4, 96, spread=8).double().sub(128)
    with torch.inference_mode():
        moved = [(m(128 + tiles.float()) - m(128 + 3 * tiles.float())).abs().mean() for m in (model, plain)]
    assert moved[0] < 0.05 * moved[1]


def test_a_checkpoint_names_its_network(tmp_path):
    for name in ("npr5k", "npr64k_lcn"):
        model = trained(name)
        weights = {key: v.half() if v.is_floating_point() else v for key, v in model.state_dict().items()}
        torch.save({"network": name, "averaged": weights}, tmp_path / f"{name}.pt")
        loaded = load_detector(tmp_path / f"{name}.pt")
        assert type(loaded) is type(model) and not loaded.training
        assert next(loaded.parameters()).dtype == torch.float32
        with torch.inference_mode():
            torch.testing.assert_close(loaded(noise(2, 64)), model(noise(2, 64)), atol=0.05, rtol=0.05)
    assert load_detector(tmp_path / "npr64k_lcn.pt").local
    torch.save({"averaged": trained("npr5k").state_dict()}, tmp_path / "old.pt")
    assert type(load_detector(tmp_path / "old.pt")) is NETWORKS["npr5k"]


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no network 'vgg'"):
        build_network("vgg")
    (tmp_path / "text.pt").write_text("nothing")
    torch.save({"network": "npr64k", "averaged": trained("npr5k").state_dict()}, tmp_path / "mixed.pt")
    with pytest.raises(UsageError, match="not a checkpoint"):
        load_detector(tmp_path / "text.pt")
    with pytest.raises(UsageError, match="are not those of npr64k"):
        load_detector(tmp_path / "mixed.pt")


def test_widths_of_a_teacher():
    assert Npr64k((8, 8, 8)).margin_px == 8
    assert Npr64k((8, 8, 8)).evidence(noise(1, 64)).shape == (1, 12, 12)
