"""Is a panel an SEM micrograph? A small network on what is measured of it, and thresholds on what the network says.

A panel taken for SEM by mistake is scored against genuine SEM panels, which may raise a false flag; one left out by
mistake would hide what the user is looking for. So there is ``uncertain`` between the two: listed, not scored.
Electrons have no colour, so a coloured panel is never SEM, whatever the network says; colour is only decoded where the
grey levels leave that open. The figures are in ``docs/results/kind_gate.md``.

What the paper's words say counts where the network is in doubt (:mod:`semscan.engine.figures.evidence`). Anybody may
write words, so they never make a panel disappear from the list: they turn ``uncertain`` into ``sem``, or ``sem`` into
``uncertain``, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Set
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.engine.bundle import GATE
from semscan.engine.errors import ModelError
from semscan.engine.figures import texture
from semscan.engine.figures.kindnet import GateNetwork
from semscan.engine.figures.quality import is_coloured
from semscan.engine.figures.views import COLOUR_NAMES, PATCH_PX, colour_summary, take_views
from semscan.engine.pdf.methodwords import DERIVED, ELECTRON, GRAPH, MAP, SEM

NAME = GATE
FORMAT = 2
METADATA_KEY = "semscan_kind"
Colour = Callable[[], NDArray[np.uint8] | None]
"""Loads a small RGB view of a panel, uint8 [h, w, 3]; ``None`` for a panel stored in grey."""

NUMBERS = texture.NAMES + COLOUR_NAMES
"""What the network is given, in this order."""

CAPTION_ODDS = 10.0
"""What a plain caption is worth: it multiplies, or divides, the odds that a panel is SEM.

Set before it was tried on papers. Of panels that look like either, a caption that speaks of SEM only is perhaps ten
times as frequent with SEM panels as with others. With the gate's thresholds it makes SEM of every panel in doubt
(p from 0.06 on) and casts doubt on SEM panels below 0.86.
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a panel is taken for.

    Attributes:
        label: ``sem``, ``tem``, ``light`` (light microscopy, histology), ``fluorescence``, ``gel``, ``photograph``,
            ``graphic``, ``other`` (element maps, scanning probe, diffraction, false colour) or ``uncertain``.
        p: the model's probability of that label; of the likeliest one when uncertain.
        p_sem: the model's probability of SEM.
        margin: by how much the odds of SEM exceed those from which on a panel is ``sem``, where words may decide: at
            least 1 for ``sem``, less for ``uncertain``; 0 where they may not.
    """

    label: str
    p: float
    p_sem: float = 0.0
    margin: float = 0.0


def caption_says(named: Set[str], own: bool) -> str | None:
    """What the methods that a caption names mean for the kind of a micrograph.

    Plots do not count: the network knows them by their pixels. Neither do element maps and segmentations of the figure,
    which come with the micrograph that they belong to. An electron microscope that may scan or not says nothing.

    Args:
        named: methods, see :class:`semscan.engine.pdf.methods.Methods`.
        own: whether they are named for the panel alone.

    Returns:
        ``sem`` if it is SEM only, ``other`` if it is something else only, ``None`` where that is not plain.
    """
    if SEM in named:
        return "sem" if named <= {SEM, GRAPH, ELECTRON} else None
    others = named - ({GRAPH} if own else {GRAPH, MAP, DERIVED})
    return "other" if others and ELECTRON not in named else None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the network is given and says, and from which probability on a label is given.

    Attributes:
        numbers: names of the network's inputs.
        labels: names of its outputs, ``sem`` among them.
        sem_from: a panel whose probability of SEM is at least this is ``sem``.
        doubt_from: between this and ``sem_from`` it is ``uncertain``.
        label_from: below ``doubt_from``, the likeliest other label is given from this probability on.
    """

    numbers: tuple[str, ...]
    labels: tuple[str, ...]
    sem_from: float
    doubt_from: float
    label_from: float

    @classmethod
    def from_json(cls, text: str) -> Thresholds:
        """Read what is stored in the model file.

        Raises:
            ModelError: it is damaged or of another format.
        """
        try:
            stored = json.loads(text)
            form, numbers, labels = stored["format"], tuple(stored["numbers"]), tuple(stored["labels"])
            limits = [float(stored[key]) for key in ("sem_from", "doubt_from", "label_from")]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"the SEM-or-not gate cannot be read: {error}", "reinstall semscan") from error
        if form != FORMAT:
            raise ModelError(f"the SEM-or-not gate has format {form}, not {FORMAT}", "update semscan")
        if "sem" not in labels:
            raise ModelError("the SEM-or-not gate does not know SEM", "reinstall semscan")
        return cls(numbers, labels, *limits)

    def decide(self, probabilities: NDArray[np.float32], coloured: bool) -> Kind:
        """The label of a panel with these probabilities; a coloured one is never ``sem``."""
        sem = self.labels.index("sem")
        p_sem, best = float(probabilities[sem]), int(probabilities.argmax())
        margin = _odds(p_sem) / _odds(self.sem_from)
        if coloured or not 1 / CAPTION_ODDS <= margin < CAPTION_ODDS:
            margin = 0.0
        if p_sem >= self.sem_from and not coloured:
            return Kind("sem", p_sem, p_sem, margin)
        likeliest = max((i for i in range(len(self.labels)) if i != sem), key=lambda i: float(probabilities[i]))
        if p_sem >= self.doubt_from or probabilities[likeliest] < self.label_from:
            return Kind("uncertain", float(probabilities[best]), p_sem, margin)
        return Kind(self.labels[likeliest], float(probabilities[likeliest]), p_sem)


def _odds(p: float) -> float:
    return p / max(1 - p, 1e-9)


class KindGate:
    """The gate; its network is opened when the first panel comes.

    Args:
        path: of the model file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: tuple[GateNetwork, Thresholds] | None = None

    @classmethod
    def load(cls) -> KindGate:
        """The gate that ships with the package."""
        return cls(Path(str(files("semscan.engine.models") / f"{NAME}.onnx")))

    def open(self) -> tuple[GateNetwork, Thresholds]:
        """Open the model file, once.

        Raises:
            ModelError: the file is missing, damaged, or is given other numbers than this version measures.
        """
        if self._opened is None:
            network = GateNetwork(self._path)
            thresholds = Thresholds.from_json(network.metadata.get(METADATA_KEY, "{}"))
            if thresholds.numbers != NUMBERS or network.width != len(NUMBERS):
                odd = sorted(set(thresholds.numbers) ^ set(NUMBERS)) or ["another order"]
                raise ModelError(f"{self._path} is given other numbers: {', '.join(odd[:5])}", "reinstall semscan")
            self._opened = network, thresholds
        return self._opened

    def classify(self, grey: NDArray[np.uint8], colour: Colour) -> Kind:
        """Say what a panel is.

        Args:
            grey: uint8 [h, w], native pixels of the panel.
            colour: called only where the grey levels do not tell already that the panel is no SEM micrograph.
        """
        if min(grey.shape) < PATCH_PX:
            return Kind("uncertain", 0.0)
        network, thresholds = self.open()
        numbers = np.zeros(len(NUMBERS), np.float32)
        numbers[: len(texture.NAMES)] = texture.texture_summary(take_views(grey))
        kind = thresholds.decide(network.probabilities(numbers), coloured=False)
        if kind.label not in ("sem", "uncertain"):
            return kind
        view = colour()
        if view is None or not is_coloured(view):
            return kind
        numbers[len(texture.NAMES) :] = colour_summary(view)
        return thresholds.decide(network.probabilities(numbers), coloured=True)
