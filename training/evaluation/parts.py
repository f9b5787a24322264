"""What a part of the evaluation is, and which parts there are.

A part answers one question, such as "which share of genuine panels is flagged". It is a module with a constant
``PART``, of type :class:`Part`, named in :data:`MODULES`. ``PART.measure`` takes a :class:`Context` and returns a
dictionary of JSON values, which is written to ``<run>/evaluation/<key>.json``; ``PART.render`` makes Markdown of that
dictionary alone, so that the page can be written again without measuring again. Two parts may run at the same time, in
two processes: a part writes only its own files, draws all that is random from seeds of its own, and uses one thread.

To add a part: write the module, put its key and name into :data:`MODULES`, return ``verdict`` (from :func:`verdict`) if
the part belongs to the table of aims. A part that cannot measure, because weights or data are not there, returns
:func:`not_measured` and renders like every other.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semscan.training.detector import DetectorRecipe

Result = dict[str, Any]

MODULES = {
    "T0": "semscan.training.replica",
    "T1": "semscan.training.evaluation.seen",
    "T2": "semscan.training.evaluation.held_generator",
    "T3": "semscan.training.evaluation.held_family",
    "T4": "semscan.training.evaluation.false_flags",
    "T5": "semscan.training.evaluation.foreign",
    "T6": "semscan.training.evaluation.in_pdf",
    "T7": "semscan.training.evaluation.local",
    "T8": "semscan.training.evaluation.benign",
    "T9": "semscan.training.blot_test",
    "sweeps": "semscan.training.evaluation.sweeps",
    "probes": "semscan.training.evaluation.probes",
    "metadata": "semscan.training.probes",
    "networks": "semscan.training.evaluation.networks",
    "classical": "semscan.training.classical",
    "leaks": "semscan.training.evaluation.leaks",
}
"""The parts in the order of the page: key and the module that holds ``PART``."""

STATES = ("aim", "least", "missed", "reported", "not measured")
"""How a measurement relates to what was wanted; ``reported`` where no number was asked for."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a part is given; it travels between processes.

    Attributes:
        recipe: of the detector.
        run_dir: the detector's run folder; parts keep what they want to find again in ``folder``.
        root: data folder, from :func:`semscan.training.data.data_root`.
        weights: folder with the small weights that evaluation needs, ``training/weights`` unless a test says else.
        packs: folder with the packs of generated tiles; those in ``packs / "test"`` saw test sources only.
        plots: folder for pictures that the page shows; its name begins the links. No genuine pixels in there.
    """

    recipe: DetectorRecipe
    run_dir: Path
    root: Path
    weights: Path
    packs: Path
    plots: Path

    @property
    def folder(self) -> Path:
        """``<run>/evaluation``: results of the parts, cached panels and scores, sheets with genuine pixels."""
        return self.run_dir / "evaluation"


@dataclass(frozen=True, slots=True)
class Part:
    """One question.

    Attributes:
        key: short name, as in :data:`MODULES`.
        title: heading on the page.
        measure: finds the answer; JSON values only, no NaN.
        render: Markdown lines of an answer, without the heading.
        aim: what was wanted, in words; empty for a part outside the table of aims.
        least: what must hold, or else the page says that it does not.
        depends_on_model: whether another detector gives another answer; the others are kept when it changes.
        uses: patterns of files among the weights that the part reads beside the panels; it is done again when one
            changes, comes or goes.
    """

    key: str
    title: str
    measure: Callable[[Context], Result]
    render: Callable[[Result], list[str]]
    aim: str = ""
    least: str = ""
    depends_on_model: bool = True
    uses: tuple[str, ...] = ()


def load_part(key: str) -> Part | None:
    """The part of a key; ``None`` when its module does not exist."""
    name = MODULES[key]
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None
    part: Part = module.PART
    return part


def verdict(measured: str, state: str) -> Result:
    """The entry ``verdict`` of a result.

    Args:
        measured: number with its interval and n, in words.
        state: one of :data:`STATES`.

    Raises:
        ValueError: the state is none of them.
    """
    if state not in STATES:
        raise ValueError(f"{state!r} is none of {STATES}")
    return {"measured": measured, "state": state}


def not_measured(why: str) -> Result:
    """The result of a part that could not measure."""
    return {"not_measured": why, "verdict": verdict(why, "not measured")}
