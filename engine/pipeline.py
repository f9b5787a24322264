"""A scan from the outside: load the model, prove the runtime, stream records."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from queue import SimpleQueue
from typing import TypeAlias

from semscan import __version__
from semscan.engine.backends import Backend
from semscan.engine.backends.choice import choose
from semscan.engine.backends.memory import HalvingBackend
from semscan.engine.bundle import GATE, LETTERS, Bundle, load_bundle, network_sha256
from semscan.engine.errors import NoticeCode, UsageError
from semscan.engine.flow import Flow
from semscan.engine.intervals import sources_needed
from semscan.engine.journal import Journal
from semscan.engine.opened import Progress
from semscan.engine.options import ScanOptions
from semscan.engine.pdf.pool import Pool
from semscan.engine.records import CalibrationId, ModelId, NoticeRecord, Record, RunRecord, Tool
from semscan.engine.reference import load_reference, open_reference
from semscan.engine.selftest import open_proved
from semscan.engine.stats import ScanStats

Paths: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def scan(
    paths: Paths,
    options: ScanOptions | None = None,
    *,
    argv: Sequence[str] = (),
    progress: Callable[[Progress], None] | None = None,
    stats: ScanStats | None = None,
    backend: Backend | None = None,
    journal: Journal | None = None,
    stop: Callable[[], bool] = bool,
    judge: bool = True,
) -> Iterator[Record]:
    """Scan files and folders.

    Args:
        paths: one path or several: PDFs, images, folders.
        options: see :class:`ScanOptions`.
        argv: command line to note in the run record.
        progress: called after every document.
        stats: filled with counts and stage times.
        backend: a runtime to use instead of the model's own; its scores are not checked against golden tiles.
        journal: an earlier run to continue: its documents are told again and not done again.
        stop: asked before each document; once it says yes, the documents in hand are finished, no other is taken, and
            the summary's exit code is 130.
        judge: whether to compare scores with a genuine reference; otherwise every panel with tiles has a score and
            none is flagged, which is how a reference is counted.

    Yields:
        A :class:`RunRecord`; for each document, when it is finished, its :class:`DocumentRecord`, its panels in the
        order of the document and its notices; a :class:`SummaryRecord` at the end.

    Raises:
        SemscanError: the run was refused before anything was scanned.

    >>> from semscan.engine.records import SummaryRecord
    >>> for record in scan("examples/paper.pdf"):  # doctest: +SKIP
    ...     if isinstance(record, SummaryRecord):
    ...         print(record.panels["flagged"], "flagged,", record.expected_flags, "expected")
    """
    options = options or ScanOptions()
    bundle = load_bundle(options.model)
    if not judge:
        bundle, rate = replace(bundle, calibration=open_reference(bundle)), 0.0
    else:
        if options.calibration is not None:
            bundle = replace(bundle, calibration=load_reference(options.calibration, bundle))
        rate = _rate(bundle, options)
    choice = choose(options.device, options.backend, options.precision)
    with Pool(options.worker_count(), options.memory_mib, options.timeout_s, bundle.tile_px) as pool:
        pool.warm_up()  # while this process loads the runtime
        said: SimpleQueue[NoticeRecord] = SimpleQueue()
        tell = partial(_say, said)
        if backend is None:
            proved = open_proved(bundle, choice, options.batch_size, tell)
            backends, why = proved.backends, "; ".join(filter(None, (choice.why, proved.how))) or None
        else:
            backends, why = (HalvingBackend(backend, partial(tell, backend.device)),), None
        run = _run_record(bundle, backends, options, rate, argv, why)
        if journal:
            run = journal.start(run)
        yield run
        listed = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        flow = Flow(bundle, backends, options, rate, pool, progress, stats or ScanStats(), journal, stop, said)
        yield from flow.records(listed, run.run_id)


def _rate(bundle: Bundle, options: ScanOptions) -> float:
    """The rate to flag at.

    Raises:
        UsageError: the calibration has too few independent sources for the rate that was asked for.
    """
    calibration = bundle.calibration
    bound = calibration.smallest_bound()
    supported = calibration.supported_rate()
    fewest = min(stratum.sources for stratum in calibration.strata.values())
    what = bundle.id if options.calibration is None else calibration.id
    if options.fpr is None:
        if supported is None:
            raise UsageError(
                f"{what} is calibrated on too few independent genuine sources ({fewest}): they bound the rate of false "
                f"flags at {bound:.2f} only",
                f"a rate of 5 % needs {sources_needed(0.05)} sources; or say --fpr with a larger rate",
            )
        return supported
    if options.fpr < bound:
        raise UsageError(
            f"--fpr {options.fpr:g} is below what {what} can support: its {fewest} independent genuine sources bound "
            f"the rate at {bound:.3f} with 95 % confidence",
            f"use --fpr {supported or bound:.2g}, or a calibration on {sources_needed(options.fpr)} sources",
        )
    return options.fpr


def _say(said: SimpleQueue[NoticeRecord], device: str, message: str) -> None:
    said.put(NoticeRecord("warning", NoticeCode.BATCH_HALVED, device, message))


def _run_record(
    bundle: Bundle, backends: Sequence[Backend], options: ScanOptions, rate: float, argv: Sequence[str], why: str | None
) -> RunRecord:
    calibration = bundle.calibration
    return RunRecord(
        run_id=uuid.uuid4().hex,
        tool=Tool(__version__),
        model=ModelId(bundle.id, bundle.sha256, bundle.caution),
        calibration=CalibrationId(calibration.id, calibration.n, calibration.sources),
        policy={"fpr_per_panel": rate, **options.to_json()},
        argv=tuple(argv),
        device=",".join(one.device for one in backends),
        backend=backends[0].name,
        precision=backends[0].precision,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        gate=ModelId(GATE, network_sha256(GATE)),
        chosen=why,
        letters=ModelId(LETTERS, network_sha256(LETTERS)),
    )
