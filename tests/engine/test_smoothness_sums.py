"""The smoothness is the stated ratio of energies to the last bit, however its sums are formed."""

import numpy as np
import pytest

from semscan.engine.smoothness import smoothness


def by_definition(grey: np.ndarray) -> float:
    plane = grey.astype(np.int64)
    second = [*(plane[:, :-2] - 2 * plane[:, 1:-1] + plane[:, 2:]).ravel()]
    second += [*(plane[:-2] - 2 * plane[1:-1] + plane[2:]).ravel()]
    central = [*(plane[:, 2:] - plane[:, :-2]).ravel(), *(plane[2:] - plane[:-2]).ravel()]
    energies = [sum(int(d) ** 2 for d in part) / len(second) for part in (second, central)]
    return float(np.log((energies[0] + 0.05) / (energies[1] / 4 + 0.05)))


@pytest.mark.parametrize("height", [3, 4, 127, 128, 129, 130, 131, 257])
@pytest.mark.parametrize("width", [3, 4, 17, 33])
def test_every_size_gives_the_ratio_of_its_definition(height, width):
    grey = np.random.default_rng(height * width).integers(0, 256, (height, width), np.uint8)
    assert smoothness(grey) == by_definition(grey)


def test_memory_layout_and_extreme_levels_change_nothing():
    grey = np.random.default_rng(0).choice([0, 255], (131, 70)).astype(np.uint8)
    wide = np.zeros((140, 150), np.uint8)
    wide[3:134, 5:145:2] = grey
    expected = by_definition(grey)
    for same in (grey, np.asfortranarray(grey), wide[3:134, 5:145:2], grey[::-1, ::-1][::-1, ::-1]):
        assert smoothness(same) == expected
