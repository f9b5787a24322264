"""Memory that a worker writes tiles into and its supervisor reads them from, without a copy through a pipe.

Each worker has one slab, a ring of tiles. The memory has no name in the file system: it is handed to the worker as an
open file descriptor, so it is gone when both processes are, however they end. A ring that is full makes the worker
wait, which is what keeps memory bounded when scoring is slower than decoding.
"""

from __future__ import annotations

import mmap
import os
import tempfile

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import DeviceError

TILES_PER_SLAB = 512
"""8 MiB of 128-px tiles per worker."""


def allocate(tiles: int, tile_px: int) -> int:
    """File descriptor of memory for so many tiles, really reserved so that using it cannot fail later.

    Raises:
        DeviceError: there is not that much memory.
    """
    size = tiles * tile_px * tile_px
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("semscan-tiles", os.MFD_CLOEXEC)
    else:  # an unlinked file does the same where there is no anonymous one
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:
            os.ftruncate(descriptor, size)
    except OSError as error:
        os.close(descriptor)
        raise DeviceError(
            f"no {size / 2**20:.0f} MiB of shared memory for a worker's tiles: {error.strerror}",
            "use fewer workers: -j 1",
        ) from error
    return descriptor


class Ring:
    """One end of a slab.

    Args:
        descriptor: from :func:`allocate`; may be closed afterwards.
        tile_px: side of a tile in pixels.
    """

    def __init__(self, descriptor: int, tile_px: int) -> None:
        self._map = mmap.mmap(descriptor, 0)
        self._tiles = np.frombuffer(self._map, np.uint8).reshape(-1, 1, tile_px, tile_px)
        self._head = 0
        self.free = len(self._tiles)

    def __len__(self) -> int:
        return len(self._tiles)

    def write(self, tiles: NDArray[np.uint8]) -> int:
        """Worker's end: put tiles, uint8 [n, 1, T, T], behind the last ones; returns where they start.

        The caller waits until ``free`` is at least n, and adds to it what the other end gave back.
        """
        start = self._head
        fitting = min(len(tiles), len(self._tiles) - start)
        self._tiles[start : start + fitting] = tiles[:fitting]
        self._tiles[: len(tiles) - fitting] = tiles[fitting:]
        self._head = (start + len(tiles)) % len(self._tiles)
        self.free -= len(tiles)
        return start

    def read(self, start: int, count: int) -> NDArray[np.uint8]:
        """Supervisor's end: uint8 [count, 1, T, T]; a view while the tiles do not wrap round the end.

        Raises:
            ValueError: the worker named tiles that cannot be there.
        """
        if not (0 <= start < len(self._tiles) and 0 < count <= len(self._tiles)):
            raise ValueError(f"no {count} tiles at {start} in a ring of {len(self._tiles)}")
        if start + count <= len(self._tiles):
            return self._tiles[start : start + count]
        return self._tiles[np.arange(start, start + count) % len(self._tiles)]
