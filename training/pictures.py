"""Between stored grey levels and the numbers that networks work with; sheets of samples; averaged weights."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def to_signed(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Grey levels 0..255 as float32 -1..1."""
    return torch.from_numpy(pixels).to(device).float().div_(127.5).sub_(1)


def to_pixels(pictures: Tensor) -> NDArray[np.uint8]:
    """Float -1..1 (clamped) as grey levels 0..255."""
    levels = ((pictures.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    pixels: NDArray[np.uint8] = levels.cpu().contiguous().numpy()
    return pixels


def grid_of(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures [n, C, H, W] side by side in a nearly square sheet, [h, w] or [h, w, 3], black where none is left."""
    count, channels, height, width = pictures.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.zeros((rows * columns, channels, height, width), np.uint8)
    sheet[:count] = pictures
    sheet = sheet.reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    flat = sheet.reshape(rows * height, columns * width, channels)
    return flat[:, :, 0] if channels == 1 else flat


@torch.no_grad()
def average_into(slow: nn.Module, fast: nn.Module, decay: float) -> None:
    """Exponential moving average of weights; counters and batch statistics are copied."""
    for averaged, latest in zip(slow.parameters(), fast.parameters(), strict=True):
        averaged.lerp_(latest, 1 - decay)
    for kept, newest in zip(slow.buffers(), fast.buffers(), strict=True):
        kept.copy_(newest)
