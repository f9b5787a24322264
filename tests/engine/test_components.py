"""Components from runs are those of a flood fill."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from semscan.engine.figures.components import Sheet, connected, connected_where

masks = st.tuples(st.integers(1, 14), st.integers(1, 14)).flatmap(lambda shape: arrays(np.bool_, shape))


def flooded(mask):
    """Sets of pixels, by definition."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    found = []
    while left:
        todo = [left.pop()]
        group = set(todo)
        while todo:
            y, x = todo.pop()
            for near in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                if near in left:
                    left.remove(near)
                    group.add(near)
                    todo.append(near)
        found.append(frozenset(group))
    return set(found)


@given(masks)
def test_components_are_those_of_a_flood_fill(mask):
    found = connected(mask, 1000)
    groups = [set() for _ in range(len(found))]
    for row, start, end, label in zip(found.row, found.start, found.end, found.label, strict=True):
        groups[label] |= {(int(row), x) for x in range(start, end)}
    assert {frozenset(group) for group in groups} == flooded(mask)
    for group, box, area in zip(groups, found.boxes, found.area, strict=True):
        rows, columns = [y for y, _ in group], [x for _, x in group]
        assert list(box) == [min(columns), min(rows), max(columns) + 1, max(rows) + 1] and area == len(group)


@pytest.mark.parametrize("seed", range(5))
def test_few_components_far_apart_are_those_of_a_flood_fill(seed):
    random = np.random.default_rng(seed)
    mask = np.zeros((60, 90), np.bool_)
    for y, x, tall, wide in random.integers((0, 0, 1, 1), (58, 89, 4, 12), (6, 4)):
        mask[y : y + tall, x : x + wide] = True
    mask[30, -1] = mask[31, 0] = True  # the end of a row and the beginning of the next one are no neighbours
    found = connected(mask, 1000)
    groups = [set() for _ in range(len(found))]
    for row, start, end, label in zip(found.row, found.start, found.end, found.label, strict=True):
        groups[label] |= {(int(row), x) for x in range(start, end)}
    assert {frozenset(group) for group in groups} == flooded(mask)


@pytest.mark.parametrize("set_pixels", [3, 300])
def test_pixels_are_compared_with_a_level(set_pixels):
    picture = np.full((40, 48), 100, np.uint8)
    picture.ravel()[np.random.default_rng(0).permutation(picture.size)[:set_pixels]] = 9
    found, expected = connected_where(np.less_equal, Sheet(picture, 100), 9, 1000), connected(picture == 9, 1000)
    assert found.area.sum() == set_pixels
    for name in ("row", "start", "end", "label", "boxes", "area", "next_of"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name


def test_a_long_spiral_is_one_component():
    mask = np.zeros((101, 101), np.bool_)
    y = x = 50
    step = 2
    while step < 96:
        for dy, dx, length in ((0, 1, step), (1, 0, step), (0, -1, step + 2), (-1, 0, step + 2)):
            for _ in range(length):
                mask[y, x] = True
                y, x = y + dy, x + dx
        step += 4
    assert len(connected(mask, 10**5)) == 1


def test_runs_one_below_the_other_are_paired_where_nothing_branches():
    mask = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0]], np.bool_)
    assert connected(mask, 10).next_of.tolist() == [[0, 1]]


def test_too_many_runs_are_refused():
    mask = np.zeros((10, 40), np.bool_)
    mask[:, ::2] = True
    assert connected(mask, 199) is None
    assert len(connected(mask, 200)) == 20
    assert len(connected(np.zeros((3, 3), np.bool_), 0)) == 0


@given(masks)
def test_some_of_the_components_are_those_of_a_mask_that_holds_only_them(mask):
    found = connected(mask, 1000)
    which = found.area >= 3
    rest = np.zeros_like(mask)
    for row, start, end, label in zip(found.row, found.start, found.end, found.label, strict=True):
        rest[row, start:end] = which[label]
    some, expected = found.only(which), connected(rest, 1000)
    for name in ("row", "start", "end", "label", "boxes", "area", "next_of"):
        assert np.array_equal(getattr(some, name), getattr(expected, name)), name
