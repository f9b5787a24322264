"""Which stored images are the same: a digest of all that decoding one depends on, so that it is decoded once.

Two images are the same if their stored bytes are, and every entry that decoding looks at, followed through all
references: size, depth, colour space with its palette, /Decode, filters and their parameters, masks with their bytes.
Doubt costs a second decode, a mistake would cost a wrong record: what is too intricate to compare has no identity.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TypeAlias

from semscan.engine.errors import ImageUnusable
from semscan.engine.pdf.filters import raw_stream
from semscan.engine.pdf.guard import MupdfError, calling_mupdf
from semscan.engine.pdf.syntax import Name, Ref, Resolver, Value

DECODING_ENTRIES = frozenset(
    {
        *("Width", "W", "Height", "H", "BitsPerComponent", "BPC", "ColorSpace", "CS", "Decode", "D"),
        *("Filter", "F", "DecodeParms", "DP", "ImageMask", "IM", "Mask", "SMask", "SMaskInData", "Matte"),
    }
)
"""Entries of an image or a mask that its pixels depend on, with the short names of inline images."""

MOST_PARTS, MOST_STREAMS, DEEPEST = 3000, 8, 24
"""Limits on what is compared: a palette or a mask is one stream, a colour space a few dozen parts."""

_MASKS = ("SMask", "Mask")

_Plain: TypeAlias = "tuple[str, object]"


class _TooIntricateError(Exception):
    """More than is worth comparing, or nothing that could be compared."""


def decoding_entries(entries: dict[str, Value]) -> dict[str, Value]:
    """The entries that decoding may look at. Decoders get no others, so no identity can miss one."""
    return {key: value for key, value in entries.items() if key in DECODING_ENTRIES}


def image_identity(resolver: Resolver, entries: dict[str, Value], stored_sha256: str, inline: bool) -> str | None:
    """Digest of an image as it is stored.

    Args:
        resolver: of the image's document.
        entries: its entries, from :func:`decoding_entries`.
        stored_sha256: digest of its stored bytes.
        inline: it stands in a content stream, where it is decoded by another path.

    Returns:
        A hex digest, or ``None`` if the image cannot be compared.
    """
    try:
        described = _Description(resolver).entries(entries, 0)
    except (_TooIntricateError, ImageUnusable, MupdfError):
        return None
    return sha256(repr((stored_sha256, inline, described)).encode()).hexdigest()


class _Description:
    """Writes out values with their types, so that different ones never look the same."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._parts, self._streams = MOST_PARTS, MOST_STREAMS

    def entries(self, entries: dict[str, Value], depth: int) -> list[tuple[str, _Plain]]:
        """Entries of a dictionary, in the order of their names."""
        return [
            (key, self._image(value, depth) if key in _MASKS else self._value(value, depth))
            for key, value in sorted(entries.items())
        ]

    def _image(self, value: Value, depth: int) -> _Plain:
        """A mask: an image of its own, of which only what decoding looks at counts."""
        found = self._resolver.resolve(value)
        if not isinstance(value, Ref) or not isinstance(found, dict):
            return self._value(value, depth)
        return "mask", (self._bytes_of(value), self.entries(decoding_entries(found), depth + 1))

    def _value(self, value: Value, depth: int) -> _Plain:
        self._parts -= 1
        if self._parts < 0 or depth > DEEPEST:
            raise _TooIntricateError
        found = self._resolver.resolve(value)
        if isinstance(found, list):
            if found and self._resolver.resolve(found[0]) == "ICCBased":
                # Half a megabyte that a thousand images share, of which decoding reads the dictionary only.
                found = [found[0], *map(self._resolver.resolve, found[1:])]
            return "list", [self._value(item, depth + 1) for item in found]
        if isinstance(found, dict):
            stored = self._bytes_of(value) if isinstance(value, Ref) else None
            return "dict", (stored, [(key, self._value(item, depth + 1)) for key, item in sorted(found.items())])
        if (
            isinstance(found, Name) and found == "Crypt"
        ):  # its bytes are stored encrypted, and the key is the document's own
            raise _TooIntricateError
        return type(found).__name__, found

    def _bytes_of(self, ref: Ref) -> str | None:
        """Digest of the stored bytes of a stream, ``None`` for a dictionary without any."""
        with calling_mupdf():
            if not self._resolver.doc.xref_is_stream(ref.xref):
                return None
        self._streams -= 1
        if self._streams < 0:
            raise _TooIntricateError
        return sha256(raw_stream(self._resolver.doc, ref.xref)).hexdigest()
