"""The ONNX graph of a folded detector, node by node: nothing is left to an exporter's mood."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from semscan.export.fold import FoldedConv, FoldedNpr5k

OPSET = 17
IR_VERSION = 8
"""Old enough for every runtime that the extras allow."""


def build_graph(folded: FoldedNpr5k, tile_px: int) -> onnx.ModelProto:
    """Build the inference graph.

    Args:
        folded: from :func:`semscan.export.fold.fold`.
        tile_px: side of a tile, a multiple of 8.

    Returns:
        A checked model with input ``tiles`` uint8 [N, 1, T, T] and outputs ``logit`` float32 [N] and ``evidence``
        float32 [N, T / 8, T / 8], the logit being the mean of the evidence.
    """
    if tile_px % 8:
        raise ValueError(f"the tile size {tile_px} is not a multiple of 8")
    maker = _Maker()
    maker.node("Cast", ["tiles"], "pixels", to=TensorProto.FLOAT)
    x = maker.relu(maker.conv("first", "pixels", folded.first))
    x = maker.node("MaxPool", [x], "pooled", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for index, (first, second, shortcut) in enumerate(folded.blocks):
        inner = maker.relu(maker.conv(f"block{index}_conv1", x, first))
        outer = maker.conv(f"block{index}_conv2", inner, second)
        around = maker.conv(f"block{index}_shortcut", x, shortcut) if shortcut else x
        x = maker.relu(maker.node("Add", [outer, around], f"block{index}_sum"))
    head = FoldedConv(folded.head_weight[None, :, None, None], np.array([folded.head_bias]), 1, (0, 0, 0, 0))
    cells = maker.conv("head", x, head)
    maker.node("Squeeze", [cells, maker.constant("channel_axis", np.array([1], np.int64))], "evidence")
    maker.node("ReduceMean", ["evidence"], "logit", axes=[1, 2], keepdims=0)
    cell = tile_px // 8
    graph = helper.make_graph(
        maker.nodes,
        "npr5k",
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


class _Maker:
    """Collects nodes and constants; each node's output is named like the node."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def relu(self, name: str) -> str:
        return self.node("Relu", [name], f"{name}_relu")

    def conv(self, name: str, source: str, conv: FoldedConv) -> str:
        weight = self.constant(f"{name}_weight", conv.weight.astype(np.float32))
        bias = self.constant(f"{name}_bias", conv.bias.astype(np.float32))
        return self.node(
            "Conv",
            [source, weight, bias],
            name,
            kernel_shape=list(conv.weight.shape[2:]),
            strides=[conv.stride, conv.stride],
            pads=list(conv.pads),
        )
