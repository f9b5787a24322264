"""What is measured on the views: what shines, what darkens, local patterns, and never a number that is none."""

from __future__ import annotations

import numpy as np
import pytest

from semscan.engine.figures.texture import NAMES, texture_summary
from semscan.engine.figures.views import take_views


def measured(grey):
    return dict(zip(NAMES, texture_summary(take_views(grey)).tolist(), strict=True))


def spots(level, ground=128, size=(300, 300), seed=0):
    random = np.random.default_rng(seed)
    grey = random.normal(ground, 2, size)
    for y, x in random.integers(10, 290, (60, 2)):
        grey[y - 4 : y + 4, x - 4 : x + 4] += level
    return np.clip(grey, 0, 255).astype(np.uint8)


def test_names_are_unique_and_each_has_its_number():
    assert len(set(NAMES)) == len(NAMES)
    assert texture_summary(take_views(spots(50))).shape == (len(NAMES),)


def test_small_objects_that_shine_differ_from_such_that_darken():
    bright, dark = measured(spots(80)), measured(spots(-80))
    assert bright["thumb_skew_3"] > 0.3 and dark["thumb_skew_3"] < -0.3
    assert bright["above_ground"] > 0.05 > bright["below_ground"]
    assert dark["below_ground"] > 0.05 > dark["above_ground"]


def test_shares_of_patterns_sum_to_one():
    found = measured(np.random.default_rng(0).integers(0, 256, (400, 500), dtype=np.uint8))
    for scale in ("thumb", "native", "middle"):
        assert sum(found[f"{scale}_pattern_{i}"] for i in range(10)) == pytest.approx(1, abs=1e-5)


def test_patterns_do_not_depend_on_brightness_or_contrast():
    grey = spots(30, ground=100)
    one, two = measured(grey), measured((grey // 2 * 2).astype(np.uint8) + 7)
    three = measured(grey + np.uint8(40))
    assert all(one[f"native_pattern_{i}"] == three[f"native_pattern_{i}"] for i in range(10))
    assert abs(one["thumb_skew_3"] - two["thumb_skew_3"]) < 0.1


@pytest.mark.parametrize("size", [(48, 48), (49, 900), (600, 130)])
@pytest.mark.parametrize("level", [0, 200, 255])
def test_flat_and_noisy_panels_of_any_size_give_finite_numbers(size, level):
    for grey in (np.full(size, level, np.uint8), np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)):
        assert np.isfinite(texture_summary(take_views(grey))).all()
