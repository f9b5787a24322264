"""Differentiable augmentation for training with few pictures (Zhao et al., NeurIPS 2020, arXiv 2006.10738).

The same kind of random change is applied to genuine and generated pictures before the discriminator sees them, and
gradients flow through it to the generator, so the generator does not learn the changes themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BRIGHTNESS = 0.5
"""Most that is added or taken, where the grey range is 2."""

SATURATION = (0.0, 2.0)
CONTRAST = (0.5, 1.5)
"""Ranges of the factors on what differs from the grey of the pixel and from the mean of the picture."""

TRANSLATION = 0.125
"""Most that a picture moves, as a share of its side."""


@dataclass(frozen=True, slots=True)
class DiffAugment:
    """One random draw of colour and translation for a batch; may be applied to several scales of it.

    Attributes:
        brightness: float [n, 1, 1, 1], added.
        saturation: float [n, 1, 1, 1], factor; without effect on grey pictures.
        contrast: float [n, 1, 1, 1], factor.
        shift: float [n, 2], movement down and right as a share of the side.
    """

    brightness: Tensor
    saturation: Tensor
    contrast: Tensor
    shift: Tensor

    @staticmethod
    def draw(count: int, device: torch.device) -> DiffAugment:
        """Random changes of ``count`` pictures from torch's global generator."""
        colour = torch.rand(3, count, 1, 1, 1, device=device)
        return DiffAugment(
            (colour[0] - 0.5) * 2 * BRIGHTNESS,
            SATURATION[0] + colour[1] * (SATURATION[1] - SATURATION[0]),
            CONTRAST[0] + colour[2] * (CONTRAST[1] - CONTRAST[0]),
            (torch.rand(count, 2, device=device) - 0.5) * 2 * TRANSLATION,
        )

    def __call__(self, pictures: Tensor) -> Tensor:
        """Changed pictures, float [n, C, h, w]; what is moved in from outside is mid-grey (zero)."""
        x = pictures + self.brightness
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * self.saturation
        mean = x.mean((1, 2, 3), keepdim=True)
        x = mean + (x - mean) * self.contrast
        return _moved(x, self.shift)


def _moved(x: Tensor, shift: Tensor) -> Tensor:
    """Each picture moved by whole pixels, by indexing a copy with a border of zeros."""
    _, _, height, width = x.shape
    border = round(TRANSLATION * max(height, width)) + 1
    padded = torch.nn.functional.pad(x, (border, border, border, border))
    down = (shift[:, 0] * height).round().long()
    right = (shift[:, 1] * width).round().long()
    rows = torch.arange(height, device=x.device)[None] + border - down[:, None]
    columns = torch.arange(width, device=x.device)[None] + border - right[:, None]
    index = torch.arange(len(x), device=x.device)
    # Advanced indices around the channel slice put it last: [n, h, w, C].
    moved = padded[index[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)
