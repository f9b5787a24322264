"""What the words of a paper say of a panel's kind, and what that is worth beside its pixels.

The first of these that speaks plainly decides: the caption, for the panel if its letter is known, else for the whole
figure; the caption for the letter that the panel bears by its place; sentences of the running text that refer to the
figure; and a whole paper that nowhere speaks of SEM. Anybody may write words, so they settle doubts and raise doubts,
and nothing else: see :mod:`semscan.engine.figures.kind`.

All odds were set before they were tried on papers, from how often such words go with SEM panels and how often with
other pictures that look like them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from semscan.engine.figures.kind import CAPTION_ODDS, caption_says
from semscan.engine.pdf.affine import Rect
from semscan.engine.pdf.bodytext import Body
from semscan.engine.pdf.methods import Methods
from semscan.engine.pdf.methodwords import DERIVED, ELECTRON, GRAPH, MAP, SEM, in_words
from semscan.engine.pdf.order import letters_in_order

ORDER_ODDS = 5.0
"""A caption for a letter that is known by the panel's place only: wrong for one figure in seven or so."""

TEXT_ODDS = 5.0
"""A sentence that refers to the figure may mean a part of it, or another picture of the same thing."""

SILENCE_ODDS = 10.0
"""A paper with SEM panels names the method somewhere, nearly always; of other papers with micrographs half do not."""

_ENOUGH_AGREED = 2
"""Letters that were read where their places have them: then the other panels bear theirs, too."""

_NO_PICTURES = frozenset({GRAPH, MAP, DERIVED, ELECTRON})


class Said(NamedTuple):
    """What words say of a panel.

    Attributes:
        odds: multiply the odds that it is SEM.
        by: whose words: ``caption`` or ``text``.
        caption: methods that the caption names for it, in alphabetical order.
        text: methods that sentences name which refer to its figure, likewise; only if the caption left it open.
        why: what speaks against SEM, in words.
    """

    odds: float = 1.0
    by: str = "caption"
    caption: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """Words about a picture where it is drawn.

    Attributes:
        label: of its figure.
        caption: what that names; nothing without a caption.
        body: reads the running text, once for the document.
        turn: its place among the pictures of the figure in reading order, from 0.
        pictures: how many these are; -1 if they are in no clear order.
    """

    label: str | None
    caption: Methods
    body: Callable[[], Body] = Body
    turn: int = 0
    pictures: int = 1

    @property
    def most_odds(self) -> float:
        """What they may be worth for SEM, 1 if nothing: known before the text is read, so that tiles are cut."""
        named = self.caption.all - _NO_PICTURES
        if self.label is None or (named and SEM not in named):
            return 1.0
        return CAPTION_ODDS if named else TEXT_ODDS

    def of(self, letter: str | None, index: int, panels: tuple[Rect, ...], read: Sequence[str | None] = ()) -> Said:
        """What is said of a panel by its caption.

        Args:
            letter: of the panel, if known.
            index: its place among the panels of the picture.
            panels: boxes of these in reading order, in any unit; empty if they are not known.
            read: their letters, as far as they are known.
        """
        named, own = self.caption.of(letter)
        said, odds = caption_says(named, own), CAPTION_ODDS
        if said is None and letter is None:
            by_place, agreed = self._by_place(index, panels, read)
            named_here, is_own = self.caption.of(by_place)
            if is_own and (said := caption_says(named_here, own=True)):
                named, own, odds = named_here, True, CAPTION_ODDS if agreed >= _ENOUGH_AGREED else ORDER_ODDS
        listed = tuple(sorted(named))
        if said == "sem":
            return Said(odds, "caption", listed)
        if said == "other":
            others = " and ".join(in_words(named - _NO_PICTURES or named))  # all of it may be maps or segmentations
            return Said(1 / odds, "caption", listed, (), f"the caption speaks of another method: {others}")
        return Said(caption=listed)

    def beyond(self, said: Said, letter: str | None, panels: int, margin: float) -> Said:
        """What is said of a panel whose caption left it open, by the running text, if that can make a difference.

        Args:
            said: by the caption.
            letter: of the panel, if known.
            panels: how many its picture has.
            margin: of its kind, see :class:`semscan.engine.figures.kind.Kind`.
        """
        doubtful = margin < 1
        # A caption that names several pictures makes of a sentence about the figure one about some of them.
        can_mean = self.label is not None and (letter is not None or not set(said.caption) - _NO_PICTURES)
        enough = margin * TEXT_ODDS >= 1 if doubtful else margin < TEXT_ODDS
        if not (can_mean and enough) and (doubtful or not self.caption.all.isdisjoint((SEM, ELECTRON))):
            return said
        body = self.body()
        here = body.figures.get(self.label) if self.label else None
        if here is not None and (meant := self._meant(here, said, letter, panels)):
            named, own = meant
            listed = tuple(sorted(named))
            kind = caption_says(named, own)
            if kind == "sem":
                return said._replace(odds=TEXT_ODDS, by="text", text=listed)
            if kind == "other":
                others = " and ".join(in_words(named - _NO_PICTURES or named))
                why = f"the text names another method where it refers to this figure: {others}"
                return said._replace(odds=1 / TEXT_ODDS, by="text", text=listed, why=why)
            said = said._replace(text=listed)
        if body.silent:
            return said._replace(odds=1 / SILENCE_ODDS, by="text", why="the paper nowhere speaks of SEM")
        return said

    def _meant(self, here: Methods, said: Said, letter: str | None, panels: int) -> tuple[frozenset[str], bool] | None:
        """The methods that sentences name for a panel, and whether for it alone; ``None`` if they may mean others."""
        if letter is not None and letter.lower() in here.letters:
            return here.of(letter)
        if set(said.caption) - _NO_PICTURES or not (here.whole or len(here.letters) >= panels):
            return None
        return here.all, False

    def _by_place(self, index: int, panels: tuple[Rect, ...], read: Sequence[str | None]) -> tuple[str | None, int]:
        """The letter that a panel bears by its place, if that is plain, and of how many panels it was read as well."""
        count = self.caption.count
        if not count or not 0 <= index < len(panels):
            return None, 0
        if self.pictures != 1:
            return chr(ord("a") + self.turn) if self.pictures == count and len(panels) == 1 else None, 0
        letters = letters_in_order(panels, count)
        both = [known.lower() == own for known, own in zip(read, letters, strict=False) if known is not None]
        return letters[index] if all(both) else None, len(both)
