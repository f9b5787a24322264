"""The ONNX graph of the network that reads panel letters."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from semscan.engine.figures.lettering import METADATA_KEY
from semscan.export.graph import checked_model
from semscan.training.nets.glyph import GlyphNet


def build_glyph_graph(net: GlyphNet, side: int, stored: dict[str, object], card: str) -> onnx.ModelProto:
    """The model file of a reader.

    Weights are kept in half precision, which halves the file. The engine computes it with NumPy from the constants,
    see :class:`semscan.engine.figures.glyphnet.GlyphNetwork`.

    Args:
        net: trained.
        side: of the squares, px.
        stored: what the engine needs to know; see :class:`semscan.engine.figures.lettering.LetterReader`.
        card: Markdown model card.

    Returns:
        A checked model from ``glyphs`` uint8 [n, side, side] to ``probabilities`` float32 [n, classes].
    """
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def add(kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def hold(name: str, values: NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(values, name))
        return name

    def halved(name: str, values: torch.Tensor) -> str:
        held = hold(name, values.detach().numpy().astype(np.float16))
        return add("Cast", [held], f"{name}_single", to=TensorProto.FLOAT)

    x = add("Cast", ["glyphs"], "levels", to=TensorProto.FLOAT)
    x = add("Mul", [x, hold("unit", np.array(1 / 255, np.float32))], "scaled")
    x = add("Unsqueeze", [x, hold("axis", np.array([1], np.int64))], "planes")
    layers = list(net.features)
    for index in range(0, len(layers), 3):
        conv, norm = layers[index : index + 2]
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        assert conv.bias is not None and norm.running_mean is not None and norm.running_var is not None
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        name = f"layer{index // 3}"
        weight = halved(f"{name}_weight", conv.weight * gain[:, None, None, None])
        bias = halved(f"{name}_bias", (conv.bias - norm.running_mean) * gain + norm.bias)
        x = add("Conv", [x, weight, bias], name, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        x = add("Relu", [x], f"{name}_active")
    x = add("Flatten", [x], "flat")
    fed = [x, halved("out_weight", net.out.weight), halved("out_bias", net.out.bias)]
    x = add("Gemm", fed, "out", transB=1)
    add("Softmax", [x], "probabilities", axis=1)
    graph = helper.make_graph(
        nodes,
        "letters",
        [helper.make_tensor_value_info("glyphs", TensorProto.UINT8, ["n", side, side])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", net.out.out_features])],
        constants,
    )
    return checked_model(graph, {METADATA_KEY: json.dumps(stored), "card": card})
