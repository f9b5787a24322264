"""One region of a genuine panel changed: by a generator, or by hand as a control; with the exact region.

The region lies in a patch of 128 px. A diffusion model or an autoencoder makes it anew; outside the region every pixel
stays genuine. The controls change the same regions without anything learned: blurred, cloned from elsewhere in the same
panel, brightened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.training.autoencoders import load_autoencoder
from semscan.training.filters import apply_filter, to_grey_levels
from semscan.training.inpaint import InpaintRecipe, draw_mask, inpaint
from semscan.training.loop import load_trainee
from semscan.training.panels import Panel

SIDE_PX = 320
PATCH_PX = 128
LEAST, MOST = 0.15, 0.5
CONTROLS = ("blurred", "cloned", "brightened")


@dataclass(frozen=True, slots=True, eq=False)
class Forgery:
    """A panel with one region changed.

    Attributes:
        grey: uint8 [h, w].
        mask: bool [h, w], true where it was changed.
        source: of the genuine panel.
    """

    grey: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    source: str


def untouched(panels: Sequence[Panel], count: int) -> list[Panel]:
    """Panels large enough, spread over the list, cut to the size that is changed."""
    large = [p for p in panels if min(p.grey.shape) >= SIDE_PX]
    if not large:
        return []
    chosen = np.unique(np.linspace(0, len(large) - 1, min(count, len(large))).astype(int))
    return [replace(large[i], grey=np.ascontiguousarray(large[i].grey[:SIDE_PX, :SIDE_PX])) for i in chosen]


def forge(panels: Sequence[Panel], generator: Path, system: str, seed: int) -> list[Forgery]:
    """Regions made anew by a generator.

    Args:
        panels: from :func:`untouched`.
        generator: checkpoint.
        system: ``diffusion`` or ``autoencoder``.
        seed: of places, regions and noise.
    """
    opened = load_autoencoder(generator) if system == "autoencoder" else load_trainee(generator)
    recipe = InpaintRecipe(
        "local", str(generator), seed=seed, size_px=PATCH_PX, sampling_steps=14, repeats=1,
        least_area=LEAST, most_area=MOST,
    )  # fmt: skip
    corners = [_corner(panel, seed) for panel in panels]
    patches = np.stack([p.grey[y : y + PATCH_PX, x : x + PATCH_PX] for p, (y, x) in zip(panels, corners, strict=True)])
    done = []
    # Four at a time: few enough for the memory of a diffusion model. A last one alone would have no other picture to be
    # transplanted from.
    starts = [k for k in range(0, len(panels), 4) if k == 0 or k + 1 < len(panels)]
    for first, end in zip(starts, [*starts[1:], len(panels)], strict=True):
        made, masks = inpaint(opened, recipe, patches[first:end, None], first)  # type: ignore[arg-type]
        for index in range(len(made)):
            panel, (y, x) = panels[first + index], corners[first + index]
            done.append(_pasted(panel, made[index, 0], masks[index], y, x))
    return done


def control(panels: Sequence[Panel], name: str, seed: int) -> list[Forgery]:
    """The same regions changed by hand; ``name`` is one of :data:`CONTROLS`."""
    done = []
    for index, panel in enumerate(panels):
        y, x = _corner(panel, seed)
        mask = draw_mask(np.random.default_rng([seed, index, 1]), PATCH_PX, LEAST, MOST)
        patch = panel.grey[y : y + PATCH_PX, x : x + PATCH_PX]
        if name == "blurred":
            changed = apply_filter(patch, "blur", 1.5, 0)
        elif name == "brightened":
            changed = to_grey_levels(patch.astype(np.float32) * 1.1 + 12)
        else:
            far_y, far_x = (0 if at > (SIDE_PX - PATCH_PX) // 2 else SIDE_PX - PATCH_PX for at in (y, x))
            changed = panel.grey[far_y : far_y + PATCH_PX, far_x : far_x + PATCH_PX]
        done.append(_pasted(panel, np.where(mask, changed, patch), mask, y, x))
    return done


def _corner(panel: Panel, seed: int) -> tuple[int, int]:
    """Place of the patch: even, as an editor's is half of the time, and odd otherwise."""
    y, x = np.random.default_rng([seed, panel.seed]).integers(0, SIDE_PX - PATCH_PX + 1, 2).tolist()
    return y, x


def _pasted(panel: Panel, patch: NDArray[np.uint8], mask: NDArray[np.bool_], y: int, x: int) -> Forgery:
    grey, whole = panel.grey.copy(), np.zeros(panel.grey.shape, bool)
    grey[y : y + PATCH_PX, x : x + PATCH_PX] = patch
    whole[y : y + PATCH_PX, x : x + PATCH_PX] = mask
    return Forgery(grey, whole, panel.source)
