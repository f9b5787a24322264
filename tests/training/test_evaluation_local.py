"""Local changes: where the evidence lies is measured rightly, with a detector that knows the answer."""

import numpy as np
import pytest
import torch
from evaluation_data import panel

from semscan.training.evaluation import local
from semscan.training.evaluation.forgeries import SIDE_PX, Forgery, control, forge, untouched
from semscan.training.nets.autoencoders import Autoencoder, AutoencoderSpec
from semscan.training.recipe import recipe_json


class Oracle:
    """Evidence is how bright a cell is."""

    tile_px = 128

    def evidence(self, tiles):
        return tiles[:, 0].reshape(len(tiles), 16, 8, 16, 8).mean((2, 4)).astype(np.float32)


def marked(y, x, side=96):
    grey = np.random.default_rng(y * 1000 + x).integers(60, 80, (SIDE_PX, SIDE_PX)).astype(np.uint8)
    mask = np.zeros(grey.shape, bool)
    mask[y : y + side, x : x + side] = True
    return Forgery(np.where(mask, grey + 100, grey).astype(np.uint8), mask, f"s{y}")


def test_evidence_lies_where_it_belongs():
    windows = local.evidence_windows(Oracle(), marked(64, 128).grey)
    assert windows.shape == (10, 10)
    high = np.argwhere(windows > 120)
    assert set(map(tuple, high.tolist())) == {(y, x) for y in (2, 3, 4) for x in (4, 5, 6)}


def test_windows_and_boxes_of_an_oracle_are_nearly_perfect():
    forgeries = [marked(32 * k, 160 - 32 * k) for k in range(4)]
    greys = [f.grey for f in forgeries]
    maps = [local.evidence_windows(Oracle(), grey) for grey in greys]
    row = local._windows(forgeries, greys, maps, 20.0, 1)
    assert row["tile_auc"] == 1.0 and row["tile_auc_ci95"] == [1.0, 1.0]
    # The region that a scan would report is made of a quarter of the windows, so its box is larger than the change.
    assert row["iou"] == 1.0 and row["box_iou"] > 0.3
    blind = local._windows(forgeries, greys, [np.random.default_rng(k).normal(size=(10, 10)) for k in range(4)], 1.6, 1)
    assert 0.3 < blind["tile_auc"] < 0.7 and blind["iou"] < 0.5


@pytest.mark.usefixtures("one_thread")
def test_a_transplant_changes_its_region_only(tmp_path):
    spec = AutoencoderSpec("nearest", depth=2, latent=4, width=4)
    torch.manual_seed(1)
    torch.save({"spec": recipe_json(spec), "model": Autoencoder(spec).state_dict()}, tmp_path / "nearest.pt")
    panels = untouched([panel(k, 340, f"s{k}") for k in range(5)], 5)
    forgeries = forge(panels, tmp_path / "nearest.pt", "autoencoder", 1)
    assert len(forgeries) == 5
    for before, made, by_hand in zip(panels, forgeries, control(panels, "blurred", 1), strict=True):
        changed = before.grey != made.grey
        assert not (changed & ~made.mask).any() and changed[made.mask].mean() > 0.5
        np.testing.assert_array_equal(made.mask, by_hand.mask)  # the control changes the same region
