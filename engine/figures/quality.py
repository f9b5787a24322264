"""How good the evidence in a panel is, beside what its stored form says: what covers it, what it lost, what was done.

Enlarging by a factor that is not whole leaves a trace: the size of second differences rises and falls with a fixed
period, the same in both directions (Gallagher, CRV 2005; Kirchner, ACM MM&Sec 2008). JPEG's blocks leave one of 8
pixels. Both are measured on the panel's tiles and stated only when they are plain. What is not found here may still be
there: reducing leaves hardly a trace, and doubling or a factor of 1.6 one that cannot be told from that of blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.overlays import covered_share
from semscan.engine.geometry import Box
from semscan.engine.records import QualityRecord

_FLAT_BLOCK = 1.5
_BLOCK_PX = 16
_BLOCKS_PER_SIDE = 12
_EVERY_ROW = 3
_LARGEST_STEP = 32
_SPECTRUM = 256
_LOWEST = 0.085
_NEIGHBOURS = 24
_PLAIN_PEAK = 10.0
_SAME_PERIOD = 0.01
_BLOCK_WIDTH = 0.014
_COLOURED = 9
_COLOUR_SIDE = 64


def quality_of(
    grey: NDArray[np.uint8], box: Box, tiles: NDArray[np.uint8], covers: Sequence[Box], *, lossless: bool
) -> QualityRecord:
    """Measure a panel.

    Args:
        grey: uint8 [H, W], the stored image.
        box: the panel without its data bar, at least 16 x 16 px.
        tiles: uint8 [n, 1, T, T], those that it is scored by, possibly none.
        covers: boxes of what is drawn on it or over it.
        lossless: whether it is stored without loss, so that a trace of JPEG's blocks is one of an earlier form.
    """
    panel = grey[box.y0 : box.y1, box.x0 : box.x1]
    ends = np.count_nonzero(panel == 0) + np.count_nonzero(panel == 255)
    period, blocky = _traces(tiles) if len(tiles) else (None, False)
    return QualityRecord(
        annotated=round(covered_share(box, covers), 3),
        saturated=round(float(ends) / panel.size, 3),
        flat=round(_flat_share(panel), 3),
        resampling_period_px=period,
        earlier_jpeg=True if lossless and blocky else None,
    )


def is_coloured(view: NDArray[np.uint8]) -> bool:
    """Whether colour lies over more than half of a view, uint8 [h, w, 3]; electrons have none."""
    thin = view[:: max(1, view.shape[0] // _COLOUR_SIDE), :: max(1, view.shape[1] // _COLOUR_SIDE)]
    return bool(np.median(thin.max(axis=2) - thin.min(axis=2)) >= _COLOURED)


def _flat_share(panel: NDArray[np.uint8]) -> float:
    """Share without texture of a sample of blocks, spread over the panel."""
    rows, columns = (np.linspace(0, side - _BLOCK_PX, min(_BLOCKS_PER_SIDE, side // _BLOCK_PX)) for side in panel.shape)
    windows = np.lib.stride_tricks.sliding_window_view(panel, (_BLOCK_PX, _BLOCK_PX))
    blocks = windows[np.ix_(rows.astype(np.intp), columns.astype(np.intp))].reshape(-1, _BLOCK_PX**2)
    return float((blocks.std(axis=1, dtype=np.float32) < _FLAT_BLOCK).mean())


def _traces(tiles: NDArray[np.uint8]) -> tuple[float | None, bool]:
    """Period of an enlargement in px, if plain, and whether JPEG's blocks are plain."""
    across = _spectrum(tiles[:, 0])
    down = _spectrum(tiles[:, 0].transpose(0, 2, 1))
    frequency = np.arange(across.size) / _SPECTRUM
    grid = np.abs(frequency[:, None] - np.arange(1, 5) / 8) <= _BLOCK_WIDTH
    blocky = all(
        min(float(spectrum[near].max()) for near in grid.T[:3]) >= _PLAIN_PEAK / 2 * float(np.median(spectrum))
        for spectrum in (across, down)
    )
    free = (frequency >= _LOWEST) & ~grid.any(axis=1)
    peaks = []
    for spectrum in (across, down):
        place = int(np.where(free, spectrum, 0).argmax())
        around = spectrum[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]
        if spectrum[place] < _PLAIN_PEAK * float(np.median(around)):
            return None, blocky
        peaks.append(float(frequency[place]))
    if abs(peaks[0] - peaks[1]) > _SAME_PERIOD:
        return None, blocky
    return round(2 / sum(peaks), 2), blocky


def _spectrum(tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean power spectrum of the size of second differences along rows, averaged down the columns."""
    rows = tiles[:, ::_EVERY_ROW].astype(np.int16)
    bend = np.abs(2 * rows[:, :, 1:-1] - rows[:, :, :-2] - rows[:, :, 2:])
    size = np.minimum(bend, _LARGEST_STEP).mean(axis=1)
    wave = (size - size.mean(axis=1, keepdims=True)) * np.hanning(size.shape[1])
    power = np.abs(np.fft.rfft(wave, _SPECTRUM, axis=1)) ** 2
    share = power / (power[:, _SPECTRUM // 16 :].mean(axis=1, keepdims=True) + 1e-9)
    spectrum: NDArray[np.float64] = share.mean(axis=0)
    return spectrum
