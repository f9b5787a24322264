"""How many tiles per second does each runtime score, in each precision, and how close are they to double precision?

    python benchmarks/bench_engine.py [-o docs/results/export.json] [--markdown docs/results/export.md] [--tiles NPZ]
    python benchmarks/bench_engine.py --quick        does all of it run here? a minute; its numbers mean little

Engine scope: tiles in memory, no documents. Every runtime gets the same tiles on one core; rounds alternate between the
runtimes, so that all see the same state of the machine, and the ratio to plain PyTorch is taken round by round. What
is not installed, or not possible on this machine, is listed as such. A network that no shipped model holds is measured
with fresh weights, which say as much about its speed and nothing about its rounding. Then come the checks of
``semscan export verify`` on every artefact.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from machine import fingerprint
from numpy.typing import NDArray
from verify_table import verified, verify_table

from semscan.engine.backends import open_backend
from semscan.engine.backends.choice import choose
from semscan.engine.bundle import Bundle, list_models, load_bundle
from semscan.engine.errors import SemscanError
from semscan.export.fold import fold
from semscan.export.graph import build_graph
from semscan.export.reference import cut_to, reference_logits, trial_tiles
from semscan.export.to_tensorrt import export_tensorrt
from semscan.export.variants import export_fp16, export_int8, folded_of
from semscan.training.nets.registry import build_network

NETWORKS = ("npr5k", "npr64k", "npr64k_lcn")
TIMED_BATCH = 32
MOST_TILES = 256
"""Taken of a pack."""
CHOICES = (
    *(("cpu", backend, precision) for backend in ("onnxruntime", "openvino") for precision in ("fp32", "fp16", "int8")),
    ("cuda", "onnxruntime", "fp32"),
    ("cuda", "onnxruntime", "fp16"),
    ("cuda", "tensorrt", "fp16"),
)
"""Device, runtime and precision."""

Infer = Callable[[NDArray[np.uint8]], Any]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: interleaved rounds over all runtimes.
        round_s: how long each runtime is timed in one round, in seconds.
        batches: batch sizes.
        compiled: whether ``torch.compile`` is among the comparators; it takes a minute to compile.
    """

    rounds: int = 7
    round_s: float = 0.4
    batches: tuple[int, ...] = (1, 8, 32, 128)
    compiled: bool = True


QUICK = Effort(1, 0.02, (TIMED_BATCH,), False)


def find_bundle(network: str, folder: Path) -> tuple[Bundle, bool]:
    """The newest shipped model with a network, or one with fresh weights and all else of a shipped one.

    Returns:
        The bundle, and whether its weights are fresh.
    """
    shipped = [load_bundle(str(path)) for path in list_models()]
    found = [bundle for bundle in shipped if network_of(bundle) == network]
    if found:
        return found[-1], False
    torch.manual_seed(1)
    path = folder / f"{network}.onnx"
    folded = fold(build_network(network).eval())
    model = build_graph(folded, shipped[-1].tile_px)
    texts = {**shipped[-1].metadata, "id": f"untrained {network}"}
    provenance = json.dumps({**json.loads(texts["provenance"]), "network": network})
    golden = json.loads(texts["golden"])
    logits = reference_logits(folded, shipped[-1].golden().tiles)
    texts |= {"provenance": provenance, "golden": json.dumps({**golden, "logits": logits.tolist()})}
    onnx.helper.set_model_props(model, {f"semscan.{key}": text for key, text in texts.items()})
    onnx.save(model, path)
    return load_bundle(str(path)), True


def network_of(bundle: Bundle) -> str:
    """Name of a bundle's network; the first model did not say it."""
    return str(json.loads(bundle.metadata["provenance"]).get("network", "npr5k"))


def runtimes(bundle: Bundle, tiles: NDArray[np.uint8], effort: Effort) -> tuple[dict[str, Infer], list[str]]:
    """What can be timed here by name, plain PyTorch first, and why something cannot."""
    torch.set_num_threads(1)
    network = build_network(network_of(bundle)).eval()  # its weights do not change its speed

    def eager(model: Any) -> Infer:
        def infer(batch: NDArray[np.uint8]) -> Any:
            with torch.inference_mode():
                return model(torch.from_numpy(batch).float())

        return infer

    found: dict[str, Infer] = {"PyTorch eager fp32": eager(network)}
    absent = []
    try:
        if effort.compiled:
            compiled = torch.compile(network)
            eager(compiled)(tiles[:TIMED_BATCH])
            found["torch.compile fp32"] = eager(compiled)
        else:
            absent.append("torch.compile: not measured, left out by --quick")
    except Exception as error:  # it needs a C++ compiler, and says so in many ways
        absent.append(f"torch.compile: not measured, {type(error).__name__}")
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "model.onnx"
        own.write_bytes(bundle.path.read_bytes())
        export_fp16(str(own), own.with_suffix(".fp16.onnx"))
        export_int8(str(own), own.with_suffix(".int8.onnx"), tiles)
        model = load_bundle(str(own))
        for device, backend, precision in CHOICES:
            name = f"{backend} {precision}" + (" on CUDA" if device == "cuda" else "")
            try:
                if backend == "tensorrt":
                    export_tensorrt(str(own), own.with_suffix(".plan"))
                found[name] = open_backend(model, choose(device, backend, precision)).infer
            except SemscanError as error:
                absent.append(f"{name}: not measured, {error.message}")
    return found, absent


def rate(infer: Infer, batch: NDArray[np.uint8], round_s: float) -> float:
    """Tiles per second."""
    infer(batch)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < round_s:
        infer(batch)
        count += len(batch)
    return count / (time.perf_counter() - start)


def measure(bundle: Bundle, tiles: NDArray[np.uint8], effort: Effort) -> dict[str, Any]:
    """Speed and deviation of everything that runs here."""
    found, absent = runtimes(bundle, tiles, effort)
    reference = reference_logits(folded_of(bundle), tiles)
    speeds: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(effort.rounds):
        for name, infer in found.items():
            speeds[name].append(rate(infer, tiles[:TIMED_BATCH], effort.round_s))
    first = next(iter(found))
    rows = {}
    for name, infer in found.items():
        ratios = [own / plain for own, plain in zip(speeds[name], speeds[first], strict=True)]
        row: dict[str, Any] = {
            "tiles_per_s": statistics.median(speeds[name]),
            "ratio_to_eager": statistics.median(ratios),
            "ratio_lowest": min(ratios),
            "ratio_highest": max(ratios),
            "by_batch": {str(size): rate(infer, tiles[:size], effort.round_s) for size in effort.batches},
        }
        if not name.startswith(("PyTorch", "torch")):
            logits = np.concatenate([infer(tiles[i : i + TIMED_BATCH]) for i in range(0, len(tiles), TIMED_BATCH)])
            row["max_delta_logit"] = float(np.abs(logits - reference).max())
        rows[name] = row
    return {"runtimes": rows, "absent": absent}


def markdown(result: dict[str, Any]) -> str:
    """The report."""
    machine = result["machine"]
    lines = [
        "# Speed and exactness of the engine by runtime and precision",
        "",
        f"{machine['cpu']}, one core; Python {machine['python']}, "
        + ", ".join(f"{name} {v}" for name, v in machine["packages"].items() if v)
        + f", torch {result['torch']}, openvino {result['openvino']}; revision {machine['revision']}.",
        "",
        f"`{machine['command']}`",
        "",
        f"{result['tiles']} tiles of 128 x 128 px in memory ({result['source']}), batches of {TIMED_BATCH}, one thread "
        f"each; medians of {result['rounds']} interleaved rounds; one-minute load at the start {machine['load_1min']}. "
        "Deviation: largest difference of a logit from the network in double precision on these tiles. In the tables "
        "of `semscan export verify` numbers in bold fail, and the artefact is refused.",
        "",
    ]
    for network, part in result["networks"].items():
        lines += _section(network, part)
    return "\n".join([*lines, READING, ""])


def _section(network: str, part: dict[str, Any]) -> list[str]:
    what = "fresh weights: no shipped model has it" if part["fresh"] else f"model {part['model']}"
    lines = [
        f"## `{network}`, {part['parameters']:,} parameters ({what})",
        "",
        "| runtime | tiles/s | ms per tile | times PyTorch eager | lowest to highest | max abs delta logit |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in part["runtimes"].items():
        delta = f"{row['max_delta_logit']:.2g}" if "max_delta_logit" in row else ""
        lines.append(
            f"| {name} | {row['tiles_per_s']:,.0f} | {1000 / row['tiles_per_s']:.2f} | {row['ratio_to_eager']:.2f} | "
            f"{row['ratio_lowest']:.2f} to {row['ratio_highest']:.2f} | {delta} |"
        )
    sizes = list(next(iter(part["runtimes"].values()))["by_batch"])
    lines += ["", "| tiles/s by batch size | " + " | ".join(sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for name, row in part["runtimes"].items():
        lines.append(f"| {name} | " + " | ".join(f"{row['by_batch'][size]:,.0f}" for size in sizes) + " |")
    return [*lines, "", *(f"* {line}" for line in part["absent"]), "", *verify_table(part["verified"]), ""]


READING = (
    "Half precision gains only where the processor computes in it, which the CPU kernels of ONNX Runtime do not. These "
    "get four tiles at a time, whatever the batch. JPEGs are decoded on the CPU: "
    "a decoder on the device "
    "(nvImageCodec) is not built, for no GPU was at hand to measure where it wins."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=Path, help="pack of tiles of at least 128 px; made-up ones otherwise")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="names in the registry of networks")
    parser.add_argument("--rounds", type=int, default=Effort().rounds)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that all of it runs")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else Effort(arguments.rounds)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    machine = fingerprint()
    parts, tiles = {}, np.empty(0)
    with tempfile.TemporaryDirectory() as folder:
        for network in arguments.networks:
            print(f"{network} ...", file=sys.stderr)
            bundle, fresh = find_bundle(network, Path(folder))
            tiles = tiles_of(bundle, arguments.tiles)
            parts[network] = {
                "model": f"{bundle.id} {bundle.sha256[:12]}",
                "fresh": fresh,
                "parameters": sum(p.numel() for p in build_network(network).parameters()),
                **measure(bundle, tiles, effort),
                "verified": verified(bundle, tiles),
            }
    result: dict[str, Any] = {
        "machine": machine,
        "torch": torch.__version__,
        "openvino": _openvino_version(),
        "tiles": len(tiles),
        "source": "a pack of micrographs" if arguments.tiles else "made-up ones",
        "rounds": effort.rounds,
        "networks": parts,
    }
    text = markdown(result)
    print(text)
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")


def tiles_of(bundle: Bundle, pack: Path | None) -> NDArray[np.uint8]:
    """What is timed: a pack's tiles cut to size, or made-up ones."""
    if pack is None:
        trial = trial_tiles(bundle.tile_px)
        return np.concatenate([trial["dark"], trial["bright"], bundle.golden().tiles])
    stored = np.load(pack, allow_pickle=False)["tiles"]
    return cut_to(stored.reshape(-1, 1, *stored.shape[-2:])[:MOST_TILES], bundle.tile_px)


def _openvino_version() -> str | None:
    try:
        import openvino
    except ImportError:
        return None
    return str(openvino.__version__)


if __name__ == "__main__":
    main()
