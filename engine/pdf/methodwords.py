"""Words for methods of imaging and measuring: which ones a text names, and where.

Words that stand for SEM and do not mean it are told apart: the standard error of a mean, STEM, electron backscatter
diffraction. Text is hostile: expressions look at a bounded number of characters from each word on.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import NamedTuple

SEM = "sem"
ELECTRON = "electron"
"""An electron microscope, of which the caption does not say whether it scans."""
GRAPH = "graph"
"""Plots, spectra, diffraction patterns and drawings."""
MAP = "map"
DERIVED = "derived"
"""What was computed from pictures, or instead of them: segmentations, reconstructions, simulations."""
BARE, ERROR = "SEM alone", "standard error"

IN_WORDS = {
    SEM: "SEM", "tem": "TEM", ELECTRON: "electron microscopy", "light": "light microscopy",
    "fluorescence": "fluorescence microscopy", "probe": "scanning probe microscopy",
    "xray": "X-ray imaging or tomography", "gel": "gels or blots", "photograph": "photographs", MAP: "maps",
    DERIVED: "segmentations or simulations", GRAPH: "plots",
}  # fmt: skip
"""What people read of each method, in the order in which they are told."""

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
    ("light", r"H ?& ?E|[LP]?OM(?= image| micro)"),
    ("fluorescence", r"CLSM|LSCM(?= image| micro)|DAPI|FISH"),
    ("xray", r"CT(?= (?:imag|scan|slice|recon|volume))|XCT|XRM|MRI|(?:micro|nano|[\u03bc\u00b5Xx])[ -]?CT"),
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
    ("light", r"polari[sz](?:ed|ing)[ -](?:(?:light|optical)[ -](?:micro|imag)|micro)|metallographic (?:micro|imag)"),
    ("light", r"light[ -]optical|digital microsc|(?:reflected|transmitted)[ -]light|white[ -]light interfero"),
    ("light", r"ha?ematoxylin|lichtmikroskop|microscop\w{0,4} optique"),
    ("gel", r"autoradiogra|electrophoresis|electrophoretic (?:gel|mobility)|sds-page"),
    ("gel", r"(?:western|northern|southern|immuno|dot)[ -]?blot|blots?(?![a-z])"),
    ("xray", r"x-?ray (?:micro-?|nano-?|computed )?(?:phase[ -]contrast|tomogra|ct(?![a-z]))"),
    ("xray", r"x-?ray (?:micro-?|nano-?|computed )?(?:imag|radiogra|microgra|microsc)"),
    ("xray", r"computed (?:micro-?)?tomogra|(?:micro|nano)-?ct(?![a-z])|radiogra|magnetic resonance imag"),
    ("xray", r"ultrasound imag|ultrasonogra|neutron (?:radiogra|tomogra|imag)|laminogra|ptychogra|holotomogra"),
    ("xray", r"(?:x-?ray|synchrotron)[ -](?:radiation )?(?:based )?(?:micro-?|nano-?)?tomogra|micro-?tomogra"),
    ("xray", r"computer(?:i[sz]ed)? (?:micro-?)?tomogra"),
    ("xray", r"(?<!sem )(?<!fib )(?<!beam )(?<!-)tomogra(?:ms?(?![a-z])|phic (?:slic|imag))"),
    (DERIVED, r"segmentations?(?![a-z])|segmented (?:\w+ )?(?:imag|volum|data|phase|pore|micro|struct|slic|tomogra)"),
    (DERIVED, r"binari[sz]ed|binary (?:imag|mask)|threshold(?:ed|ing)(?![a-z])"),
    (DERIVED, r"(?:volume|surface|3-?d)[ -]render|render(?:ed|ings?) (?:imag|view|model|volum|of)"),
    (DERIVED, r"(?:3-?d|three-dimensional|volume) (?:\w+ )?reconstruct|reconstructed (?:3-?d|volum|micro|struct)"),
    (DERIVED, r"simulat(?:ed (?:imag|micro|struct)|ion)|phase-field|artist(?:'s|ic)? (?:impress|view|render)"),
    (GRAPH, r"heat-?[ ]?maps?(?![a-z])"),
    (MAP, r"maps?(?![a-z])|mapping|cathodoluminescence"),
    ("photograph", r"thermogra|thermal imag|infrared imag|high-speed (?:camera|video|imag)|smart-?phone|macrograph"),
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


def in_words(methods: Collection[str]) -> list[str]:
    """Methods as people read them."""
    return [words for method, words in IN_WORDS.items() if method in methods]


class Name(NamedTuple):
    """A method where a text names it."""

    start: int
    end: int
    method: str


def names_in(text: str) -> list[Name]:
    """The methods that a text names, in their order.

    Args:
        text: on one line; its length bounds the time.
    """
    lower = text.replace("\u0130", "I").lower()  # the one letter that becomes two, and would move all places
    both = [_first(text, found.start(), capitals=True) for found in _find(True).finditer(text)]
    both += [_first(lower, found.start(), capitals=False) for found in _find(False).finditer(lower)]
    stated = any(name.method == ERROR for name in both)
    names: list[Name] = []
    end = 0
    for name in sorted(both, key=lambda one: (one.start, -one.end)):
        if name.start < end:
            continue
        end = name.end
        method = _bare(text, name, stated) if name.method == BARE else name.method
        if method != ERROR:
            names.append(Name(name.start, end, method))
    return names


def _first(text: str, start: int, *, capitals: bool) -> Name:
    """The first method that is named at a place where one is."""
    for method, words in _ACRONYMS if capitals else _WORDS:
        if found := _one(words, capitals).match(text, start):
            return Name(*found.span(), method)
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


def _bare(text: str, name: Name, stated: bool) -> str:
    """What SEM alone means: the microscope, the standard error of a mean, or either."""
    if not text[name.start : name.end].endswith(("SEM", "SEMs")):  # "SEM micrograph"
        return SEM
    before = re.split(r"[.;] ", text[max(name.start - _BEFORE, 0) : name.start])[-1].lower()
    after = text[name.end : name.end + _AFTER].lower()
    if stated or _ERROR_BEFORE.search(before) or _ERROR_AFTER.match(after):
        return ERROR
    return ELECTRON if _PERHAPS_ERROR.search(before) else SEM
