"""Build a TensorRT plan from a half-precision artefact, with TensorRT 8.6, 10.x or 11.x.

The precision is typed in the ONNX graph. TensorRT 10 takes it as it is when the network is strongly typed, 11 always
does, and 8.6 needs its FP16 flag, which the others reject. What the layers really compute in is inspected after the
build: engines that silently stayed in single precision have been met.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from semscan.engine.backends.cudart import Cuda
from semscan.engine.backends.tensorrt import import_tensorrt, key_here, require_io
from semscan.engine.bundle import Bundle, load_bundle
from semscan.engine.errors import DeviceError, ModelError

BATCHES = (1, 256, 1024)
"""Smallest, best and largest batch of the profile."""
WORKSPACE_BYTES = 1 << 30
LEAST_HALF = 0.3
"""Share of the layers that must give half-precision tensors; casts, the head and local contrast do not. In an engine
that stayed in single precision it is near zero."""


def export_tensorrt(
    model: str, output: Path, timing_cache: Path | None = None, *, index: int = 0, version_compatible: bool = False
) -> Path:
    """Build the plan of a bundle for the device of this machine.

    Args:
        model: name or path of the bundle; the plan is built from its fp16 artefact.
        output: path of the plan; what it was built for is written beside it.
        timing_cache: read if it exists, and written; makes the next build faster.
        index: which device.
        version_compatible: a plan that later minor versions of TensorRT run too, and the lean runtime.

    Returns:
        ``output``.

    Raises:
        DeviceError: TensorRT or the device is not there, or the build fails.
        ModelError: TensorRT cannot read the graph, or the engine is not in half precision.
    """
    bundle = load_bundle(model).at("fp16")
    trt = import_tensorrt()
    cuda = Cuda(index)
    flags = ("version_compatible",) if version_compatible else ()
    old = timing_cache.read_bytes() if timing_cache and timing_cache.is_file() else b""
    plan, cache = build_plan(trt, bundle.path.read_bytes(), bundle.tile_px, old, version_compatible=version_compatible)
    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(plan)
    if engine is None:
        raise DeviceError("TensorRT cannot load the plan that it has just built", "semscan doctor")
    _check(trt, engine, bundle)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(plan)
    key_here(trt, cuda, bundle, BATCHES, flags).save(output)
    if timing_cache:
        timing_cache.write_bytes(cache)
    return output


def build_plan(
    trt: Any, onnx: bytes, tile_px: int, timing_cache: bytes, *, version_compatible: bool
) -> tuple[bytes, bytes]:
    """Build.

    Args:
        trt: the package ``tensorrt``.
        onnx: the artefact.
        tile_px: side of its tiles.
        timing_cache: of an earlier build, or empty.
        version_compatible: see :func:`export_tensorrt`.

    Returns:
        The plan and the timing cache.

    Raises:
        ModelError: TensorRT cannot read the graph.
        DeviceError: the build fails.
    """
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(network_flags(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx):
        errors = "; ".join(str(parser.get_error(number)) for number in range(parser.num_errors))
        raise ModelError(
            f"TensorRT {trt.__version__} cannot read the graph: {errors}", "semscan export verify checks it"
        )
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # or the inspector does not tell precisions
    if is_weakly_typed(trt):
        config.set_flag(trt.BuilderFlag.FP16)
    if version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    profile = builder.create_optimization_profile()
    smallest, best, largest = ((count, 1, tile_px, tile_px) for count in BATCHES)
    profile.set_shape("tiles", smallest, best, largest)
    config.add_optimization_profile(profile)
    cache = config.create_timing_cache(timing_cache)
    config.set_timing_cache(cache, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise DeviceError("TensorRT could not build an engine for this device", "its messages are above")
    return bytes(plan), bytes(config.get_timing_cache().serialize())


def is_weakly_typed(trt: Any) -> bool:
    """Whether this version takes precisions from a flag instead of the graph."""
    return not hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")


def network_flags(trt: Any) -> int:
    """Flags of a network with an explicit batch that is typed by its graph, as far as the version knows them."""
    known = trt.NetworkDefinitionCreationFlag
    if is_weakly_typed(trt):
        return 1 << int(known.EXPLICIT_BATCH)
    return 1 << int(known.STRONGLY_TYPED)


def half_share(described: str) -> float:
    """Share of an engine's layers that give half-precision tensors.

    Args:
        described: what the engine inspector says, JSON.

    Raises:
        ModelError: it says nothing about the layers' types.
    """
    layers = json.loads(described).get("Layers", [])
    formats = [
        " ".join(str(out.get("Format/Datatype", "")) for out in layer["Outputs"])
        for layer in layers
        if isinstance(layer, dict) and layer.get("Outputs")
    ]
    if not formats:
        raise ModelError("the engine does not tell what its layers compute in", "build it with another TensorRT")
    return sum("Half" in text or "FP16" in text or "fp16" in text for text in formats) / len(formats)


def _check(trt: Any, engine: Any, bundle: Bundle) -> None:
    require_io(trt, engine, bundle)
    inspector = engine.create_engine_inspector()
    share = half_share(inspector.get_engine_information(trt.LayerInformationFormat.JSON))
    if share < LEAST_HALF:
        raise ModelError(
            f"only {share:.0%} of the engine's layers compute in half precision", "build it with another TensorRT"
        )
