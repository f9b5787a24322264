"""Pictures larger than a generator was trained on: what small ones are made of, more of it, and no cuts."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from semscan.cli.main import main
from semscan.engine.errors import UsageError
from semscan.training import wide
from semscan.training.blotgan import Blotgan, BlotRecipe
from semscan.training.crops import DataRecipe
from semscan.training.cycle import CycleGan, CycleRecipe
from semscan.training.diffusion import Ddpm, DdpmRecipe
from semscan.training.fastgan import Fastgan, FastganRecipe
from semscan.training.gan import SYSTEMS as GANS
from semscan.training.gan import Dcgan, DcganRecipe
from semscan.training.latent import LatentDdpm, LatentRecipe
from semscan.training.loop import LoopRecipe, train
from semscan.training.nets.autoencoders import AutoencoderSpec
from semscan.training.nets.dcgan import UPSAMPLERS, DcganGenerator
from semscan.training.nets.layers import StyledConv
from semscan.training.nets.unet import UNetSpec
from semscan.training.packs import read_pack
from semscan.training.place import Place
from semscan.training.stylegan2 import Stylegan2, StyleRecipe
from semscan.training.synthesize import open_maker

CPU = Place(torch.device("cpu"))
LOOP = LoopRecipe(2, batch=2, size_px=32, stats_every=1, sample_every=10)
UNET = UNetSpec(width=8, multiples=(1, 2), blocks=1, attention=(1,), heads=2, patch=2)
DECODER = AutoencoderSpec("nearest", 2, 2, width=4)
TRAINEES = {
    "fastgan": (Fastgan, FastganRecipe("fastgan", "f", LOOP, width=4, latent=8)),
    "stylegan2_ada": (Stylegan2, StyleRecipe("stylegan2_ada", "s", LOOP, base=256, widest=8, latent=8)),
    "dcgan": (Dcgan, DcganRecipe("dcgan", "d", LOOP, width=4, latent=8)),
    "dcgan_shuffle": (Dcgan, DcganRecipe("dcgan", "d", LOOP, width=4, latent=8, up="shuffle")),
    "blotgan": (Blotgan, BlotRecipe("blotgan", "b", LOOP, width=2, latent=8)),
    "ddpm": (Ddpm, DdpmRecipe("d", LOOP, unet=UNET, sampling_steps=3)),
    "latent_ddpm": (LatentDdpm, LatentRecipe("l", LOOP, "none.pt", DECODER, unet=replace(UNET, patch=1))),
}


def trainee(name):
    torch.manual_seed(0)
    build, recipe = TRAINEES[name]
    made = build(recipe, CPU)
    if name == "fastgan":
        with torch.no_grad():
            for parameter in made.averaged.parameters():
                parameter.mul_(5)  # its first weights draw a single grey level
    return made


@pytest.mark.parametrize("name", TRAINEES)
def test_every_system_makes_wide_pictures_that_follow_from_the_seed(name):
    made = trainee(name)
    pictures = made.sample(3, 5, 80)
    assert pictures.shape == (3, 1, 80, 80) and pictures.dtype == np.uint8
    assert np.array_equal(made.sample(2, 5, 80), pictures[:2])
    assert not np.array_equal(made.sample(3, 6, 80), pictures)
    assert made.sample(1, 5).shape == (1, 1, 32, 32)
    assert np.array_equal(made.sample(2, 5, 32), made.sample(2, 5))
    for side in (16, 42, wide.LARGEST_PX + 16):
        with pytest.raises(UsageError, match=f"trained at 32 px cannot make pictures of {side} px"):
            made.sample(1, 5, side)


def test_a_cyclegan_says_that_it_kept_pictures_of_one_side_only():
    made = CycleGan(CycleRecipe("c", LOOP, DataRecipe(), DataRecipe(), width=4, blocks=1), CPU)
    made.probe.kept = list(torch.zeros(2, 1, 32, 32))
    assert made.sample(2, 0, 32).shape == (2, 1, 32, 32)
    with pytest.raises(UsageError, match="have one side only"):
        made.sample(2, 0, 80)


@pytest.mark.parametrize("name", ["fastgan", "stylegan2_ada", "dcgan", "dcgan_shuffle", "blotgan"])
@torch.no_grad()
def test_a_grid_of_one_vector_is_that_vector_and_cells_change_their_surroundings_only(name):
    generator = trainee(name).generator.eval()

    def draw(z):
        torch.manual_seed(1)
        out = generator(z)
        return out[0] if isinstance(out, tuple) else out

    z = torch.randn(1, 8, 5, 5)
    torch.testing.assert_close(draw(z[:, :, :1, :1]), draw(z[:, :, 0, 0]))
    changed = z.clone()
    changed[:, :, 0, 0] += 1
    difference = (draw(changed) - draw(z)).abs().amax((0, 1))
    assert difference.shape == (160, 160)
    assert difference[8:24, 8:24].min() >= 0 and difference[:32, :32].max() > 0
    # The gates of FastGAN look at all cells from 64 px on; this one has none.
    assert difference[-32:, -32:].max() == 0


@torch.no_grad()
def test_inside_a_wide_picture_of_equal_cells_there_is_no_cut():
    generator = DcganGenerator(32, 1, 4, 8).eval()
    z = torch.randn(1, 8, 1, 1, generator=torch.Generator().manual_seed(0)).expand(1, 8, 4, 4)
    picture = generator(z)[0, 0]
    # Inner cells see nothing but cells like themselves, so they are equal: no border of zeros was put between them.
    torch.testing.assert_close(picture[32:64, 32:64], picture[64:96, 64:96])
    assert not torch.allclose(picture[:32, :32], picture[32:64, 32:64])


def test_a_wide_noise_is_predicted_in_windows_that_see_what_was_trained_on():
    seen, x, at = [], torch.randn(2, 1, 80, 80), torch.zeros(2, dtype=torch.int64)

    def constant(window, at):
        seen.append(window.shape[2:])
        return torch.full_like(window, float(len(seen)))

    made = wide.in_windows(constant, x, at, 32)
    assert set(seen) == {(32, 32)} and len(seen) == 9
    assert made.min() == 1 and made.max() == 9  # a corner belongs to one window
    assert made.diff(dim=3).abs().max() < 0.4  # from one window to the next without a step
    torch.testing.assert_close(wide.in_windows(lambda window, at: 2 * window, x, at, 32), 2 * x)
    assert wide.in_windows(constant, x[..., :32, :32], at, 32).unique().tolist() == [10]
    low = x[..., :48, :]
    torch.testing.assert_close(wide.in_windows(lambda window, at: 2 * window, low, at, 32), 2 * low)
    torch.testing.assert_close(wide.in_windows(lambda window, at: 2 * window, x[..., :32], at, 32), 2 * x[..., :32])


def test_latent_vectors_of_cells_are_normal_and_share_a_part():
    torch.manual_seed(0)
    z = wide.latent_cells(400, 16, 160, 64)
    assert z.shape == (400, 16, 3, 3)
    assert float(z.var()) == pytest.approx(1, abs=0.05)
    shared = float((z[:, :, 0, 0] * z[:, :, 2, 1]).mean())
    assert shared == pytest.approx(wide.SHARED, abs=0.05)
    assert wide.latent_cells(2, 16, 64, 64).shape == (2, 16)


def test_what_is_cut_off_keeps_the_grid_of_up_sampling():
    picture = torch.arange(192.0).expand(1, 1, 192, 192)
    assert wide.cut(picture, 160)[0, 0, 0, [0, -1]].tolist() == [16, 175]
    assert wide.cut(picture, 176)[0, 0, 0, 0] == 0
    assert wide.cut(picture, 192).shape == picture.shape


@torch.no_grad()
def test_styles_change_smoothly_over_a_picture_and_one_style_everywhere_is_that_style():
    torch.manual_seed(0)
    conv = StyledConv(6, 5, 3, 4)
    x, w = torch.randn(2, 6, 24, 24), torch.randn(2, 4)
    torch.testing.assert_close(conv(x, w[:, :, None, None].expand(-1, -1, 3, 3)), conv(x, w))
    flat = torch.ones(1, 6, 24, 24)
    made = StyledConv(6, 5, 3, 4, demodulates=False)(flat, torch.randn(1, 4, 2, 2))[0, :, 4:-4, 4:-4]
    steps = made.diff(dim=2).abs().amax()
    assert 0 < steps < (made.amax() - made.amin()) / 5


@pytest.mark.parametrize(
    ("up", "layer"), [("nearest", "Upsample"), ("bilinear", "Upsample"), ("shuffle", "PixelShuffle")]
)
def test_up_samplers_take_the_place_of_every_transposed_convolution_but_the_first(up, layer):
    kinds = [type(module).__name__ for module in DcganGenerator(64, 1, 4, 8, up).modules()]
    assert kinds.count(layer) == 4 and kinds.count("Conv2d") == 4 and kinds.count("ConvTranspose2d") == 1
    assert set(UPSAMPLERS) == {"convt4", "nearest", "bilinear", "shuffle"}
    with pytest.raises(UsageError, match="up = 'cubic' is not one of convt4"):
        DcganRecipe("dcgan", "d", LOOP, up="cubic")


def test_synthesize_writes_the_side_and_the_licences(small_data, tmp_path, capsys):
    train(GANS["dcgan"], TRAINEES["dcgan"][1], small_data, tmp_path / "d")
    sources = json.loads((tmp_path / "d" / "sources_train.json").read_text())
    assert sources and all(row["licence"] and row["split"] == "train" for row in sources)
    checkpoint = str(tmp_path / "d" / "checkpoint.pt")
    pack = tmp_path / "d.npz"
    assert main(["synthesize", checkpoint, "-n", "2", "--size", "80", "-o", str(pack)]) == 0
    made = read_pack(pack)
    assert made.tiles.shape == (2, 1, 80, 80)
    assert (made.manifest["trained_px"], made.manifest["made_px"]) == (32, 80)
    assert made.manifest["sources"] == sources
    assert main(["synthesize", checkpoint, "--size", "72", "-o", str(tmp_path / "n")]) == 2
    assert "the side is a multiple of 16 from 32" in capsys.readouterr().err


def test_a_wide_translation_is_of_wide_genuine_pictures(small_data, tmp_path):
    from semscan.training.cycle import SYSTEMS as CYCLE

    domains = (DataRecipe(sources=("train0",)), DataRecipe(sources=("train1",)))
    run = train(CYCLE["cyclegan"], CycleRecipe("c", LOOP, *domains, width=4, blocks=1), small_data, tmp_path / "c")
    (source,) = {row["split"] for row in json.loads((run / "sources_train.json").read_text())}
    assert source == "train"
    maker = open_maker(run / "checkpoint.pt", 1, small_data, size_px=48)
    made = next(maker.groups(2))
    assert made.tiles.shape == made.genuine.shape == (2, 1, 48, 48)
    with pytest.raises(UsageError, match="cannot make pictures of 40 px"):
        open_maker(run / "checkpoint.pt", 1, small_data, size_px=40)
