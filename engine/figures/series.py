"""Panel letters that are part of the pixels: believed as a series over the panels of an image, never one by one.

A micrograph is full of shapes like ``c``, ``o`` or ``l``, and of letters that name something else. What panels are
called by stands in one corner of all of them, and goes up in reading order, by rows or by columns. So the letters of an
image are the chain of readings that says this best; a panel whose reading is not part of it has no letter, and an
image with a doubtful chain has none at all.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.corners import Shapes
from semscan.engine.geometry import Box

MOST_PANELS = 60
"""Images with more panels have no letters that are read."""

CASES = 26
CLASSES = 2 * CASES + 1
_LEAST = 0.08
_CHANCE = 0.03
_STEP_COST, _MOST_STEPS, _START_COST = 1.3, 3, 0.8
_STRONG, _SURE = 0.75, 0.93
_LEAST_SCORE, _LINKS, _LINKS_OF_OTHERS = 6.5, 2, 3
_REPEATED = 3
_CONTRADICTED = 0.34
_FEW, _LARGE = 4, 1.4
_AROUND, _ASKED_BY, _DOUBTFUL = 2, 2, 0.3
_ALIGNED = 0.3
_OUTSHONE = 0.5
_UPPER_OR_LOWER = frozenset("couvwsxzkp")


class _Reading(NamedTuple):
    """A letter that a panel may have: ``place`` in reading order, ``step`` from a, probability, and the shape."""

    place: int
    step: int
    p: float
    shape: int


@dataclass(frozen=True, slots=True)
class Series:
    """The letters of an image's panels.

    Attributes:
        letters: of each panel.
        score: how plain the series is; to be compared with that of other corners.
    """

    letters: tuple[str | None, ...]
    score: float

    @property
    def count(self) -> int:
        """Panels that have one."""
        return sum(letter is not None for letter in self.letters)


def read_series(panels: Sequence[Box], shapes: Shapes, said: NDArray[np.float32]) -> Series:
    """The letters of the panels of one image.

    Args:
        panels: in reading order.
        shapes: what may be letters.
        said: float32 [n, 53], the network's probabilities of a to z, A to Z, and of no letter.
    """
    best = Series((None,) * len(panels), 0.0)
    if not 1 < len(panels) <= MOST_PANELS or not len(shapes):
        return best
    known = _readings(len(panels), shapes, said)
    for order in _orders(panels):
        found = _series([panels[index] for index in order], order, known, shapes, said)
        if found.score > best.score:
            best = found
    return best


def _orders(panels: Sequence[Box]) -> list[list[int]]:
    """Orders that letters may follow: as given, by rows of like upper edges, by columns of like left edges."""
    tall, wide = (
        sorted(values)[len(panels) // 2] for values in zip(*((p.height, p.width) for p in panels), strict=True)
    )
    orders = [list(range(len(panels)))]
    for rows in (True, False):
        lines = _lines([p.y0 if rows else p.x0 for p in panels], _ALIGNED * (tall if rows else wide))
        orders.append(sorted(range(len(panels)), key=lambda i: (lines[i], panels[i].x0 if rows else panels[i].y0)))
    return [order for index, order in enumerate(orders) if order not in orders[:index]]


def _lines(edges: Sequence[int], slack: float) -> list[int]:
    """The number of the line that each edge belongs to, where edges closer than ``slack`` to the first are one line."""
    lines, first, line = [0] * len(edges), -math.inf, -1
    for index in sorted(range(len(edges)), key=edges.__getitem__):
        if edges[index] > first + slack:
            first, line = edges[index], line + 1
        lines[index] = line
    return lines


def _readings(count: int, shapes: Shapes, said: NDArray[np.float32]) -> list[list[tuple[int, float, int]]]:
    """For each panel its possible letters: step from a, probability, shape."""
    either = said[:, :CASES] + said[:, CASES : 2 * CASES]
    known: list[list[tuple[int, float, int]]] = [[] for _ in range(count)]
    for shape, step in np.argwhere(either >= _LEAST).tolist():
        known[shapes.panel[shape]].append((step, float(either[shape, step]), shape))
    for index, found in enumerate(known):
        best: dict[int, tuple[int, float, int]] = {}
        for one in found:
            if one[0] not in best or best[one[0]][1] < one[1]:
                best[one[0]] = one
        most = max((p for _, p, _ in best.values()), default=0.0)
        known[index] = [one for one in best.values() if one[1] >= min(_STRONG, _OUTSHONE * most)]
    # What stands in the same corner of several panels is a word or a unit.
    plain = Counter(step for found in known for step, p, _ in found if p >= _STRONG)
    return [[one for one in found if plain[one[0]] < _REPEATED] for found in known]


def _series(
    panels: Sequence[Box],
    order: Sequence[int],
    known: Sequence[list[tuple[int, float, int]]],
    shapes: Shapes,
    said: NDArray[np.float32],
) -> Series:
    """The letters of panels that are sorted, where ``order`` says which of the image's panels each of them is."""
    nothing = Series((None,) * len(known), 0.0)
    readings = [_Reading(place, step, p, shape) for place, panel in enumerate(order) for step, p, shape in known[panel]]
    chain, score = _best_chain(readings)
    if not (_is_plain(chain, score, readings) or (len(known) <= _FEW and _is_pair(chain))):
        return nothing
    if _between_rows(chain, panels, shapes):
        return nothing
    kept = [reading for reading in _confirmed(chain) if not _holds_more(reading, chain, panels)]
    upper = _is_upper(kept, said)
    letters: list[str | None] = [None] * len(known)
    for reading in kept:
        letter = chr(ord("a") + reading.step)
        own = bool(said[reading.shape, CASES + reading.step] > said[reading.shape, reading.step])
        letters[order[reading.place]] = letter.upper() if (own if upper is None else upper) else letter
    return Series(tuple(letters), score)


def _is_plain(chain: Sequence[_Reading], score: float, readings: Sequence[_Reading]) -> bool:
    """Whether a chain is long and strong enough, and stronger than what contradicts it."""
    strong = sum(reading.p >= _STRONG for reading in chain)
    believed = {reading.place: reading.p for reading in chain}
    against = len({r.place for r in readings if r.p >= _SURE and r.p > believed.get(r.place, 0.0)})
    if score < _LEAST_SCORE or 2 * strong < len(chain) or against > _CONTRADICTED * strong:
        return False
    links = sum(_linked(one, other) for one, other in pairwise(chain))
    from_a = chain[0].step in (0, chain[0].place)  # or as it would be if all before were seen
    return links >= (_LINKS if from_a else _LINKS_OF_OTHERS)


def _linked(one: _Reading, other: _Reading) -> bool:
    """Whether two members are as far apart as their letters, or plainly follow each other with something between."""
    if other.step - one.step == other.place - one.place:
        return True
    return other.step - one.step == 1 and min(one.p, other.p) >= _SURE


def _is_pair(chain: Sequence[_Reading]) -> bool:
    """Whether two panels, one after the other, plainly have the letters of their places."""
    sure = len(chain) == 2 and all(r.p >= _SURE and r.step == r.place for r in chain)
    return sure and chain[1].step - chain[0].step == 1


def _between_rows(chain: Sequence[_Reading], panels: Sequence[Box], shapes: Shapes) -> bool:
    """Whether letters stand beside the panels, where the next row has its own, and do not begin as their places do."""
    beside = 0
    for reading in chain:
        x0, y0, x1, y1 = shapes.boxes[reading.shape].tolist()
        box = panels[reading.place]
        beside += not (box.x0 <= (x0 + x1) / 2 <= box.x1 and box.y0 <= (y0 + y1) / 2 <= box.y1)
    return 2 * beside > len(chain) and chain[0].step != chain[0].place


def _holds_more(reading: _Reading, chain: Sequence[_Reading], panels: Sequence[Box]) -> bool:
    """Whether a panel seems to be two that were not told apart: it is large, and the letter after its own misses."""
    after = [other for other in chain if other.place == reading.place + 1 and other.step > reading.step + 1]
    area = panels[reading.place].width * panels[reading.place].height
    middle = sorted(panel.width * panel.height for panel in panels)[len(panels) // 2]
    return bool(after) and area >= _LARGE * middle


def _best_chain(readings: Sequence[_Reading]) -> tuple[list[_Reading], float]:
    """The chain of rising letters at rising places that says most, and what it says."""
    scores: list[float] = []
    before: list[int] = []
    for index, reading in enumerate(readings):
        best, link = -(0.0 if reading.step == reading.place else _START_COST), -1
        for other in range(index):
            earlier = readings[other]
            if earlier.place >= reading.place or earlier.step >= reading.step:
                continue
            odd = abs(reading.step - earlier.step - reading.place + earlier.place)
            value = scores[other] - _STEP_COST * min(odd, _MOST_STEPS)
            if value > best:
                best, link = value, other
        scores.append(best + math.log(reading.p / _CHANCE))
        before.append(link)
    if not scores:
        return [], 0.0
    at = max(range(len(scores)), key=scores.__getitem__)
    score, chain = scores[at], []
    while at >= 0:
        chain.append(readings[at])
        at = before[at]
    return chain[::-1], score


def _confirmed(chain: Sequence[_Reading]) -> list[_Reading]:
    """Members of the chain that are plain themselves, or less so, but just what the plain ones around them ask for."""
    kept = []
    for index, reading in enumerate(chain):
        around = [*chain[max(index - _AROUND, 0) : index], *chain[index + 1 : index + 1 + _AROUND]]
        plain = [other for other in around if other.p >= _STRONG]
        fit = sum(other.step - other.place == reading.step - reading.place for other in plain)
        asked_for = fit >= _ASKED_BY and fit == len(plain)
        if reading.p >= (_DOUBTFUL if asked_for else _STRONG if fit else _SURE):
            kept.append(reading)
    return kept


def _is_upper(chain: Sequence[_Reading], said: NDArray[np.float32]) -> bool | None:
    """Whether the series is in capitals; ``None`` if it is mixed."""
    plain = [r for r in chain if chr(ord("a") + r.step) not in _UPPER_OR_LOWER] or list(chain)
    upper = [bool(said[r.shape, CASES + r.step] > said[r.shape, r.step]) for r in plain]
    share = sum(upper) / max(1, len(upper))
    return True if share >= 0.75 else False if share <= 0.25 else None
