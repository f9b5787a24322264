"""What is measured on a panel to tell what kind of picture it is.

Grey features come from up to 49 blocks of 32 x 32 native pixels spread over the panel, so that the cost does not grow
with its size; colour features from a thinned small colour view; what needs a look at the whole picture is in
``texture``. All are plain statistics: they tell how a picture was made rather than what it shows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semscan.engine.figures import texture

BLOCK_PX = 32
_BLOCKS_PER_SIDE = 7
_FLOOR = 0.05
_COLOURED = 28
_STRONG_EDGE = 40
_COLOUR_SIDE = 64
_COLOURED_MEDIAN = 9 / 16

GREY_NAMES = (
    "mean",
    "deviation",
    "entropy",
    "mode_share",
    "mode_position",
    "white_share",
    "black_share",
    "skewness",
    "flat_share",
    "flat_blocks",
    "log_gradient",
    "gradient_tail",
    "log_noise_quiet",
    "log_noise_typical",
    "fine_over_middle",
    "middle_over_coarse",
    "axis_edges",
    "row_over_column",
    "log_block_deviation",
    "block_deviation_spread",
    "mean_deviation_link",
    "block_mean_spread",
    "bright_edges",
    "noise_brightness_link",
)
COLOUR_NAMES = ("median_chroma", "chroma", "coloured_share", "tint_unity", "chroma_spread", "dark_colour")
NAMES = GREY_NAMES + texture.NAMES + COLOUR_NAMES


def measure(grey: NDArray[np.uint8], colour: NDArray[np.uint8] | None) -> NDArray[np.float64]:
    """Measure a panel.

    Args:
        grey: uint8 [h, w], native pixels, both sides at least 32.
        colour: uint8 [h', w', 3], a small view of the same panel, or ``None`` for a panel stored in grey.

    Returns:
        float64 [len(NAMES)], in the order of ``NAMES``.

    Raises:
        ValueError: the panel is smaller than one block.
    """
    blocks = sample_blocks(grey)
    return np.concatenate([_grey_features(blocks), texture.measure_texture(grey), _colour_features(colour)])


def is_coloured(measured: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether colour lies over more than half of a panel, so that it is not an SEM micrograph as recorded.

    Electrons have no colour. Of the SEM panels in the preprints none passes the limit (a median chroma, largest less
    smallest of R, G and B, of 9), whatever letters, arrows and boxes are painted on it.

    Args:
        measured: float64 [..., f] from :func:`measure`.
    """
    coloured: NDArray[np.bool_] = measured[..., NAMES.index("median_chroma")] >= _COLOURED_MEDIAN
    return coloured


def sample_blocks(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blocks of native pixels spread evenly over a panel.

    Args:
        grey: uint8 [h, w].

    Returns:
        uint8 [n, 32, 32], n at most 49.

    Raises:
        ValueError: the panel is smaller than one block.
    """
    height, width = grey.shape
    if min(height, width) < BLOCK_PX:
        raise ValueError(f"a panel of {width} x {height} px holds no block of {BLOCK_PX} px")
    rows, columns = (_starts(side) for side in (height, width))
    windows = np.lib.stride_tricks.sliding_window_view(grey, (BLOCK_PX, BLOCK_PX))
    return np.ascontiguousarray(windows[np.ix_(rows, columns)]).reshape(-1, BLOCK_PX, BLOCK_PX)


def _starts(side_px: int) -> NDArray[np.intp]:
    count = min(_BLOCKS_PER_SIDE, side_px // BLOCK_PX)
    return np.linspace(0, side_px - BLOCK_PX, count).astype(np.intp)


def _grey_features(blocks: NDArray[np.uint8]) -> NDArray[np.float64]:
    share = np.bincount(blocks.ravel(), minlength=256) / blocks.size
    levels = np.arange(256)
    mean = float(share @ levels)
    deviation = float(np.sqrt(share @ (levels - mean) ** 2)) + _FLOOR
    seen = share[share > 0]
    around_mode = np.convolve(share, np.ones(5), "same")
    signed = blocks.astype(np.float32)
    across, down = np.diff(signed, axis=2), np.diff(signed, axis=1)
    steps = np.abs(across)
    means, deviations = signed.mean(axis=(1, 2)), signed.std(axis=(1, 2)) + _FLOOR
    halves = _halved(signed)
    quarters = _halved(halves)
    fine = _roughness(signed)
    middle, coarse = _roughness(halves), _roughness(quarters)
    columns_energy, rows_energy = float((across**2).mean()) + _FLOOR, float((down**2).mean()) + _FLOOR
    gx, gy = np.abs(across[:, :-1]), np.abs(down[:, :, :-1])
    strong = np.maximum(gx, gy) > _STRONG_EDGE
    straight = strong & (np.minimum(gx, gy) <= 0.08 * np.maximum(gx, gy))
    log_deviations = np.log(deviations)
    inner = signed[:, 1:-1, 1:-1]
    curvature = 4 * inner - signed[:, :-2, 1:-1] - signed[:, 2:, 1:-1] - signed[:, 1:-1, :-2] - signed[:, 1:-1, 2:]
    return np.array(
        [
            mean / 255,
            deviation / 64,
            -float(seen @ np.log2(seen)),
            float(around_mode.max()),
            float(around_mode.argmax()) / 255,
            float(share[250:].sum()),
            float(share[:6].sum()),
            float(share @ (levels - mean) ** 3) / deviation**3,
            float(np.mean(steps <= 1)),
            float(np.mean(deviations < 1.5)),
            float(np.log(steps.mean() + _FLOOR)),
            float(np.log((np.quantile(steps[::2], 0.98) + 1) / (np.quantile(steps[::2], 0.6) + 1))),
            float(np.log(np.quantile(fine, 0.1) + _FLOOR)),
            float(np.log(np.median(fine) + _FLOOR)),
            float(np.log((fine.mean() + _FLOOR) / (middle.mean() + _FLOOR))),
            float(np.log((middle.mean() + _FLOOR) / (coarse.mean() + _FLOOR))),
            float(straight.sum() / (strong.sum() + 50)),
            float(np.log(columns_energy / rows_energy)),
            float(np.median(log_deviations)),
            float(np.quantile(log_deviations, 0.9) - np.quantile(log_deviations, 0.1)),
            _link(means, log_deviations),
            float(means.std()) / deviation,
            _skew_of_details(curvature),
            _link(means, np.log(fine + _FLOOR)),
        ]
    )


def _halved(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 2 x 2 pixels; a statistic at a coarser scale, never an input of the detector."""
    total = blocks[:, ::2, ::2] + blocks[:, 1::2, ::2] + blocks[:, ::2, 1::2] + blocks[:, 1::2, 1::2]
    return total * np.float32(0.25)


def _roughness(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean size of the diagonal second difference of each block, which ramps and straight edges do not raise."""
    crossed = blocks[:, 1:, 1:] - blocks[:, 1:, :-1] - blocks[:, :-1, 1:] + blocks[:, :-1, :-1]
    rough: NDArray[np.float32] = np.abs(crossed).mean(axis=(1, 2))
    return rough


def _link(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Correlation coefficient, 0 where one side does not vary."""
    if len(first) < 3 or first.std() < _FLOOR or second.std() < _FLOOR:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _skew_of_details(curvature: NDArray[np.float32]) -> float:
    """Whether details are brighter (positive, the edge effect of SEM) or darker than what is around them."""
    spread = float(curvature.std()) + _FLOOR
    return float(np.tanh((curvature * curvature * curvature).mean() / spread**3 / 2))


def _colour_features(colour: NDArray[np.uint8] | None) -> NDArray[np.float64]:
    if colour is None:
        return np.zeros(len(COLOUR_NAMES))
    thin = colour[:: max(1, colour.shape[0] // _COLOUR_SIDE), :: max(1, colour.shape[1] // _COLOUR_SIDE)]
    pixels = thin.reshape(-1, 3).astype(np.float32)
    brightest = pixels.max(axis=1)
    chroma = brightest - pixels.min(axis=1)
    # Two opponent axes; their mean vector is long when one tint lies over the whole picture.
    opponent = np.stack([pixels[:, 0] - pixels[:, 1], (pixels[:, 0] + pixels[:, 1]) / 2 - pixels[:, 2]], axis=1)
    total = float(np.hypot(opponent[:, 0], opponent[:, 1]).sum())
    unity = float(np.hypot(*opponent.sum(axis=0))) / total if total > len(pixels) else 0.0
    coloured = chroma > _COLOURED
    return np.array(
        [
            float(np.median(chroma)) / 16,
            float(np.log1p(chroma.mean())),
            float(coloured.mean()),
            unity,
            float(np.log1p(chroma.std())),
            float(np.mean(chroma > 0.5 * brightest + 8)),
        ]
    )
