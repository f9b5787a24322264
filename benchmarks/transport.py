"""Tiles from a worker to its parent: through the shared slab, and as pickled arrays through a pipe.

    python benchmarks/transport.py          (starts itself again as the worker)

Four ways, each between two processes and until the tiles lie in a batch of the parent: the worker's protocol as it is
(panel record as JSON, tiles in the slab), the same record and tiles pickled, and both without any record. Panels of 16
tiles, as a scan sends them.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from multiprocessing.connection import Connection, Pipe

import numpy as np
from numpy.typing import NDArray

from semscan.engine.pdf import line, wire
from semscan.engine.pdf.slab import TILES_PER_SLAB, Ring, allocate
from semscan.engine.records import ImageRecord, KindRecord, PanelRecord

TILE_PX = 128
TILES_PER_PANEL = 16
BATCH = 32
WAYS = ("slab", "pickled", "slab, no record", "pickled, no record", "pickled one by one")
RECORD = PanelRecord(
    panel_id="0123456789ab:12.3/1",
    doc_id="sha256:" + "01" * 32,
    status="assessed",
    page=12,
    page_label="1234",
    figure="Fig. 3",
    index=1,
    of=4,
    bbox_pt=(72.0, 80.5, 300.25, 250.125),
    image=ImageRecord("23" * 32, (1280, 960), (0, 0, 640, 480), "embedded", "jpeg", "83 0", 85, "4:2:0", 3, 8, 300),
    kind=KindRecord("sem", 0.9876),
    tiles=TILES_PER_PANEL,
)


def tiles_per_second(way: str, panels: int) -> float:
    """Tiles that arrive per second, from the first one on."""
    ours, theirs = Pipe(duplex=True)
    slab = allocate(TILES_PER_SLAB, TILE_PX)
    numbers = (theirs.fileno(), slab, panels + 1)
    with subprocess.Popen([sys.executable, __file__, way, *map(str, numbers)], pass_fds=numbers[:2]) as worker:
        theirs.close()
        ring = Ring(slab, TILE_PX)
        os.close(slab)
        end = line.SupervisorEnd(ours, ring)
        batch = np.zeros((BATCH, 1, TILE_PX, TILE_PX), np.uint8)
        _receive(way, ours, ring, end, batch, 1)
        start = time.perf_counter()
        _receive(way, ours, ring, end, batch, panels)
        seconds = time.perf_counter() - start
        ours.close()
        worker.wait()
    return panels * TILES_PER_PANEL / seconds


def _receive(
    way: str, ours: Connection, ring: Ring, end: line.SupervisorEnd, batch: NDArray[np.uint8], panels: int
) -> None:
    if way == "slab":
        _receive_messages(end, batch, panels)
        return
    held = 0
    for panel in range(panels):
        slot = _slot(batch, panel)
        if way == "slab, no record":
            slot[:] = ring.read(int.from_bytes(ours.recv_bytes()), TILES_PER_PANEL)
            held += TILES_PER_PANEL
            if held >= TILES_PER_SLAB // 4:
                ours.send_bytes(held.to_bytes(4))
                held = 0
        elif way == "pickled one by one":
            for one in slot:
                one[:] = ours.recv()
        else:
            received = ours.recv()
            slot[:] = received[1] if way == "pickled" else received


def _receive_messages(end: line.SupervisorEnd, batch: NDArray[np.uint8], panels: int) -> None:
    """As :mod:`semscan.engine.flow` does: as many panels as come at once, until the last one came."""
    panel = 0
    while panel < panels:
        for message in end.receive():
            if isinstance(message, wire.Found) and message.tiles is not None:
                _slot(batch, panel)[:] = message.tiles
                panel += 1
        end.release()


def _slot(batch: NDArray[np.uint8], panel: int) -> NDArray[np.uint8]:
    at = panel * TILES_PER_PANEL % BATCH
    return batch[at : at + TILES_PER_PANEL]


def _serve(way: str, theirs: Connection, ring: Ring, panels: int) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (TILES_PER_PANEL, 1, TILE_PX, TILE_PX), np.uint8)
    end = line.WorkerEnd(theirs, ring)
    for panel in range(panels):
        if way == "slab":
            end.send(wire.Found(RECORD, "jpeg75", 0.5, tiles))
            if panel in (0, panels - 1):
                end.send(wire.Done())  # the first panel comes alone: the clock starts after it
        elif way == "slab, no record":
            while ring.free < TILES_PER_PANEL:
                ring.free += int.from_bytes(theirs.recv_bytes())
            theirs.send_bytes(ring.write(tiles).to_bytes(4))
        elif way == "pickled one by one":
            for one in tiles:
                theirs.send(one)
        else:
            theirs.send((RECORD, tiles) if way == "pickled" else tiles)
    with contextlib.suppress(EOFError):
        while True:  # until the parent has given back the last tiles and hung up
            theirs.recv_bytes()


def main() -> None:
    if len(sys.argv) == 1:
        for way in WAYS:
            print(f"{way:20s} {tiles_per_second(way, 2000):12,.0f} tiles/s")
        return
    way, pipe, slab, panels = sys.argv[1], *map(int, sys.argv[2:])
    _serve(way, Connection(pipe), Ring(slab, TILE_PX), panels)


if __name__ == "__main__":
    main()
