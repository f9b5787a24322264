"""Calibration and evaluation score panels as a scan does: same trimming, same tiles, same numbers."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import nn

from semscan.engine.bundle import load_bundle
from semscan.engine.options import ScanOptions
from semscan.engine.pipeline import scan
from semscan.engine.records import PanelRecord
from semscan.training.nets.npr import Npr5k
from semscan.training.scoring import PanelScorer, cut_panel


def micrograph(seed: int, drawn: bool) -> np.ndarray:
    """Grain with a data bar; with drawings, letters and an arrow over its middle."""
    rng = np.random.default_rng(seed)
    grain = np.kron(rng.normal(0, 22, (120, 150)), np.ones((4, 4))) + rng.normal(0, 14, (480, 600))
    image = Image.fromarray(np.clip(120 + grain, 8, 247).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 436, 600, 480), fill=0)
    for x in range(20, 560, 60):
        pen.text((x, 450), "15.0kV", fill=255)
    if drawn:
        pen.rectangle((250, 180, 330, 196), fill=255)
        pen.line((60, 60, 140, 140), fill=255, width=5)
    return np.array(image)


@pytest.mark.parametrize("drawn", [False, True])
def test_a_panel_scores_as_in_a_scan(tmp_path, drawn):
    pictures = [micrograph(seed, drawn) for seed in (1, 2)]
    bundle = load_bundle()
    measured = PanelScorer(bundle.path, bundle.tile_px, 16).score(pictures)
    for index, grey in enumerate(pictures):
        Image.fromarray(grey).save(tmp_path / f"{index}.png")
    found = [r for r in scan(tmp_path, ScanOptions(all_images=True, jobs=1), judge=False) if isinstance(r, PanelRecord)]
    line = bundle.calibration.smoothness
    expected = measured.logit - line.slope * measured.smoothness - line.intercept
    assert [r.score for r in found] == pytest.approx(expected.tolist(), abs=1e-4)
    assert [r.smoothness for r in found] == pytest.approx(measured.smoothness.tolist(), abs=1e-4)
    assert measured.assessed.all()


def test_tiles_keep_off_what_is_drawn_and_off_the_data_bar():
    plain, drawn = (cut_panel(micrograph(1, mark), 128, 16) for mark in (False, True))
    assert plain.places != drawn.places
    assert max(y for _, y in plain.places) + 128 <= 440
    assert not any(x < 330 and x + 128 > 250 and y < 196 and y + 128 > 180 for x, y in drawn.places)


def test_a_panel_that_a_scan_would_not_assess_is_scored_all_the_same_and_marked():
    flat = np.full((300, 300), 128, np.uint8)
    scores = PanelScorer(Npr5k(), 128, 16).score([flat, micrograph(1, False)])
    assert scores.assessed.tolist() == [False, True]
    assert np.isfinite(scores.logit).all() and np.isfinite(scores.local).all()


class Mean(nn.Module):
    """Counts the batches that it is given."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, tiles):
        self.sizes.append(len(tiles))
        return tiles.double().mean((1, 2, 3))


def test_tiles_of_several_panels_share_a_batch_and_scores_keep_their_order():
    network = Mean()
    pictures = [np.clip(micrograph(seed, False)[:300, :300].astype(int) + 4 * seed - 40, 0, 255) for seed in range(12)]
    pictures = [grey.astype(np.uint8) for grey in pictures]
    scores = PanelScorer(network, 128, 16).score(pictures)
    expected = [float(cut_panel(grey, 128, 16).tiles.astype(float).mean((1, 2, 3)).mean()) for grey in pictures]
    assert scores.logit.tolist() == pytest.approx(expected)
    assert max(network.sizes) == 32 and len(network.sizes) < 6


def test_a_network_and_its_graph_agree(tmp_path):
    torch.manual_seed(1)
    network = Npr5k().eval()
    torch.save({"averaged": network.state_dict()}, tmp_path / "detector.pt")
    pictures = [micrograph(seed, True) for seed in (1, 2)]
    one, other = (PanelScorer(detector, 128, 16).score(pictures) for detector in (network, tmp_path))
    assert one.logit.tolist() == pytest.approx(other.logit.tolist(), abs=1e-4)
    assert (tmp_path / "graph.onnx").is_file()
