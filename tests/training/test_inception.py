"""Inception v3: the layers that the files of weights are made for, both kinds of file, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from semscan.engine.errors import UsageError
from semscan.training import inception
from semscan.training.fidelity import InceptionDistances, frechet_distance, kernel_distance, measure
from semscan.training.inception import FID_CLASSES, Inception
from semscan.training.nets.autoencoders import Autoencoder, AutoencoderSpec

PARAMETERS = 21_785_568
"""Of Inception v3 without its classifier and the helper."""

KEYS = {  # a few layers of each kind with the shapes of the published files
    "Conv2d_4a_3x3.conv.weight": (192, 80, 3, 3),
    "Mixed_5b.branch_pool.conv.weight": (32, 192, 1, 1),
    "Mixed_5d.branch5x5_2.conv.weight": (64, 48, 5, 5),
    "Mixed_6a.branch3x3dbl_3.conv.weight": (96, 96, 3, 3),
    "Mixed_6c.branch7x7dbl_4.conv.weight": (160, 160, 7, 1),
    "Mixed_7a.branch7x7x3_2.conv.weight": (192, 192, 1, 7),
    "Mixed_7b.branch3x3_2b.conv.weight": (384, 384, 3, 1),
    "Mixed_7c.branch3x3dbl_1.conv.weight": (448, 2048, 1, 1),
    "Mixed_7c.branch_pool.bn.running_var": (192,),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Random weights as the two files would hold them."""
    folder, found = tmp_path_factory.mktemp("inception"), {}
    torch.manual_seed(0)
    state: dict[str, Tensor] = inception._body(False).state_dict()
    for classes in (1000, FID_CLASSES):
        more = {"fc.weight": torch.zeros(classes, 2), "fc.bias": torch.zeros(classes), "AuxLogits.x": torch.zeros(1)}
        found[classes] = folder / f"{classes}.pth"
        torch.save({**state, **more}, found[classes])
    return found


def tiles(count=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 32, 32), dtype=np.uint8)


def test_layers_are_those_of_the_published_files(files):
    state = inception._body(False).state_dict()
    assert {key: tuple(state[key].shape) for key in KEYS} == KEYS
    assert sum(p.numel() for p in Inception(files[1000]).parameters()) == PARAMETERS
    assert len([key for key in state if key.endswith("conv.weight")]) == 94


def test_the_file_says_which_network_it_is(files):
    ours, original = (Inception(files[classes]) for classes in (1000, FID_CLASSES))
    assert (ours.name, original.name) == ("Inception v3 of torchvision", "Inception v3 of the FID")
    found = [net.features(tiles()) for net in (ours, original)]
    assert found[0].shape == (2, 2048) and found[0].std() > 0
    assert not np.allclose(*found)
    torch.testing.assert_close(original._normal(torch.tensor([0.0, 255.0])), torch.tensor([-1.0, 1.0]))


def test_one_maximum_and_means_without_the_border_are_the_originals(files):
    pools = [[step for mixed in net.body.children() if isinstance(mixed, inception._Mixed)
              for branch in mixed.branches for step in branch if isinstance(step, str)]
             for net in (Inception(files[1000]), Inception(files[FID_CLASSES]))]  # fmt: skip
    assert [kinds.count(inception.LARGEST_POOL) for kinds in pools] == [0, 1]
    assert [kinds.count(inception.MEAN_POOL) for kinds in pools] == [9, 8]
    flat = torch.ones(1, 3, 5, 5)
    for counts_border, corner in ((True, 4 / 9), (False, 1.0)):
        mixed = inception._Mixed(3, [[inception.MEAN_POOL]], counts_border)
        assert mixed(flat)[0, 0, 0, 0].item() == pytest.approx(corner)


class Corners:
    """In place of Inception, whose 2048 features would take half a minute: two grey levels of a tile."""

    name = "corners"

    def features(self, tiles):
        return tiles[:, 0, ::31, 0].astype(float) / 64


def test_distances_of_inception_stand_beside_our_own_and_are_not_normalised():
    torch.manual_seed(0)
    encoder = Autoencoder(AutoencoderSpec("nearest", 1, 2, width=4, bottleneck="vae")).eval()
    sets = [tiles(9, seed) for seed in range(4)]
    found = measure(*sets, encoder, None, Corners())
    made, genuine, others = (Corners().features(x) for x in sets[:3])
    assert found.inception == InceptionDistances(
        "corners",
        1000 * kernel_distance(made, genuine),
        1000 * kernel_distance(others, genuine),
        frechet_distance(made, genuine),
        frechet_distance(others, genuine),
    )
    assert measure(*sets, encoder, None).inception is None


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        Inception(tmp_path / "none.pth")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "vgg.pth")
    with pytest.raises(UsageError, match="no weights of Inception"):
        Inception(tmp_path / "vgg.pth")
    torch.save({"fc.weight": torch.zeros(1000, 512)}, tmp_path / "resnet.pth")
    with pytest.raises(UsageError, match="weights of another network"):
        Inception(tmp_path / "resnet.pth")
