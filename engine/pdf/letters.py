"""Panel letters from the text of the page: ``a``, ``(a)``, ``A)``, ``a.`` set as type over a figure or beside it.

Letters that are part of the pixels are not read here. A page is full of single letters that are no panel letters (axis
labels, atoms, names of curves), so a letter counts only as one of a series, and the series only if it stands in one and
the same way to the panels: all at their top left corners, all centred below them, and so on. In doubt there is none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from semscan.engine.pdf.affine import Rect
from semscan.engine.pdf.captions import Block, caption_label

_LETTER = re.compile(r"(?P<open>[(\[])?(?P<letter>[A-Za-z])(?P<close>[)\]])?(?P<dot>[.:])?(?P<rest>\s.*)?", re.DOTALL)

MOST_PANELS = 400
"""Images with more panels have no letters."""

_LONGEST_TITLE, _MOST_TITLE_LINES = 60, 6
_MOST_LETTERS, _MOST_PICTURES = 200, 100
_FEWEST = 2
_REACH_PT = 24.0
_SAME_SIZE = 1.3
_CORNER_SHARE, _CENTRE_SHARE = 0.25, 0.12
_SLACK_PT = 3.0
_RIGHT_SHARE = 2 / 3
_CLEARLY = 0.6


class Letter(NamedTuple):
    """A letter and the box of its line on the displayed page, in points."""

    letter: str
    box: Rect


@dataclass(frozen=True, slots=True)
class FigureLetters:
    """The letters of one figure.

    Attributes:
        letters: a series without gaps, from the first one on.
        pictures: boxes of the images that make up the figure, in points.
    """

    letters: tuple[Letter, ...]
    pictures: tuple[Rect, ...]

    def of(self, panels: tuple[Rect, ...]) -> tuple[str | None, ...]:
        """The letter of each panel of one image.

        Args:
            panels: their boxes on the displayed page, in points.
        """
        if not 0 < len(panels) <= MOST_PANELS:
            return (None,) * len(panels)
        return _assigned(self, panels)


def figure_letters(
    blocks: Sequence[Block], labels: Sequence[str | None], pictures: Sequence[Rect]
) -> list[FigureLetters | None]:
    """The panel letters of the figure that each picture belongs to, if the text of the page has any.

    Args:
        blocks: the text of the page.
        labels: the figure of each picture, as its caption calls it.
        pictures: box of each picture on the displayed page, in points.
    """
    candidates = _candidates(blocks) if any(labels) else []
    if len(candidates) < _FEWEST:
        return [None] * len(pictures)
    figures: dict[str, FigureLetters | None] = {}
    for label in {label for label in labels if label is not None}:
        own = tuple(box for box, name in zip(pictures, labels, strict=True) if name == label)
        around = _grown(_hull(own), _REACH_PT)
        series = _series([found for found in candidates if _holds(around, _centre(found[1].box))])
        figures[label] = FigureLetters(series, own) if series and len(own) <= _MOST_PICTURES else None
    return [figures[label] if label is not None else None for label in labels]


def _candidates(blocks: Sequence[Block]) -> list[tuple[str, Letter]]:
    """Letters by the way they are written; the letter of a line is that which opens it, if it is short enough."""
    found: list[tuple[str, Letter]] = []
    for block in blocks:
        if caption_label(block.lines[0][0]) is not None or len(found) >= _MOST_LETTERS:
            continue
        prose = any(len(text) > _LONGEST_TITLE for text, _ in block.lines)
        titles = len(block.lines) <= _MOST_TITLE_LINES and _opens_title(block.lines[0][0])
        for (text, box), hidden in zip(block.lines, block.hidden, strict=True):
            match = None if hidden or prose else _LETTER.fullmatch(text.strip())
            if match is None:
                continue
            marks = "".join(match[name] or "" for name in ("open", "close", "dot"))
            if match["rest"] and not (titles and match["close"]):  # "A sample" is a word, "(a) sample" a letter
                continue
            found.append((f"{marks}{'A' if match['letter'].isupper() else 'a'}", Letter(match["letter"], box)))
    return found


def _opens_title(text: str) -> bool:
    match = _LETTER.fullmatch(text.strip())
    return match is not None and match["close"] is not None


def _series(candidates: Sequence[tuple[str, Letter]]) -> tuple[Letter, ...]:
    """The longest series of letters written alike; none if two are as long, or if a letter of it comes twice."""
    kinds: dict[str, list[Letter]] = {}
    for kind, letter in candidates:
        kinds.setdefault(kind, []).append(letter)
    runs = sorted((_run(letters) for letters in kinds.values()), key=len, reverse=True)
    if not runs or len(runs[0]) < _FEWEST or (len(runs) > 1 and len(runs[1]) == len(runs[0])):
        return ()
    return tuple(runs[0])


def _run(letters: Sequence[Letter]) -> list[Letter]:
    """a, b, c and so on, as far as each is there once and in one size."""
    run: list[Letter] = []
    for step in range(26):
        same = [found for found in letters if ord(found.letter.lower()) == ord("a") + step]
        if run:
            low, high = _high(run[0].box) / _SAME_SIZE, _high(run[0].box) * _SAME_SIZE
            same = [found for found in same if low <= _high(found.box) <= high]
        if not same:
            break
        if len(same) > 1:
            return []
        run += same
    return run


def _top_left(letter: Rect, panel: Rect) -> float:
    return _from_corner(letter, panel, panel[0], panel[1], outside=True)


def _top_right(letter: Rect, panel: Rect) -> float:
    return _from_corner(letter, panel, panel[2], panel[1], outside=False)


def _bottom_left(letter: Rect, panel: Rect) -> float:
    return _from_corner(letter, panel, panel[0], panel[3], outside=True)


def _bottom_right(letter: Rect, panel: Rect) -> float:
    return _from_corner(letter, panel, panel[2], panel[3], outside=False)


def _above(letter: Rect, panel: Rect) -> float:
    return _off_centre(letter, panel, panel[1] - letter[3])


def _below(letter: Rect, panel: Rect) -> float:
    return _off_centre(letter, panel, letter[1] - panel[3])


_WAYS: tuple[Callable[[Rect, Rect], float], ...] = (_top_left, _below, _above, _bottom_left, _top_right, _bottom_right)


def _from_corner(letter: Rect, panel: Rect, x: float, y: float, *, outside: bool) -> float:
    """How far a letter is from a corner of a panel, infinitely if it is not at it."""
    # A line that goes on with a title is placed by where it begins.
    centre = letter[0] + min(_high(letter), letter[2] - letter[0]) / 2, (letter[1] + letter[3]) / 2
    if not _holds(_grown(panel, _REACH_PT if outside else _SLACK_PT), centre):
        return math.inf
    dx, dy = abs(centre[0] - x), abs(centre[1] - y)
    if dx > max(_REACH_PT, _CORNER_SHARE * (panel[2] - panel[0])):
        return math.inf
    return math.inf if dy > max(_REACH_PT, _CORNER_SHARE * (panel[3] - panel[1])) else math.hypot(dx, dy)


def _off_centre(letter: Rect, panel: Rect, gap: float) -> float:
    aside = abs((letter[0] + letter[2] - panel[0] - panel[2]) / 2)
    if aside > _SLACK_PT + _CENTRE_SHARE * (panel[2] - panel[0]) or not -_SLACK_PT <= gap <= _REACH_PT:
        return math.inf
    return math.hypot(aside, gap)


class _Given(NamedTuple):
    """What comes of one way to place letters: the letter of each cell, and how many there are at which distance."""

    letters: tuple[str | None, ...]
    hits: int
    distance: float


@lru_cache(maxsize=16)
def _assigned(figure: FigureLetters, panels: tuple[Rect, ...]) -> tuple[str | None, ...]:
    """The letters of the panels by the way that suits most of the figure; none where two ways suit alike."""
    whole = _hull(panels)
    others = [box for box in figure.pictures if not _holds(whole, _centre(box)) and not _holds(box, _centre(whole))]
    cells = [*panels, *others]
    # What is inside another picture is that picture's business, which may have several panels itself.
    letters = [found for found in figure.letters if not any(_holds(box, _centre(found.box)) for box in others)]
    ways = sorted((_by(way, letters, cells) for way in _WAYS), key=lambda given: (-given.hits, given.distance))
    best, second = ways[:2]
    unclear = second.hits == best.hits and second.letters != best.letters
    if best.hits < _RIGHT_SHARE * len(letters) or (unclear and best.distance > _CLEARLY * second.distance):
        return (None,) * len(panels)
    # A box that holds two letters is two panels that were not told apart, so neither letter is its own.
    held = [sum(_holds(box, _centre(found.box)) for found in letters) for box in panels]
    return tuple(None if many > 1 else own for own, many in zip(best.letters, held, strict=False))


def _by(way: Callable[[Rect, Rect], float], letters: Sequence[Letter], cells: Sequence[Rect]) -> _Given:
    given: list[list[tuple[float, str]]] = [[] for _ in cells]
    for letter in letters:
        distance, cell = min((way(letter.box, box), index) for index, box in enumerate(cells))
        if distance < math.inf:
            given[cell].append((distance, letter.letter))
    alone = [found[0] if len(found) == 1 else None for found in given]
    distances = [found[0] for found in alone if found]
    mean = sum(distances) / len(distances) if distances else math.inf
    return _Given(tuple(found[1] if found else None for found in alone), len(distances), mean)


def _hull(boxes: Sequence[Rect]) -> Rect:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _grown(box: Rect, by: float) -> Rect:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _centre(box: Rect) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _holds(box: Rect, point: tuple[float, float]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _high(box: Rect) -> float:
    return box[3] - box[1]
