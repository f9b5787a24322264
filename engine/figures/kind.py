"""Is a panel an SEM micrograph? The first gate: measured features and a small multinomial logistic model.

It separates drawn graphics and coloured pictures well, and SEM from TEM only in part: both are grey, and what sets
them apart is what they show. So it leans towards SEM, and says ``uncertain`` rather than leave out a panel that may
be one: a panel left out in silence would hide what the user is looking for. The figures are in
``docs/results/kind_gate.md``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import ModelError
from semscan.engine.figures import features

FORMAT = 1
LARGEST_DEVIATION = 4.0
"""Standardised features are cut at this size, so that one odd number does not decide."""

_PAPER_SHARE = 0.3
_PAPER_FLAT_SHARE = 0.7
_LOWEST_ENTROPY = 2.5
_WHITE = 250


@dataclass(frozen=True, slots=True)
class Kind:
    """What a panel is taken for.

    Attributes:
        label: ``sem``, ``tem``, ``light``, ``fluorescence``, ``gel``, ``graphic``, ``other`` (element maps, scanning
            probe, diffraction, false colour) or ``uncertain``.
        p: the model's probability of that label; of the likeliest one when uncertain.
    """

    label: str
    p: float


def looks_like_micrograph(grey: NDArray[np.uint8]) -> bool:
    """Cheap first stage: false for what is plainly drawn, so that its colour need not be decoded.

    Drawn means: mostly flat with much paper white, or hardly more than a few grey levels. In the training data no
    SEM panel fails this test.

    Args:
        grey: uint8 [h, w], the panel.
    """
    if min(grey.shape) < features.BLOCK_PX:
        return True
    blocks = features.sample_blocks(grey)
    share = np.bincount(blocks.ravel(), minlength=256) / blocks.size
    seen = share[share > 0]
    if -float(seen @ np.log2(seen)) < _LOWEST_ENTROPY:
        return False
    if float(share[_WHITE:].sum()) < _PAPER_SHARE:
        return True
    left, right = blocks[:, :, :-1], blocks[:, :, 1:]
    return float(np.mean(np.maximum(left, right) - np.minimum(left, right) <= 1)) < _PAPER_FLAT_SHARE


@dataclass(frozen=True, slots=True, eq=False)
class KindGate:
    """The fitted model.

    Attributes:
        labels: names of the classes, ``sem`` among them.
        means: of the features, float64 [f].
        scales: of the features, float64 [f].
        weights: float64 [classes, 2 f], for the standardised features and for their squares over 4.
        biases: float64 [classes].
        sem_from: a panel whose probability of SEM is at least this is ``sem``.
        doubt_from: between this and ``sem_from`` it is ``uncertain``.
        label_from: below ``doubt_from``, the likeliest other label is given from this probability on.
    """

    labels: tuple[str, ...]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]
    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    sem_from: float
    doubt_from: float
    label_from: float

    @classmethod
    def load(cls) -> KindGate:
        """The gate that ships with the package."""
        return cls.from_json((files("semscan.engine.models") / "kind-0.json").read_text())

    @classmethod
    def from_json(cls, text: str) -> KindGate:
        """Read a fitted model.

        Raises:
            ModelError: not a model of this format, or fitted on features that this version does not measure.
        """
        try:
            stored = json.loads(text)
            form, names = stored["format"], stored["features"]
            labels = tuple(stored["labels"])
            means, scales, weights, biases = (
                np.array(stored[key], dtype=np.float64) for key in ("means", "scales", "weights", "biases")
            )
            sem_from, doubt_from, label_from = (float(stored[key]) for key in ("sem_from", "doubt_from", "label_from"))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"the SEM-or-not gate cannot be read: {error}", "reinstall semscan") from error
        if form != FORMAT:
            raise ModelError(f"the SEM-or-not gate has format {form}, not {FORMAT}", "update semscan")
        if names != list(features.NAMES):
            odd = sorted(set(names) ^ set(features.NAMES)) or ["another order"]
            raise ModelError(f"the SEM-or-not gate was fitted on other features: {', '.join(odd[:5])}", "fit it again")
        count, size = len(labels), len(features.NAMES)
        if [a.shape for a in (means, scales, weights, biases)] != [
            (size,),
            (size,),
            (count, 2 * size),
            (count,),
        ] or "sem" not in labels:
            raise ModelError("the parts of the SEM-or-not gate do not fit together", "fit it again")
        return cls(labels, means, scales, weights, biases, sem_from, doubt_from, label_from)

    def classify(self, grey: NDArray[np.uint8], colour: NDArray[np.uint8] | None) -> Kind:
        """Say what a panel is.

        Args:
            grey: uint8 [h, w], native pixels of the panel.
            colour: uint8 [h', w', 3], a smaller view of the panel; ``None`` for an image stored in grey.
        """
        if min(grey.shape) < features.BLOCK_PX:
            return Kind("uncertain", 0.0)
        measured = features.measure(grey, colour)
        return self.decide(self.probabilities(measured), bool(features.is_coloured(measured)))

    def probabilities(self, measured: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the labels from the features of one panel, float64 [classes]."""
        logits = self.weights @ expand(measured, self.means, self.scales) + self.biases
        odds = np.exp(logits - logits.max())
        shares: NDArray[np.float64] = odds / odds.sum()
        return shares

    def decide(self, probabilities: NDArray[np.float64], coloured: bool) -> Kind:
        """The label that the thresholds give to a panel with these probabilities.

        A coloured panel is never ``sem``: what looks like one is a false-colour version, or something else.
        """
        sem = self.labels.index("sem")
        p_sem, best = float(probabilities[sem]), int(probabilities.argmax())
        if p_sem >= self.sem_from and not coloured:
            return Kind("sem", p_sem)
        others = np.delete(np.arange(len(self.labels)), sem)
        likeliest = int(others[probabilities[others].argmax()])
        if p_sem >= self.doubt_from or probabilities[likeliest] < self.label_from:
            return Kind("uncertain", float(probabilities[best]))
        return Kind(self.labels[likeliest], float(probabilities[likeliest]))


def expand(
    measured: NDArray[np.float64], means: NDArray[np.float64], scales: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Inputs of the linear model: standardised features, cut, and their squares over 4.

    Args:
        measured: float64 [..., f].
        means: float64 [f].
        scales: float64 [f].

    Returns:
        float64 [..., 2 f].
    """
    standard = np.clip((measured - means) / scales, -LARGEST_DEVIATION, LARGEST_DEVIATION)
    return np.concatenate([standard, standard**2 / LARGEST_DEVIATION], axis=-1)
