"""How fast could a device be at most, if it only had to move what lies between the layers through its memory?"""

from __future__ import annotations

import time
from pathlib import Path

import onnx

from semscan.engine.backends.cudart import Cuda

KERNELS = {"Conv", "AveragePool", "MaxPool", "GlobalAveragePool", "ReduceMean"}
"""Layers that read and write memory of their own; whatever else there is can be done on the way."""
_WITHIN_DEVICE = 3
_COPIED_BYTES, _COPIES = 512 << 20, 20


def traffic_bytes(graph: Path, tile_px: int) -> int:
    """Bytes that each tile moves: inputs and outputs of all layers that are kernels, weights left out.

    Args:
        graph: the ``.onnx`` file, whose types count.
        tile_px: side of a tile.
    """
    model = onnx.load(graph)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    batch.Clear()
    batch.dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    sizes = {}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        tensor = value.type.tensor_type
        count = 1
        for dim in tensor.shape.dim:
            count *= dim.dim_value or 1
        sizes[value.name] = count * onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
    constants = {constant.name for constant in inferred.initializer}
    moved = 0
    for node in inferred.node:
        if node.op_type in KERNELS:
            moved += sum(sizes[name] for name in (*node.input, *node.output) if name and name not in constants)
    return moved


def bandwidth_bytes_per_s(cuda: Cuda, size_bytes: int = _COPIED_BYTES, copies: int = _COPIES) -> float:
    """What a device reads and writes per second when it copies within its memory."""
    stream = cuda.stream()
    one, other = cuda.device_memory(size_bytes), cuda.device_memory(size_bytes)
    try:
        cuda._copy(one, other, size_bytes, _WITHIN_DEVICE, stream)
        cuda.synchronize(stream)
        start = time.perf_counter()
        for _ in range(copies):
            cuda._copy(one, other, size_bytes, _WITHIN_DEVICE, stream)
        cuda.synchronize(stream)
        return 2 * size_bytes * copies / (time.perf_counter() - start)
    finally:
        cuda.free(one)
        cuda.free(other)
