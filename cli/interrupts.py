"""Ctrl-C: the first one lets the documents in hand finish, the second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

MESSAGE = "semscan: finishing the documents in hand; Ctrl-C again stops now"


class Interrupts:
    """Watches SIGINT while it is entered.

    Args:
        tell: called with a line for the person who pressed Ctrl-C.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._asked = False
        self._before: Callable[[int, FrameType | None], object] | int | None = None

    def asked(self) -> bool:
        """Whether to take no further document."""
        return self._asked

    def __enter__(self) -> Interrupts:
        # A caller that handles or ignores the signal keeps its way; other threads may not touch handlers.
        on_main_thread = threading.current_thread() is threading.main_thread()
        if on_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self._tell(MESSAGE)
