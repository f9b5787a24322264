"""Which methods a caption names, and for which of its panels: ``(a) TEM, (b,c) FESEM micrographs``.

Words that stand for SEM and do not mean it are told apart: the standard error of a mean, STEM, electron backscatter
diffraction. Letters are believed only where the caption uses them in one way, all before or all after what they stand
for. Text is hostile: expressions look at a bounded number of characters from each word on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

SEM = "sem"
ELECTRON = "electron"
"""An electron microscope, of which the caption does not say whether it scans."""
GRAPH = "graph"
"""Plots, spectra, diffraction patterns and drawings."""
MAP = "map"
BARE, ERROR = "SEM alone", "standard error"

_PICTURE = r"(?:[ -]?(?:photomicrographs?|micrographs?|photographs?|photos?|pictures?|images?|Aufnahmen?|Bild(?:er)?))?"

# Of expressions that begin at the same word the first one that fits is taken. Acronyms count in capitals only.
_ACRONYMS: tuple[tuple[str, str], ...] = (
    (MAP, r"EBSD|EBSP|TKD|IPF"),
    ("tem", r"(?:(?:HAADF|LAADF|ABF|ADF|BF|DF|HR|AC|Cs|SEM)[ -]?(?:in-)?)?STEM(?! [Cc][Ee][Ll][Ll])" + _PICTURE),
    ("tem", r"(?:(?:HR|EF|FE|cryo|Cryo|BF|DF)[ -]?)?TEM" + _PICTURE + r"|t-?SEM|HAADF|SAED|[Cc]ryo-?EM"),
    (ERROR, r"S\.E\.M\.?|SE of the mean"),
    (SEM, r"(?:(?:FEG?|P?FIB|LV|HV|VP|UHR|HR|SBF|BSE?|SE|CL|cryo|Cryo)[ /-]?|E)SEMs?" + _PICTURE + r"|ECCI|BSED?|MEB"),
    (SEM, r"SE\d? (?:images?|micrographs?|mode|detector)|REM[ -]?(?=Auf|Bild|Mik|Unt)" + _PICTURE),
    (BARE, r"SEMs?" + _PICTURE),
    ("probe", r"AFM|STM|KPFM|MFM"),
    ("light", r"H ?& ?E|P?OM(?= image| micro)"),
    ("fluorescence", r"CLSM|LSCM(?= image| micro)|DAPI|FISH"),
    ("xray", r"CT(?= (?:imag|scan|slice|recon|volume))|XCT|MRI|(?:micro|nano|[\u03bc\u00b5Xx])[ -]?CT"),
    (GRAPH, r"XRP?D|PXRD|XPS|FTIR|EDXS?|EDS|EELS|NMR|TGA"),
)
_WORDS: tuple[tuple[str, str], ...] = (
    (MAP, r"electron back-?scatter(?:ed|ing)? diffraction"),
    ("tem", r"scanning[ -]?transmission[ -]electron" + _PICTURE),
    ("tem", r"electron tomogra|negative(?:ly)?[ -]stain|high-angle annular"),
    ("tem", r"transmissions?[ -]?ele[ck]tron(?:en)?|cryo-?electron|\u00e9lectronique (?:en|\u00e0|par) transmission"),
    ("tem", r"transmission(?= (?:and|or) scanning electron)"),
    (SEM, r"scanning(?= (?:and|or) transmission electron)|rasterelektronen|\u00e9lectronique \u00e0 balayage"),
    (SEM, r"scanning[ -]+(?:electron|ion|helium)(?:[ -](?:micro|photo|image)\w{0,12})?|fib[ /-]tomogra"),
    (SEM, r"secondary[ -]electrons?|back-?scattere?d?[ -]electrons?|serial block-?face|electron channell?ing contrast"),
    (SEM, r"field[ -]emission (?:electron )?micro"),
    (ERROR, r"s\.e\.m\.?|standard errors?|standardfehler"),
    (GRAPH, r"electron (?:diffraction|density)|(?:x-?ray )?fluorescence (?:spectr|intensit|emission|lifetime|decay)"),
    (ELECTRON, r"electron[ -](?:optical )?(?:(?:photo)?micro(?:graph|scop)|images?)|elektronenmikroskop"),
    ("probe", r"atomic[ -]force|scanning[ -](?:probe|tunnell?ing)|kelvin probe|magnetic force|rasterkraft"),
    (GRAPH, r"x-?ray fluorescence|x-?ray (?:diffract|photoelectron|absorption)|diffracto|diffraction pattern"),
    ("fluorescence", r"(?:auto|immuno|epi)?-?fluorescence|confocal|laser[ -]scanning micro|two-photon micro|konfokal"),
    ("light", r"optical[ -](?:light )?(?:(?:photo)?micro(?:graph|scop)|images?)|light[ -]micro|bright-?[ ]?field"),
    ("light", r"optical(?=,? (?:\(\w\),? )?(?:and|or|&) )|light(?= (?:and|or) (?:scanning |transmission )?electron)"),
    ("light", r"dark-?[ ]?field|phase[ -]contrast|stereo-?[ ]?micro|differential interference|photomicrogra|histolog"),
    ("light", r"polari[sz]ed[ -](?:light|optical) (?:micro|imag)|metallographic (?:micro|imag)"),
    ("light", r"ha?ematoxylin|lichtmikroskop|microscop\w{0,4} optique"),
    ("gel", r"autoradiogra|electrophoresis|electrophoretic (?:gel|mobility)|sds-page"),
    ("gel", r"(?:western|northern|southern|immuno|dot)[ -]?blot|blots?(?![a-z])"),
    ("xray", r"x-?ray (?:micro-?|nano-?|computed )?(?:phase[ -]contrast|tomogra|ct(?![a-z]))"),
    ("xray", r"x-?ray (?:micro-?|nano-?|computed )?(?:imag|radiogra|microgra|microsc)"),
    ("xray", r"computed (?:micro-?)?tomogra|(?:micro|nano)-?ct(?![a-z])|radiogra|magnetic resonance imag"),
    ("xray", r"ultrasound imag|ultrasonogra"),
    (GRAPH, r"heat-?[ ]?maps?(?![a-z])"),
    (MAP, r"maps?(?![a-z])|mapping|cathodoluminescence"),
    ("photograph", r"photograph|photos?(?![a-z])|digital (?:camera|images?)|camera images?|digital(?= (?:and|or) )"),
    (GRAPH, r"spectr(?:a|um|oscop)|plot|histogram|size distribution|schema|illustrat|diagram|graphs?(?![a-z])"),
)
_BEFORE, _AFTER = 60, 40
_ERROR_BEFORE = re.compile(
    r"\u00b1|\+ ?/ ?[\u2212\u2013-]|\berror bars?|(?<!scale )\bbars? (?:represent|indicate|show|denote|are|correspond)"
    r"|\bmeans?[ (]*(?:and|with|or|,)?[ (]*\Z"
)
_ERROR_AFTER = re.compile(
    r"\W{0,3}(?:n ?[=>\u2265]|of (?:the )?means?\b|of n\b"
    r"|(?:of|from|for|in) (?:\w+ ){0,2}(?:independent|replic|triplic|experim|measurem|determin))"
)
_PERHAPS_ERROR = re.compile(r"\bmeans?\b|\baverages?\b")

_LETTERS = r"[A-Za-z](?:\s?(?:[,&\u2010-\u2015-]|and|und|et|to)\s?[A-Za-z](?![A-Za-z]))*"
_MARK = re.compile(rf"[(\[]({_LETTERS})[)\]]|(?<![A-Za-z(\[])([A-Za-z])\)")
_OPEN_MARK = re.compile(rf"(?:^|(?<=[.;:|,] )|(?<=and ))({_LETTERS})(?=[,:.]? [^\W_])")
_LETTER = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])")
_BETWEEN_MARKS = re.compile(r"\s*(?:,|;|&|and|und|et|to|-|[\u2010-\u2015])?\s*")
_RANGE = re.compile(r"to|[\u2010-\u2015-]")
_REFERS = re.compile(r"\b(?:in|of|from|to|than|as|see|by|panel|panels)\s*\Z")
_AFTERWARDS = re.compile(r"\s*(?:[.,;)\]]|and\b|und\b|et\b|\Z)")
_BEGINS = re.compile(r"(?:^|[.:;|,])\s*\Z")
_SEPARATES = re.compile(r".*(?:[.;:,|]|\band\b|\bund\b|\bet\b)", re.DOTALL)
_SENTENCE = re.compile(r".*[.;]", re.DOTALL)
_MOST_MARKS = 200


@dataclass(frozen=True, slots=True)
class Methods:
    """What a caption names.

    Attributes:
        all: every method of the caption: ``sem``, ``tem``, ``electron``, ``light``, ``fluorescence``, ``probe``,
            ``xray``, ``gel``, ``photograph``, ``map``, ``graph``.
        letters: those of panels of which it says which they are, by letter in lower case.
    """

    all: frozenset[str] = frozenset()
    letters: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, letter: str | None) -> tuple[frozenset[str], bool]:
        """What is named for a panel, and whether for it alone; without a letter, or a word on it, all that is named."""
        own = self.letters.get(letter.lower()) if letter else None
        return (self.all, False) if own is None else (own, True)


@dataclass(frozen=True, slots=True)
class _Mark:
    """Letters in a caption, and where they stand."""

    letters: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Name:
    """A method where a caption names it."""

    start: int
    end: int
    method: str


def methods_named(text: str) -> Methods:
    """Read a caption.

    Args:
        text: of the caption without its label, on one line; its length bounds the time.
    """
    names = _names(text)
    every = frozenset(name.method for name in names)
    marks = _marks(text) if len(every) > 1 else []  # with one method alone letters tell nothing
    if not marks:
        return Methods(every)
    after = _after(text, names, marks)
    if all(after):
        return Methods(every, _letters_last(names, marks))
    return Methods(every) if any(after) else Methods(every, _letters_first(text, names, marks))


def _after(text: str, names: Sequence[_Name], marks: Sequence[_Mark]) -> list[bool]:
    """Of each mark whether it stands after what it is of."""
    if not _opened(text, marks[0]):
        return [False] * len(marks)
    begins = _BEGINS.search(text[: marks[0].start][-3:]) is not None
    ends = set() if begins else {name.end for name in names}
    return [
        _AFTERWARDS.match(text, mark.end) is not None or not ends.isdisjoint((mark.start, mark.start - 1))
        for mark in marks
    ]


def _opened(text: str, mark: _Mark) -> bool:
    """Whether a mark is in brackets, not ``a)`` or ``a,``."""
    return text[mark.start] in "(["


def _names(text: str) -> list[_Name]:
    """The methods that are named, in their order."""
    lower = text.replace("\u0130", "I").lower()  # the one letter that becomes two, and would move all places
    both = [_first(text, found.start(), capitals=True) for found in _find(True).finditer(text)]
    both += [_first(lower, found.start(), capitals=False) for found in _find(False).finditer(lower)]
    stated = any(name.method == ERROR for name in both)
    names: list[_Name] = []
    end = 0
    for name in sorted(both, key=lambda one: (one.start, -one.end)):
        if name.start < end:
            continue
        end = name.end
        method = _bare(text, name, stated) if name.method == BARE else name.method
        if method != ERROR:
            names.append(_Name(name.start, end, method))
    return names


def _first(text: str, start: int, *, capitals: bool) -> _Name:
    """The first method that is named at a place where one is."""
    for method, words in _ACRONYMS if capitals else _WORDS:
        if found := _one(words, capitals).match(text, start):
            return _Name(*found.span(), method)
    raise AssertionError(f"no method at {start}")


@cache
def _find(capitals: bool) -> re.Pattern[str]:
    """All acronyms, or all words. Made when a caption is read: documents without one need not wait for it."""
    # Without groups, which would keep the expression from looking at first letters first.
    words = "|".join(words for _, words in (_ACRONYMS if capitals else _WORDS))
    return re.compile(rf"\b(?=[A-Zcmntx\u03bc\u00b5])(?:{words})(?![A-Za-z])" if capitals else rf"\b(?:{words})")


@cache
def _one(words: str, capitals: bool) -> re.Pattern[str]:
    return re.compile(rf"(?:{words})(?![A-Za-z])" if capitals else words)


def _bare(text: str, name: _Name, stated: bool) -> str:
    """What SEM alone means: the microscope, the standard error of a mean, or either."""
    if not text[name.start : name.end].endswith(("SEM", "SEMs")):  # "SEM micrograph"
        return SEM
    before = re.split(r"[.;] ", text[max(name.start - _BEFORE, 0) : name.start])[-1].lower()
    after = text[name.end : name.end + _AFTER].lower()
    if stated or _ERROR_BEFORE.search(before) or _ERROR_AFTER.match(after):
        return ERROR
    return ELECTRON if _PERHAPS_ERROR.search(before) else SEM


def _marks(text: str) -> list[_Mark]:
    """The letters that a caption gives its panels, from ``a`` on; none if it is not clear which are."""
    marks = _in_order(text, _MARK) or _in_order(text, _OPEN_MARK)
    return marks if len({letter for mark in marks for letter in mark.letters}) > 1 else []


def _in_order(text: str, pattern: re.Pattern[str]) -> list[_Mark]:
    marks: list[_Mark] = []
    highest = 0
    for found in pattern.finditer(text):
        letters = _expanded(found[found.lastindex or 1])
        last = marks[-1] if marks else None
        joint = (
            text[last.end : found.start()] if last and _BETWEEN_MARKS.fullmatch(text, last.end, found.start()) else None
        )
        if last and letters and joint and _RANGE.fullmatch(joint.strip()):
            letters = _expanded(f"{last.letters[-1]}-{letters[0]}") + letters[1:]
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


def _expanded(letters: str) -> tuple[str, ...]:
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


def _letters_last(names: Sequence[_Name], marks: Sequence[_Mark]) -> dict[str, frozenset[str]]:
    """``SEM images of A (a) and B (b); TEM image of C (c)``: what is named last holds until something else is."""
    given: dict[str, frozenset[str]] = {}
    before, own = 0, frozenset[str]()
    for mark in marks:
        own = _within(names, before, mark.start) or own
        _give(given, mark, own)
        before = mark.end
    return given


def _letters_first(text: str, names: Sequence[_Name], marks: Sequence[_Mark]) -> dict[str, frozenset[str]]:
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


def _within(names: Sequence[_Name], start: int, end: int) -> frozenset[str]:
    return frozenset(name.method for name in names if start <= name.start < end)
