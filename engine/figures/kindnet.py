"""The small networks of the SEM-or-not gate: read from their model file and computed with NumPy.

Eight networks with one hidden layer on eighty numbers are thirty thousand multiplications. A runtime takes no less time
for them, and a tenth of a worker's start and 28 MiB for itself; without one, panels can be told apart where no runtime
is installed.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import ModelError
from semscan.engine.onnxfile import read_model

_PARTS = ("mean", "scale", "hidden_weight", "hidden_bias", "out_weight", "out_bias")
_LIMIT = "limit1"


class GateNetwork:
    """What ``kind-N.onnx`` holds, as :func:`semscan.export.kind_graph.build_kind_graph` writes it.

    Args:
        path: the file.

    Attributes:
        width: how many numbers it takes.
        metadata: what is stored in the file beside the networks.

    Raises:
        ModelError: the file is missing or damaged, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.metadata, held = read_model(path)
        try:
            networks = next(n for n in count() if f"net{n}_{_PARTS[0]}" not in held)
            stacked = (np.stack([held[f"net{n}_{part}"] for n in range(networks)]) for part in _PARTS)
            self._mean, self._scale, self._hidden, hidden_bias, self._out, out_bias = stacked
            self._limit = float(held[_LIMIT])
            self.width = int(self._mean.shape[1])
            self._hidden_bias, self._out_bias = hidden_bias[..., None], out_bias[..., None]
            self.probabilities(np.zeros(self.width, np.float32))
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"{path} holds no network of the gate", "reinstall semscan") from error

    def probabilities(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score one panel.

        Args:
            numbers: float32 [f], what was measured of it.

        Returns:
            float32 [kinds], summing to 1.
        """
        standard = (numbers - self._mean) / self._scale
        np.maximum(standard, -self._limit, out=standard)
        np.minimum(standard, self._limit, out=standard)
        active = np.maximum(self._hidden @ standard[..., None] + self._hidden_bias, np.float32(0))
        logits = (self._out @ active + self._out_bias)[..., 0]
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        mean: NDArray[np.float32] = shares.mean(axis=0)
        return mean
