"""The ONNX graph of a folded detector, node by node: nothing is left to an exporter's mood."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from semscan.export.fold import Folded, FoldedConv, FoldedNpr5k, FoldedNpr64k, by_phases, mean_of_phases, polyphase
from semscan.training.nets.npr64k import BOX_CELLS, FLOOR

OPSET = 17
IR_VERSION = 8
"""Old enough for every runtime that the extras allow."""
_SHRUNK = 16.0
"""Grey levels are divided by this where their contrast is taken; a power of two, so nothing is rounded."""
_MIDDLE = 128.0
_BAND = 1599 / 2**14
"""What pixels are weighed with where they are summed over a box. Some runtimes take half precision for everything: this
is a number of it, what makes a mean of the sum is one to 1e-4, and the sums fit."""

_TYPES = {"fp32": (TensorProto.FLOAT, np.float32), "fp16": (TensorProto.FLOAT16, np.float16)}


def build_graph(folded: Folded, tile_px: int, precision: str = "fp32") -> onnx.ModelProto:
    """Build the inference graph.

    Args:
        folded: from :func:`semscan.export.fold.fold`.
        tile_px: side of a tile, a multiple of 8; of 16 and at least 64 for ``npr64k``.
        precision: ``fp32``, or ``fp16`` for half precision up to the head. There the first layer is two convolutions,
            because the rounded weights of a single one would no longer sum to zero.

    Returns:
        A checked model with input ``tiles`` uint8 [N, 1, T, T] and outputs ``logit`` float32 [N] and ``evidence``
        float32 [N, h, w], the logit being the mean of the evidence.
    """
    maker = GraphMaker(precision)
    maker.node("Cast", ["tiles"], "pixels", to=maker.type)
    if isinstance(folded, FoldedNpr64k):
        x = _body_64k(maker, folded, tile_px, precision)
    else:
        x = _body_5k(maker, folded, precision)
    if precision != "fp32":
        x = maker.node("Cast", [x], "features", to=TensorProto.FLOAT)
    maker.head(folded, x)
    return finish(maker, folded, tile_px, precision)


def _body_5k(maker: GraphMaker, folded: FoldedNpr5k, precision: str) -> str:
    if precision == "fp32":
        x = maker.relu(maker.conv("first", "pixels", folded.first))
    else:
        differences, first = polyphase(folded.first)
        x = maker.relu(maker.conv("first", maker.conv("differences", "pixels", differences), first))
    x = maker.node("MaxPool", [x], "pooled", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for index, (first, second, shortcut) in enumerate(folded.blocks):
        inner = maker.relu(maker.conv(f"block{index}_conv1", x, first))
        outer = maker.conv(f"block{index}_conv2", inner, second)
        around = maker.conv(f"block{index}_shortcut", x, shortcut) if shortcut else x
        x = maker.relu(maker.node("Add", [outer, around], f"block{index}_sum"))
    return x


def _body_64k(maker: GraphMaker, folded: FoldedNpr64k, tile_px: int, precision: str) -> str:
    first = _first_64k if precision == "fp32" else _first_64k_by_phases
    x, root = first(maker, folded, tile_px)
    if root:
        x = maker.node("Div", [x, root], "first_even")
    for index, conv in enumerate(folded.convs):
        x = maker.relu(maker.conv(f"conv{index}", x, conv))
        if index == 0:
            x = maker.mean_of_cells(x, "conv0_pooled")
    return x


def _first_64k(maker: GraphMaker, folded: FoldedNpr64k, tile_px: int) -> tuple[str, str]:
    """The first layer in single precision: its pooled output, and with local normalisation the root of the contrast."""
    x, root = maker.centred("pixels"), ""
    if folded.local:
        root = maker.root_of_contrast(x, tile_px)
        x = maker.beside(x, root)
    x = maker.relu(maker.conv("first", x, _balanced(folded.first)))
    return maker.mean_of_cells(x, "first_pooled"), root


def _first_64k_by_phases(maker: GraphMaker, folded: FoldedNpr64k, tile_px: int) -> tuple[str, str]:
    """The same in half precision, on cells of 2 x 2 pixels."""
    differences, first = by_phases(folded.first)
    cells = maker.node("SpaceToDepth", ["pixels"], "cells", blocksize=2)
    x, root = maker.conv("differences", cells, differences), ""
    if folded.local:
        root = maker.root_of_contrast("pixels", tile_px)
        x = maker.node("Concat", [x, maker.widened(root)], "differences_and_root", axis=1)
    x = maker.relu(maker.conv("first", x, first))
    return maker.conv("first_pooled", x, mean_of_phases(len(folded.first.weight))), root


def _balanced(first: FoldedConv) -> FoldedConv:
    """The first convolution in single precision, its kernels on the grey levels still summing to zero.

    Rounding leaves sums of 1e-8 or so, which 255 grey levels and the gains behind them can turn into 1e-5 logits. The
    smallest weight of a kernel takes the rest, because it is rounded in the smallest steps.
    """
    weight = first.weight.astype(np.float32)
    for kernel in weight[:, 0]:
        values = kernel.reshape(-1)
        smallest = int(np.abs(values).argmin())
        values[smallest] -= values.sum(dtype=np.float64)
    return replace(first, weight=weight.astype(np.float64))


def finish(maker: GraphMaker, folded: Folded, tile_px: int, precision: str) -> onnx.ModelProto:
    """The model of the nodes collected so far, checked.

    Raises:
        ValueError: the network cannot take tiles of this size.
    """
    if isinstance(folded, FoldedNpr64k):
        multiple, cells, name = 16, folded.side(tile_px), "npr64k_lcn" if folded.local else "npr64k"
    else:
        multiple, cells, name = 8, tile_px // 8, "npr5k"
    if tile_px % multiple or cells < 1:
        raise ValueError(f"the tile size {tile_px} is not a multiple of {multiple}, or too small")
    graph = helper.make_graph(
        maker.nodes,
        f"{name}_{precision}",
        [helper.make_tensor_value_info("tiles", TensorProto.UINT8, ["N", 1, tile_px, tile_px])],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["N", cells, cells]),
        ],
        maker.constants,
    )
    return checked_model(graph)


def checked_model(graph: onnx.GraphProto, properties: dict[str, str] | None = None) -> onnx.ModelProto:
    """A model that ONNX's own checks pass, for the opset and file version that all of ours have.

    Args:
        graph: what it computes.
        properties: its metadata.
    """
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="semscan")
    model.ir_version = IR_VERSION
    helper.set_model_props(model, properties or {})
    onnx.checker.check_model(model, full_check=True)
    return model


def _bands(cells: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """What sums over boxes of cells of 2 x 2 pixels, cut off at the edges.

    Returns:
        The matrix of bands for one direction, [cells, 2 cells], and the pixels in the box of every cell, [cells,
        cells].
    """
    reach = BOX_CELLS // 2
    near = np.abs(np.arange(cells)[:, None] - np.arange(2 * cells) // 2) <= reach
    count = near.sum(1)
    return np.where(near, np.float32(_BAND), np.float32(0)), np.outer(count, count).astype(np.float64)


class GraphMaker:
    """Collects nodes and constants; each node's output is named like the node.

    Args:
        precision: of constants and convolutions, ``fp32`` or ``fp16``.
    """

    def __init__(self, precision: str) -> None:
        self.type, self._float = _TYPES[precision]
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, values: NDArray[Any] | np.generic) -> str:
        """Add a constant."""
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def relu(self, name: str) -> str:
        """Add a ReLU behind a node."""
        return self.node("Relu", [name], f"{name}_relu")

    def conv(self, name: str, source: str, conv: FoldedConv) -> str:
        """Add a convolution."""
        weight = self.constant(f"{name}_weight", conv.weight.astype(self._float))
        bias = self.constant(f"{name}_bias", conv.bias.astype(self._float))
        return self.convolve(name, source, weight, bias, conv)

    def convolve(self, name: str, source: str, weight: str, bias: str, conv: FoldedConv) -> str:
        """Add a convolution whose weight and bias are there already."""
        return self.node(
            "Conv",
            [source, weight, bias],
            name,
            kernel_shape=list(conv.weight.shape[2:]),
            strides=[conv.stride, conv.stride],
            pads=list(conv.pads),
        )

    def centred(self, pixels: str) -> str:
        """Take the middle of the grey levels off them.

        Kernels that sum to zero see no difference, but sums of 25 large products are rounded more than those of small
        ones, and where a tile is flat the gains behind them turn that into 1e-4 logits.
        """
        return self.node("Sub", [pixels, self.constant("middle", np.float32(_MIDDLE))], "centred")

    def mean_of_cells(self, source: str, name: str) -> str:
        """Add means of 2 x 2 cells."""
        return self.node("AveragePool", [source], name, kernel_shape=[2, 2], strides=[2, 2])

    def root_of_contrast(self, pixels: str, tile_px: int) -> str:
        """Add the root of what :func:`semscan.training.nets.npr64k.contrast` computes, in single precision.

        The box is summed by two products with a matrix of bands: runtimes take longer for means over one channel.

        Returns:
            Name of a tensor in the precision of the graph, one number for every 2 x 2 pixels.
        """
        grey = pixels if self.type == TensorProto.FLOAT else self.node("Cast", ["tiles"], "grey", to=TensorProto.FLOAT)
        # Squares of whole grey levels overflow in half precision, which some runtimes take for everything.
        grey = self.node("Mul", [grey, self.constant("shrink", np.float32(1 / _SHRUNK))], "grey_shrunk")
        shifted = {}
        axes = self.constant("contrast_axes", np.array([2, 3], np.int64))
        for name, row, column in (("centre", 2, 2), ("right", 2, 3), ("below", 3, 2)):
            starts = self.constant(f"{name}_starts", np.array([row, column], np.int64))
            ends = self.constant(f"{name}_ends", np.array([row - 4, column - 4], np.int64))
            shifted[name] = self.node("Slice", [grey, starts, ends, axes], name)
        squares = []
        for name in ("right", "below"):
            step = self.node("Sub", [shifted[name], "centre"], f"{name}_step")
            squares.append(self.node("Mul", [step, step], f"{name}_square"))
        bands, pixels_in_box = _bands(tile_px // 2 - 2)
        self.constant("bands", bands)
        rows = self.node("MatMul", ["bands", self.node("Add", squares, "squares")], "rows")
        box = self.node("MatMul", [rows, self.constant("bands_turned", np.ascontiguousarray(bands.T))], "box")
        shares = self.constant("shares", (0.5 / (_BAND**2 * pixels_in_box)).astype(np.float32))
        x = self.node("Mul", [box, shares], "energy_mean")
        floor = self.constant("floor", np.float32(FLOOR / _SHRUNK**2))
        x = self.node("Sqrt", [self.node("Add", [x, floor], "contrast")], "deviation_shrunk")
        x = self.node("Mul", [x, self.constant("enlarge", np.float32(_SHRUNK))], "deviation")
        return x if self.type == TensorProto.FLOAT else self.node("Cast", [x], "root", to=self.type)

    def widened(self, root: str) -> str:
        """Pad the root of the contrast by a cell all around, where it meets a weight of zero."""
        edges = self.constant("edges", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        return self.node("Pad", [root, edges], "root_padded")

    def beside(self, pixels: str, root: str) -> str:
        """Add the root of the contrast as a second channel of the pixels, repeated over its cells."""
        ones = self.constant("ones", np.ones((1, 1, 2, 2), self._float))
        repeated = self.node(
            "ConvTranspose", [self.widened(root), ones], "root_repeated", kernel_shape=[2, 2], strides=[2, 2]
        )
        return self.node("Concat", [pixels, repeated], "pixels_and_root", axis=1)

    def head(self, folded: Folded, source: str) -> None:
        """Add the linear unit of every cell and their mean, in single precision."""
        weight = self.constant("head_weight", folded.head_weight[None, :, None, None].astype(np.float32))
        bias = self.constant("head_bias", np.array([folded.head_bias], np.float32))
        cells = self.convolve(
            "head", source, weight, bias, FoldedConv(np.empty((1, 1, 1, 1)), np.empty(1), 1, (0,) * 4)
        )
        self.node("Squeeze", [cells, self.constant("channel_axis", np.array([1], np.int64))], "evidence")
        self.node("ReduceMean", ["evidence"], "logit", axes=[1, 2], keepdims=0)
