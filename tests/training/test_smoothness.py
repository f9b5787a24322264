import numpy as np
import pytest

from semscan.engine.smoothness import smoothness


def plain(grey):
    x = grey.astype(float)
    second = [np.diff(x, 2, axis).ravel() for axis in (0, 1)]
    central = [((np.roll(x, -1, axis) - np.roll(x, 1, axis)) / 2) for axis in (0, 1)]
    inner = [central[0][1:-1].ravel(), central[1][:, 1:-1].ravel()]
    return np.log((np.mean(np.concatenate(second) ** 2) + 0.05) / (np.mean(np.concatenate(inner) ** 2) + 0.05))


@pytest.mark.parametrize("shape", [(3, 3), (40, 300), (256, 31), (257, 31), (258, 31), (600, 50)])
def test_equals_the_plain_definition_whatever_the_blocks(shape):
    grey = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert smoothness(grey) == pytest.approx(plain(grey), abs=1e-12)
    assert smoothness(np.asfortranarray(grey)) == smoothness(grey)


def test_known_values():
    noise = np.random.default_rng(0).integers(0, 256, (500, 500), dtype=np.uint8)
    assert smoothness(noise) == pytest.approx(np.log(12), abs=0.02)
    assert smoothness(np.full((50, 50), 7, np.uint8)) == 0.0
    ramp = np.tile(np.arange(250, dtype=np.uint8), (50, 1))
    assert smoothness(ramp) < -2
    with pytest.raises(ValueError, match="3 x 3"):
        smoothness(noise[:2])
