"""No logit depends on who shared the batch, and nothing is lost or doubled."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from semscan.engine.backends.fake import FakeBackend
from semscan.engine.batcher import Batcher


class Recording(FakeBackend):
    def __init__(self):
        self.shapes = set()

    def infer(self, tiles):
        self.shapes.add(tiles.shape)
        return super().infer(tiles)


def tiles_of(key: int, count: int) -> np.ndarray:
    return np.random.default_rng(key).integers(0, 256, (count, 1, 8, 8), np.uint8)


@settings(max_examples=50)
@given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=12), batch=st.integers(1, 7), seed=st.integers(0, 99))
def test_every_panel_gets_its_own_logits_whatever_the_order_and_batch_size(counts, batch, seed):
    backend = Recording()
    batcher = Batcher([backend], batch, 8)
    order = np.random.default_rng(seed).permutation(len(counts))
    scored = [done for key in order for done in batcher.add(int(key), tiles_of(int(key), counts[key]))]
    scored += batcher.flush()
    assert sorted(key for key, _ in scored) == list(range(len(counts)))
    for key, logits in scored:
        np.testing.assert_array_equal(logits, FakeBackend().infer(tiles_of(key, counts[key])))
    assert backend.shapes == {(batch, 1, 8, 8)}
    assert batcher.flush() == []
