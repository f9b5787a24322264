"""What a worker gives up before it opens its first hostile document."""

from __future__ import annotations

import ctypes
import resource
import signal
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_NO_NEW_PRIVS = 38


def confine(memory_mib: int) -> None:
    """Give up memory beyond a cap, writing files, core dumps, and on Linux new privileges and the network.

    The cap, the ban on writing and on core dumps are resource limits and hold wherever the system knows them. The
    network is given up by moving into an empty network namespace, which some systems and containers forbid: then the
    worker keeps it, but nothing in it ever opens a connection.

    Args:
        memory_mib: how far the address space may grow from here, in MiB (Linux; elsewhere the deadline must do).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit is an error, not the end
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.unshare(_CLONE_NEWNET) != 0:
            libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + memory_mib * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
