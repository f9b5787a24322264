"""Images that stand inside a content stream (ISO 32000-1, 8.9.7): where their data end, and with what they are decoded.

Nothing in the stream tells how long the data are, so the length is worked out: from the declared size when the data
are not compressed, from the compressed data themselves when their format marks its end, and by searching for the
closing operator otherwise.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

from semscan.engine.pdf.colourspace import read_colour_space, row_bytes
from semscan.engine.pdf.filters import stream_filters
from semscan.engine.pdf.syntax import DELIMITERS, WHITESPACE, Keyword, Name, Resolver, Value, read_value

_END = re.compile(rb"[" + WHITESPACE + rb"]?EI(?=[" + WHITESPACE + DELIMITERS + rb"]|\Z)")
_LOOSE_END = re.compile(rb"[" + WHITESPACE + rb"]EI(?=[" + WHITESPACE + rb"]|\Z)")
_TEXT_AHEAD_BYTES = 16
_NOT_TEXT = re.compile(rb"[^\t\n\f\r\x20-\x7e]")
_END_MARKS = {"ASCII85Decode": b"~>", "ASCIIHexDecode": b">", "DCTDecode": b"\xff\xd9"}
_MAX_ENTRIES = 64


class InlineImage(NamedTuple):
    """An inline image: its dictionary, with a named colour space already looked up, and its stored bytes."""

    entries: dict[str, Value]
    data: bytes


def read_inline_image(
    content: bytes, position: int, resolver: Resolver, colour_spaces: Value
) -> tuple[InlineImage | None, int]:
    """Read the inline image whose ``BI`` ends at ``position``.

    Args:
        content: the content stream.
        position: the position after ``BI``.
        resolver: of the document.
        colour_spaces: the colour spaces among the resources in force.

    Returns:
        The image and the position after its ``EI``; ``None`` and ``position`` if no image follows.
    """
    entries: dict[str, Value] = {}
    at = position
    while len(entries) <= _MAX_ENTRIES:
        key, at = read_value(content, at)
        if isinstance(key, Keyword) and key == "ID":
            break
        if not isinstance(key, Name):
            return None, position
        entries[str(key)], at = read_value(content, at)
    else:
        return None, position
    start = at + (2 if content[at : at + 2] == b"\r\n" else 1)
    space = resolver.get(entries, "ColorSpace", "CS")
    if isinstance(space, Name):
        named = resolver.get(colour_spaces, space)
        if named is not None:
            entries.pop("CS", None)
            entries["ColorSpace"] = named
    end, after = _find_end(content, start, resolver, entries)
    return InlineImage(entries, content[start:end]), after


def _find_end(content: bytes, start: int, resolver: Resolver, entries: dict[str, Value]) -> tuple[int, int]:
    """End of the data, and the position after the closing operator."""
    earliest = _earliest_end(content, start, resolver, entries)
    if earliest is not None:
        match = _END.match(content, earliest)
        if match is not None:
            return earliest, match.end()
    # Either the format says nothing, or the data are not what the dictionary claims: take the first closing operator
    # after which the stream goes on as text.
    for match in _LOOSE_END.finditer(content, start):
        if _NOT_TEXT.search(content, match.end(), match.end() + _TEXT_AHEAD_BYTES) is None:
            return match.start(), match.end()
    return len(content), len(content)


def _earliest_end(content: bytes, start: int, resolver: Resolver, entries: dict[str, Value]) -> int | None:
    filters = stream_filters(resolver, entries)
    if not filters:
        return _uncompressed_end(start, resolver, entries)
    outermost = filters[0][0]
    if outermost == "FlateDecode":
        inflater = zlib.decompressobj()
        try:
            view = memoryview(content)[start:]
            while not inflater.eof and len(view):
                inflater.decompress(view[: 1 << 16], 1 << 24)
                view = memoryview(inflater.unconsumed_tail) if inflater.unconsumed_tail else view[1 << 16 :]
        except zlib.error:
            return None
        return len(content) - len(inflater.unused_data) - len(view) if inflater.eof else None
    mark = _END_MARKS.get(outermost)
    found = content.find(mark, start) if mark else -1
    return found + len(mark) if mark and found >= 0 else None


def _uncompressed_end(start: int, resolver: Resolver, entries: dict[str, Value]) -> int | None:
    width, height = resolver.get(entries, "Width", "W"), resolver.get(entries, "Height", "H")
    stencil = resolver.get(entries, "ImageMask", "IM") is True
    bits = 1 if stencil else resolver.get(entries, "BitsPerComponent", "BPC")
    space = read_colour_space(resolver, resolver.get(entries, "ColorSpace", "CS"))
    components = 1 if stencil else (space.components if space else None)
    if not isinstance(width, int) or not isinstance(height, int) or not isinstance(bits, int) or components is None:
        return None
    return start + row_bytes(width, components, bits) * height
