"""The ONNX graph of a folded detector, node by node: nothing is left to an exporter's mood."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from semscan.export.fold import FoldedConv, FoldedNpr5k, polyphase

OPSET = 17
IR_VERSION = 8
"""Old enough for every runtime that the extras allow."""

_TYPES = {"fp32": (TensorProto.FLOAT, np.float32), "fp16": (TensorProto.FLOAT16, np.float16)}


def build_graph(folded: FoldedNpr5k, tile_px: int, precision: str = "fp32") -> onnx.ModelProto:
    """Build the inference graph.

    Args:
        folded: from :func:`semscan.export.fold.fold`.
        tile_px: side of a tile, a multiple of 8.
        precision: ``fp32``, or ``fp16`` for half precision up to the head. There the first layer is two convolutions,
            because the rounded weights of a single one would no longer sum to zero.

    Returns:
        A checked model with input ``tiles`` uint8 [N, 1, T, T] and outputs ``logit`` float32 [N] and ``evidence``
        float32 [N, T / 8, T / 8], the logit being the mean of the evidence.
    """
    maker = GraphMaker(precision)
    maker.node("Cast", ["tiles"], "pixels", to=maker.type)
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
    if precision != "fp32":
        x = maker.node("Cast", [x], "features", to=TensorProto.FLOAT)
    maker.head(folded, x)
    return finish(maker, tile_px, f"npr5k_{precision}")


def finish(maker: GraphMaker, tile_px: int, name: str) -> onnx.ModelProto:
    """The model of the nodes collected so far, checked.

    Raises:
        ValueError: the network cannot take tiles of this size.
    """
    if tile_px % 8:
        raise ValueError(f"the tile size {tile_px} is not a multiple of 8")
    cell = tile_px // 8
    graph = helper.make_graph(
        maker.nodes,
        name,
        [helper.make_tensor_value_info("tiles", TensorProto.UINT8, ["N", 1, tile_px, tile_px])],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["N", cell, cell]),
        ],
        maker.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="semscan")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


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

    def head(self, folded: FoldedNpr5k, source: str) -> None:
        """Add the linear unit of every cell and their mean, in single precision."""
        weight = self.constant("head_weight", folded.head_weight[None, :, None, None].astype(np.float32))
        bias = self.constant("head_bias", np.array([folded.head_bias], np.float32))
        cells = self.convolve(
            "head", source, weight, bias, FoldedConv(np.empty((1, 1, 1, 1)), np.empty(1), 1, (0,) * 4)
        )
        self.node("Squeeze", [cells, self.constant("channel_axis", np.array([1], np.int64))], "evidence")
        self.node("ReduceMean", ["evidence"], "logit", axes=[1, 2], keepdims=0)
