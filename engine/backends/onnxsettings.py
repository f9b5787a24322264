"""What ONNX Runtime's providers for NVIDIA devices are asked for, and the folder that TensorRT's engines are kept in.

Names of options are those of ONNX Runtime 1.22 and later.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import json
from pathlib import Path
from typing import Any

from semscan.engine.backends.cudart import Cuda, find_library
from semscan.engine.backends.failures import Unusable
from semscan.engine.backends.usercache import private_folder
from semscan.engine.backends.ways import Way
from semscan.engine.bundle import Bundle

NVINFER, ONNX_PARSER = ("libnvinfer.so.10",), ("libnvonnxparser.so.10",)
"""What ONNX Runtime's provider for TensorRT is linked to."""


def cuda_settings(index: int, way: Way) -> dict[str, str]:
    """Options of the provider for CUDA."""
    # Batches have one shape, so the exhaustive search for the best convolution is done once. What is called fp32 is
    # not to be rounded to the ten bits of TF32, which the runtime does unless it is told otherwise.
    settings = {"device_id": str(index), "cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": "0"}
    if way.nhwc:
        settings["prefer_nhwc"] = "1"
    if way.graph:
        settings["enable_cuda_graph"] = "1"
    return settings


def tensorrt_settings(runtime: Any, bundle: Bundle, index: int, way: Way) -> tuple[Path, dict[str, str]]:
    """Options of the provider for TensorRT, and the folder that the engine is kept in.

    Precisions are those of the graph: without a flag for one the network is strongly typed. ONNX Runtime names a kept
    engine after the graph's name and not after its weights, so every model, batch size, version and kind of device has
    a folder of its own.

    Raises:
        Unusable: TensorRT is not there.
        DeviceError: nothing can be kept.
    """
    version = _tensorrt_version(runtime)
    cuda = Cuda(index)
    batches = (1, way.batch_size, way.batch_size)
    parts = (bundle.sha256, runtime.__version__, version, cuda.capability, cuda.driver // 1000, batches)
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    folder = private_folder("onnxruntime-tensorrt", key)
    shapes = ["tiles:" + "x".join(map(str, (count, 1, bundle.tile_px, bundle.tile_px))) for count in batches]
    settings = {
        "device_id": str(index),
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(private_folder("onnxruntime-tensorrt", f"timing-{version}")),
        **dict(
            zip(("trt_profile_min_shapes", "trt_profile_opt_shapes", "trt_profile_max_shapes"), shapes, strict=True)
        ),
    }
    if way.graph:
        settings["trt_cuda_graph_enable"] = "True"
    return folder, settings


def _tensorrt_version(runtime: Any) -> int:
    """Version of TensorRT as one number; its libraries are then loaded, from pip's packages or from the system."""
    inference, parser = find_library(NVINFER), find_library(ONNX_PARSER)
    if inference is None or parser is None:
        built = importlib.import_module(f"{runtime.__name__}.capi.build_and_package_info")
        major = str(getattr(built, "cuda_version", "") or "13").partition(".")[0]
        raise Unusable(
            f"ONNX Runtime cannot use TensorRT: {(NVINFER if inference is None else ONNX_PARSER)[0]} is not installed",
            f"pip install 'tensorrt-cu{major}<11'; or use --backend onnxruntime",
        )
    ask = inference.getInferLibVersion
    ask.restype = ctypes.c_int32
    return int(ask())
