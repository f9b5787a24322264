"""Contact sheets: panels side by side in one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def contact_sheet(panels: Sequence[NDArray[np.uint8]], path: Path, columns: int, side_px: int = 160) -> Path:
    """Write panels in rows; each shows its upper left ``side_px`` pixels, at native resolution.

    Args:
        panels: uint8 [h, w] each.
        path: of the PNG file.
        columns: panels in a row.
        side_px: side of a panel's place; smaller panels leave it partly grey.
    """
    rows = max(1, -(-len(panels) // columns))
    sheet = np.full((rows * (side_px + 4) - 4, columns * (side_px + 4) - 4), 128, np.uint8)
    for index, panel in enumerate(panels):
        y, x = index // columns * (side_px + 4), index % columns * (side_px + 4)
        shown = panel[:side_px, :side_px]
        sheet[y : y + shown.shape[0], x : x + shown.shape[1]] = shown
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path, optimize=True)
    return path
