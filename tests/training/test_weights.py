import numpy as np
import pytest
import torch

from semscan.engine.errors import UsageError
from semscan.training.autoencoders import load_autoencoder, reconstruct
from semscan.training.loop import load_trainee
from semscan.training.nets.autoencoders import Autoencoder, AutoencoderSpec
from semscan.training.nets.registry import build_network, load_detector
from semscan.training.recipe import recipe_json
from semscan.training.rundir import load_checkpoint, save_checkpoint
from semscan.training.weights import halved, save_weights

pytestmark = pytest.mark.usefixtures("one_thread")


def test_slim_autoencoders_reconstruct_alike(tmp_path):
    spec = AutoencoderSpec("fir", 2, 8, width=8, norm="batch")
    model = Autoencoder(spec)
    state = {
        "model": model.state_dict(),
        "optimizer": {"state": torch.zeros(10**6)},
        "spec": recipe_json(spec),
        "step": 3,
        "psnr_db": 20.0,
    }
    save_checkpoint(tmp_path / "a.pt", state)
    path = save_weights(tmp_path / "a.pt", tmp_path / "slim" / "a.pt")
    assert path.stat().st_size < (tmp_path / "a.pt").stat().st_size / 20
    grey = np.random.default_rng(1).integers(0, 256, (64, 64), dtype=np.uint8)
    whole, slim = (reconstruct(load_autoencoder(file), grey, 1).astype(int) for file in (tmp_path / "a.pt", path))
    assert np.abs(whole - slim).max() <= 1
    assert load_checkpoint(path)["psnr_db"] == 20.0


@pytest.mark.parametrize("network", ["npr5k", "npr64k", "npr64k_lcn"])
def test_slim_detectors_score_alike(tmp_path, network):
    torch.manual_seed(1)
    model = build_network(network)
    tiles = torch.randint(0, 256, (8, 1, 96, 96), dtype=torch.uint8)
    model(tiles)
    state = {"network": network, "averaged": model.state_dict(), "model": model.state_dict(), "step": 5}
    save_checkpoint(tmp_path / "d.pt", state)
    path = save_weights(tmp_path / "d.pt", tmp_path / "slim.pt")
    with torch.inference_mode():
        whole, slim = (load_detector(file)(tiles) for file in (tmp_path / "d.pt", path))
    torch.testing.assert_close(whole, slim, atol=5e-3, rtol=5e-3)
    assert set(load_checkpoint(path)) == {"network", "averaged", "step"}


def test_slim_diffusion_models_fill_regions(tmp_path):
    from semscan.training.place import find_place
    from semscan.training.recipe import build_recipe, recipe_sha256
    from semscan.training.systems import find_system

    system = find_system("ddpm")
    values = {
        "name": "d",
        "training": {"steps": 1, "size_px": 32, "batch": 1, "channels": 1},
        "unet": {"width": 8},
    }
    recipe = build_recipe(system.recipe, values)
    trainee = system.build(recipe, find_place("cpu"))
    states = {name: part.state_dict() for name, part in trainee.state().items()}
    state = {"states": states, "recipe": recipe_json(recipe), "recipe_sha256": recipe_sha256(recipe), "step": 1}
    save_checkpoint(tmp_path / "c.pt", state)
    path = save_weights(tmp_path / "c.pt", tmp_path / "ddpm.pt")
    slim = load_trainee(path)
    assert set(load_checkpoint(path)["states"]) == {"average"}
    whole, small = (part.denoiser.slow.state_dict() for part in (load_trainee(tmp_path / "c.pt"), slim))
    assert all(torch.allclose(whole[key], small[key], atol=1e-3) for key in whole)


def test_what_has_no_slim_form_is_refused(tmp_path):
    save_checkpoint(tmp_path / "x.pt", {"step": 1})
    with pytest.raises(UsageError, match="no slim form"):
        save_weights(tmp_path / "x.pt", tmp_path / "y.pt")
    with pytest.raises(UsageError, match="does not fit"):
        halved({"w": torch.full((2, 2), 1e6)})
    assert halved({"v": torch.full((2,), 1e-9), "n": torch.tensor(3)})["v"].dtype == torch.float32
