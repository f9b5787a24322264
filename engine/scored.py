"""Tiles that a worker sends again are not scored again.

The flow names tiles by worker and by what the worker calls them. Two tiles are the same because a worker says so, and a
worker reads hostile files: one that a document has taken over could give its own tiles the name of another document's.
So it is believed about its own tiles only, whose scores it could forge by sending other pixels anyway, and never about
those of other workers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from semscan.engine.batcher import Batcher

Key = TypeVar("Key", bound=Hashable)

MOST_PANELS = 4096
"""Panels whose logits are kept: two megabytes or so."""


class ScoredOnce(Generic[Key]):
    """A batcher that remembers the logits of panels which have a name, the last ones of a fixed number.

    Args:
        batcher: scores what is not known; closed with this.
        most: panels remembered.
    """

    def __init__(self, batcher: Batcher[Key], most: int = MOST_PANELS) -> None:
        self._batcher, self._most = batcher, most
        self._known: OrderedDict[Hashable, NDArray[np.float32]] = OrderedDict()
        self._waiting: dict[Hashable, list[Key]] = {}
        self._names: dict[Key, Hashable] = {}

    def add(
        self, key: Key, tiles: NDArray[np.uint8], name: Hashable | None = None
    ) -> list[tuple[Key, NDArray[np.float32]]]:
        """Take in the tiles of one panel; otherwise as :meth:`Batcher.add`.

        Args:
            key: names the panel, unused so far.
            tiles: uint8 [n, 1, T, T], n >= 1.
            name: the same for tiles that are the same, ``None`` if that is not known.
        """
        if name is None:
            return self._all_named(self._batcher.add(key, tiles))
        if name in self._known:
            self._known.move_to_end(name)
            return [(key, self._known[name])]
        if name in self._waiting:
            self._waiting[name].append(key)
            return self.poll()  # copies alone never fill the batch that they wait for
        self._waiting[name] = []
        self._names[key] = name
        return self._all_named(self._batcher.add(key, tiles))

    def poll(self) -> list[tuple[Key, NDArray[np.float32]]]:
        """As :meth:`Batcher.poll`."""
        return self._all_named(self._batcher.poll())

    def flush(self) -> list[tuple[Key, NDArray[np.float32]]]:
        """As :meth:`Batcher.flush`."""
        return self._all_named(self._batcher.flush())

    def close(self) -> None:
        """As :meth:`Batcher.close`."""
        self._batcher.close()

    def _all_named(self, scored: Iterable[tuple[Key, NDArray[np.float32]]]) -> list[tuple[Key, NDArray[np.float32]]]:
        """Panels just scored, and those that waited for the same tiles."""
        done = []
        for key, logits in scored:
            done.append((key, logits))
            name = self._names.pop(key, None)
            if name is None:
                continue
            done += [(waiting, logits) for waiting in self._waiting.pop(name)]
            self._known[name] = logits
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return done
