"""Where the time of a scan went: counters that a caller may hand in and read afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class ScanStats:
    """Totals of one scan, filled while it runs.

    Attributes:
        seconds: wall seconds by stage, summed over workers: ``open``, ``place``, ``decode``, ``split``, ``gate``,
            ``letters``, ``tile`` in the workers; ``infer`` in the inference thread; ``write`` is the consumer's.
        documents: documents finished.
        images: images whose pixels could be had, decoded or remembered.
        panels: panels found.
        tiles: tiles of the assessed panels, scored or remembered.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    documents: int = 0
    images: int = 0
    panels: int = 0
    tiles: int = 0

    def add(self, seconds: dict[str, float]) -> None:
        """Add stage times."""
        for stage, value in seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + value


class Stopwatch:
    """Sums the time spent in named stages of one document."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside the ``with`` block towards ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
