"""What is opened: one file or one member of an archive, and how its kind is told from its name or first bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from semscan.engine.errors import NoticeCode
from semscan.engine.records import NoticeRecord, label

MEDIA_TYPES = {
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".bmp": "image/bmp",
}


@dataclass(frozen=True, slots=True)
class Document:
    """One document to process.

    Attributes:
        path: what is shown: the path that was typed or found, or the name inside the innermost container.
        media_type: from its name or first bytes.
        bytes: its size.
        opened: the file that holds its bytes; a private copy if it came out of a container.
        container: the archives around it, from outside in.
    """

    path: str
    media_type: str
    bytes: int
    opened: Path
    container: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Path with its containers, as notices name it."""
        return label(self.container, self.path)


def media_type_of(name: str) -> str | None:
    """Media type by the suffix of a name, or ``None``; the companion files that macOS writes are nobody's document.

    >>> media_type_of("a/Figure 1.TIF"), media_type_of("__MACOSX/a/._paper.pdf")
    ('image/tiff', None)
    """
    path = PurePosixPath(name)
    return None if path.name.startswith("._") else MEDIA_TYPES.get(path.suffix.lower())


def sniff(head: bytes) -> str | None:
    """Media type from the first bytes of a file, or ``None``.

    >>> sniff(b"%PDF-1.7 ...")
    'application/pdf'
    """
    if b"%PDF-" in head:
        return "application/pdf"
    for magic, media_type in (
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00*", "image/tiff"),
        (b"BM", "image/bmp"),
    ):
        if head.startswith(magic):
            return media_type
    return None


def too_large(size_bytes: int, max_mib: int) -> str:
    """The sentence for a file beyond the limit."""
    return f"the file has {size_bytes / 2**20:.0f} MiB, more than the limit of {max_mib}"


def error(code: NoticeCode, path: str, message: str) -> NoticeRecord:
    """Notice of an input that is not read."""
    return NoticeRecord("error", code, path, message)
