"""Tiles come out of the ring as they went in, and a worker that is far ahead waits."""

import os
import threading
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest

from semscan.engine.pdf import wire
from semscan.engine.pdf.slab import Ring, allocate
from semscan.engine.records import PanelRecord


def tiles(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 16, 16), np.uint8)


def ends(capacity: int):
    slab = allocate(capacity, 16)
    here, there = Pipe()
    both = wire.WorkerEnd(here, Ring(slab, 16)), wire.SupervisorEnd(there, Ring(slab, 16))
    os.close(slab)
    return both


def found(count: int, seed: int) -> wire.Found:
    record = PanelRecord(panel_id=str(seed), doc_id="d", status="assessed", bbox_pt=(0.0, 1.0, 2.0, 3.0))
    return wire.Found(record, "lossless", 0.5, tiles(count, seed))


def test_many_panels_pass_through_a_small_ring_unharmed_and_in_order():
    worker, supervisor = ends(16)
    counts = [1 + seed % 4 for seed in range(60)]
    sender = threading.Thread(target=lambda: [worker.send(found(n, seed)) for seed, n in enumerate(counts)])
    sender.start()
    for seed, n in enumerate(counts):
        message = supervisor.receive()
        assert message.record == found(n, seed).record
        np.testing.assert_array_equal(message.tiles, tiles(n, seed))
        supervisor.release()
    sender.join(10)
    assert not sender.is_alive()


def test_a_worker_waits_while_nothing_is_given_back():
    worker, supervisor = ends(8)
    sender = threading.Thread(target=lambda: [worker.send(found(2, seed)) for seed in range(5)], daemon=True)
    sender.start()
    received = [supervisor.receive() for _ in range(4)]
    sender.join(0.2)
    assert sender.is_alive() and len(received) == 4
    supervisor.release()
    assert supervisor.receive().record.panel_id == "4"


def test_a_token_arrives_unless_it_is_none_that_a_worker_may_send():
    worker, supervisor = ends(8)
    for token in (None, "t", "x" * wire.LONGEST_TOKEN):
        worker.send(replace(found(1, 0), token=token))
        assert supervisor.receive().token == token
    for token in ("x" * (wire.LONGEST_TOKEN + 1), 7, ["t"]):
        worker.send(replace(found(1, 0), token=token))
        with pytest.raises((TypeError, ValueError), match=r"token|str expected"):
            supervisor.receive()


@pytest.mark.parametrize(("start", "count"), [(-1, 1), (8, 1), (0, 0), (0, 9)])
def test_tiles_that_cannot_be_there_are_refused(start, count):
    ring = Ring(allocate(8, 16), 16)
    with pytest.raises(ValueError, match="ring"):
        ring.read(start, count)


def test_the_memory_has_no_name_that_could_be_left_behind():
    before = set(Path("/dev/shm").iterdir())
    _worker, _supervisor = ends(64)
    assert set(Path("/dev/shm").iterdir()) == before
