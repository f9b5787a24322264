"""Tiles with a known name are scored once, and what is asked for comes back whoever sent it first."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_batcher import tiles_of

from semscan.engine import batcher as batcher_module
from semscan.engine.backends.fake import FakeBackend
from semscan.engine.batcher import Batcher
from semscan.engine.scored import ScoredOnce


class Counting(FakeBackend):
    def __init__(self):
        self.tiles = 0

    def infer(self, tiles):
        self.tiles += int(tiles.any(axis=(1, 2, 3)).sum())
        return super().infer(tiles)


@settings(max_examples=50, deadline=None)
@given(
    seeds=st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30),
    batch=st.integers(1, 7),
    most=st.integers(1, 9),
)
def test_every_panel_gets_the_logits_of_its_tiles(seeds, batch, most):
    backend = Counting()
    scorer = ScoredOnce(Batcher([backend], batch, 8), most)
    scored = []
    for key, (seed, named) in enumerate(seeds):
        scored += scorer.add(key, tiles_of(seed, 1 + seed), seed if named else None)
    scored += scorer.flush()
    scorer.close()
    assert sorted(key for key, _ in scored) == list(range(len(seeds)))
    for key, logits in scored:
        np.testing.assert_array_equal(logits, FakeBackend().infer(tiles_of(seeds[key][0], 1 + seeds[key][0])))
    if most >= 6:
        unnamed = sum(1 + seed for seed, named in seeds if not named)
        assert backend.tiles == unnamed + sum(1 + seed for seed in {seed for seed, named in seeds if named})


def test_no_more_than_so_many_panels_are_remembered():
    backend = Counting()
    scorer = ScoredOnce(Batcher([backend], 1, 8), 2)
    for key, name in enumerate("aabacab"):  # b is forgotten when c comes, a never
        scorer.add(key, tiles_of(ord(name), 1), name)
        scorer.flush()
    scorer.close()
    assert backend.tiles == 4


def test_copies_that_wait_for_a_batch_that_never_fills_do_not_wait_for_ever(monkeypatch):
    scorer = ScoredOnce(Batcher([FakeBackend()], 100, 8))
    assert scorer.add("first", tiles_of(1, 1), "name") == []
    assert scorer.add("second", tiles_of(1, 1), "name") == []
    monkeypatch.setattr(batcher_module, "OLDEST_S", -1.0)
    done = {}
    while len(done) < 2:
        done |= scorer.add(len(done), tiles_of(1, 1), "name")
    assert {"first", "second"} <= set(done)
    scorer.close()
