"""The words for a score, a panel and its source: what is said of an image, in one place.

Agreed words: "for a closer look", "not flagged", "not assessed". Nothing here says what an image is.
"""

from __future__ import annotations

from collections.abc import Iterable

from semscan.engine.errors import CueCode, Reason
from semscan.engine.pdf.methodwords import in_words
from semscan.engine.records import CueRecord, DocumentRecord, ImageRecord, PanelRecord

CLOSING = "A flag is a prompt to look, not a finding. No flag does not show that an image is genuine."

_KINDS = {
    "graphic": ("graphic", "graphics"),
    "tem": ("TEM", "TEM"),
    "light": ("light micrograph", "light micrographs"),
    "fluorescence": ("fluorescence", "fluorescence"),
    "gel": ("gel", "gels"),
    "photograph": ("photograph", "photographs"),
    "other": ("another kind", "other kinds"),
    "tiny": ("icon or rule", "icons and rules"),
    "duplicate": ("repeat", "repeats"),
}

_REASONS = {
    Reason.TOO_SMALL: "too small",
    Reason.BELOW_QUALITY_FLOOR: "below the quality floor",
    Reason.VECTOR_ONLY: "drawn, no pixels",
    Reason.NOT_SEM: "not SEM",
    Reason.UNCERTAIN_KIND: "kind uncertain",
    Reason.HEAVILY_ANNOTATED: "heavily annotated",
    Reason.FALSE_COLOUR: "false colour",
    Reason.PAGE_SCAN: "scan of a page",
    Reason.UNSUPPORTED_CODEC: "unsupported codec",
    Reason.CORRUPT: "damaged",
    Reason.TOO_LARGE: "too large",
    Reason.TIMEOUT: "took too long",
    Reason.EXCLUDED: "excluded",
    Reason.DUPLICATE_OF: "repeat of another panel",
    Reason.NO_PANELS: "no SEM panel found",
}

_CUES: dict[str, str] = {
    CueCode.C2PA: "content credentials",
    CueCode.DIGITAL_SOURCE_TYPE: "stated source type",
    CueCode.GENERATION_PARAMETERS: "settings of a generator",
    CueCode.GENERATOR_NAMED: "name of a generator",
    CueCode.INSTRUMENT: "instrument tag",
}

FAR = 3.5
"""Spreads above the paper's other panels from which on people are told; as :data:`semscan.engine.siblings.FAR`."""

LOCAL = 0.05
"""A region is told to people if the share of genuine panels with such a one is below this with 97.5 % confidence."""

REGION_CAPTION = "shows where the model looked, not where the image was altered"

_MOST_NAMED = 6

_ROUNDING = 1e-6
"""Records carry tails with six decimals."""

_OPEN = 20
"""An interval whose lower end is this many times below the tail itself says "or more": so few sources score this high
that the far end carries no information."""

_ENCODINGS = {"jpx": "JPEG 2000", "flate": "Flate", "lzw": "LZW", "ccitt": "CCITT", "jbig2": "JBIG2"}


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> count(1, "panel"), count(1200, "panel")
    ('1 panel', '1,200 panels')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def two_digits(value: float) -> str:
    """A positive number to two significant digits, with thousands separators.

    >>> two_digits(238.1), two_digits(1.66), two_digits(24318), two_digits(2.0)
    ('240', '1.7', '24,000', '2')
    """
    return f"{float(f'{value:.1e}'):,.1f}".removesuffix(".0")


def one_in(share: float) -> str:
    """A share as a frequency, which readers understand better than a decimal fraction.

    >>> one_in(0.05)
    '1 in 20'
    """
    return f"1 in {two_digits(1 / share)}"


def percent(share: float) -> str:
    """A share in per cent, to two significant digits.

    >>> percent(0.1312), percent(0.0004)
    ('13 %', '0.04 %')
    """
    return f"{float(f'{100 * share:.1e}'):.12g} %"


def plain_number(value: float) -> str:
    """A number of flags, to two significant digits.

    >>> plain_number(0.1389), plain_number(0.0), plain_number(412.3)
    ('0.14', '0', '410')
    """
    return f"{float(f'{value:.1e}'):,.12g}"


def smallest_rate(sources: int) -> float:
    """The rate that ``sources`` independent genuine sources without an exceedance support with 95 % confidence.

    The one-sided upper bound of Clopper and Pearson (Biometrika 26, 1934) for zero events.
    """
    bound: float = 1 - 0.05 ** (1 / sources)
    return bound


def rarity(panel: PanelRecord) -> str:
    """How rare the panel's score is among genuine panels like it, with the 95 % interval."""
    if panel.tail is None or panel.tail_ci95 is None:
        return "-"
    low, high = panel.tail_ci95
    sources = panel.reference.sources if panel.reference else 0
    if sources and panel.tail <= 1 / (sources + 1) + _ROUNDING:
        # No reference panel scores this high. Rounded down: "fewer than" must stay true.
        return f"fewer than 1 in {int(1 / high):,} score this high (0 of {count(sources, 'source')})"
    upper = f"-{two_digits(1 / low)}" if low * _OPEN > panel.tail else " or more"
    return f"{one_in(panel.tail)} score this high ({two_digits(1 / high)}{upper})"


def where(panel: PanelRecord) -> tuple[str, str, str]:
    """Page, figure and panel as shown in tables, ``-`` where unknown."""
    letter = panel.panel or (f"{panel.index}/{panel.of}" if panel.index and panel.of else "-")
    return str(panel.page or "-"), panel.figure or "-", letter


def places(panels: Iterable[PanelRecord]) -> list[str]:
    """The panels in a sentence, by figure: ``Fig. 2 b, d``, ``Fig. 3 (panels 2, 4 of 6)``, ``the image on page 4``."""
    by_figure: dict[tuple[str, int | None], list[PanelRecord]] = {}
    for panel in panels:
        figure = panel.figure or (f"the image on page {panel.page}" if panel.page else "the image")
        by_figure.setdefault((figure, None if panel.panel else panel.of), []).append(panel)
    return [_place(figure, of, members) for (figure, of), members in by_figure.items()]


def _place(figure: str, of: int | None, panels: list[PanelRecord]) -> str:
    if panels[0].panel:
        return f"{figure} {', '.join(panel.panel or '' for panel in panels)}"
    numbers = [str(panel.index) for panel in panels if panel.index]
    if not numbers or of is None or of == 1:
        return figure
    return f"{figure} ({'panel' if len(numbers) == 1 else 'panels'} {', '.join(numbers)} of {of})"


def pixels(image: ImageRecord | None) -> str:
    """Width and height of the panel in stored pixels."""
    if image is None:
        return "-"
    x0, y0, x1, y1 = image.bbox_px
    return f"{x1 - x0}x{y1 - y0}"


def source(image: ImageRecord | None) -> str:
    """How the pixels were stored and at which resolution they are placed."""
    if image is None or image.ppi is None:
        return encoding(image)
    return f"{encoding(image)}, {image.ppi} ppi"


def encoding(image: ImageRecord | None) -> str:
    """How the pixels were stored."""
    if image is None:
        return "-"
    if image.encoding == "jpeg":
        return "JPEG" if image.jpeg_q is None else f"JPEG q~{image.jpeg_q}"
    return _ENCODINGS.get(image.encoding, image.encoding.upper())


def why_not(panel: PanelRecord) -> str:
    """Why a panel was not assessed."""
    if panel.detail:
        return panel.detail
    return reason_words(panel.reason) if panel.reason else "-"


def reason_words(reason: str) -> str:
    """A reason code in words; a code from a newer version stays as it is."""
    return _REASONS.get(reason, reason)  # type: ignore[call-overload, no-any-return]


def other_kind(panel: PanelRecord) -> str:
    """What to say where a panel's kind is not plain: another one (``--all-images``), or words had a say in it."""
    if panel.kind is None:
        return ""
    if panel.kind.label != "sem":
        return f"; taken for: {panel.kind.label}, compared with SEM"
    if panel.kind.by != "pixels":
        return "; SEM by its caption" if panel.kind.by == "caption" else "; SEM by the text"
    if _names_other_pictures(panel.kind.caption):
        return f"; its caption speaks of: {', '.join(in_words(panel.kind.caption))}"
    return ""


def _names_other_pictures(methods: tuple[str, ...]) -> bool:
    return bool(methods) and not {"sem", "electron"} & {*methods} and not {*methods} <= {"graph", "map", "derived"}


def cues(panels: Iterable[PanelRecord]) -> str:
    """What the files say about the origin of their pictures, empty if they say nothing."""
    held: dict[CueRecord, list[PanelRecord]] = {}
    for panel in panels:
        for cue in panel.cues:
            held.setdefault(cue, []).append(panel)
    said = [f"{_CUES.get(cue.code, cue.code)} ({cue.detail}) in {_few(places(found))}" for cue, found in held.items()]
    if not said:
        return ""
    return f"Cues: {_few(said, '; ')}. Anybody can write or remove them; no score depends on them."


def siblings(panels: Iterable[PanelRecord]) -> str:
    """The panels that score far above the others of their paper, empty if there are none."""
    far = [p for p in panels if p.siblings and not p.siblings.higher and p.siblings.deviation >= FAR]
    if not far:
        return ""
    said = [
        f"{places([p])[0]}, {two_digits(p.siblings.deviation)} spreads above their median" for p in far if p.siblings
    ]
    return f"Far above the paper's other panels: {_few(said, '; ')}. No level depends on it."


def regions(panels: Iterable[PanelRecord]) -> str:
    """The panels of which one part stands out more than in nearly all genuine panels, empty if there are none."""
    said = []
    for panel in panels:
        region = panel.region
        if region is not None and region.tail_ci95[1] <= LOCAL:
            x0, y0, x1, y1 = region.bbox_px
            said.append(f"{places([panel])[0]} pixels {x0},{y0} to {x1},{y1} (tail {percent(region.tail)})")
    if not said:
        return ""
    return f"One part stands out: {_few(said, '; ')}. It {REGION_CAPTION}; no level depends on it."


def _few(names: list[str], between: str = ", ") -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return between.join(names[:_MOST_NAMED]) + more


def kinds(other: dict[str, int] | None) -> str:
    """The panels left alone, most frequent kind first: ``15 (graphics 9, TEM 4, photographs 2)``."""
    if not other:
        return "0"
    ranked = sorted(other.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{_KINDS.get(kind, (kind, kind))[number != 1]} {number}" for kind, number in ranked)
    return f"{sum(other.values())} ({listed})"


def reasons(panels: Iterable[PanelRecord]) -> str:
    """Why panels were not assessed, counted: ``too small 2, damaged 1``."""
    counted: dict[str, int] = {}
    for panel in panels:
        words = reason_words(panel.reason or "-")
        counted[words] = counted.get(words, 0) + 1
    return ", ".join(f"{words} {number}" for words, number in sorted(counted.items(), key=lambda i: (-i[1], i[0])))


def name(document: DocumentRecord) -> str:
    """The document's path with the archives around it, which is also the path of the notices about it."""
    return "!".join((*document.container, document.path))


def left_alone(panel: PanelRecord) -> bool:
    """Whether a panel counts among the other panels (another kind, an icon, a repeat), not among the SEM panels."""
    if panel.status == "assessed":
        return False
    return panel.reason in (Reason.NOT_SEM, Reason.DUPLICATE_OF) or bool(panel.kind and panel.kind.label == "tiny")


def headline(flagged: int, assessed: int) -> str:
    """The one sentence about a document."""
    if flagged:
        return f"{count(flagged, 'panel')} for a closer look"
    return "no panel flagged" if assessed else "not assessed"
