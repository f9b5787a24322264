"""Writes what a scan of the example paper prints into README.md, so that the page shows the model that ships.

``python examples/readme_block.py`` after a change of the model or of the words.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAPER = "examples/paper.pdf"
WIDTH = 116

_BLOCK = re.compile(rf"(?<=```\n){re.escape(PAPER)}   .*?(?=```\n)", re.DOTALL)


def printed() -> str:
    """What a person sees of the example paper, without the lines about the run."""
    from semscan.cli.rows import Show
    from semscan.cli.terminal import Style
    from semscan.cli.text import TextView
    from semscan.engine.options import ScanOptions
    from semscan.engine.pipeline import scan
    from semscan.engine.records import RunRecord, SummaryRecord

    texts: list[str] = []
    view = TextView(texts.append, Style(width=WIDTH), Show.BRIEF)
    for record in scan(ROOT / PAPER, ScanOptions(jobs=1)):
        if isinstance(record, RunRecord):
            view.write(record)
            texts.clear()  # the versions of one machine
        elif not isinstance(record, SummaryRecord):
            view.write(record)
    view.close()
    return "".join(texts).replace(str(ROOT / PAPER), PAPER).strip("\n") + "\n"


def shown(readme: str) -> str:
    """The block that README.md holds.

    Raises:
        ValueError: it holds none.
    """
    found = _BLOCK.search(readme)
    if found is None:
        raise ValueError(f"README.md has no block that begins with {PAPER}")
    return found[0]


def main() -> int:
    """Replace the block."""
    path = ROOT / "README.md"
    text = path.read_text("utf-8")
    path.write_text(text.replace(shown(text), printed()), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
