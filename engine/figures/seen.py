"""What is seen of an image at the place where it is drawn: the part that no clip takes away, and what lies over it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semscan.engine.geometry import Box, pixels_of
from semscan.engine.raster import VIEW_SHRINK, Colours, Raster
from semscan.engine.records import PanelRecord

_JPEG_BLOCK_PX = 8
_TOUCH_PX = 0.05
"""A pixel of which less than this is covered is not: the edges of boxes are rounded."""

Share = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Seen:
    """All in shares of the image's width and height from the top left, for its size is known once it is decoded.

    Attributes:
        part: what is seen; ``None`` for all.
        covered: what lies under something else.
    """

    part: Share | None = None
    covered: tuple[Share, ...] = ()

    @property
    def key(self) -> str:
        """Different where different things are seen of the same image; empty if all of it is."""
        part = None if self.part is None else tuple(round(edge, 4) for edge in self.part)
        return f" {part} {self.covered}" if part or self.covered else ""

    def of(self, raster: Raster) -> tuple[Raster, tuple[Box, ...], Box]:
        """The seen part of an image.

        Returns:
            The raster of the part, what is covered of it in its own pixels, and its box in the image. The box begins at
            even coordinates, so that tiles do too.
        """
        height, width = raster.grey.shape
        box = Box(0, 0, width, height) if self.part is None else _even(pixels_of(self.part, width, height))
        covered = tuple(
            Box(
                max(math.floor(x0 * width + _TOUCH_PX) - box.x0, 0),
                max(math.floor(y0 * height + _TOUCH_PX) - box.y0, 0),
                min(math.ceil(x1 * width - _TOUCH_PX), box.x1) - box.x0,
                min(math.ceil(y1 * height - _TOUCH_PX), box.y1) - box.y0,
            )
            for x0, y0, x1, y1 in self.covered
        )
        covered = tuple(cover for cover in covered if cover.x0 < cover.x1 and cover.y0 < cover.y1)
        if tuple(box) == (0, 0, width, height):
            return raster, covered, box
        if box.width < 1 or box.height < 1:
            x0, y0 = min(box.x0, width - 1), min(box.y0, height - 1)
            box = Box(x0, y0, x0 + 1, y0 + 1)
        part = np.ascontiguousarray(raster.grey[box.y0 : box.y1, box.x0 : box.x1])
        colour = None if raster.load_colour is None else _Part(raster.load_colour, (width, height), box)
        steps = raster.luma_steps if box.x0 % _JPEG_BLOCK_PX == box.y0 % _JPEG_BLOCK_PX == 0 else None
        return replace(raster, grey=part, load_colour=colour, luma_steps=steps), covered, box


WHOLE = Seen()
"""All of an image, with nothing over it."""


def in_image(record: PanelRecord, box: Box, size: tuple[int, int]) -> PanelRecord:
    """A panel of a part of an image, as a panel of the image.

    Args:
        record: its box and size are those of the part.
        box: the part.
        size: width and height of the image, px.
    """
    if record.image is None or box == (0, 0, *size):
        return record
    x0, y0, x1, y1 = Box(*record.image.bbox_px).shifted(box.x0, box.y0)
    return replace(record, image=replace(record.image, px=size, bbox_px=(x0, y0, x1, y1)))


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The colour view of a part of an image."""

    load: Colours
    size: tuple[int, int]
    box: Box

    def __call__(self, shrink: int = VIEW_SHRINK) -> NDArray[np.uint8]:
        view, (width, height), box = self.load(shrink), self.size, self.box
        scale = max(round(height / view.shape[0]), round(width / view.shape[1]), 1)
        rows, columns = -(-box.height // scale), -(-box.width // scale)
        return view[box.y0 // scale :][:rows, box.x0 // scale :][:, :columns]


def _even(box: Box) -> Box:
    return Box(box.x0 + box.x0 % 2, box.y0 + box.y0 % 2, box.x1, box.y1)
