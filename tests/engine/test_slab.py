"""Tiles come out of the ring as they went in, and a worker that is far ahead waits."""

import json
import os
import threading
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest

from semscan.engine.pdf import line, wire
from semscan.engine.pdf.packed import packing
from semscan.engine.pdf.slab import Ring, allocate
from semscan.engine.records import NoticeRecord, PanelRecord


def tiles(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 16, 16), np.uint8)


def ends(capacity: int):
    slab = allocate(capacity, 16)
    here, there = Pipe()
    both = line.WorkerEnd(here, Ring(slab, 16)), line.SupervisorEnd(there, Ring(slab, 16))
    os.close(slab)
    return both


def found(count: int, seed: int) -> wire.Found:
    record = PanelRecord(panel_id=str(seed), doc_id="d", status="assessed", bbox_pt=(0.0, 1.0, 2.0, 3.0))
    return wire.Found(record, "lossless", 0.5, tiles(count, seed))


def test_many_panels_pass_through_a_small_ring_unharmed_and_in_order():
    worker, supervisor = ends(16)
    counts = [1 + seed % 4 for seed in range(60)]
    messages = [*(found(n, seed) for seed, n in enumerate(counts)), wire.Done()]
    sender = threading.Thread(target=lambda: [worker.send(message) for message in messages])
    sender.start()
    received = 0
    while received < len(counts):
        for message in supervisor.receive():
            if isinstance(message, wire.Found):
                assert message.record == found(counts[received], received).record
                np.testing.assert_array_equal(message.tiles, tiles(counts[received], received))
                received += 1
        supervisor.release()
    sender.join(10)
    assert not sender.is_alive()


def test_a_worker_waits_while_nothing_is_given_back():
    worker, supervisor = ends(8)
    sender = threading.Thread(target=lambda: [worker.send(found(2, seed)) for seed in range(5)], daemon=True)
    sender.start()
    received = [message for _ in range(4) for message in supervisor.receive()]
    sender.join(0.2)
    assert sender.is_alive() and len(received) == 4
    supervisor.release()
    assert [message.record.panel_id for message in supervisor.receive()] == ["4"]


def received(worker: line.WorkerEnd, supervisor: line.SupervisorEnd, *messages: wire.Message) -> list[wire.Message]:
    """What arrives of messages whose last one is the last of its document."""
    for message in (*messages, wire.Done()):
        worker.send(message)
    return supervisor.receive()


def test_a_token_arrives_unless_it_is_none_that_a_worker_may_send():
    worker, supervisor = ends(16)
    for token in (None, "t", "x" * line.LONGEST_TOKEN):
        assert received(worker, supervisor, replace(found(1, 0), token=token))[0].token == token
    for token in ("x" * (line.LONGEST_TOKEN + 1), 7, ["t"]):
        with pytest.raises((TypeError, ValueError), match=r"token|str expected"):
            received(worker, supervisor, replace(found(1, 0), token=token))


def test_small_messages_wait_for_each_other_and_those_of_a_second_try_do_not():
    worker, supervisor = ends(16)
    task = wire.Task("a", "application/pdf", 16, 16, 128, 10**6, 10, True, 60.0)
    for at_once, arriving in ((False, [3]), (True, [1, 1, 1])):
        supervisor.send_task(task, at_once=at_once)
        assert worker.receive_task() == task
        for message in (wire.Opened("d", 1), found(1, 0), wire.Done()):
            worker.send(message)
        assert [len(supervisor.receive()) for _ in arriving] == arriving


def test_many_messages_do_not_wait_until_the_last_one():
    worker, supervisor = ends(16)
    notice = wire.Noted(NoticeRecord("warning", "page_damaged", "a.pdf", "x" * 1000))
    for _ in range(1 + line.MOST_WAITING_BYTES // 1000):
        worker.send(notice)
    assert set(map(type, supervisor.receive())) == {wire.Noted}


NOTED = ["Noted", ["warning", "page_damaged", "a.pdf", "words", 3]]
DONE = ["Done", 0, 0, {}]
NO_PLACES = (None, {}, [0, 0, 8], [0, 0], [0, 0, 8, -1], [0, 0, 8, 0.5], [0, 0, True, 8], [0, 0, 8, 2**53], [[0, 0]])
ASSESSED = packing(PanelRecord).pack(PanelRecord(panel_id="p", doc_id="d", status="assessed", tiles=2))
UNSCORED = packing(PanelRecord).pack(PanelRecord(panel_id="p", doc_id="d", status="not_assessed"))


@pytest.mark.parametrize(
    "rows",
    [
        [],
        {},
        [[]],
        [["Found"]],
        [["Vanished"]],
        [["Opened", "d", -1]],
        [["Opened", "d", True]],
        [["Opened", "d", 2**60]],
        [DONE, NOTED],
        [DONE, DONE],
        [["Ready"], NOTED],
        [["Done", 0, 0, {str(stage): 0.0 for stage in range(100)}]],
        [["Done", 0, 0, {"open": 10**400}]],
        [["Done", 0, 0, {"open": "1"}]],
        [["Found", UNSCORED, "", 0, None, None, None]],
        [["Found", UNSCORED, "", 10**400, None, None, None, []]],
        [["Found", UNSCORED, "", float("nan"), None, None, None, []]],
        [["Found", UNSCORED, "", "1", None, None, None, []]],
        [["Found", UNSCORED, "", 0, None, [1, 1], None, []]],
        *([["Found", ASSESSED, "", 0, [0, 2], None, None, places]] for places in NO_PLACES),
        [["Whole", UNSCORED, [1, 1]]],
        [["Noted", ["warning", "page_damaged", "a.pdf", "words", 3, 4]]],
        [["Noted", ["warning", "page_damaged", "a.pdf", 7, 3]]],
        [["Named", None]],
        [["Named", 7, None]],
        [["Named", "10.1234/" + "a" * 1000, None]],
        [["Named", None, "a" * 1000]],
        [["Named", None, "a\nb"]],
        [["Named", None, "a\u202eb"]],
        [["Named", "10.1234/\x1b[2J", None]],
        [["Whole", None, [1, 1]]],
        [["Whole", [], [1, 1]], NOTED],
    ],
)
def test_nonsense_from_a_worker_is_refused(rows):
    worker, supervisor = ends(8)
    worker._connection.send_bytes(json.dumps(rows).encode())
    with pytest.raises((KeyError, TypeError, ValueError)):
        supervisor.receive()


def test_places_of_tiles_arrive_as_they_were_found():
    worker, supervisor = ends(16)
    for places in ((), ((0, 2), (130, 4))):
        assert received(worker, supervisor, replace(found(2, 0), places=places))[0].places == places


def test_only_so_many_messages_and_pixels_as_a_task_may_bring(monkeypatch):
    worker, supervisor = ends(8)
    task = wire.Task("a", "image/png", 16, 16, 128, 12, 10, True, 60.0, send_pixels=True)
    record = PanelRecord(panel_id="p", doc_id="d", status="not_assessed")
    supervisor.send_task(task)
    worker.send(wire.Found(record, pixels=np.zeros((3, 4), np.uint8)))
    assert supervisor.receive()[0].pixels.shape == (3, 4)
    for other in ((13, 1), (3, 4, 3), (0, 4)):  # an image without pixels cannot be written
        worker, supervisor = ends(8)
        supervisor.send_task(task)
        row = [*worker._packed(wire.Found(record))[:5], other, None, []]
        worker._connection.send_bytes(json.dumps([row]).encode())
        worker._connection.send_bytes(bytes(np.prod(other)))
        with pytest.raises(ValueError, match="pixels"):
            supervisor.receive()
    worker, supervisor = ends(8)
    supervisor.send_task(replace(task, send_colour=True))
    worker.send(wire.Found(record, pixels=np.zeros((3, 4, 3), np.uint8)))
    assert supervisor.receive()[0].pixels.shape == (3, 4, 3)
    worker, supervisor = ends(8)
    monkeypatch.setattr(line, "MOST_BYTES", 10_000)
    for _ in range(2):  # the bound is that of each document
        supervisor.send_task(task)
        for _ in range(5):
            worker.send(wire.Noted(NoticeRecord("warning", "page_damaged", "a.pdf", "x" * 1500)))
            worker.send(wire.Ready())
            supervisor.receive()
    with pytest.raises(ValueError, match="messages"):
        received(worker, supervisor, wire.Noted(NoticeRecord("warning", "page_damaged", "a.pdf", "x" * 2500)))


def test_a_worker_cannot_name_more_tiles_than_its_slab_holds():
    worker, supervisor = ends(8)
    row = worker._packed(found(4, 0))
    worker._connection.send_bytes(json.dumps([row] * 3).encode())
    with pytest.raises(ValueError, match="slab"):
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
