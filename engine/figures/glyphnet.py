"""The small network that reads panel letters: read from its model file and computed with NumPy, as the gate's are.

Three convolutions of three by three pixels with a step of two, each a product of matrices, and a linear layer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import ModelError
from semscan.engine.onnxfile import read_model

_SIDE = 3
_MOST_AT_ONCE = 256
"""Shapes that go through together, so that memory stays bounded."""


class GlyphNetwork:
    """What ``letters-N.onnx`` holds, as :func:`semscan.export.glyph_graph.build_glyph_graph` writes it.

    Args:
        path: the file.
        side: of the squares that it is given, px.

    Attributes:
        classes: number of outputs.
        metadata: what is stored in the file beside the network.

    Raises:
        ModelError: the file is missing or damaged, or holds something else.
    """

    def __init__(self, path: Path, side: int) -> None:
        self.metadata, held = read_model(path)
        try:
            count = sum(f"layer{n}_weight" in held for n in range(8))
            # From [out, in, row, column] to [row, column, in] by out: the order in which patches are laid out.
            weights = [held[f"layer{n}_weight"].transpose(2, 3, 1, 0) for n in range(count)]
            self._layers = [
                (np.ascontiguousarray(weight.reshape(-1, weight.shape[3])), held[f"layer{n}_bias"])
                for n, weight in enumerate(weights)
            ]
            last = side >> count
            out = held["out_weight"].reshape(len(held["out_bias"]), -1, last, last).transpose(2, 3, 1, 0)
            self._out = np.ascontiguousarray(out.reshape(-1, out.shape[3]))
            self._out_bias = held["out_bias"]
            self.classes = len(self._out_bias)
            self.probabilities(np.zeros((1, side, side), np.uint8))
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise ModelError(f"{path} holds no network that reads letters", "reinstall semscan") from error

    def probabilities(self, glyphs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Say what shapes are.

        Args:
            glyphs: uint8 [n, side, side], light on dark.

        Returns:
            float32 [n, classes], each row summing to 1.
        """
        shares = np.empty((len(glyphs), self.classes), np.float32)
        for start in range(0, len(glyphs), _MOST_AT_ONCE):
            shares[start : start + _MOST_AT_ONCE] = self._of(glyphs[start : start + _MOST_AT_ONCE])
        return shares

    def _of(self, glyphs: NDArray[np.uint8]) -> NDArray[np.float32]:
        planes: NDArray[np.float32] = np.multiply(glyphs[..., None], np.float32(1 / 255), dtype=np.float32)
        for weight, bias in self._layers:
            planes = np.maximum(_patches(planes) @ weight + bias, np.float32(0))
        logits: NDArray[np.float32] = planes.reshape(len(glyphs), -1) @ self._out + self._out_bias
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _patches(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squares of three by three pixels around every second one, float32 [n, h / 2, w / 2, 9 * c], zero outside."""
    count, high, wide, depth = planes.shape
    padded = np.zeros((count, high + 2, wide + 2, depth), np.float32)
    padded[:, 1:-1, 1:-1] = planes
    patches = np.empty((count, high // 2, wide // 2, _SIDE * _SIDE, depth), np.float32)
    for index in range(_SIDE * _SIDE):
        row, column = divmod(index, _SIDE)
        patches[:, :, :, index] = padded[:, row : row + high : 2, column : column + wide : 2]
    return patches.reshape(count, high // 2, wide // 2, -1)
