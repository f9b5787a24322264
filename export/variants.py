"""Half-precision and 8-bit artefacts of a bundle: another graph, the same calibration, card and golden tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from semscan.engine.bundle import Bundle, load_bundle
from semscan.engine.errors import UsageError
from semscan.export.fold import Folded, FoldedConv, FoldedNpr5k, FoldedNpr64k
from semscan.export.graph import build_graph
from semscan.export.quantize import build_int8_graph
from semscan.export.reference import cut_to

LEAST_TILES = 64
"""Fewer tiles do not show how far the activations reach."""


def export_fp16(model: str, output: Path) -> Path:
    """Write the half-precision artefact of a bundle; its head stays in single precision.

    Args:
        model: name or path of the single-precision bundle.
        output: path of the ``.onnx`` file.

    Returns:
        ``output``.

    Raises:
        UsageError: the bundle is itself an artefact.
        ModelError: it cannot be read.
    """
    bundle = _original(model)
    return _write(build_graph(folded_of(bundle), bundle.tile_px, "fp16"), bundle, "fp16", output)


def export_int8(model: str, output: Path, tiles: NDArray[np.uint8]) -> Path:
    """Write the 8-bit artefact of a bundle: QDQ form, uint8 activations, int8 weights with one scale per channel.

    Args:
        model: name or path of the single-precision bundle.
        output: path of the ``.onnx`` file.
        tiles: uint8 [n, 1, h, w], genuine and generated ones, that show how far the activations reach; the top left
            of larger ones is taken.

    Returns:
        ``output``.

    Raises:
        UsageError: the bundle is itself an artefact, or the tiles are too few or too small.
        ModelError: it cannot be read.
    """
    bundle = _original(model)
    side = bundle.tile_px
    tiles = cut_to(tiles, side)
    if len(tiles) < LEAST_TILES:
        raise UsageError(f"{len(tiles)} tiles are too few to choose 8-bit ranges", f"give at least {LEAST_TILES}")
    return _write(build_int8_graph(folded_of(bundle), side, tiles), bundle, "int8", output)


def folded_of(bundle: Bundle) -> Folded:
    """The folded network of a single-precision bundle, read back from its graph; float64 holds float32 exactly."""
    graph = onnx.load(bundle.path).graph
    constants = {c.name: onnx.numpy_helper.to_array(c).astype(np.float64) for c in graph.initializer}
    nodes = {node.name: node for node in graph.node}

    def conv(name: str) -> FoldedConv:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in nodes[name].attribute}
        top, left, bottom, right = attributes["pads"]
        pads = (top, left, bottom, right)
        return FoldedConv(constants[f"{name}_weight"], constants[f"{name}_bias"], attributes["strides"][0], pads)

    blocks: list[tuple[FoldedConv, FoldedConv, FoldedConv | None]] = []
    while f"block{len(blocks)}_conv1" in nodes:
        name = f"block{len(blocks)}"
        shortcut = conv(f"{name}_shortcut") if f"{name}_shortcut" in nodes else None
        blocks.append((conv(f"{name}_conv1"), conv(f"{name}_conv2"), shortcut))
    head = conv("head")
    if not blocks:
        convs: list[FoldedConv] = []
        while f"conv{len(convs)}" in nodes:
            convs.append(conv(f"conv{len(convs)}"))
        return FoldedNpr64k(conv("first"), tuple(convs), head.weight[0, :, 0, 0], float(head.bias[0]))
    return FoldedNpr5k(conv("first"), tuple(blocks), head.weight[0, :, 0, 0], float(head.bias[0]))


def _original(model: str) -> Bundle:
    bundle = load_bundle(model)
    if bundle.precision != "fp32":
        raise UsageError(f"{bundle.path} is itself an {bundle.precision} artefact", "give the bundle it was made from")
    return bundle


def _write(model: onnx.ModelProto, bundle: Bundle, precision: str, output: Path) -> Path:
    texts = {**bundle.metadata, "precision": precision, "made_from": bundle.sha256}
    onnx.helper.set_model_props(model, {f"semscan.{key}": value for key, value in texts.items()})
    onnx.checker.check_model(model)
    output.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, output)
    return output
