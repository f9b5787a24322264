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

    Where standard output is no file of the operating system (a test, an embedding program), it is used as it is.
    """
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        yield sys.stdout.buffer
        return
    sys.stdout.flush()
    private = os.dup(descriptor)
    os.dup2(2, descriptor)
    with os.fdopen(private, "wb", buffering=0) as stream:
        try:
            yield stream
        finally:
            os.dup2(private, descriptor)
