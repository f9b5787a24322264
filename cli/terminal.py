"""What a terminal needs: harmless text, colour only where wanted, a width."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import click

_UNPRINTABLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_WIDEST = 120


@dataclass(frozen=True, slots=True)
class Style:
    """How text for a person is set: with colour or not, and in how many columns."""

    colour: bool = False
    width: int = 100

    def strong(self, text: str) -> str:
        """Text that must be seen first."""
        return click.style(text, bold=True) if self.colour else text

    def warn(self, text: str) -> str:
        """Text that asks for a look."""
        return click.style(text, fg="yellow", bold=True) if self.colour else text

    def faint(self, text: str) -> str:
        """Text that may be skipped."""
        return click.style(text, dim=True) if self.colour else text


def printable(text: str) -> str:
    r"""Text from outside with every control and invisible character shown as ``?``.

    File names and captions may hold terminal escapes, line ends or characters that reverse the reading direction.

    >>> printable("a\x1b[31mb\n")
    'a?[31mb?'
    """
    return "".join("?" if unicodedata.category(char) in _UNPRINTABLE else char for char in text)


def style_for(is_terminal: bool, no_colour: bool, environment: Mapping[str, str] = os.environ) -> Style:
    """The style for an output, heeding ``--no-color``, ``NO_COLOR`` (any value but the empty one) and ``TERM=dumb``."""
    colour = is_terminal and not no_colour and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return Style(colour, min(shutil.get_terminal_size((100, 24)).columns, _WIDEST))
