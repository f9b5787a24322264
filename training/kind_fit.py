"""Train the SEM-or-not gate's network on measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from semscan.training.kind_data import LABELS
from semscan.training.kind_views import MeasuredSet, weights
from semscan.training.nets.kind import KindNet

BATCH = 512
RATE = 3e-3
WEIGHT_DECAY = 0.05
SMOOTHING = 0.05
_COLOUR_HIDDEN = 0.3


def fit(data: MeasuredSet, steps: int, seed: int) -> KindNet:
    """Train one network.

    Args:
        data: what to train on.
        steps: of ``BATCH`` panels each.
        seed: of the initial weights and the order.

    Returns:
        The network in evaluation mode.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    net = KindNet(numbers_of(data, data.colours), len(LABELS))
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 0.5 + 0.5 * math.cos(math.pi * step / steps))
    chance = np.cumsum(weights(data))
    other = LABELS.index("other")
    for _ in range(steps):
        rows = np.minimum(np.searchsorted(chance, random.random(BATCH)), len(chance) - 1)
        colours, labels = data.colours[rows], data.labels[rows]
        # A false-colour version without its colour is what it was made of, so there the colour stays.
        colours[(random.random(BATCH) < _COLOUR_HIDDEN) & (labels != other)] = 0
        logits = net(torch.from_numpy(np.concatenate([data.texture[rows], colours], axis=1)))
        loss = functional.cross_entropy(logits, torch.from_numpy(labels), label_smoothing=SMOOTHING)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return net.eval()


def numbers_of(data: MeasuredSet, colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network is given: texture and colour, float32 [n, f]."""
    return np.concatenate([data.texture, colours], axis=1)


def predict(networks: Sequence[KindNet], data: MeasuredSet, colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean probabilities of networks, float32 [n, kinds]; ``colours`` is zero where colour is not to be looked at."""
    with torch.inference_mode():
        numbers = torch.from_numpy(numbers_of(data, colours))
        shares: NDArray[np.float32] = torch.stack([net(numbers).softmax(1) for net in networks]).mean(0).numpy()
    return shares
