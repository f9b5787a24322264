"""Supervised workers: one document each, a deadline, exact blame, nothing else lost when one dies.

A worker that dies or hangs is blamed on the document it held; that document gets one more try in a fresh worker, and
is then given up with a notice.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Pipe

from semscan.engine.errors import DeviceError, NoticeCode
from semscan.engine.pdf import line, wire
from semscan.engine.pdf.slab import TILES_PER_SLAB, Ring, allocate
from semscan.engine.records import NoticeRecord

TASKS_PER_WORKER = 500
"""A worker is replaced after this many documents: MuPDF and Pillow never give all memory back."""

START_S = 60.0
"""Seconds that a worker may take to start, beside the deadline of its first document."""

TICK_S = 0.25
"""Longest silence before the consumer gets a turn, in seconds."""

KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Progressed:
    """Messages from the try number ``attempt`` at task ``key``; messages of earlier tries no longer count.

    ``worker`` is the serial number of the process that sent them.
    """

    key: int
    attempt: int
    messages: Sequence[wire.Message]
    worker: int = 0


@dataclass(slots=True)
class _Job:
    key: int
    task: wire.Task
    attempt: int = 1


class _Pause:
    """No task yet: the consumer has something to do first."""


class _NoMore:
    """The end of the tasks."""


_NO_MORE = _NoMore()


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    end: line.SupervisorEnd
    serial: int
    ready: bool = False
    job: _Job | None = None
    deadline: float = float("inf")
    served: int = 0


@dataclass(slots=True)
class Pool:
    """Worker processes; use as a context manager, leaving it ends them all.

    Attributes:
        jobs: number of workers.
        memory_mib: how far the address space of each may grow, in MiB.
        timeout_s: deadline of one document, in seconds.
        tile_px: side of the tiles that workers send, in pixels.
        slab_tiles: tiles that a worker may be ahead of the consumer, at least four times those of one panel.
        program: what a worker runs, as arguments of the interpreter.
    """

    jobs: int
    memory_mib: int
    timeout_s: float
    tile_px: int
    slab_tiles: int = TILES_PER_SLAB
    program: tuple[str, ...] = ("-m", "semscan.engine.pdf.worker")
    _workers: list[_Worker] = field(default_factory=list)
    _retries: deque[_Job] = field(default_factory=deque)
    _proved: bool = False
    _heard: _Worker | None = None
    _left: threading.Event = field(default_factory=threading.Event)
    _serials: Iterator[int] = field(default_factory=lambda: count(1))
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def __enter__(self) -> Pool:
        threading.Thread(target=self._watch, name="semscan-watch", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._left.set()
        for worker in self._workers:
            worker.end.connection.close()
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
        self._workers.clear()
        self._selector.close()

    def warm_up(self) -> None:
        """Start one worker ahead of the first document."""
        self._workers.append(self._start())

    def run(self, tasks: Iterator[tuple[int, wire.Task] | None]) -> Iterator[Progressed | None]:
        """Work through tasks; at most one per worker is in flight, so ``tasks`` is consumed as fast as it is served.

        Every task ends with exactly one :class:`wire.Done` message, whatever happened to its workers. The tiles of
        messages are valid until the next ones are asked for.

        Args:
            tasks: documents by key; a ``None`` among them gives the consumer a turn.

        Yields:
            Messages; ``None`` now and then while there are none, so that the consumer can do other things.

        Raises:
            DeviceError: not even the first worker starts, so no document can be blamed.
        """
        while True:
            while self._has_room() and (job := self._next(tasks)):
                if isinstance(job, _Pause):
                    yield None
                else:
                    self._hand(self._idle_worker(), job)
            busy = [worker for worker in self._workers if worker.job]
            if not busy:
                return
            ready = self._selector.select(self._patience(busy))
            if not ready:
                yield None
            for key, _ in ready:
                for progressed in self._listen(key.data):
                    handed_over = time.monotonic()
                    yield progressed
                    self._extend_deadlines(time.monotonic() - handed_over)
            now = time.monotonic()
            for worker in busy:
                if worker.job and worker.deadline <= now:
                    yield from self._give_up(worker, NoticeCode.TIMEOUT)

    def _next(self, tasks: Iterator[tuple[int, wire.Task] | None]) -> _Job | _Pause | None:
        if self._retries:
            return self._retries.popleft()
        asked = time.monotonic()
        following = next(tasks, _NO_MORE)
        self._extend_deadlines(time.monotonic() - asked)
        if following is None:
            return _Pause()
        return None if isinstance(following, _NoMore) else _Job(*following)

    def _extend_deadlines(self, seconds: float, of_all_but: _Worker | None = None) -> None:
        """Time that the consumer, the listing of inputs or a slow sender took is not held against those that waited."""
        for worker in self._workers:
            if worker is not of_all_but:
                worker.deadline += seconds

    def _patience(self, busy: list[_Worker]) -> float:
        return max(0.0, min(TICK_S, min(worker.deadline for worker in busy) - time.monotonic()))

    def _watch(self) -> None:
        """Kill a worker that sends half a message, or reads none: the supervisor would wait for it for ever."""
        while not self._left.wait(TICK_S):
            worker = self._heard
            if worker is not None and worker.deadline <= time.monotonic():
                worker.process.kill()

    def _has_room(self) -> bool:
        return len(self._workers) < self.jobs or any(not worker.job for worker in self._workers)

    def _idle_worker(self) -> _Worker:
        for worker in self._workers:
            if not worker.job:
                return worker
        self._workers.append(self._start())
        return self._workers[-1]

    def _start(self) -> _Worker:
        ours, theirs = Pipe(duplex=True)
        slab = allocate(self.slab_tiles, self.tile_px)
        environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        numbers = (theirs.fileno(), slab, self.tile_px, self.memory_mib)
        process = subprocess.Popen(
            [sys.executable, "-P", *self.program, *map(str, numbers)],
            pass_fds=[theirs.fileno(), slab],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # native libraries print what they like
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        end = line.SupervisorEnd(ours, Ring(slab, self.tile_px))
        os.close(slab)
        return _Worker(process, end, next(self._serials))

    def _hand(self, worker: _Worker, job: _Job) -> None:
        worker.job = job
        worker.deadline = time.monotonic() + self.timeout_s + (0.0 if worker.ready else START_S)
        self._selector.register(worker.end.connection, selectors.EVENT_READ, worker)
        try:
            with self._watched(worker):
                worker.end.send_task(job.task, at_once=job.attempt > 1)
        except OSError:
            worker.deadline = time.monotonic()  # it died while idle; found out on the next look at its pipe

    @contextlib.contextmanager
    def _watched(self, worker: _Worker) -> Iterator[None]:
        """While this lasts a worker that keeps the supervisor waiting is killed at its deadline."""
        self._heard = worker
        try:
            yield
        finally:
            self._heard = None

    def _listen(self, worker: _Worker) -> Iterator[Progressed]:
        job = worker.job
        if job is None:
            return
        began = time.monotonic()
        try:
            with self._watched(worker):
                messages = worker.end.receive()
        except (EOFError, OSError, KeyError, TypeError, ValueError, RecursionError):
            self._extend_deadlines(time.monotonic() - began, of_all_but=worker)
            late = worker.deadline <= time.monotonic()
            yield from self._give_up(worker, NoticeCode.TIMEOUT if late else NoticeCode.WORKER_CRASHED)
            return
        self._extend_deadlines(time.monotonic() - began, of_all_but=worker)
        last = messages[-1]
        if isinstance(last, wire.Ready) and not worker.ready:
            self._proved = worker.ready = True
            worker.deadline = time.monotonic() + self.timeout_s  # starting is not held against the document
            return
        if isinstance(last, wire.Done):
            self._selector.unregister(worker.end.connection)
            worker.job, worker.deadline = None, time.monotonic() + START_S
            worker.served += 1
            if worker.served >= TASKS_PER_WORKER:
                self._remove(worker)
        yield Progressed(job.key, job.attempt, messages, worker.serial)
        with contextlib.suppress(OSError), self._watched(worker):  # if it died, the next look at its pipe tells
            worker.end.release()

    def _give_up(self, worker: _Worker, code: NoticeCode) -> Iterator[Progressed]:
        job, worker.job = worker.job, None
        assert job is not None
        self._selector.unregister(worker.end.connection)
        exit_status = self._remove(worker)
        if not self._proved:
            raise DeviceError(
                f"worker processes do not start here: the first one ended with {_ending(exit_status)}",
                "semscan doctor checks the installation",
            )
        if job.attempt == 1:
            self._retries.append(_Job(job.key, job.task, attempt=2))
            return
        message = (
            f"the document took longer than {self.timeout_s:g} s"
            if code is NoticeCode.TIMEOUT
            else f"its worker process ended with {_ending(exit_status)}, twice"
        )
        notice = wire.Noted(NoticeRecord("error", code, job.task.path, message))
        yield Progressed(job.key, job.attempt, (notice, wire.Done()))

    def _remove(self, worker: _Worker) -> int:
        self._workers.remove(worker)
        worker.end.connection.close()
        if worker.process.poll() is None:
            try:
                worker.process.wait(0.2)  # it closed its pipe: let it report its own end, for the blame
            except subprocess.TimeoutExpired:
                worker.process.kill()
        return worker.process.wait()


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
