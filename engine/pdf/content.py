"""The few operators of a content stream that decide where images are drawn (ISO 32000-1, 7.8.2 and 8.4).

A page of vector art holds megabytes of path operators and a handful of images, so the stream is not tokenised: one
regular expression finds the operators of interest and steps over strings and comments, and the operands are read
backwards from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from semscan.engine.pdf.inline import InlineImage, read_inline_image
from semscan.engine.pdf.syntax import DELIMITERS, WHITESPACE, Resolver, Value, string_end

Matrix: TypeAlias = tuple[float, float, float, float, float, float]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

# An operator may follow a bracket directly, but "/q" is a name.
_INTEREST = re.compile(
    rb"\((?:[^()\\]*+\))?"
    rb"|<(?:[0-9A-Fa-f\s]*+>)?"
    rb"|%[^\r\n]*+"
    rb"|(?<![^" + WHITESPACE + rb"()<>\[\]{}])(?:[qQ]|cm|Do|BI)(?![^" + WHITESPACE + DELIMITERS + rb"])"
)
_HAS_INLINE = re.compile(rb"(?<![^" + WHITESPACE + rb"()<>\[\]{}])BI(?=[" + WHITESPACE + rb"/])")
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)")
_SEPARATORS = re.compile(rb"[" + WHITESPACE + DELIMITERS + rb"]+")
_BLANKS = b"\0\t\n\f\r "
_NAME_BEFORE = re.compile(rb"/([^" + WHITESPACE + DELIMITERS + rb"]*)[" + WHITESPACE + rb"]*\Z")
_NAME_ESCAPE = re.compile(r"#([0-9A-Fa-f]{2})")
_LOOK_BACK_BYTES = 256


class Event(NamedTuple):
    """One operator: ``q``, ``Q``, ``cm`` with its matrix, ``Do`` with its name, or ``BI`` with its image."""

    operator: str
    matrix: Matrix = IDENTITY
    name: str = ""
    inline: InlineImage | None = None


def has_inline_image(content: bytes) -> bool:
    """Whether an inline image may be in the content; a quick look that never misses one."""
    return _HAS_INLINE.search(content) is not None


def content_events(content: bytes, resolver: Resolver, colour_spaces: Value) -> Iterator[Event]:
    """The operators of interest, in order.

    Args:
        content: the decoded content stream.
        resolver: of the document.
        colour_spaces: the colour spaces among the resources in force, for inline images.

    Yields:
        Operators; one whose operands are damaged is left out, as viewers do.
    """
    position = 0
    while (match := _INTEREST.search(content, position)) is not None:
        word, position = match[0], match.end()
        if word == b"(":  # a string with nested brackets or escapes
            position = string_end(content, match.start())
        elif word in (b"q", b"Q"):
            yield Event(word.decode())
        elif word == b"cm":
            matrix = _matrix_before(content, match.start())
            if matrix is not None:
                yield Event("cm", matrix=matrix)
        elif word == b"Do":
            name = _NAME_BEFORE.search(content[max(0, match.start() - _LOOK_BACK_BYTES) : match.start()])
            if name is not None:
                text = name[1].decode("latin-1")
                yield Event("Do", name=_NAME_ESCAPE.sub(lambda code: chr(int(code[1], 16)), text))
        elif word == b"BI":
            image, position = read_inline_image(content, position, resolver, colour_spaces)
            if image is not None:
                yield Event("BI", inline=image)


def multiply(first: Matrix, then: Matrix) -> Matrix:
    """The matrix that applies ``first`` and ``then`` one after the other."""
    a, b, c, d, e, f = first
    g, h, i, j, k, m = then
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def _matrix_before(content: bytes, end: int) -> Matrix | None:
    words = _SEPARATORS.split(content[max(0, end - _LOOK_BACK_BYTES) : end].rstrip(_BLANKS))[-6:]
    found = [word for word in words if _NUMBER.fullmatch(word)]
    if len(found) < 6:
        return None
    a, b, c, d, e, f = map(float, found)
    return (a, b, c, d, e, f)
