import torch

from semscan.training.nets.npr import GREY_STD, Npr5k, npr_residual


def test_parameters_are_those_of_the_thesis():
    counts = [sum(p.numel() for p in Npr5k(channels).parameters()) for channels in (1, 3)]
    assert counts == [4969, 5113]


def test_residual_is_each_cell_minus_its_top_left_pixel():
    cell = torch.tensor([[[[10.0, 13.0], [4.0, 30.0]]]])
    expected = torch.tensor([[[[0.0, 3.0], [-6.0, 20.0]]]]) * (2 / 3) / (255 * GREY_STD)
    torch.testing.assert_close(npr_residual(cell), expected)


def test_logit_is_the_mean_of_the_evidence():
    model = Npr5k().eval()
    tiles = torch.randint(0, 256, (3, 1, 64, 64), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(tiles), model.evidence(tiles).mean((1, 2)))
    assert model.evidence(tiles).shape == (3, 8, 8)
