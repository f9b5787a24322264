"""How many tiles per second does each runtime score, in each precision, and how close are they to double precision?

    python benchmarks/bench_engine.py [-o docs/results/export.json] [--markdown docs/results/export.md] [--tiles NPZ]
    python benchmarks/bench_engine.py --quick        does all of it run here? a minute; its numbers mean little

Engine scope: tiles in memory, no documents. Every runtime gets the same tiles, on one core or on the first NVIDIA
device; rounds alternate between the runtimes, so that all see the same state of the machine, and the ratio to plain
PyTorch on the core is taken round by round. Seconds are those of the core's work, whatever else it does, and on a
device those of the wall. There copies count; tiles that lie there already have a table of
their own. What is not installed, or not possible on this machine, is listed as such. A network that no shipped model
holds is measured with fresh weights, which say as much about its speed and nothing about its rounding. Then come the
checks of ``semscan export verify`` on every artefact.
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
from engine_runtimes import CPU_BATCH, CUDA_BATCH, Runner, find_runtimes
from machine import fingerprint
from numpy.typing import NDArray
from roofline import bandwidth_bytes_per_s, traffic_bytes
from verify_table import verified, verify_table

from semscan.engine.backends.cudart import Cuda
from semscan.engine.bundle import Bundle, list_models, load_bundle
from semscan.engine.errors import SemscanError
from semscan.export.fold import fold
from semscan.export.graph import build_graph
from semscan.export.reference import cut_to, reference_logits, trial_tiles
from semscan.export.variants import folded_of
from semscan.training.nets.registry import build_network

NETWORKS = ("npr5k", "npr64k", "npr64k_lcn")
MOST_TILES = 256
"""Taken of a pack."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: interleaved rounds over all runtimes.
        round_s: how long each runtime is timed in one round, in seconds.
        batches: batch sizes on the processor.
        cuda_batches: batch sizes on a device.
        compiled: whether ``torch.compile`` is among the comparators; it takes a minute to compile.
    """

    rounds: int = 7
    round_s: float = 0.4
    batches: tuple[int, ...] = (1, 8, 32, 128)
    cuda_batches: tuple[int, ...] = (1, 32, 256, CUDA_BATCH)
    compiled: bool = True


QUICK = Effort(1, 0.02, (CPU_BATCH,), (CUDA_BATCH,), False)


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


def rate(work: Callable[[], Any], size: int, round_s: float, clock: Callable[[], float] = time.perf_counter) -> float:
    """Tiles per second, by a clock, of something that scores a batch of that size."""
    work()
    start, count = clock(), 0
    while clock() - start < round_s:
        work()
        count += size
    return count / (clock() - start)


def measure(bundle: Bundle, tiles: NDArray[np.uint8], effort: Effort) -> dict[str, Any]:
    """Speed and deviation of everything that runs here."""
    network = build_network(network_of(bundle))  # its weights do not change its speed
    with tempfile.TemporaryDirectory() as folder:
        runtimes = find_runtimes(bundle, network, tiles, Path(folder), compiled=effort.compiled)
        rows = _rows(runtimes.found, tiles, reference_logits(folded_of(bundle), tiles), effort)
        if any(" on CUDA" in name for name in rows):
            _add_roofline(rows, bundle, Path(folder))
    return {"runtimes": rows, "absent": runtimes.absent}


def _rows(
    found: dict[str, Runner], tiles: NDArray[np.uint8], reference: NDArray[np.float64], effort: Effort
) -> dict[str, Any]:
    def speed(runner: Runner, size: int) -> float | None:
        try:
            infer, batch = runner.at(size), tiles[np.arange(size) % len(tiles)]
            clock = time.perf_counter if runner.batch == CUDA_BATCH else time.process_time
            return rate(lambda: infer(batch), size, effort.round_s, clock)
        except SemscanError as error:  # a batch may be too large for a device
            print(f"batches of {size}: {error.message}", file=sys.stderr)
            return None

    rounds = [{name: speed(runner, runner.batch) for name, runner in found.items()} for _ in range(effort.rounds)]
    first = next(iter(found))
    rows = {}
    for name, runner in found.items():
        speeds = [one[name] or 0.0 for one in rounds]
        ratios = [own / (one[first] or np.nan) for own, one in zip(speeds, rounds, strict=True)]
        sizes = effort.cuda_batches if " on CUDA" in name else effort.batches
        row: dict[str, Any] = {
            "batch": runner.batch,
            "tiles_per_s": statistics.median(speeds),
            "ratio_to_eager": statistics.median(ratios),
            "ratio_lowest": min(ratios),
            "ratio_highest": max(ratios),
            "by_batch": {str(size): speed(runner, size) for size in sizes},
        }
        if runner.resident:
            row["resident_tiles_per_s"] = rate(runner.resident(runner.batch), runner.batch, effort.round_s)
        if runner.ours:
            infer, padded = runner.at(runner.batch), np.resize(tiles, (max(runner.batch, len(tiles)), *tiles.shape[1:]))
            parts = [infer(padded[at : at + runner.batch]) for at in range(0, len(padded), runner.batch)]
            row["max_delta_logit"] = float(np.abs(np.concatenate(parts)[: len(tiles)] - reference).max())
        rows[name] = row
    return rows


def _add_roofline(rows: dict[str, Any], bundle: Bundle, folder: Path) -> None:
    """To each row of a device the share of its memory's bandwidth that the traffic between layers takes."""
    bandwidth = bandwidth_bytes_per_s(Cuda(0))
    moved = {
        precision: traffic_bytes(folder / name, bundle.tile_px)
        for precision, name in (("fp32", "model.onnx"), ("fp16", "model.fp16.onnx"))
    }
    for name, row in rows.items():
        if "resident_tiles_per_s" in row:
            traffic = moved["fp16" if " fp16 " in name else "fp32"]
            row |= {"traffic_bytes": traffic, "bandwidth_bytes_per_s": bandwidth}
            row["roofline"] = row["resident_tiles_per_s"] * traffic / bandwidth


def markdown(result: dict[str, Any]) -> str:
    """The report."""
    machine = result["machine"]
    lines = [
        "# Speed and exactness of the engine by runtime and precision",
        "",
        f"{machine['cpu']}, one core; {'; '.join(machine['gpus']) or 'no NVIDIA device'}; Python {machine['python']}, "
        + ", ".join(f"{name} {v}" for name, v in machine["packages"].items() if v)
        + f", torch {result['torch']}, openvino {result['openvino']}; revision {machine['revision']}.",
        "",
        f"`{machine['command']}`",
        "",
        f"{result['tiles']} tiles of 128 x 128 px in memory ({result['source']}), batches of {CPU_BATCH} on one "
        f"thread and in its CPU time, of {CUDA_BATCH} on a device by the wall; medians of {result['rounds']} "
        f"interleaved rounds; one-minute load at the start {machine['load_1min']}. "
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
    lines += _on_device(part["runtimes"])
    sizes = sorted({size for row in part["runtimes"].values() for size in row["by_batch"]}, key=int)
    lines += ["", "| tiles/s by batch size | " + " | ".join(sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for name, row in part["runtimes"].items():
        speeds = [row["by_batch"].get(size) for size in sizes]
        lines.append(f"| {name} | " + " | ".join("" if speed is None else f"{speed:,.0f}" for speed in speeds) + " |")
    return [*lines, "", *(f"* {line}" for line in part["absent"]), "", *verify_table(part["verified"]), ""]


def _on_device(rows: dict[str, Any]) -> list[str]:
    """What the devices do without copies, and how near their memory that is; nothing where there is none."""
    here = {name: row for name, row in rows.items() if "roofline" in row}
    if not here:
        return []
    bandwidth = next(iter(here.values()))["bandwidth_bytes_per_s"]
    lines = [
        "",
        f"| tiles on the device already (its memory copies {bandwidth / 1e9:,.0f} GB/s) | tiles/s | MB per tile "
        "between layers | share of the bandwidth |",
        "|---|---|---|---|",
    ]
    for name, row in here.items():
        speed, traffic = row["resident_tiles_per_s"], row["traffic_bytes"] / 1e6
        lines.append(f"| {name} | {speed:,.0f} | {traffic:.2f} | {row['roofline']:.0%} |")
    return lines


READING = (
    "Half precision gains only where the processor computes in it, which the CPU kernels of ONNX Runtime do not. These "
    "get four tiles at a time, OpenVINO sixteen, whatever the batch. JPEGs are decoded on the CPU: "
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
