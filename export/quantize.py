"""The detector in 8 bits, as a QDQ graph that CPU runtimes turn into integer convolutions.

Weights are int8 with one scale per output channel, activations uint8 behind a ReLU, so their zero point is zero
(Jacob et al., CVPR 2018). The grey levels feed the first convolution as they are. Every 2 x 2 cell of its kernels sums
to zero before rounding and is made to sum to zero after it, or else a bright tile would score unlike the same tile
darker; so does every whole kernel of ``npr64k``. With local normalisation the first convolution stays in single
precision, for contrasts do not fit into 256 steps. The head does, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from semscan.export.fold import Folded, FoldedConv, FoldedNpr5k, FoldedNpr64k
from semscan.export.graph import GraphMaker, finish

REACH = 0.9999
"""Share of the activations of a layer that its range holds; the rest is cut at its end."""
_POSITIVE = ("_relu", "_pooled", "_even")
"""Ends of the names of activations that are never negative."""
_LARGEST = 127
_ROOM = 2
"""Steps that are kept free where weights are mended after rounding."""

_Balance = Callable[[NDArray[np.float64], NDArray[np.float64]], None]
"""Changes rounded weights, the second, so that they sum to zero like the exact ones, the first."""


def build_int8_graph(folded: Folded, tile_px: int, tiles: NDArray[np.uint8]) -> onnx.ModelProto:
    """Build the 8-bit inference graph.

    Args:
        folded: the network.
        tile_px: side of a tile, a multiple of 8.
        tiles: uint8 [n, 1, T, T] that show how far the activations reach.

    Returns:
        A checked model with the same inputs and outputs as :func:`semscan.export.graph.build_graph`.
    """
    maker = _Quantized(_activation_scales(folded, tiles))
    x = _body_64k(maker, folded, tile_px) if isinstance(folded, FoldedNpr64k) else _body_5k(maker, folded)
    maker.head(folded, x)
    return finish(maker, folded, tile_px, "int8")


def _body_5k(maker: _Quantized, folded: FoldedNpr5k) -> str:
    x = maker.dequantize("tiles", "pixels", 1.0)
    x = maker.relu(maker.conv("first", x, folded.first, 1.0, sums=_balance_cells))
    x, scale = maker.pool(x, "pooled", "first_relu")
    for index, (first, second, shortcut) in enumerate(folded.blocks):
        name = f"block{index}"
        inner = maker.conv_relu(f"{name}_conv1", x, first, scale)
        outer = maker.conv(f"{name}_conv2", inner, second, maker.scales[f"{name}_conv1_relu"])
        around = maker.conv(f"{name}_shortcut", x, shortcut, scale) if shortcut else x
        summed = maker.node("Add", [maker.signed(outer), maker.signed(around) if shortcut else around], f"{name}_sum")
        x = maker.requantize(maker.node("Relu", [summed], f"{name}_sum_relu"))
        scale = maker.scales[f"{name}_sum_relu"]
    return x


def _body_64k(maker: _Quantized, folded: FoldedNpr64k, tile_px: int) -> str:
    if folded.local:
        pixels = maker.centred(maker.node("Cast", ["tiles"], "pixels", to=TensorProto.FLOAT))
        root = maker.root_of_contrast(pixels, tile_px)
        x = maker.relu(GraphMaker.conv(maker, "first", maker.beside(pixels, root), folded.first))
        x, name = maker.node("Div", [maker.mean_of_cells(x, "first_pooled"), root], "first_even"), "first_even"
    else:
        x = maker.dequantize("tiles", "pixels", 1.0)
        x = maker.conv_relu("first", x, folded.first, 1.0, sums=_balance_kernels)
        x, name = maker.mean_of_cells(x, "first_pooled"), "first_pooled"
    x = maker.requantize(x)
    for index, conv in enumerate(folded.convs):
        x = maker.conv_relu(f"conv{index}", x, conv, maker.scales[name])
        name = f"conv{index}_relu"
        if index == 0:
            x, name = maker.requantize(maker.mean_of_cells(x, "conv0_pooled")), "conv0_pooled"
    return x


class _Quantized(GraphMaker):
    """Puts a QuantizeLinear and a DequantizeLinear behind every step.

    Args:
        scales: step of each activation, in its units, by the name of the node that makes it.
    """

    def __init__(self, scales: dict[str, float]) -> None:
        super().__init__("fp32")
        self.scales = scales

    def dequantize(self, source: str, name: str, scale: float) -> str:
        """8-bit values as single-precision ones."""
        self._scale(name, scale, np.uint8)
        return self.node("DequantizeLinear", [source, f"{name}_scale", f"{name}_zero"], name)

    def requantize(self, source: str) -> str:
        """Round an activation that is never negative to its 8-bit steps."""
        self._scale(source, self.scales[source], np.uint8)
        return self._round(source)

    def signed(self, source: str) -> str:
        """Round an activation that may be negative to its 8-bit steps."""
        self._scale(source, self.scales[source], np.int8)
        return self._round(source)

    def pool(self, source: str, name: str, before: str) -> tuple[str, float]:
        """3 x 3 maxima with stride 2, rounded afterwards: the same as rounded before, and faster."""
        self.scales[name] = self.scales[before]
        pooled = self.node("MaxPool", [source], name, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        return self.requantize(pooled), self.scales[name]

    def conv_relu(self, name: str, source: str, conv: FoldedConv, scale: float, *, sums: _Balance | None = None) -> str:
        """A convolution in 8 bits, its ReLU, and the result in 8-bit steps; ``sums`` mends the rounded weights."""
        return self.requantize(self.relu(self.conv(name, source, conv, scale, sums=sums)))

    def conv(  # type: ignore[override]
        self, name: str, source: str, conv: FoldedConv, scale: float, *, sums: _Balance | None = None
    ) -> str:
        """A convolution in 8 bits; ``scale`` is the step of its input, ``sums`` mends the rounded weights."""
        weight, steps = _rounded(conv.weight, sums)
        bias_steps = (steps * scale).astype(np.float32)
        self.constant(f"{name}_weight", weight)
        self.constant(f"{name}_steps", steps.astype(np.float32))
        self.constant(f"{name}_weight_zero", np.zeros(len(weight), np.int8))
        self.constant(f"{name}_bias", np.rint(conv.bias / (steps * scale)).astype(np.int32))
        self.constant(f"{name}_bias_steps", bias_steps)
        self.constant(f"{name}_bias_zero", np.zeros(len(weight), np.int32))
        inputs = [f"{name}_weight", f"{name}_steps", f"{name}_weight_zero"]
        kernel = self.node("DequantizeLinear", inputs, f"{name}_kernel", axis=0)
        inputs = [f"{name}_bias", f"{name}_bias_steps", f"{name}_bias_zero"]
        offset = self.node("DequantizeLinear", inputs, f"{name}_offset", axis=0)
        return self.convolve(name, source, kernel, offset, conv)

    def _scale(self, name: str, scale: float, kind: type[np.uint8] | type[np.int8]) -> None:
        self.constant(f"{name}_scale", np.float32(scale))
        self.constant(f"{name}_zero", kind(0))

    def _round(self, source: str) -> str:
        inputs = [f"{source}_scale", f"{source}_zero"]
        quantized = self.node("QuantizeLinear", [source, *inputs], f"{source}_q")
        return self.node("DequantizeLinear", [quantized, *inputs], f"{source}_dq")


def _rounded(weight: NDArray[np.float64], sums: _Balance | None) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Weights in steps, int8 [out, in, kh, kw], and the step of each output channel, float64 [out]."""
    steps = np.abs(weight).max(axis=(1, 2, 3)) / (_LARGEST - (_ROOM if sums else 0))
    exact = weight / steps[:, None, None, None]
    whole = np.rint(exact)
    if sums:
        sums(exact, whole)
    return whole.astype(np.int8), steps


def _balance_cells(exact: NDArray[np.float64], whole: NDArray[np.float64]) -> None:
    """Let every 2 x 2 cell of the rounded weights sum to zero: three roundings of half a step go to the corner."""
    whole[..., ::2, ::2] = -(whole[..., 1::2, ::2] + whole[..., ::2, 1::2] + whole[..., 1::2, 1::2])


def _balance_kernels(exact: NDArray[np.float64], whole: NDArray[np.float64]) -> None:
    """Let every kernel sum to zero: the weights that were nearest to the other whole number take that one."""
    for wanted, kernel in zip(exact.reshape(len(exact), -1), whole.reshape(len(whole), -1), strict=True):
        excess = int(kernel.sum())
        nearest = np.argsort((wanted - kernel) * np.sign(excess))[: abs(excess)]
        kernel[nearest] -= np.sign(excess)


def _activation_scales(folded: Folded, tiles: NDArray[np.uint8]) -> dict[str, float]:
    """Steps of the activations of the single-precision graph on some tiles."""
    import onnxruntime

    from semscan.export.graph import build_graph

    model = build_graph(folded, tiles.shape[-1])
    names = [n.name for n in model.graph.node if n.name.endswith((*_POSITIVE, "_conv2", "_shortcut"))]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    reach = dict.fromkeys(names, 0.0)
    for start in range(0, len(tiles), 64):
        for name, values in zip(names, session.run(names, {"tiles": tiles[start : start + 64]}), strict=True):
            reach[name] = max(reach[name], float(np.quantile(np.abs(values), REACH)))
    return {name: (value or 1.0) / (255 if name.endswith(_POSITIVE) else _LARGEST) for name, value in reach.items()}
