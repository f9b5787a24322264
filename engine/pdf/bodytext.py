"""What the running text of a paper says of its figures: ``(Fig. 3a,b; SEM)``, ``Figure 4 shows optical micrographs``.

A sentence that refers to a figure and names a method is evidence like a caption, only weaker. Where the reference is in
brackets, or follows a word like ``in``, what precedes it counts: ``the SEM images (Fig. 1a) and the TEM images in
Fig. 1b``; where it is the subject, what follows; both reach as far as the next reference. A text that was read whole
and nowhere speaks of SEM, nor of anything that goes with it, is evidence as well. Text is hostile: pages, characters
and references are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from semscan.engine.pdf.captions import Block, caption_label
from semscan.engine.pdf.captiontext import figure_label, on_one_line
from semscan.engine.pdf.methods import Methods, expanded
from semscan.engine.pdf.methodwords import names_in

MOST_PAGES = 60
"""Further ones are not to be read."""

MOST_CHARACTERS = 400_000
"""Further ones are not read."""

FEWEST_CHARACTERS = 4000
"""A text with fewer of them in Latin words, such as that of a supplement, need not name what its pictures are."""

_MOST_REFERENCES = 1000
_REACH = 300
"""Characters that are looked at on each side of a reference."""

_JOINT = r"(?:,|;|&|and|und|to|[\u2010-\u2015-])"
_NUMBER = r"(?:[A-Z][.\-]?)?\d{1,3}(?:\.\d{1,2})?(?!\d)"
_LETTERS = rf"[A-Za-z](?:\s?{_JOINT}\s?[A-Za-z](?![A-Za-z]))*(?![A-Za-z])"
_REFERENCE = re.compile(
    r"(?<![A-Za-z])(?:(?P<prefix>Extended\s+Data|Supplementa(?:ry|l)|Supporting|Suppl?\.?|ESI)\s+)?"
    r"(?:[Ff]ig(?:ure)?|FIG(?:URE)?|Abb(?:ildung)?)(?P<plural>e?n?[sS]?)(?![A-Za-z])\s?\.?\s?(?=[A-Z]?[.\-]?\d)"
)
_ITEM = re.compile(rf"(?P<number>{_NUMBER})(?:\s?\((?P<held>{_LETTERS})\)|(?P<own>{_LETTERS}))?")
_MORE_LETTERS = re.compile(rf"\s?{_JOINT}\s?\((?P<held>{_LETTERS})\)")
_MORE_FIGURES = re.compile(rf",?\s?(?P<joint>{_JOINT})\s?(?=[A-Z]?[.\-]?\d)")
_RANGE = re.compile(r"to|[\u2010-\u2015-]")
_MOST_FIGURES, _MOST_LETTERS = 12, 26

_ENDS = re.compile(r"[.!?][\d,\u2013\[\]-]{0,9}\s+(?=[A-Z\u00c0-\u00de])")
_ABBREVIATED = re.compile(
    r"(?:\b(?:[Ff]igs?|FIGS?|Abb|al|e\.g|i\.e|ca|vs|cf|Eqs?|Refs?|resp|approx|No|Dr|Prof|St|Tab)|\b[A-Z])\Z"
)
_WITHIN = re.compile(r"\b(?:in|on|by|from|of|see|and|im?n?|aus)\s+(?:the\s+)?\Z", re.IGNORECASE)

_LATIN = re.compile(r"[A-Za-z]{2,}")
_GOES_WITH_SEM = (
    "electron micro", "electron-micro", "scanning electron", "scanning micro", "secondary electron", "backscatter",
    "back-scatter", "back scatter", "electron image", "electron beam", "ion beam", "ion micro", "energy dispersive",
    "energy-dispersive", "microprobe", "elektronenmikro", "rasterelektron", "\u00e9lectronique", "electr\u00f3nica",
    "eletr\u00f4nica", "elettronic", "elektronenstrahl", "elektronmikro",
)  # fmt: skip
_ACRONYMS = re.compile(r"SEM|\bFIB\b|\bEBSD\b|\bED[SX]|\bEDAX\b|\bBSED?\b|\bREM\b|\bME[BV]\b|\bEPMA\b")


class _Reference(NamedTuple):
    """A place where a text refers to figures: their labels, each with the panel letters that go with it."""

    start: int
    end: int
    figures: tuple[tuple[str, tuple[str, ...]], ...]


class _Item(NamedTuple):
    """A figure that is referred to."""

    number: str
    letters: tuple[str, ...]
    end: int


@dataclass(frozen=True, slots=True)
class Body:
    """What a text says.

    Attributes:
        figures: the methods that sentences name which refer to a figure, by its label; by letter where they do.
        silent: whether it is the whole text of a paper and speaks neither of SEM nor of anything that goes with it.
    """

    figures: Mapping[str, Methods] = field(default_factory=dict)
    silent: bool = False


def lines_in_print(blocks: Sequence[Block]) -> list[list[str]]:
    """The visible lines of each block of a page."""
    return [
        [text for (text, _), hidden in zip(block.lines, block.hidden, strict=True) if not hidden] for block in blocks
    ]


def read_body(pages: Iterable[Sequence[Sequence[str]] | None], *, whole: bool = True) -> Body:
    """Read a paper.

    Args:
        pages: the lines of each block of each, in order; ``None`` for a page that is not read.
        whole: whether these are all pages.
    """
    parts: list[str] = []
    left, speaks = MOST_CHARACTERS, False
    for blocks in pages:
        whole = whole and blocks is not None and left > 0
        if not left:
            break
        for lines in blocks or ():
            said = on_one_line(lines, left)
            left -= len(said)
            speaks = speaks or _speaks_of_sem(said)
            # Captions are read with their figures; what one says of another figure compares it with its own.
            if said and caption_label(lines[0]) is None:
                parts.append(said)
    text = " ".join(parts)
    latin = sum(map(len, _LATIN.findall(text))) if whole and left and not speaks else 0
    return Body(_figures(text), latin >= max(FEWEST_CHARACTERS, len(text) // 2))


def _speaks_of_sem(text: str) -> bool:
    lower = text.lower()
    return any(words in lower for words in _GOES_WITH_SEM) or _ACRONYMS.search(text) is not None


def _figures(text: str) -> dict[str, Methods]:
    """The methods that sentences name for the figures that they refer to, by label."""
    named: dict[str, set[str]] = {}
    lettered: dict[str, dict[str, frozenset[str]]] = {}
    whole: set[str] = set()
    for reference, methods in _said(text):
        for label, letters in reference.figures if methods else ():
            named.setdefault(label, set()).update(methods)
            own = lettered.setdefault(label, {})
            if not letters:
                whole.add(label)
            for letter in letters:
                own[letter] = own.get(letter, frozenset()) | methods
    return {
        label: Methods(frozenset(methods), lettered[label], whole=label in whole) for label, methods in named.items()
    }


def _said(text: str) -> Iterator[tuple[_Reference, frozenset[str]]]:
    """Every reference of a text, with the methods that its sentence names for it."""
    references = list(islice(_references(text), _MOST_REFERENCES))
    for at, reference in enumerate(references):
        begin = max(reference.start - _REACH, references[at - 1].end if at else 0)
        end = min(reference.end + _REACH, references[at + 1].start if at + 1 < len(references) else len(text))
        # What ends just before a reference is known by the reference itself.
        begin = max((ended.end() for ended in _sentence_ends(text, begin, reference.start + 1)), default=begin)
        end = min((ended.start() for ended in _sentence_ends(text, reference.end, end + 1)), default=end)
        before, after = text[begin : reference.start], text[reference.end : end]
        if before.rfind("(") > before.rfind(")"):
            yield reference, _named(f"{before} | {after.partition(')')[0]}")
        elif _WITHIN.search(before[-12:]) and (methods := _named(before)):
            yield reference, methods
        else:
            yield reference, _named(f"{before} | {after}")


def _named(text: str) -> frozenset[str]:
    return frozenset(name.method for name in names_in(text))


def _sentence_ends(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """Where sentences end in a part of a text, with what is between them and the next ones."""
    for found in _ENDS.finditer(text, start, end):
        if not _ABBREVIATED.search(text[max(found.start() - 8, 0) : found.start()]):
            yield found


def _references(text: str) -> Iterator[_Reference]:
    """Where a text refers to figures, in order; figures that are named together make one reference."""
    for found in _REFERENCE.finditer(text):
        figures: list[tuple[str, tuple[str, ...]]] = []
        end, last, joint = found.end(), "", ""
        for _ in range(_MOST_FIGURES):
            item = _item(text, end)
            # "Fig. 3a, 2 mm wide": only a plural goes on, or one lettered figure to the next.
            if item is None or (joint and not found["plural"] and not (item.letters and figures[-1][1])):
                break
            skipped = _between(last, item.number) if _RANGE.fullmatch(joint) else []
            named = [*((number, ()) for number in skipped), (item.number, item.letters)]
            figures += [(figure_label(found["prefix"], "Fig", number), letters) for number, letters in named]
            last, end = item.number, item.end
            follows = _MORE_FIGURES.match(text, end)
            if follows is None:
                break
            joint = follows["joint"]
            end = follows.end()
        if figures:
            yield _Reference(found.start(), end, tuple(figures))


def _item(text: str, start: int) -> _Item | None:
    """A figure's number with the letters that follow it."""
    found = _ITEM.match(text, start)
    if found is None:
        return None
    letters, end = expanded(found["held"] or found["own"] or ""), found.end()
    while len(letters) < _MOST_LETTERS and (more := _MORE_LETTERS.match(text, end)):
        letters, end = (*letters, *expanded(more["held"])), more.end()
    return _Item(found["number"], _rising(letters), end)


def _rising(letters: Sequence[str]) -> tuple[str, ...]:
    """Letters as far as they rise: of ``Fig. 3b, a`` the second one is a word."""
    stop = next((at for at in range(1, len(letters)) if letters[at] <= letters[at - 1]), len(letters))
    return tuple(letters[:stop])


def _between(first: str, last: str) -> list[str]:
    """The numbers between two numbers."""
    if not (first.isdecimal() and last.isdecimal()):
        return []
    return [str(number) for number in range(int(first) + 1, min(int(last), int(first) + _MOST_FIGURES))]
