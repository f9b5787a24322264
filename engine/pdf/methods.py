"""Which methods a caption names, and for which of its panels: ``(a) TEM, (b,c) FESEM micrographs``.

Letters are believed only where the caption uses them in one way, all before or all after what they stand for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from semscan.engine.pdf.methodwords import Name, names_in

_LETTERS = r"[A-Za-z](?:\s?(?:[,&\u2010-\u2015-]|and|und|et|to)\s?[A-Za-z](?![A-Za-z]))*"
_MARK = re.compile(rf"[(\[]({_LETTERS})[)\]]|(?<![A-Za-z(\[])([A-Za-z])\)")
_OPEN_MARK = re.compile(rf"(?:^|(?<=[.;:|,] )|(?<=and ))({_LETTERS})(?=[,:.]? [^\W_])")
_LETTER = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])")
_BETWEEN_MARKS = re.compile(r"\s*(?:,|;|&|and|und|et|to|-|[\u2010-\u2015])?\s*")
_RANGE = re.compile(r"to|[\u2010-\u2015-]")
_REFERS = re.compile(r"\b(?:in|of|from|to|than|as|see|by|panel|panels)\s*\Z")
_AFTERWARDS = re.compile(r"\s*(?:[.,;)\]]|and\b|und\b|et\b|\Z)")
_BEGINS = re.compile(r"(?:^|[.:;|,])\s*\Z")
_OPENS = re.compile(r"[.:;]\s*\Z")  # "(a), (b) SEM. (c), (d). TEM": what begins a sentence is not of the one before
_SEPARATES = re.compile(r".*(?:[.;:,|]|\band\b|\bund\b|\bet\b)", re.DOTALL)
_SENTENCE = re.compile(r".*[.;]", re.DOTALL)
_SCALE_BARS = re.compile(r"(?:^|(?<=[.;:|]\s))(?:(?:All|The) )?[Ss]cale[ -]?[Bb]ars?\b.*?(?:\.(?=\s[^\sa-z])|\Z)")
"""A sentence on scale bars: its letters are not where the panels are told of."""
_MOST_MARKS = 200


@dataclass(frozen=True, slots=True)
class Methods:
    """What a caption names.

    Attributes:
        all: every method of the caption: ``sem``, ``tem``, ``electron``, ``light``, ``fluorescence``, ``probe``,
            ``xray``, ``gel``, ``photograph``, ``map``, ``derived``, ``graph``.
        letters: those of panels of which it says which they are, by letter in lower case.
        count: how many letters it uses, from ``a`` on; known only where it names several methods.
        whole: whether some of it is said of the figure as a whole; known only of a running text.
    """

    all: frozenset[str] = frozenset()
    letters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    count: int = 0
    whole: bool = False

    def of(self, letter: str | None) -> tuple[frozenset[str], bool]:
        """What is named for a panel, and whether for it alone; without a letter, or a word on it, all that is named."""
        own = self.letters.get(letter.lower()) if letter else None
        return (self.all, False) if own is None else (own, True)


NOTHING_NAMED = Methods()


@dataclass(frozen=True, slots=True)
class _Mark:
    """Letters in a caption, and where they stand."""

    letters: tuple[str, ...]
    start: int
    end: int


def methods_named(text: str) -> Methods:
    """Read a caption.

    Args:
        text: of the caption without its label, on one line; its length bounds the time.
    """
    names = names_in(text)
    every = frozenset(name.method for name in names)
    marks = _marks(text) if len(every) > 1 else []  # with one method alone letters tell nothing
    if not marks:
        return Methods(every)
    count = _count(marks)
    after = _after(text, names, marks)
    if all(after):
        return Methods(every, _letters_last(names, marks), count)
    return Methods(every) if any(after) else Methods(every, _letters_first(text, names, marks), count)


def _after(text: str, names: Sequence[Name], marks: Sequence[_Mark]) -> list[bool]:
    """Of each mark whether it stands after what it is of."""
    if not _opened(text, marks[0]):
        return [False] * len(marks)
    begins = _BEGINS.search(text[: marks[0].start][-3:]) is not None
    ends = set() if begins else {name.end for name in names}
    return [
        (_AFTERWARDS.match(text, mark.end) is not None and not _OPENS.search(text[: mark.start][-3:]))
        or not ends.isdisjoint((mark.start, mark.start - 1))
        for mark in marks
    ]


def _opened(text: str, mark: _Mark) -> bool:
    """Whether a mark is in brackets, not ``a)`` or ``a,``."""
    return text[mark.start] in "(["


def _marks(text: str) -> list[_Mark]:
    """The letters that a caption gives its panels, from ``a`` on; none if it is not clear which are."""
    text = _SCALE_BARS.sub(lambda found: " " * len(found[0]), text)
    # Captions with bare letters may put them in brackets where they refer to panels.
    ways = _in_order(text, _MARK), _in_order(text, _OPEN_MARK)
    best = max(ways, key=lambda marks: (_count(marks), -marks[0].start if marks else 0))
    return best if _count(best) > 1 else []


def _count(marks: Sequence[_Mark]) -> int:
    return len({letter for mark in marks for letter in mark.letters})


def _in_order(text: str, pattern: re.Pattern[str]) -> list[_Mark]:
    marks: list[_Mark] = []
    highest = 0
    for found in pattern.finditer(text):
        letters = expanded(found[found.lastindex or 1])
        last = marks[-1] if marks else None
        joint = (
            text[last.end : found.start()] if last and _BETWEEN_MARKS.fullmatch(text, last.end, found.start()) else None
        )
        if last and letters and joint and _RANGE.fullmatch(joint.strip()):
            letters = expanded(f"{last.letters[-1]}-{letters[0]}") + letters[1:]
        places = [ord(letter) - ord("a") + 1 for letter in letters]
        if not places or min(places) > highest + 1 or len(marks) == _MOST_MARKS:
            continue  # "image(s)", "(T)"
        if max(places) <= highest and _REFERS.search(text[: found.start()][-12:]):
            continue  # "the area marked in (a)"
        highest = max(highest, *places)
        if last and joint is not None:
            marks[-1] = _Mark(tuple(dict.fromkeys((*last.letters, *letters))), last.start, found.end())
        else:
            marks.append(_Mark(letters, found.start(), found.end()))
    return marks


def expanded(letters: str) -> tuple[str, ...]:
    """``a, c-e`` is a, c, d, e."""
    found: list[str] = []
    end = 0
    for one in _LETTER.finditer(letters):
        letter = one[0].lower()
        between = letters[end : one.start()].strip()
        if found and _RANGE.fullmatch(between):
            found += [chr(code) for code in range(ord(found[-1]) + 1, ord(letter))]
        found.append(letter)
        end = one.end()
    return tuple(dict.fromkeys(found))


def _letters_last(names: Sequence[Name], marks: Sequence[_Mark]) -> dict[str, frozenset[str]]:
    """``SEM images of A (a) and B (b); TEM image of C (c)``: what is named last holds until something else is."""
    given: dict[str, frozenset[str]] = {}
    before, own = 0, frozenset[str]()
    for mark in marks:
        own = _within(names, before, mark.start) or own
        _give(given, mark, own)
        before = mark.end
    return given


def _letters_first(text: str, names: Sequence[Name], marks: Sequence[_Mark]) -> dict[str, frozenset[str]]:
    """``(a) SEM image of A, (b) TEM image``; but in ``SEM images of (a) A, (b) B; TEM of (c) C`` a lead holds."""
    given: dict[str, frozenset[str]] = {}
    lead = _within(names, 0, marks[0].start)
    for mark, then in zip(marks, [*(mark.start for mark in marks[1:]), len(text)], strict=True):
        end = then
        if then < len(text):
            # What leads to the next letters is what follows the last comma, or the sentence before a colon.
            separators = _SENTENCE if text[mark.end : then].rstrip().endswith(":") else _SEPARATES
            separated = separators.match(text, mark.end, then)
            if separated and text[separated.end() : then].strip():
                end = separated.end()
        _give(given, mark, _within(names, mark.end, end) or lead)
        lead = _within(names, end, then) or lead
    return given


def _give(given: dict[str, frozenset[str]], mark: _Mark, methods: frozenset[str]) -> None:
    if methods:
        for letter in mark.letters:
            given[letter] = given.get(letter, frozenset()) | methods


def _within(names: Sequence[Name], start: int, end: int) -> frozenset[str]:
    return frozenset(name.method for name in names if start <= name.start < end)
