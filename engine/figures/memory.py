"""Images that a worker met in earlier documents: what was found in them, so that they are not decoded again.

Papers of one publisher share logos, supplements repeat the figures of their papers, and archives hold copies. A worker
keeps what it found in the last images, within a fixed number of bytes, and tells it again for each new place.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from semscan.engine.figures.findings import Finding

REMEMBERED_MIB = 64
"""What a worker remembers at most; its memory cap is higher by as much."""

_IMAGE_BYTES = 1024
"""What an image takes beside its panels, roughly."""


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """What was found in an image.

    Attributes:
        content: tells its pixels from others, as documents do that draw one image twice.
        findings: its panels in reading order.
        frames: how many images its file has, if that is an image file.
        paper: whether it is bright like a page.
    """

    content: str
    findings: tuple[Finding, ...]
    frames: int = 1
    paper: bool = False

    @property
    def size_bytes(self) -> int:
        """Roughly what remembering it takes."""
        return _IMAGE_BYTES + sum(finding.size_bytes for finding in self.findings)


class ImageMemory:
    """The images met last, by name; those that were not asked for longest are forgotten first.

    Args:
        most_bytes: limit on the sum of their sizes; an image that takes more than a quarter of it is not kept.
    """

    def __init__(self, most_bytes: int = REMEMBERED_MIB * 2**20) -> None:
        self._most_bytes = most_bytes
        self._images: OrderedDict[str, Remembered] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._images)

    @property
    def largest_bytes(self) -> int:
        """Larger images are not kept."""
        return self._most_bytes // 4

    def get(self, name: str) -> Remembered | None:
        """What was found in an image, if it is still known."""
        found = self._images.get(name)
        if found is not None:
            self._images.move_to_end(name)
        return found

    def put(self, name: str, image: Remembered) -> None:
        """Remember an image, and forget others as needed."""
        if image.size_bytes > self.largest_bytes:
            return
        if (before := self._images.pop(name, None)) is not None:
            self.size_bytes -= before.size_bytes
        self._images[name] = image
        self.size_bytes += image.size_bytes
        while self.size_bytes > self._most_bytes:
            self.size_bytes -= self._images.popitem(last=False)[1].size_bytes
