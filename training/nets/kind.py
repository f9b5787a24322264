"""The SEM-or-not gate's network: one hidden layer on what is measured of a panel."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

HIDDEN = 48
LARGEST_DEVIATION = 4.0
"""Standardised measurements are cut at this size, so that one odd number does not decide."""
_SMALLEST_SCALE = 1e-3


class KindNet(nn.Module):
    """Logits of the kinds.

    Args:
        numbers: float32 [n, f], measurements of training panels, which are standardised by their mean and deviation.
        kinds: number of labels.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, numbers: NDArray[np.float32], kinds: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(numbers.mean(axis=0)))
        self.register_buffer("scale", torch.from_numpy(numbers.std(axis=0) + np.float32(_SMALLEST_SCALE)))
        self.thin = nn.Dropout(0.1)
        self.hidden = nn.Linear(numbers.shape[1], HIDDEN)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(HIDDEN, kinds)

    def forward(self, numbers: Tensor) -> Tensor:
        """Score panels.

        Args:
            numbers: float32 [n, f].

        Returns:
            float32 [n, kinds].
        """
        standard = ((numbers - self.mean) / self.scale).clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION)
        logits: Tensor = self.out(self.drop(torch.relu(self.hidden(self.thin(standard)))))
        return logits
