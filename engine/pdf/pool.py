"""Supervised workers: one document each, a deadline, exact blame, nothing else lost when one dies.

A worker that dies or hangs is blamed on the document it held; that document gets one more try in a fresh worker, and
is then given up with a notice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait

from semscan.engine.errors import NoticeCode
from semscan.engine.pdf import wire
from semscan.engine.records import NoticeRecord

TASKS_PER_WORKER = 500
"""A worker is replaced after this many documents: MuPDF and Pillow never give all memory back."""

KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Progressed:
    """A message from the try number ``attempt`` at task ``key``; messages of earlier tries no longer count."""

    key: int
    attempt: int
    message: wire.Message


@dataclass(slots=True)
class _Job:
    key: int
    task: wire.Task
    attempt: int = 1


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
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
        program: what a worker runs, as arguments of the interpreter.
    """

    jobs: int
    memory_mib: int
    timeout_s: float
    program: tuple[str, ...] = ("-m", "semscan.engine.pdf.worker")
    _workers: list[_Worker] = field(default_factory=list)
    _retries: deque[_Job] = field(default_factory=deque)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.connection.close()
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
        self._workers.clear()

    def warm_up(self) -> None:
        """Start one worker ahead of the first document."""
        self._workers.append(self._start())

    def run(self, tasks: Iterator[tuple[int, wire.Task]]) -> Iterator[Progressed]:
        """Work through tasks; at most one per worker is in flight, so ``tasks`` is consumed as fast as it is served.

        Every task ends with exactly one :class:`wire.Done` message, whatever happened to its workers.
        """
        while True:
            while self._has_room() and (job := self._next(tasks)):
                self._hand(self._idle_worker(), job)
            busy = {w.connection: w for w in self._workers if w.job}
            if not busy:
                return
            for connection in wait(list(busy), self._patience(busy)):
                for progressed in self._listen(busy[connection]):  # type: ignore[index]
                    handed_over = time.monotonic()
                    yield progressed
                    self._extend_deadlines(time.monotonic() - handed_over)
            for worker in busy.values():
                if worker.job and worker.deadline <= time.monotonic():
                    yield from self._give_up(worker, NoticeCode.TIMEOUT)

    def _next(self, tasks: Iterator[tuple[int, wire.Task]]) -> _Job | None:
        if self._retries:
            return self._retries.popleft()
        following = next(tasks, None)
        return None if following is None else _Job(*following)

    def _extend_deadlines(self, seconds: float) -> None:
        """Time that the consumer took is not held against the documents that waited for it."""
        for worker in self._workers:
            worker.deadline += seconds

    def _patience(self, busy: dict[Connection, _Worker]) -> float:
        return max(0.0, min(w.deadline for w in busy.values()) - time.monotonic())

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
        environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-P", *self.program, str(theirs.fileno()), str(self.memory_mib)]
        process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # native libraries print what they like
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        return _Worker(process, ours)

    def _hand(self, worker: _Worker, job: _Job) -> None:
        worker.job = job
        worker.deadline = time.monotonic() + self.timeout_s
        try:
            wire.send_task(worker.connection, job.task)
        except OSError:
            worker.deadline = time.monotonic()  # it died while idle; found out on the next look at its pipe

    def _listen(self, worker: _Worker) -> Iterator[Progressed]:
        job = worker.job
        if job is None:
            return
        try:
            message = wire.receive(worker.connection)
        except (EOFError, OSError, KeyError, TypeError, ValueError):
            yield from self._give_up(worker, NoticeCode.WORKER_CRASHED)
            return
        if isinstance(message, wire.Done):
            worker.job, worker.deadline = None, float("inf")
            worker.served += 1
            if worker.served >= TASKS_PER_WORKER:
                self._remove(worker)
        yield Progressed(job.key, job.attempt, message)

    def _give_up(self, worker: _Worker, code: NoticeCode) -> Iterator[Progressed]:
        job = worker.job
        assert job is not None
        exit_status = self._remove(worker)
        if job.attempt == 1:
            self._retries.append(_Job(job.key, job.task, attempt=2))
            return
        message = (
            f"the document took longer than {self.timeout_s:g} s"
            if code is NoticeCode.TIMEOUT
            else f"its worker process ended with {_ending(exit_status)}, twice"
        )
        yield Progressed(job.key, job.attempt, wire.Noted(NoticeRecord("error", code, job.task.path, message)))
        yield Progressed(job.key, job.attempt, wire.Done())

    def _remove(self, worker: _Worker) -> int:
        self._workers.remove(worker)
        worker.connection.close()
        if worker.process.poll() is None:
            try:
                worker.process.wait(0.2)  # it closed its pipe: let it report its own end, for the blame
            except subprocess.TimeoutExpired:
                worker.process.kill()
        return worker.process.wait()


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
