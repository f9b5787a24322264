"""Panels of a set after a channel, judged once and remembered in the run's folder for every part that asks again."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.training.evaluation.judge import Judge, Measured, open_judge
from semscan.training.evaluation.operations import OPERATIONS, operate
from semscan.training.evaluation.parts import Context
from semscan.training.evaluation.sets import load_set
from semscan.training.panels import Panel, through
from semscan.training.scoring import Scores

GRID = [
    (name, channel)
    for channel in ("png", "q75", "in_pdf")
    for name in ("reconstructed", "genuine", "genuine_small", "packs_test", "packs_train", "remade")
]
"""What nearly every part needs: measured first, so that parts that run at the same time do not do it twice."""


class Lab:
    """The detector, the sets and what was measured of them.

    Args:
        context: of the evaluation.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.judge: Judge = open_judge(context.recipe, context.run_dir)
        self._sets: dict[str, list[Panel]] = {}

    def panels(self, name: str) -> list[Panel]:
        """One of :data:`semscan.training.evaluation.sets.SETS`."""
        if name not in self._sets:
            self._sets[name] = load_set(self.context, name)
        return self._sets[name]

    def measured(self, name: str, channel: str) -> Measured:
        """A set after a channel of :func:`semscan.training.panels.through` or after one of the operations."""
        panels = self.panels(name)
        path = self._path(name, channel)
        if path.is_file():
            with np.load(path) as stored:
                raw = Scores(stored["logit"], stored["smoothness"], None, stored["assessed"])
                qualities = [None if q < 0 else int(q) for q in stored["quality"]]
            return self.judge.rejudge(raw, qualities)
        told: list[int | None] = []

        def pictures() -> Iterator[NDArray[np.uint8]]:
            for panel in panels:
                grey, quality = send(panel, channel)
                told.append(quality)
                yield grey

        raw = self.judge.scorer.score(pictures())
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.stem}.{os.getpid()}.npz")
        quality = np.array([-1 if q is None else q for q in told])
        assessed = np.ones(len(told), bool) if raw.assessed is None else raw.assessed
        np.savez(part, logit=raw.logit, smoothness=raw.smoothness, assessed=assessed, quality=quality)
        part.replace(path)
        return self.judge.rejudge(raw, told)

    def _path(self, name: str, channel: str) -> Path:
        # A set's digest of scores: its panels' seeds and makers, so that other panels are never taken for these.
        about = zlib.crc32(repr([(p.seed, p.decoder, p.grey.shape) for p in self.panels(name)]).encode())
        return self.context.folder / "scores" / self.judge.digest[:12] / f"{name}-{channel}-{about:08x}.npz"


def send(panel: Panel, channel: str) -> tuple[NDArray[np.uint8], int | None]:
    """A panel after a channel or an operation, and its last JPEG quality."""
    return operate(panel, channel) if channel in OPERATIONS else through(panel, channel)
