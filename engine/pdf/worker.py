"""The process that opens hostile files: one document at a time, killable, with a memory cap and a deadline.

Started by :mod:`semscan.engine.pdf.pool` as ``python -m semscan.engine.pdf.worker PIPE_FD SLAB_FD TILE_PX MEMORY_MIB``.
A plain child process rather than :mod:`multiprocessing`: it never imports the caller's ``__main__`` and shares no
threads, locks or file descriptors with it.
"""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing.connection import Connection

from semscan.engine.errors import DocumentUnusable, NoticeCode
from semscan.engine.examine import Examiner
from semscan.engine.figures.memory import REMEMBERED_MIB
from semscan.engine.pdf import line, wire
from semscan.engine.pdf.confine import confine
from semscan.engine.pdf.slab import Ring
from semscan.engine.records import NoticeRecord

GRACE_S = 5.0
"""A worker whose supervisor died ends itself after its deadline plus this, in seconds of its own computing time."""


def main(argv: list[str]) -> None:
    """Serve tasks until the supervisor hangs up."""
    pipe, slab, tile_px, memory_mib = map(int, argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides what an interrupt means
    end = line.WorkerEnd(Connection(pipe), Ring(slab, tile_px))
    os.close(slab)
    examiner = Examiner()
    confine(memory_mib + REMEMBERED_MIB)  # what is remembered must not take room from a document
    end.send(wire.Ready())
    while True:
        try:
            task = end.receive_task()
            signal.setitimer(signal.ITIMER_PROF, task.timeout_s + GRACE_S)  # default action: the process ends
            serve(examiner, task, end)
        except (EOFError, BrokenPipeError):
            return
        signal.setitimer(signal.ITIMER_PROF, 0)


def serve(examiner: Examiner, task: wire.Task, end: line.WorkerEnd) -> None:
    """Examine one document; whatever is wrong with it becomes a message, the last one is :class:`wire.Done`."""
    done = wire.Done()
    try:
        done = examiner.examine(task, end.send)
    except DocumentUnusable as error:
        end.send(_failure(task, error.code, error.message))
    except MemoryError:
        end.send(_failure(task, NoticeCode.OUT_OF_MEMORY, "the document needs more memory than a worker may use"))
    end.send(done)


def _failure(task: wire.Task, code: NoticeCode, message: str) -> wire.Noted:
    return wire.Noted(NoticeRecord(severity="error", code=code, path=task.path, message=message))


if __name__ == "__main__":
    main(sys.argv)
