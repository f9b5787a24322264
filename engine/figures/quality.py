"""How good the evidence in a panel is, beside what its stored form says: what covers it, what it lost, what was done.

Enlarging by a factor that is not whole leaves a trace: the size of second differences rises and falls with a fixed
period, the same in both directions (Gallagher, CRV 2005; Kirchner, ACM MM&Sec 2008). JPEG's blocks leave one of 8
pixels. Both are measured on up to eight of the panel's tiles, which show as much as all of them, and stated only when
they are plain. What is not found here may still be there: reducing leaves hardly a trace, and doubling or a factor of
1.6 one that cannot be told from that of blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from semscan.engine.figures.overlays import covered_share
from semscan.engine.figures.recompression import LOSSLESS, earlier_quality
from semscan.engine.figures.views import median_chroma
from semscan.engine.geometry import Box
from semscan.engine.records import QualityRecord

_FLAT_BLOCK = 1.5
_BLOCK_PX = 16
_BLOCKS_PER_SIDE = 12
_EVERY_ROW = 3
_MOST_TILES = 8
_LARGEST_STEP = 32
_SPECTRUM = 256
_LOWEST = 0.085
_NEIGHBOURS = 24
_PLAIN_PEAK = 10.0
_SAME_PERIOD = 0.01
_BLOCK_WIDTH = 0.014
_COLOURED = 9
_FREQUENCY = np.arange(_SPECTRUM // 2 + 1) / _SPECTRUM
_GRID = np.abs(_FREQUENCY[:, None] - np.arange(1, 5) / 8) <= _BLOCK_WIDTH
_FREE = (_FREQUENCY >= _LOWEST) & ~_GRID.any(axis=1)


def quality_of(
    grey: NDArray[np.uint8],
    box: Box,
    tiles: NDArray[np.uint8],
    covers: Sequence[Box],
    steps: Sequence[int] | None,
) -> QualityRecord:
    """Measure a panel.

    Args:
        grey: uint8 [H, W], the stored image.
        box: the panel without its data bar, at least 16 x 16 px.
        tiles: uint8 [n, 1, T, T], those that it is scored by, possibly none.
        covers: boxes of what is drawn on it or over it.
        steps: of the JPEG that the image is, see :func:`earlier_quality`; ``LOSSLESS`` where a trace of JPEG's blocks
            is one of an earlier form; ``None`` if they are not known.
    """
    panel = grey[box.y0 : box.y1, box.x0 : box.x1]
    rows = panel[::_EVERY_ROW]  # enough for a share
    ends = np.count_nonzero(rows + np.uint8(1) <= 1)  # 255 becomes 0, and 0 becomes 1
    earlier = None if steps is None else earlier_quality(grey, box, steps)
    spectra = _spectra(tiles[:: -(-len(tiles) // _MOST_TILES)]) if len(tiles) else None
    return QualityRecord(
        annotated=round(covered_share(box, covers), 3),
        saturated=round(float(ends) / rows.size, 3),
        flat=round(_flat_share(panel), 3),
        resampling_period_px=None if spectra is None else _period(*spectra),
        earlier_jpeg=True if earlier or (steps is LOSSLESS and _are_blocky(spectra)) else None,
        earlier_jpeg_q=earlier,
    )


def is_coloured(view: NDArray[np.uint8]) -> bool:
    """Whether colour lies over more than half of a view, uint8 [h, w, 3]; electrons have none."""
    return median_chroma(view) >= _COLOURED


def _flat_share(panel: NDArray[np.uint8]) -> float:
    """Share without texture of a sample of blocks, spread over the panel."""
    rows, columns = map(_starts, panel.shape)
    height, width = panel.shape
    every = as_strided(
        panel, (height - _BLOCK_PX + 1, width - _BLOCK_PX + 1, _BLOCK_PX, _BLOCK_PX), panel.strides * 2, writeable=False
    )
    blocks = every[rows[:, None], columns].reshape(-1, _BLOCK_PX**2).astype(np.float32)
    # 256 squares of grey levels add up to less than 2^24: the sums are exact.
    total, squares = np.add.reduce(blocks, axis=1).astype(np.float64), np.einsum("ij,ij->i", blocks, blocks)
    size = blocks.shape[1]
    return float((size * squares.astype(np.float64) - total * total < (_FLAT_BLOCK * size) ** 2).mean())


@lru_cache(maxsize=256)
def _starts(side: int) -> NDArray[np.intp]:
    """Where the sampled blocks begin along one side."""
    return np.linspace(0, side - _BLOCK_PX, min(_BLOCKS_PER_SIDE, side // _BLOCK_PX)).astype(np.intp)


def _spectra(tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean power spectra of the size of second differences along rows, averaged down the columns, and the reverse.

    Returns:
        float64 [2, frequencies]: across and down.
    """
    across, down = tiles[:, 0, ::_EVERY_ROW], tiles[:, 0, :, ::_EVERY_ROW].transpose(0, 2, 1)
    rows = np.concatenate([across, down]).astype(np.int16)
    bend = rows[:, :, 1:-1] * np.int16(2)
    bend -= rows[:, :, :-2]
    bend -= rows[:, :, 2:]
    np.abs(bend, out=bend)
    np.clip(bend, 0, _LARGEST_STEP, out=bend)  # several times as fast as np.minimum with a single number
    # The sums fit: at most 32 from each of a thousand rows.
    size = np.add.reduce(bend, axis=1, dtype=np.int16) / bend.shape[1]
    wave = (size - size.mean(axis=1, keepdims=True)) * _window(size.shape[1])
    power = np.abs(np.fft.rfft(wave, _SPECTRUM, axis=1)) ** 2
    share = power / (power[:, _SPECTRUM // 16 :].mean(axis=1, keepdims=True) + 1e-9)
    spectra: NDArray[np.float64] = share.reshape(2, len(tiles), -1).mean(axis=1)
    return spectra


def _are_blocky(spectra: NDArray[np.float64] | None) -> bool:
    """Whether JPEG's blocks are plain in both directions."""
    return spectra is not None and all(
        min(float(spectrum[near].max()) for near in _GRID.T[:3]) >= _PLAIN_PEAK / 2 * _median(spectrum)
        for spectrum in spectra
    )


def _period(across: NDArray[np.float64], down: NDArray[np.float64]) -> float | None:
    """Period of an enlargement in px, if plain."""
    peaks = []
    for spectrum in (across, down):
        place = int(np.where(_FREE, spectrum, 0).argmax())
        around = spectrum[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]
        if spectrum[place] <= _PLAIN_PEAK * _median(around):  # equal where there is nothing at all
            return None
        peaks.append(float(_FREQUENCY[place]))
    return round(2 / sum(peaks), 2) if abs(peaks[0] - peaks[1]) <= _SAME_PERIOD else None


def _median(values: NDArray[np.float64]) -> float:
    """As NumPy's, in a tenth of the time for a few."""
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


@lru_cache(maxsize=4)
def _window(length: int) -> NDArray[np.float64]:
    return np.hanning(length)
