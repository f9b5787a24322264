"""Standard output for data alone: native libraries that print to descriptor 1 must not corrupt records."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO


@contextmanager
def data_stream() -> Iterator[BinaryIO]:
    """The stream for data, unbuffered; while it is open everything else written to descriptor 1 goes to stderr.

    Where standard output is no file of the operating system (a test, an embedding program), it is used as it is; where
    it is closed, data go nowhere.
    """
    if sys.stdout is None:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            yield nowhere
        return
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        yield sys.stdout.buffer
        return
    sys.stdout.flush()
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # takes descriptor 2 where that is closed
        private = os.dup(descriptor)
        os.dup2(nowhere.fileno() if sys.stderr is None else 2, descriptor)
        with os.fdopen(private, "wb", buffering=0) as stream:
            try:
                yield stream
            finally:
                os.dup2(private, descriptor)
