"""Where two panels touch without a gutter: a straight line across which the picture does not go on.

Beside any line of a micrograph the picture is much like it was four lines before; even a scan line that is too bright,
or a band of charging, leaves the texture as it is. Where two panels were put together, everything changes from one
line to the next along the whole line: grey levels, structures, often the noise. Three measures of that are taken and
weighed; the weights were fitted to pairs of genuine micrographs put together, against the most suspicious lines of
single ones. Edges of scale bars, letters and insets cover part of a line only and do not count, nor does a line with
the same grey levels on both sides: maps, meshes and grids are full of straight lines.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures.lines import MOST_IN_COMMON, Lines, block_means, equal_shares, levels_in_common

# Where no gutters run along the lines and where some do. A part of a micrograph cut off by mistake can be scored no
# more below 128 px, while panels that small are not assessed anyway.
_SMALLEST_PIECE_PX = (88, 128)
# Without gutters around a region and with them. Of the lines that score enough 2 or 5 % have less of a peak.
_LEAST_PEAK = (1.7, 3.2)
# Nearly all of this peak is a leap past what a change of size blurs.
_LEAST_RISE = 0.7
_MOST_CANDIDATES = 7
_LEAP_PX = 4
_PIXELS_READ = 480
_SAMPLES_READ = 32
_BLOCK_PX = 4
_SEGMENTS = 8
# Lines beside a candidate between its lines -1 and 0; the two next to it are left out, as changes of size blur them.
_OFFSETS = np.array((-8, -7, -4, -3, -2, 1, 2, 3, 6, 7))
# Pairs of neighbours among them: three above (outer, inner before the gap, next to it), three below.
_FIRSTS, _SECONDS = [0, 2, 3, 5, 6, 8], [1, 3, 4, 6, 7, 9]
# Weights of the ten lines: the mean of the pair above and the pair below, and the differences of two pairs, across the
# candidate and at the same distance on either side of it.
_SIDES = (np.array(((0, 0, 0, 1, 1, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 1, 1, 0, 0, 0))) / 2).astype(np.float32)
_PAIRS = np.array(
    ((0, 0, 0, 1, 1, -1, -1, 0, 0, 0), (1, 1, -1, -1, 0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0, 1, 1, -1, -1))
)
_STEPS = (_PAIRS / 2).astype(np.float32)
_LEAST_DIFFERENCE = 0.5
_LEAST_GRAIN = 0.4
_WEIGHTS = np.array((2.6, 5.9, -4.1, 2.8, 3.3, 1.5, -9.6))
_LEAST_SCORE = (1.5, 4.0)
_MOST_SEAMS = 5
_LEAST_JUMP = 1.1
_LEAST_LOG_JUMP = 0.1
_INSET_SEGMENTS = 3
_LINES_OF_A_MESH = 3
_DRAWN_SHARE, _SMOOTH_SHARE = 0.55, 0.1


class Seam(NamedTuple):
    """Panels touch between lines ``at - 1`` and ``at``; ``score`` says how plainly."""

    at: int
    score: float


def find_seams(lines: Lines, *, parted: bool = False, parallel: bool = False) -> list[Seam]:
    """Seams of a region along one direction, in their order, no two closer than the smallest piece.

    Args:
        lines: the region's rows or columns; it should be filled with pictures.
        parted: whether gutters part the region from others; in such a figure panels rarely touch.
        parallel: whether some of these gutters run along the lines.
    """
    samples, count = lines.thin.shape
    smallest = _SMALLEST_PIECE_PX[parallel]
    if count < 2 * smallest or samples < _SEGMENTS:
        return []
    candidates = _candidates(lines.thin[:: max(1, samples // _SAMPLES_READ)], _LEAST_PEAK[parted])
    if not len(candidates):
        return []
    least = _LEAST_SCORE[parted]
    scores = _scores(lines, candidates, least=least)
    if np.count_nonzero(scores >= least) > _MOST_SEAMS:
        return []  # a pattern of straight lines: a mesh, a map, enlarged pixels
    kept: list[Seam] = []
    for i in np.argsort(-scores):
        if scores[i] < least:
            break
        at = int(candidates[i])
        if smallest <= at <= count - smallest and all(abs(at - seam.at) >= smallest for seam in kept):
            kept.append(Seam(at, float(scores[i])))
    return sorted(kept)


def _candidates(thin: NDArray[np.uint8], least_peak: float) -> NDArray[np.intp]:
    """The few lines at which the samples change most, compared with the lines around."""
    half = thin >> 1
    two = half[:, :-1] + half[:, 1:]
    # From lines i, i + 1 to i + 4, i + 5, past what a change of size blurs.
    leap = _difference(two[:, :-_LEAP_PX], two[:, _LEAP_PX:])
    # Candidate y is the seam between lines y - 1 and y; it needs leap[y - 8] to leap[y + 2].
    first, last = _SMALLEST_PIECE_PX[0], thin.shape[1] - _SMALLEST_PIECE_PX[0] + 1
    peak = leap[first - 3 : last - 3] / (leap[first - 8 : last - 8] + leap[first + 2 : last + 2])
    if float(np.maximum.reduce(peak)) < _LEAST_RISE * least_peak / 2:
        return np.empty(0, np.intp)
    step = _difference(thin[:, :-1], thin[:, 1:])  # step[i]: from line i to i + 1, the sharp measure
    sharp, rival = step[first - 1 : last - 1], np.maximum(step[first - 5 : last - 5], step[first + 3 : last + 3])
    peak *= 2 * np.sqrt(sharp / rival)
    high = (peak >= least_peak).nonzero()[0]
    if len(high) > 1:
        padded = np.zeros(len(peak) + 4)
        padded[2:-2] = peak
        around = np.maximum(np.maximum(padded[high], padded[high + 1]), np.maximum(padded[high + 3], padded[high + 4]))
        high = high[peak[high] >= around]
    if len(high) > _MOST_CANDIDATES:
        high = high[np.argpartition(-peak[high], _MOST_CANDIDATES)[:_MOST_CANDIDATES]]
    return np.asarray(high + first)


def _difference(lines: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean absolute difference between lines and others, and a little; lines are columns."""
    change = np.maximum(lines, others)
    change -= np.minimum(lines, others)
    mean = equal_shares(len(lines)) @ change.astype(np.float32)
    mean += _LEAST_DIFFERENCE
    return np.asarray(mean)


def line_scores(lines: Lines, at: NDArray[np.intp], *, least: float) -> NDArray[np.float64]:
    """How plainly lines that other panels point at are seams: no share of the line needs to stand out.

    Args:
        lines: the region's rows or columns.
        at: the lines behind each possible seam, none of the first or last eight.
        least: scores below it need not be exact.
    """
    return _scores(lines, at, least_jump=0.0, least_log_jump=-np.inf, least=least)


def _scores(
    region: Lines,
    candidates: NDArray[np.intp],
    *,
    least_jump: float = _LEAST_JUMP,
    least_log_jump: float = _LEAST_LOG_JUMP,
    least: float,
) -> NDArray[np.float64]:
    """How plainly each candidate is a seam; above 0 it is more likely one than not, and -inf stands for never."""
    inner = region.inner
    step = -(-inner.shape[1] // _PIXELS_READ)
    many = len(candidates)
    rows = inner[:, ::step][(_OFFSETS[:, None] + candidates).ravel()]
    means = block_means(rows, _BLOCK_PX)
    blocks = means.shape[1]
    means = means.reshape(len(_OFFSETS), -1)
    across, above, below = _by_segment((_STEPS @ means).reshape(3, many, blocks))
    within = (above + below) / np.float32(2)
    along = (across + _LEAST_DIFFERENCE) / (within + _LEAST_DIFFERENCE)
    jump = np.sort(along, axis=1)
    scores = np.full(many, -np.inf)
    # A large inset has straight edges, too, but they cover part of a line only. Few candidates are left after this.
    left = (jump[:, 2] >= least_jump).nonzero()[0]
    if len(left) and least_log_jump > -np.inf:
        left = left[_weakest_stretch(along[left]) >= least_log_jump]
    if len(left):
        lines = rows.reshape(len(_OFFSETS), many, -1)[:, left].transpose(1, 0, 2)
        means, jump = means.reshape(len(_OFFSETS), many, blocks)[:, left].reshape(len(_OFFSETS), -1), jump[left]
        measures = (
            np.log((jump[:, (_SEGMENTS - 1) // 2] + jump[:, _SEGMENTS // 2]) / 2),
            np.log(jump[:, 2]),
            _likeness(*(_SIDES @ means).reshape(2, len(left), blocks)),
            _change_of_grain(lines[:, _FIRSTS], lines[:, _SECONDS]),
            _change_of_grain(lines[..., :-1], lines[..., 1:]),
            np.log(within[left].mean(axis=1) + _LEAST_DIFFERENCE),
            np.ones(len(left)),
        )
        scores[left] = _WEIGHTS @ np.stack(measures)
        plain = left[scores[left] >= least]
        drawn = [i for i in plain if _is_drawn(lines[np.searchsorted(left, i)], region, int(candidates[i]))]
        # Among many straight lines of a mesh or a map one may look different.
        of_a_mesh = len(drawn) >= max(_LINES_OF_A_MESH, 2 * (len(plain) - len(drawn)))
        scores[plain if of_a_mesh else drawn] = -np.inf
    return scores


def _is_drawn(beside: NDArray[np.uint8], region: Lines, at: int) -> bool:
    """Whether a line has equal neighbours along it on both sides: what is drawn has straight edges of its own."""
    equal = float(_equal_share(beside.reshape(2, -1)).min())
    return equal >= _DRAWN_SHARE or (
        equal >= _SMOOTH_SHARE and levels_in_common(region.whole, at, at) >= MOST_IN_COMMON
    )


def _weakest_stretch(along: NDArray[np.float32]) -> NDArray[np.float64]:
    """The least change over a few neighbouring segments, as a mean logarithm, by candidate."""
    sums = np.log(along).cumsum(axis=1)
    sums[:, _INSET_SEGMENTS:] -= sums[:, :-_INSET_SEGMENTS].copy()
    return np.asarray(sums[:, _INSET_SEGMENTS - 1 :].min(axis=1) / _INSET_SEGMENTS)


def _change_of_grain(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How differently neighbouring pixels differ above and below, as the logarithm of a ratio, by candidate."""
    difference = np.maximum(first, second) - np.minimum(first, second)
    half = difference.shape[1] // 2
    grain = difference.reshape(len(first), 2, -1).sum(axis=2, dtype=np.int64) / (half * difference.shape[2])
    return np.asarray(np.abs(np.log((grain[:, 0] + _LEAST_GRAIN) / (grain[:, 1] + _LEAST_GRAIN))))


def _equal_share(sides: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of neighbours that hardly differ on each of two sides, float64 [2]."""
    first, second = sides[..., :-1], sides[..., 1:]
    equal = np.maximum(first, second) - np.minimum(first, second) <= 1
    return np.asarray(np.count_nonzero(equal, axis=1) / equal.shape[1])


def _by_segment(difference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean absolute difference in each segment, in grey levels, float32 [kinds, candidates, segments]."""
    kinds, many, length = difference.shape
    size = length // _SEGMENTS
    parts = np.abs(difference[..., : size * _SEGMENTS]).reshape(kinds, many, _SEGMENTS, size)
    return np.asarray(parts @ equal_shares(size))


def _likeness(above: NDArray[np.float32], below: NDArray[np.float32]) -> NDArray[np.float32]:
    """Correlation of the lines on both sides, by candidate."""
    a, b = above - above.mean(axis=1, keepdims=True), below - below.mean(axis=1, keepdims=True)
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1)) + above.shape[1]
    return np.asarray((a * b).sum(axis=1) / norm)
