"""The few operators of a content stream that decide which images are seen (ISO 32000-1, 7.8.2 and 8.4).

A page of vector art holds megabytes of path operators and a handful of images, so the stream is not tokenised: one
regular expression steps over everything up to the next operator of interest, strings and comments included, and the
operands are read backwards from there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Flag, auto
from functools import cache
from typing import NamedTuple

from semscan.engine.pdf.affine import IDENTITY, Matrix
from semscan.engine.pdf.inline import InlineImage, read_inline_image
from semscan.engine.pdf.paths import Path, path_before
from semscan.engine.pdf.syntax import DELIMITERS, WHITESPACE, Resolver, Value, string_end

_REGULAR = rb"[^" + WHITESPACE + DELIMITERS + rb"]"
# An operator may follow a bracket directly, but "/q" is a name.
_WORD_START = rb"(?<![^" + WHITESPACE + rb"()<>\[\]{}])"
_HAS_INLINE = re.compile(_WORD_START + rb"BI(?=[" + WHITESPACE + rb"/])")
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)")
_SEPARATORS = re.compile(rb"[" + WHITESPACE + DELIMITERS + rb"]+")
_BLANKS = b"\0\t\n\f\r "
_NAME_BEFORE = re.compile(rb"/(" + _REGULAR + rb"*)[" + WHITESPACE + rb"]*\Z")
_LAYER_BEFORE = re.compile(rb"/OC[" + WHITESPACE + rb"]*/(" + _REGULAR + rb"+)[" + WHITESPACE + rb"]*\Z")
_NAME_ESCAPE = re.compile(r"#([0-9A-Fa-f]{2})")
_TEXT_MODE = re.compile(rb"Tr(?!" + _REGULAR + rb")")
_CLIPPING_MODES = b"4567"
_LOOK_BACK_BYTES = 256


class Wanted(Flag):
    """Operators that only some streams need."""

    NOTHING = 0
    PAINT = auto()
    PATTERNS = auto()
    LAYERS = auto()


_ALWAYS = rb"[qQ]|cm|Do|BI|W\*?|gs"
_OPERATORS = {
    Wanted.PAINT: rb"[fBb]\*?|[FSs]|sh",
    Wanted.PATTERNS: rb"g|rg|k|cs|scn?|[fBb]\*?|F",
    Wanted.LAYERS: rb"BDC|BMC|EMC",
}
_FIRST_LETTERS = {Wanted.PAINT: b"fBbFSs", Wanted.PATTERNS: b"grkcsfBbF", Wanted.LAYERS: b"BE"}
_PAINTING = frozenset((b"f", b"f*", b"F", b"B", b"B*", b"b", b"b*", b"S", b"s"))


class Event(NamedTuple):
    """One operator, with its operands as far as they matter.

    Attributes:
        operator: as it is written; ``W*`` reads ``W``, the filling operators ``f``, the stroking ones ``S``, and
            operators that set a plain colour to fill with ``g``.
        matrix: of ``cm``.
        name: of ``Do``, ``gs`` and ``scn``, and of the layer that ``BDC`` begins.
        inline: of ``BI``.
        path: of ``W``, ``f`` and ``S``; that of ``W`` is ``None`` for a clip that is not followed.
        at: position behind the operator.
    """

    operator: str
    matrix: Matrix = IDENTITY
    name: str = ""
    inline: InlineImage | None = None
    path: Path | None = None
    at: int = 0


def has_inline_image(content: bytes) -> bool:
    """Whether an inline image may be in the content; a quick look that never misses one."""
    return _HAS_INLINE.search(content) is not None


def content_events(
    content: bytes, resolver: Resolver, colour_spaces: Value, wanted: Callable[[], Wanted] = lambda: Wanted.NOTHING
) -> Iterator[Event]:
    """The operators of interest, in order.

    Args:
        content: the decoded content stream.
        resolver: of the document.
        colour_spaces: the colour spaces among the resources in force, for inline images.
        wanted: asked before every operator which further ones are of interest.

    Yields:
        Operators; one whose operands are damaged is left out, as viewers do.
    """
    if _clips_to_text(content):
        yield Event("W")  # glyphs may clip from anywhere on, so from the beginning nothing is known to hide an image
    position = before = 0
    path: Path | None = None  # of a clip, which the painting operator behind it may use once more
    while (match := _up_to(wanted()).match(content, position)) is not None and (word := match[1]):
        start, position = match.start(1), match.end()
        if word == b"(":  # a string with nested brackets, or without an end
            position = string_end(content, start)
            continue
        if word == b"<":
            continue
        if word in (b"q", b"Q", b"EMC", b"BMC"):
            yield Event(word.decode())
        elif word == b"cm":
            matrix = _matrix_before(content, start)
            if matrix is not None:
                yield Event("cm", matrix=matrix)
        elif word in (b"Do", b"gs"):
            name = _name_before(content, start)
            if name is not None:
                yield Event(word.decode(), name=name, at=position)
        elif word == b"BI":
            image, position = read_inline_image(content, position, resolver, colour_spaces)
            if image is not None:
                yield Event("BI", inline=image, at=position)
        elif word in (b"W", b"W*"):
            path = path_before(content, before, start)
            yield Event("W", path=path)
        elif word in _PAINTING:
            path = path_before(content, before, start) or path
            yield Event("S" if word in b"Ss" else "f", path=path)
        elif word == b"BDC":
            layer = _LAYER_BEFORE.search(content, max(0, start - _LOOK_BACK_BYTES), start)
            yield Event("BDC", name=_plain(layer[1]) if layer else "")
        elif word == b"sh":
            yield Event("sh")
        else:
            yield Event("g" if word != b"scn" else "scn", name=_name_before(content, start) or "")
        path = path if word in (b"W", b"W*") else None
        before = position


def _clips_to_text(content: bytes) -> bool:
    for found in _TEXT_MODE.finditer(content):
        before = content[max(0, found.start() - _LOOK_BACK_BYTES) : found.start()]
        if before.rstrip(_BLANKS)[-1:] in _CLIPPING_MODES:  # so is nothing: a mode that stands too far away
            return True
    return False


@cache
def _up_to(wanted: Wanted) -> re.Pattern[bytes]:
    """Matches everything up to the next operator of interest, which is its first group, or the end."""
    kinds = [kind for kind in Wanted if kind in wanted]
    operators = rb"(?:" + b"|".join([_ALWAYS, *(_OPERATORS[kind] for kind in kinds)]) + rb")(?!" + _REGULAR + rb")"
    letters = b"qQcDBWg" + b"".join(_FIRST_LETTERS[kind] for kind in kinds)
    return re.compile(
        rb"(?:[^()<%" + letters + rb"]++"
        rb"|(?<=[^" + WHITESPACE + rb"()<>\[\]{}])[" + letters + rb"]"
        rb"|\((?:[^()\\]++|\\[\s\S])*+\)|<[0-9A-Fa-f\s]*+>|<<|%[^\r\n]*+|\)"
        rb"|(?!" + operators + rb")[" + letters + rb"])*+"
        rb"(" + operators + rb"|[(<]|\Z)"
    )


def _name_before(content: bytes, end: int) -> str | None:
    name = _NAME_BEFORE.search(content, max(0, end - _LOOK_BACK_BYTES), end)
    return None if name is None else _plain(name[1])


def _plain(name: bytes) -> str:
    text = name.decode("latin-1")
    return _NAME_ESCAPE.sub(lambda code: chr(int(code[1], 16)), text) if "#" in text else text


def _matrix_before(content: bytes, end: int) -> Matrix | None:
    words = _SEPARATORS.split(content[max(0, end - _LOOK_BACK_BYTES) : end].rstrip(_BLANKS))[-6:]
    found = [word for word in words if _NUMBER.fullmatch(word)]
    if len(found) < 6:
        return None
    a, b, c, d, e, f = map(float, found)
    return (a, b, c, d, e, f)
