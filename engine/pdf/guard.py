"""Calls into MuPDF: the one place that knows what PyMuPDF raises for a damaged document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pymupdf

_LONGEST_CLAUSE = 160

# PyMuPDF raises errors of its own and, where it does not look, those of MuPDF's wrapper, which derive from Exception
# only. Some of the wrapper's classes fail to construct and surface as TypeError.
_RAISED = (RuntimeError, ValueError, TypeError, IndexError, pymupdf.mupdf.FzErrorBase)


class MupdfError(ValueError):
    """MuPDF cannot read a part of the document; the message is one clause without line breaks."""


@contextmanager
def calling_mupdf() -> Iterator[None]:
    """Wrap calls into PyMuPDF, and nothing else, so that no error of our own is taken for damage.

    Raises:
        MupdfError: whatever PyMuPDF raised.
        MemoryError: MuPDF could not allocate memory.
    """
    try:
        yield
    except _RAISED as error:
        clause = " ".join(str(error).split()).removeprefix("code=")[:_LONGEST_CLAUSE]
        if "alloc" in clause and "failed" in clause:
            raise MemoryError(clause) from error
        raise MupdfError(clause or type(error).__name__) from error
