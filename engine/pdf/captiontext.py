"""What the text of a caption says: the label with which it begins, and the rest on one line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_CAPTION = re.compile(
    r"\W{0,2}(?P<prefix>Extended\s+Data|Supplementa(?:ry|l)|Supporting|Suppl?\.?|ESI)?\s*"
    r"(?P<kind>Figure|Fig|Abbildung|Abb|Scheme|Plate)(?![A-Za-z])\s*\.?\s*"
    r"(?P<number>(?:[A-Z][.\-]?\s?)?\d{1,3}(?:[.\-]\d{1,3}){0,4})(?P<panel>[A-Za-z](?![A-Za-z]))?(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_CLEAR_END = re.compile(r"\s*[.:|\u2014\u2502\u00b6]|\s*\u2013(?!\s*\d)|\s*-\s")
# What else may follow the number: nothing, "(a) View", "Title", or "a View"; a sentence goes on in lower case.
_TITLE = re.compile(r"\Z|\s*\(|\s+(?:[a-h](?:\s?[,\u2013-]\s?[a-h])*\s+)?[^\s,;)\]a-z]")
_AFTER_LABEL = " .:|-\u2013\u2014\u2502\u00b6"
_KINDS = {"scheme": "Scheme", "plate": "Plate"}

LONGEST_CAPTION = 4000
"""Characters of a caption that are read."""


def caption_label(text: str) -> tuple[str, bool] | None:
    """The figure label with which a line of text begins, if the line opens a caption.

    Args:
        text: one line.

    Returns:
        The normalised label, and whether the line marks it as a caption beyond doubt (``Fig. 2.``, ``Figure 2 |``);
        ``None`` for text that merely mentions a figure.
    """
    found = _CAPTION.match(" ".join(unicodedata.normalize("NFKC", text).split()))
    if found is None:
        return None
    rest = found["rest"]
    clear = _CLEAR_END.match(rest) is not None
    if not clear and not _TITLE.match(rest):
        return None
    return figure_label(found["prefix"], found["kind"], found["number"]), clear


def figure_label(prefix: str | None, kind: str, number: str) -> str:
    """The label of a figure in one spelling.

    >>> figure_label("Supplementary", "Figure", "3"), figure_label(None, "Fig", "S-3")
    ('Fig. S3', 'Fig. S3')
    """
    number = re.sub(r"\s|(?<=[A-Za-z])[.\-]", "", number).upper()
    prefix = (prefix or "").lower()
    kind = _KINDS.get(kind.lower(), "Fig.")
    if prefix.startswith("extended"):
        return f"Extended Data {kind} {number}"
    if prefix and number.isdecimal():
        number = f"S{number}"
    return f"{kind} {number}"


def caption_text(lines: Sequence[str]) -> str:
    """What a caption says after its label, on one line; words that were cut at the end of a line are whole again.

    Args:
        lines: of the caption, the first one with its label.

    Returns:
        At most :data:`LONGEST_CAPTION` characters; of ``Figure 1a. View`` it is ``(a) View``.
    """
    found = _CAPTION.match(on_one_line(lines, LONGEST_CAPTION))
    if found is None:
        return ""
    rest = found["rest"].lstrip(_AFTER_LABEL)
    return f"({found['panel']}) {rest}" if found["panel"] else rest


def on_one_line(lines: Sequence[str], most: int) -> str:
    """Lines of a text as one, at most ``most`` characters; words that were cut at the end of a line are whole again."""
    parts: list[str] = []
    length, end = 0, ""
    for line in lines:
        line = line[:most].strip()
        if end in ("-", "\u00ad") and line:
            if line[0].islower() or end == "\u00ad":
                parts[-1] = parts[-1][:-1]
                length -= 1
        elif length:
            line = f" {line}"
        if line:
            parts.append(line)
            length, end = length + len(line), line[-1]
        if length >= most:
            break
    text = "".join(parts)
    return " ".join(unicodedata.normalize("NFKC", text[:most]).split())[:most]
