"""PDF objects as Python values (ISO 32000-1, 7.3), read leniently: broken syntax gives what could be understood.

MuPDF hands out an object as text; content streams hold objects between their operators. Both are read here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from semscan.engine.pdf.guard import MupdfError, calling_mupdf

if TYPE_CHECKING:
    import pymupdf

MAX_NESTING = 50
_MAX_REFERENCE_CHAIN = 16
_MOST_KEPT = 4096

WHITESPACE = rb"\x00\t\n\f\r "
DELIMITERS = rb"()<>\[\]{}/%"

_TOKEN = re.compile(
    rb"%[^\r\n]*"
    rb"|/[^" + WHITESPACE + DELIMITERS + rb"]*"
    rb"|(?P<ref>\d{1,10}[" + WHITESPACE + rb"]+\d{1,5}[" + WHITESPACE + rb"]+R(?![^" + WHITESPACE + DELIMITERS + rb"]))"
    rb"|<<|>>|[\[\]{}()]|<[^>]*>?|>"
    rb"|[^" + WHITESPACE + DELIMITERS + rb"]+"
)
_STRING_EDGE = re.compile(rb"[()\\]")
_NAME_ESCAPE = re.compile(r"#([0-9A-Fa-f]{2})")
_STRING_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|(\r\n?|\n)|(.))", re.DOTALL)
_NOT_HEX = re.compile(rb"[^0-9A-Fa-f]")
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


class Name(str):
    """A PDF name, without its slash."""

    __slots__ = ()


class Ref(NamedTuple):
    """A reference to an indirect object."""

    xref: int


class Keyword(str):
    """A bare word that is no value: an operator in a content stream, ``endobj`` and the like."""

    __slots__ = ()


Value: TypeAlias = "bool | int | float | bytes | Name | Ref | Keyword | list[Value] | dict[str, Value] | None"


def parse(text: bytes) -> Value:
    """The first object in a piece of PDF syntax; ``None`` where there is none."""
    return read_value(text, 0)[0]


def read_value(text: bytes, position: int, depth: int = 0) -> tuple[Value, int]:
    """Read one object.

    Args:
        text: PDF syntax.
        position: where to start.
        depth: arrays and dictionaries around it; those deeper than ``MAX_NESTING`` are not built.

    Returns:
        The object and the position after it. At the end of the text: ``Keyword("")``.
    """
    match = _TOKEN.search(text, position)
    while match is not None and match[0].startswith(b"%"):
        match = _TOKEN.search(text, match.end())
    if match is None:
        return Keyword(""), len(text)
    token, end = match[0], match.end()
    kind = token[:1]
    if kind == b"/":
        name = token[1:].decode("latin-1")
        return Name(_NAME_ESCAPE.sub(_escaped_character, name) if "#" in name else name), end
    if match.lastgroup == "ref":
        return Ref(int(token.split()[0])), end
    if kind == b"(":
        end = string_end(text, match.start())
        return _unescape(text[match.start() + 1 : end - 1]), end
    if kind == b"[":
        return _read_array(text, end, depth) if depth < MAX_NESTING else (None, end)
    if token == b"<<":
        return _read_dict(text, end, depth) if depth < MAX_NESTING else (None, end)
    if kind == b"<":
        digits = _NOT_HEX.sub(b"", token)
        return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode()), end
    return _atom(token), end


def string_end(text: bytes, start: int) -> int:
    """The position after the literal string that begins at ``start``; the end of the text if it never ends."""
    level, position = 0, start
    while (edge := _STRING_EDGE.search(text, position)) is not None:
        position = edge.end()
        if edge[0] == b"\\":
            position += 1
            continue
        level += 1 if edge[0] == b"(" else -1
        if level == 0:
            return position
    return len(text)


def numbers(value: Value, count: int) -> list[float] | None:
    """``value`` as ``count`` numbers, or ``None`` if it is anything else."""
    if not isinstance(value, list) or len(value) != count:
        return None
    found = [float(item) for item in value if isinstance(item, int | float)]
    return found if len(found) == count else None


class Resolver:
    """Reads objects of an open document, each once.

    Args:
        doc: the document; damaged or missing objects read as ``None``.
    """

    def __init__(self, doc: pymupdf.Document) -> None:
        self.doc = doc
        self._objects = doc.xref_length()
        self._cache: dict[int, Value] = {}

    def trim(self) -> None:
        """Forget what was read if that has become much; called between pages."""
        if len(self._cache) > _MOST_KEPT:
            self._cache.clear()

    def resolve(self, value: Value) -> Value:
        """Follow a reference, or a chain of them; a loop reads as ``None``."""
        for _ in range(_MAX_REFERENCE_CHAIN):
            if not isinstance(value, Ref):
                return value
            value = self._object(value.xref)
        return None

    def get(self, container: Value, key: str, short: str = "") -> Value:
        """The resolved entry of a dictionary, under its name or the short name that inline images use."""
        container = self.resolve(container)
        if not isinstance(container, dict):
            return None
        found = container.get(key)
        return self.resolve(container.get(short) if found is None and short else found)

    def stream(self, xref: int) -> bytes:
        """A content stream; an unreadable one is empty, as for any viewer."""
        try:
            with calling_mupdf():
                data = self.doc.xref_stream(xref)
        except MupdfError:
            return b""
        return data if isinstance(data, bytes) else b""

    def _object(self, xref: int) -> Value:
        if xref not in self._cache:
            if not 0 < xref < self._objects:
                return None
            try:
                with calling_mupdf():
                    text = self.doc.xref_object(xref, compressed=True, ascii=True)
            except MupdfError:  # the standard says that an object which cannot be found is null
                return None
            self._cache[xref] = parse(text.encode("latin-1", "replace"))
        return self._cache[xref]


def _escaped_character(code: re.Match[str]) -> str:
    return chr(int(code[1], 16))


def _read_array(text: bytes, position: int, depth: int) -> tuple[Value, int]:
    items: list[Value] = []
    while True:
        item, position = read_value(text, position, depth + 1)
        if isinstance(item, Keyword) and item in ("]", "", ">>"):
            return items, position
        items.append(item)


def _read_dict(text: bytes, position: int, depth: int) -> tuple[Value, int]:
    entries: dict[str, Value] = {}
    while True:
        key, position = read_value(text, position, depth + 1)
        if isinstance(key, Keyword) and key in (">>", ""):
            return entries, position
        if not isinstance(key, Name):
            continue
        value, after = read_value(text, position, depth + 1)
        if isinstance(value, Keyword) and value in (">>", ""):
            continue  # a key without a value; the end is read again as the next key
        position = after
        entries[str(key)] = value


def _unescape(body: bytes) -> bytes:
    def plain(match: re.Match[bytes]) -> bytes:
        octal, line_end, other = match.groups()
        if octal:
            return bytes((int(octal, 8) & 255,))
        return b"" if line_end else _ESCAPED.get(other, other)

    return _STRING_ESCAPE.sub(plain, body) if b"\\" in body else body


def _atom(token: bytes) -> Value:
    if token in (b"true", b"false"):
        return token == b"true"
    if token == b"null":
        return None
    try:
        return int(token) if len(token) < 20 else float(token)
    except ValueError:
        pass
    try:
        return float(token) if token[:1] in b"+-.0123456789" else Keyword(token.decode("latin-1"))
    except ValueError:
        return Keyword(token.decode("latin-1"))
