"""What happens to genuine micrographs on their way into a paper, one operation at a time.

``BENIGN`` is everyday processing that must not raise a flag; the sweeps take one disturbance from none to severe. Where
an operation draws at random, a panel and what was made of it get the same draw.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semscan.training.colours import false_colour, jpeg_through, luminance_of
from semscan.training.degrade import jpeg
from semscan.training.filters import MARKS, apply_filter, draw_mark
from semscan.training.panels import SMALLEST_PX, Panel

Grey = NDArray[np.uint8]
Operation = Callable[[Grey, np.random.Generator], tuple[Grey, int | None]]

SWEPT_KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def resize(grey: Grey, factor: float, kernel: Image.Resampling) -> Grey:
    """Resize, but not below what leaves a tile."""
    factor = max(factor, SMALLEST_PX / min(grey.shape))
    width, height = (int(np.ceil(side * factor)) for side in grey.shape[::-1])
    return np.array(Image.fromarray(np.ascontiguousarray(grey)).resize((width, height), kernel))


def _scale(factor: float, kernel: Image.Resampling = Image.Resampling.BICUBIC) -> Operation:
    return lambda grey, rng: (resize(grey, factor, kernel), None)


def _filter(name: str, strength: float) -> Operation:
    return lambda grey, rng: (apply_filter(grey, name, strength, int(rng.integers(2**31))), None)


def _false_colour(grey: Grey, rng: np.random.Generator) -> tuple[Grey, int | None]:
    return luminance_of(false_colour(grey, int(rng.integers(2**31)))), None


def _annotated(grey: Grey, rng: np.random.Generator) -> tuple[Grey, int | None]:
    for name in MARKS:
        place = (float(rng.uniform(0.02, 0.8)), float(rng.uniform(0.02, 0.8)))
        grey = draw_mark(grey, name, place, int(rng.integers(2**31)))
    return grey, None


def _screenshot(grey: Grey, rng: np.random.Generator) -> tuple[Grey, int | None]:
    """Shown at an odd size by a bilinear viewer with a gamma of its own, grabbed in colour, stored as JPEG 4:2:0."""
    grey = resize(grey, float(rng.uniform(0.75, 1.4)), Image.Resampling.BILINEAR)
    grey = apply_filter(grey, "gamma", float(rng.uniform(0.9, 1.1)), 0)
    return jpeg_through(grey, 85, "4:2:0"), 85


def _jpeg(quality: int) -> Operation:
    return lambda grey, rng: (jpeg(grey, quality), quality)


def _twice(first: int, second: int) -> Operation:
    """Two compressions whose grids differ."""

    def both(grey: Grey, rng: np.random.Generator) -> tuple[Grey, int | None]:
        y, x = (int(v) for v in rng.integers(1, 8, 2))
        return jpeg(jpeg(grey, first)[y:, x:], second), second

    return both


BENIGN: dict[str, Operation] = {
    "resized x 0.5": _scale(0.5),
    "resized x 0.7": _scale(0.7),
    "resized x 1.3": _scale(1.3),
    "resized x 1.5": _scale(1.5),
    "resized x 2": _scale(2.0),
    "denoised, median 3 x 3": _filter("median", 3.0),
    "denoised, Wiener": _filter("wiener", 8.0),
    "denoised, bilateral": _filter("bilateral", 10.0),
    "blurred, sigma 0.8": _filter("blur", 0.8),
    "CLAHE": _filter("clahe", 3.0),
    "gamma 0.6": _filter("gamma", 0.6),
    "gamma 1.6": _filter("gamma", 1.6),
    "sharpened": _filter("unsharp", 1.0),
    "false colour": _false_colour,
    "annotated": _annotated,
    "screenshot": _screenshot,
}

JPEG_QUALITIES = (100, 95, 90, 85, 80, 75, 70, 65, 60, 50, 40)
DOUBLE = ((95, 75), (75, 95), (85, 85), (60, 90), (90, 60))
FACTORS = (0.25, 0.5, 0.75, 1.25, 1.5, 2.0)
BLURS = (0.3, 0.6, 0.9, 1.2, 1.6, 2.0)
NOISES = (1.0, 2.0, 4.0, 8.0, 16.0)

SWEEPS: dict[str, dict[str, tuple[float, Operation]]] = {
    "JPEG quality": {f"jpeg {q}": (q, _jpeg(q)) for q in JPEG_QUALITIES},
    "double JPEG": {f"jpeg {a}, then {b}": (float(k), _twice(a, b)) for k, (a, b) in enumerate(DOUBLE, 1)},
    **{
        f"resized, {name}": {f"resized {factor:g} {name}": (factor, _scale(factor, kernel)) for factor in FACTORS}
        for name, kernel in SWEPT_KERNELS.items()
    },
    "blur, sigma in px": {f"blur {s:g}": (s, _filter("blur", s)) for s in BLURS},
    "noise, grey levels": {f"noise {s:g}": (s, _filter("noise", s)) for s in NOISES},
}
"""By curve and step: the place on the axis and the operation."""

OPERATIONS: dict[str, Operation] = BENIGN | {
    step: operation for curve in SWEEPS.values() for step, (_, operation) in curve.items()
}


def operate(panel: Panel, name: str) -> tuple[Grey, int | None]:
    """A panel after one of :data:`OPERATIONS`, and its last JPEG quality, ``None`` if stored without loss."""
    return OPERATIONS[name](panel.grey, np.random.default_rng([panel.seed, sum(name.encode())]))
