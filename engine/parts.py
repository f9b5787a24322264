"""Parts of a panel's record: the stored image, what it is taken for, how good it is, what it is compared with.

Units and meaning as in :mod:`semscan.engine.records`, from where they are imported.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """The stored image that a panel was cut from.

    ``source`` is ``embedded`` (raw stream of a PDF), ``inline`` or ``file``; ``object`` is the PDF object
    (``"83 0"``); ``ppi`` the resolution as placed on the page; ``px`` and ``bbox_px`` are (w, h) and
    (x0, y0, x1, y1).

    ``jpeg_q`` is the quality of the standard table nearest to the luminance table; ``jpeg_tables`` is ``standard`` if
    that table itself is used and ``other`` if not.

    ``parts`` is 1, or the number of stored images if the PDF holds the figure in strips or tiles: then ``px`` and
    ``bbox_px`` are those of the whole, ``object`` is its first part, ``jpeg_q`` the lowest of them, and ``sha256`` the
    digest of their digests, row by row.
    """

    sha256: str
    px: tuple[int, int]
    bbox_px: tuple[int, int, int, int]
    source: str
    encoding: str
    object: str | None = None
    jpeg_q: int | None = None
    subsampling: str | None = None
    components: int | None = None
    bits: int | None = None
    ppi: int | None = None
    parts: int = 1
    jpeg_tables: str | None = None


@dataclass(frozen=True, slots=True)
class KindRecord:
    """What a panel is taken for.

    ``p`` is what the pixels make of it: the gate's probability of the label, or of the likeliest one if that is
    ``uncertain``. ``by`` is ``pixels``, or ``caption`` or ``text`` where the gate left doubt and words decided; then
    the ``p`` of ``sem`` is that of SEM. ``caption`` lists the methods that the caption names for the panel, ``text``
    those that the running text names for its figure; that is read where pixels and caption leave doubt.
    """

    label: str
    p: float
    by: str = "pixels"
    caption: tuple[str, ...] = ()
    text: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QualityRecord:
    """How good the evidence in a panel is, beside what ``image`` says of its stored form.

    Shares of the panel without its data bar: ``annotated`` lies under what is drawn on it or over it, ``saturated`` is
    black or white, ``flat`` has no texture. ``resampling_period_px`` is the period of the trace that enlarging left,
    ``null`` when there is no plain one; ``earlier_jpeg`` is true for a panel that plainly was a JPEG before it became
    what is stored, otherwise ``null``; ``earlier_jpeg_q`` is the quality of that, 1 to 100, where it was on the same
    grid of blocks and coarser.
    """

    annotated: float
    saturated: float
    flat: float
    resampling_period_px: float | None = None
    earlier_jpeg: bool | None = None
    earlier_jpeg_q: int | None = None


@dataclass(frozen=True, slots=True)
class CueRecord:
    """What a file says about where a picture comes from; never a verdict, because anybody can write it.

    ``code`` is a :class:`semscan.engine.errors.CueCode`; ``detail`` quotes what was found, shortened. Those of a
    document are the different ones of its panels.
    """

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReferenceRecord:
    """The genuine panels a score is compared with: ``n`` panels from ``sources`` independent sources."""

    stratum: str
    n: int
    sources: int


@dataclass(frozen=True, slots=True)
class SiblingRecord:
    """A panel beside the ``n`` other panels of its document that are stored alike; a cue that changes no level.

    ``median`` is that of their scores, ``deviation`` how many spreads (robust standard deviations) the panel scores
    above it, ``higher`` how many of them score at least as high.
    """

    n: int
    median: float
    deviation: float
    higher: int


@dataclass(frozen=True, slots=True)
class RegionRecord:
    """The part of a panel whose ``tiles`` score highest: where the model looked, not where the image was altered.

    ``score`` is their mean logit minus that of the other tiles; ``tail`` the share of genuine reference panels whose
    highest part stands out at least as much, with ``tail_ci95`` and the number of independent ``sources`` behind it.
    A cue that changes no level.
    """

    bbox_px: tuple[int, int, int, int]
    tiles: int
    score: float
    tail: float
    tail_ci95: tuple[float, float]
    sources: int
