"""The tags of a TIFF's first directory, and of the Exif directory it points to: bounded, and never an exception.

TIFF 6.0, section 2; Exif 2.32, section 4.6. Only what a few known tags hold is read.
"""

from __future__ import annotations

DESCRIPTION, MAKE, MODEL, SOFTWARE, XMP = 270, 271, 272, 305, 700
USER_COMMENT, CAMERA = 37510, 50708

_EXIF = 34665
_MOST_ENTRIES = 512
_LONGEST_VALUE = 1 << 18
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4}


def read_tags(data: bytes) -> dict[int, bytes]:
    """Values of the tags, as stored.

    Args:
        data: a TIFF file or what stands in an Exif segment; may be damaged or cut off.

    Returns:
        The bytes of each tag that holds bytes, text or whole numbers, at most 256 KiB of one; those of a tag whose
        value lies outside the data are empty. An Exif directory's tags are among them.
    """
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(data[:4])
    if order is None:
        return {}
    number = _Numbers(data, order == "little")
    tags = _directory(number, number.at(4, 4))
    pointer = tags.get(_EXIF, b"")
    if len(pointer) == 4:
        inner = _directory(number, int.from_bytes(pointer, "little" if number.little else "big"))
        tags = {**inner, **tags}
    return tags


class _Numbers:
    def __init__(self, data: bytes, little: bool) -> None:
        self.data, self.little = data, little

    def at(self, place: int, size: int) -> int:
        """A whole number; 0 beyond the end."""
        return int.from_bytes(self.data[place : place + size], "little" if self.little else "big")


def _directory(number: _Numbers, start: int) -> dict[int, bytes]:
    tags: dict[int, bytes] = {}
    for index in range(min(number.at(start, 2), _MOST_ENTRIES)):
        entry = start + 2 + 12 * index
        if entry + 12 > len(number.data):
            break
        tag, kind, count = number.at(entry, 2), number.at(entry + 2, 2), number.at(entry + 4, 4)
        length = _SIZES.get(kind, 0) * count
        place = entry + 8 if length <= 4 else number.at(entry + 8, 4)
        tags.setdefault(tag, number.data[place : place + min(length, _LONGEST_VALUE)])
    return tags
