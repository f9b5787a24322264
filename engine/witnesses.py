"""Which documents are no independent witnesses of each other, and so count as one source.

Documents that share a stored image, a DOI or all of their bytes are one; so is what a list of sources puts together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from semscan.engine.records import DocumentRecord, ImageRecord


@dataclass(slots=True)
class Witnesses:
    """Joins sources for what they share. The name of what was joined does not depend on the order."""

    _same: dict[str, str] = field(default_factory=dict)

    def saw(self, own: str, document: DocumentRecord) -> None:
        """A document with assessed panels belongs to the source ``own``."""
        self._join(own, f"bytes {document.doc_id}")
        if document.doi:
            self._join(own, f"doi {document.doi.lower()}")

    def holds(self, own: str, image: ImageRecord) -> None:
        """A panel of the source ``own`` was assessed in this stored image."""
        self._join(own, f"image {image.sha256}")

    def source(self, own: str) -> str:
        """The name of the source that ``own`` counts as."""
        path = []
        while self._same.get(own, own) != own:
            path.append(own)
            own = self._same[own]
        for passed in path:
            self._same[passed] = own
        return own

    def _join(self, one: str, other: str) -> None:
        first, second = sorted((self.source(one), self.source(other)))
        self._same[second] = first
