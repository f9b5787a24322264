"""The ONNX graph of the SEM-or-not gate: several trained networks, their probabilities averaged.

The engine reads the constants by the names given here and computes the same with NumPy
(:mod:`semscan.engine.figures.kindnet`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from semscan.engine.figures.kind import METADATA_KEY
from semscan.export.graph import checked_model
from semscan.training.nets.kind import LARGEST_DEVIATION, KindNet


def build_kind_graph(networks: Sequence[KindNet], stored: dict[str, object], card: str) -> onnx.ModelProto:
    """The model file of a gate.

    Args:
        networks: trained.
        stored: labels, names of the measurements, thresholds, provenance; see
            :class:`semscan.engine.figures.kind.Thresholds`.
        card: Markdown model card.

    Returns:
        A checked model from ``numbers`` float32 [1, f] to ``probabilities`` float32 [1, kinds].
    """
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def add(kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def hold(name: str, values: torch.Tensor | NDArray[np.float32]) -> str:
        array = values.detach().numpy() if isinstance(values, torch.Tensor) else values
        constants.append(numpy_helper.from_array(array, name))
        return name

    limits = [hold(f"limit{sign}", np.array(sign * LARGEST_DEVIATION, np.float32)) for sign in (-1, 1)]
    shares = []
    for index, net in enumerate(networks):
        name = f"net{index}"
        centred = add("Sub", ["numbers", hold(f"{name}_mean", net.mean)], f"{name}_centred")
        x = add("Div", [centred, hold(f"{name}_scale", net.scale)], f"{name}_ranged")
        x = add("Clip", [x, *limits], f"{name}_standard")
        for layer, module in (("hidden", net.hidden), ("out", net.out)):
            fed = [x, hold(f"{name}_{layer}_weight", module.weight), hold(f"{name}_{layer}_bias", module.bias)]
            x = add("Gemm", fed, f"{name}_{layer}", transB=1)
            if layer == "hidden":
                x = add("Relu", [x], f"{name}_active")
        shares.append(add("Softmax", [x], f"{name}_shares", axis=1))
    total = add("Sum", shares, "total")
    add("Mul", [total, hold("share", np.array(1 / len(networks), np.float32))], "probabilities")
    graph = helper.make_graph(
        nodes,
        "kind",
        [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [1, networks[0].hidden.in_features])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, networks[0].out.out_features])],
        constants,
    )
    return checked_model(graph, {METADATA_KEY: json.dumps(stored), "card": card})
