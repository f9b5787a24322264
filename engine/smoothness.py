"""How smooth a panel is: the one number that explains part of every residual detector's score.

Genuine panels without fine noise (denoised, enlarged, averaged) look generated to a residual detector. The number is
measured here so that calibration can take its share out of the score and can say which panels are outside the range
it has seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROWS = 256
_FLOOR = 0.05


def smoothness(grey: NDArray[np.uint8]) -> float:
    """Logarithm of the energy of second differences over the energy of central differences.

    For a panel ``x`` the second difference is ``x[i-1] - 2 x[i] + x[i+1]`` and the central one
    ``(x[i+1] - x[i-1]) / 2``, along rows and along columns; the energies are means of squares over both directions.
    White noise gives ``log 12``, a slow ramp a large negative number: *lower is smoother*. A floor of 0.05 squared
    grey levels on both energies makes a constant panel 0 instead of undefined.

    Args:
        grey: uint8 [h, w], h and w at least 3.

    Returns:
        The natural logarithm of the ratio; the same bits for the same pixels, whatever the memory layout.

    Raises:
        ValueError: a side is shorter than 3 pixels.
    """
    if min(grey.shape) < 3:
        raise ValueError(f"smoothness needs at least 3 x 3 pixels, not {grey.shape}")
    second = central = 0
    for start in range(0, grey.shape[0], _ROWS):
        # Two rows of overlap: every vertical triple is counted once, every horizontal one too.
        block = grey[start : start + _ROWS + 2].astype(np.int32)
        rows = block[:_ROWS]
        triples = [(rows[:, :-2], rows[:, 1:-1], rows[:, 2:]), (block[:-2], block[1:-1], block[2:])]
        for before, here, after in triples:
            second += int(np.square(before - 2 * here + after).sum(dtype=np.int64))
            central += int(np.square(after - before).sum(dtype=np.int64))
    height, width = grey.shape
    count = height * (width - 2) + (height - 2) * width
    return float(np.log((second / count + _FLOOR) / (central / 4 / count + _FLOOR)))
