"""The stream of a scan: workers' messages > panels > batches > tail fractions > records, in bounded memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from queue import SimpleQueue
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from semscan.engine.aggregate import Waiting, outside_reference, scored
from semscan.engine.backends import Backend
from semscan.engine.batcher import Batcher
from semscan.engine.bundle import Bundle
from semscan.engine.errors import Reason
from semscan.engine.journal import Group, Journal
from semscan.engine.opened import OpenDocument, Progress
from semscan.engine.options import ScanOptions
from semscan.engine.pdf import wire
from semscan.engine.pdf.pool import Pool, Progressed
from semscan.engine.records import NoticeRecord, Record
from semscan.engine.scored import ScoredOnce
from semscan.engine.sources import Intake
from semscan.engine.stats import ScanStats, Stopwatch
from semscan.engine.tally import Tally

_PanelKey: TypeAlias = tuple[int, int, str]
"""Document, try, panel."""


class Flow:
    """What happens between the workers' messages and the records of one scan.

    Args:
        bundle: the model.
        backends: its runtime, once for each device.
        options: the rules.
        rate: share of genuine panels that may be flagged.
        pool: the workers.
        progress: called after every document.
        stats: filled while the scan runs.
        journal: what an earlier run did; not done again, but counted.
        stop: asked before each document; once it says yes, those in hand are finished and no other is taken.
        said: what the runtime has to tell the user, put in from any thread.
    """

    def __init__(
        self,
        bundle: Bundle,
        backends: Sequence[Backend],
        options: ScanOptions,
        rate: float,
        pool: Pool,
        progress: Callable[[Progress], None] | None,
        stats: ScanStats,
        journal: Journal | None = None,
        stop: Callable[[], bool] = bool,
        said: SimpleQueue[NoticeRecord] | None = None,
    ) -> None:
        self._bundle, self._options, self._rate, self._pool = bundle, options, rate, pool
        self._progress, self._stats, self._journal = progress, stats, journal
        self._stop = stop
        timed = [_Timed(backend) for backend in backends]
        self._timed, self._said = timed, said or SimpleQueue()
        batcher: Batcher[_PanelKey] = Batcher(timed, options.batch_size, bundle.tile_px)
        self._scorer = ScoredOnce(batcher)
        self._tally = Tally(bundle.calibration, rate)
        self._open: dict[int, OpenDocument] = {}
        self._found = self._kept = 0
        self._all_found = False
        self._refused: list[NoticeRecord] = []
        self._earlier: list[Group] = []
        self._intake = Intake(options)

    def records(self, paths: Iterable[str | os.PathLike[str]], run_id: str) -> Iterator[Record]:
        """All records after the first, those of documents that an earlier run did among them."""
        try:
            for progressed in self._pool.run(self._tasks(paths)):
                yield from self._pass_on()
                if progressed is None:
                    self._score(self._scorer.poll())
                else:
                    self._take(progressed)
                yield from self._close_finished()
            self._score(self._scorer.flush())
            yield from self._close_finished()
            yield from self._pass_on()
        finally:
            self._scorer.close()
            self._intake.close()
            for backend in self._timed:
                self._stats.add(backend.watch.seconds)
        yield self._tally.summary(run_id)

    def _tasks(self, paths: Iterable[str | os.PathLike[str]]) -> Iterator[tuple[int, wire.Task] | None]:
        options = self._options
        for source in self._intake.documents(paths):
            if self._stop():
                self._tally.interrupted = True
                return
            if isinstance(source, NoticeRecord):
                self._refused.append(source)
                yield None
                continue
            if self._journal and (kept := self._journal.kept(source)):
                self._intake.release(source)
                self._earlier.append(kept)
                self._kept += 1
                yield None
                continue
            key = self._found
            self._found += 1
            self._open[key] = OpenDocument(source, time.monotonic())
            yield key, wire.Task.for_document(source, options, self._bundle.tile_px)
        self._all_found = True
        if self._journal:
            self._journal.finish()

    def _pass_on(self) -> Iterator[Record]:
        """What came of inputs that no worker is needed for, documents that an earlier run did, words of the runtime."""
        while not self._said.empty():
            notice = self._said.get()
            self._tally.remarks.append(notice.message)
            yield notice
        for notice in self._refused:
            self._tally.add_notice(notice)
            yield notice
        self._refused.clear()
        for document, panels, notices in self._earlier:
            self._tally.add_document(document, panels, notices)
            yield document
            yield from panels
            yield from notices
            self._report_progress()
        self._earlier.clear()

    def _take(self, progressed: Progressed) -> None:
        """Messages of a worker."""
        key, document = progressed.key, self._open[progressed.key]
        if progressed.attempt != document.attempt:
            document.restart(progressed.attempt)
        for message in progressed.messages:
            if isinstance(message, wire.Found):
                self._take_panel(key, document, message, progressed.worker)
            elif isinstance(message, wire.Opened):
                document.doc_id, document.pages = message.doc_id, message.pages
            elif isinstance(message, wire.Named):
                document.named = message
            elif isinstance(message, wire.Noted):
                document.notices.append(message.notice)
            elif isinstance(message, wire.Done):
                document.done = message
                self._intake.release(document.source)
                self._stats.add(message.seconds)
                self._stats.images += message.images

    def _take_panel(self, key: int, document: OpenDocument, found: wire.Found, worker: int) -> None:
        record = found.record
        if record.panel_id in document.panels:
            return  # ids are unique; a worker that was taken over may not confuse the counting
        self._stats.panels += 1
        calibration = self._bundle.calibration
        reference = self._bundle.id if self._options.calibration is None else calibration.id, calibration
        if found.tiles is not None and (why := outside_reference(found.stratum, found.smoothness, *reference)):
            record = replace(record, status="not_assessed", reason=Reason.BELOW_QUALITY_FLOOR, detail=why, tiles=None)
        document.panels[record.panel_id] = record
        if record.status == "assessed" and found.tiles is not None:
            document.pending[record.panel_id] = Waiting(found.stratum, found.smoothness, found.places)
            self._stats.tiles += len(found.tiles)
            # Per worker: one must not be able to name the tiles of another. The number, so that it cannot be wrong.
            name = None if found.token is None else (worker, found.token, len(found.tiles))
            self._score(self._scorer.add((key, document.attempt, record.panel_id), found.tiles, name))

    def _score(self, done: Iterable[tuple[_PanelKey, NDArray[np.float32]]]) -> None:
        """Panels whose last tile was scored."""
        tile_px, calibration = self._bundle.tile_px, self._bundle.calibration
        for (key, attempt, panel_id), logits in done:
            document = self._open.get(key)
            if document is None or document.attempt != attempt:
                continue  # the worker died after sending this panel, and the document was tried again
            record, waiting = document.panels[panel_id], document.pending.pop(panel_id)
            document.panels[panel_id] = scored(record, waiting, logits, tile_px, calibration, self._rate)

    def _close_finished(self) -> Iterator[Record]:
        for key in [key for key, document in self._open.items() if document.done and not document.pending]:
            document = self._open.pop(key)
            document.compare(self._bundle.calibration)
            record = document.record(self._rate)
            panels = document.panels.values()
            self._stats.documents += 1
            self._tally.add_document(record, panels, document.notices)
            yield record
            yield from panels
            yield from document.notices
            self._report_progress()

    def _report_progress(self) -> None:
        if self._progress is None:
            return
        tally = self._tally
        total = self._found + self._kept if self._all_found else None
        found = tally.panels["assessed"] + tally.panels["not_assessed"] + tally.panels["other"]
        done = tally.read + tally.failed
        flagged = tally.panels["flagged"]
        self._progress(Progress(done, total, found, flagged, tally.failed, tally.expected, dict(tally.errors)))


class _Timed:
    """A backend whose time is counted."""

    def __init__(self, backend: Backend) -> None:
        self._backend, self.watch = backend, Stopwatch()
        self.name, self.device, self.precision, self.how = backend.name, backend.device, backend.precision, backend.how

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self.watch.stage("infer"):
            return self._backend.infer(tiles)
