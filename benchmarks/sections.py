"""A results page that several measurements share: each replaces its own section and leaves the others alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TITLE = "# Figures: panels, kinds, labels\n"


def put_section(page: Path, name: str, text: str, numbers: dict[str, Any]) -> None:
    """Write one section of a Markdown page, and its numbers into the JSON file beside it.

    Args:
        page: the ``.md`` file; made if it is not there.
        name: of the section; comments with it mark where the section begins and ends.
        text: Markdown of the section, with its heading.
        numbers: what the text was made from.
    """
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    old = page.read_text("utf-8") if page.exists() else TITLE
    section = f"{start}{text.strip()}\n{end}"
    if start in old and end in old:
        before, _, rest = old.partition(start)
        new = before + section + rest.partition(end)[2]
    else:
        new = f"{old.rstrip()}\n\n{section}"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(new, "utf-8")
    store = page.with_suffix(".json")
    kept = json.loads(store.read_text("utf-8")) if store.exists() else {}
    store.write_text(json.dumps({**kept, name: numbers}, indent=1, ensure_ascii=False) + "\n", "utf-8")
