"""The speed and memory goals of an archive scan, each a ratio measured in one run on synthetic archives.

    python benchmarks/bench_archive.py [--documents 10000] [-j N] [--repeats 3] [--quick] [-o result.json]

Whatever is compared is measured in turn, round after round, so that both sides see the same state of the machine; a
ratio is the median over the rounds and comes with its spread. CPU-time ratios are printed beside wall-time ratios:
they hardly depend on what else the machine is doing. On a machine with an NVIDIA device every runtime that is usable
there has its rows. The archives are described in ``synthetic_archive.py``; as their
pictures are no micrographs, all images are assessed (the gate runs all the same). ``--markdown FILE`` writes the table.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench_scan
import decode_only
import numpy as np
import synthetic_archive
import transport
from machine import fingerprint
from numpy.typing import NDArray
from on_devices import usable_devices

from semscan.engine.backends import Backend
from semscan.engine.backends.fake import FakeBackend
from semscan.engine.options import ScanOptions
from semscan.engine.pipeline import scan
from semscan.engine.sinks.jsonl import encode
from semscan.engine.stats import ScanStats

HERE = Path(__file__).parent
DECODE_ROUNDS = 4
"""Decoding alone goes over the archive so often, so that starting its processes weighs as little as in a scan."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    heavy: int
    small: int
    panels: int
    repeats: int


class NullBackend:
    """Scores nothing: what is left is the parent's own work."""

    name = "null"
    device = "cpu"
    precision = "fp32"
    how = ""

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Zeros, float32 [B]."""
        return np.zeros(len(tiles), np.float32)


def cpu_seconds() -> float:
    """User and system time of this process and of all its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def timed(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` returns, with CPU seconds added."""
    before = cpu_seconds()
    result = work()
    return {**result, "cpu_s": cpu_seconds() - before}


def measure_decoding(listed: list[tuple[Path, list[int]]], jobs: int) -> dict[str, Any]:
    seconds, images = decode_only.measure(listed * DECODE_ROUNDS, jobs)
    return {"wall_s": seconds, "images": images}


def measure_parent(files: list[Path], jobs: int) -> dict[str, Any]:
    """CPU seconds of the parent from its first record on, all its threads, with records written and a null backend."""
    stats, writing = ScanStats(), 0.0
    options = ScanOptions(jobs=jobs, all_images=True)
    with tempfile.TemporaryFile() as out:
        records = scan(files, options, stats=stats, backend=NullBackend())
        next(records)
        start = time.process_time()
        for record in records:
            began = time.thread_time()
            out.write(encode(record) + b"\n")
            writing += time.thread_time() - began
        seconds = time.process_time() - start
    return {"parent_s": seconds - writing, "writing_s": writing, "tiles": stats.tiles, "panels": stats.panels}


def measure_script(files: list[Path], cores: int, tiles: int) -> dict[str, Any]:
    """The straightforward script in a process of its own."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listing:
        listing.write("\n".join(map(str, files)))
        listing.flush()
        command = [sys.executable, str(HERE / "straightforward.py"), listing.name, str(cores), str(tiles)]
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure_memory(folder: Path, jobs: int) -> dict[str, Any]:
    """Resident memory of a parent up to a tenth of the documents and over the last tenth.

    The highest of each: a worker that is replaced takes its slab along, so that single readings jump.
    """
    command = [sys.executable, str(HERE / "parent_memory.py"), str(folder), str(jobs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    curve, total = result["resident_mib"], result["documents"]
    tenth = max(mib for documents, mib in curve if 0.05 * total <= documents <= 0.1 * total)
    end = max(mib for documents, mib in curve if documents > 0.9 * total)
    return {**result, "tenth_mib": tenth, "end_mib": end}


def measure_rounds(
    files: list[Path], jobs: int, repeats: int, devices: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Everything that is compared on the JPEG-heavy archive, in turn; ``devices`` holds options of scans by name."""
    listed = [(path, decode_only.drawn_images(path)) for path in files]
    script = importlib.util.find_spec("torch") is not None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def one_scan(workers: int, given: Backend | None, **more: Any) -> dict[str, Any]:
        options = ScanOptions(jobs=workers, all_images=True, **more)
        return timed(lambda: bench_scan.measure_scan(files, options, backend=given))

    one_scan(jobs, FakeBackend())  # fills caches; not counted
    rounds = []
    for number in range(repeats):
        note(f"round {number + 1} of {repeats}")
        one = {
            "fake": one_scan(jobs, FakeBackend()),
            "decode": timed(lambda: measure_decoding(listed, jobs)),
            "network": one_scan(jobs, None),
            "one_worker": one_scan(1, FakeBackend()),
            "two_workers": one_scan(2, FakeBackend()),
            "decode_one": timed(lambda: measure_decoding(listed, 1)),
            "decode_two": timed(lambda: measure_decoding(listed, 2)),
            "parent": measure_parent([files[0].parent], jobs),
        }
        if importlib.util.find_spec("openvino") is not None:
            one["openvino"] = one_scan(jobs, None, backend="openvino", precision="fp16")
        one["devices"] = {name: one_scan(jobs, None, **options) for name, options in devices.items()}
        if script:
            one["script"] = measure_script(files, cores, round(one["network"]["tiles"] / one["network"]["images"]))
        rounds.append({**one, "load_1min": round(os.getloadavg()[0], 2)})
    if not script:
        note("PyTorch is not installed: the comparison with a straightforward script is left out")
    return rounds


def run(size: Size, jobs: int) -> dict[str, Any]:
    """Measure everything; returns the raw numbers and the ratios."""
    with tempfile.TemporaryDirectory(prefix="semscan-bench-") as name:
        heavy, small = Path(name, "heavy"), Path(name, "small")
        heavy.mkdir()
        small.mkdir()
        note(f"writing {size.heavy} JPEG-heavy and {size.small} small PDFs")
        archive = synthetic_archive.jpeg_heavy(heavy, size.heavy)
        synthetic_archive.small(small, size.small)
        note("devices")
        devices, absent = usable_devices(Path(name))
        rounds = measure_rounds(list(archive.files), jobs, size.repeats, devices)
        note("tile transport")
        transports = [
            {way: transport.tiles_per_second(way, size.panels) for way in transport.WAYS} for _ in range(size.repeats)
        ]
        note(f"parent's memory over {size.small} documents")
        memory = measure_memory(small, jobs) if sys.platform == "linux" else None
    return {
        "question": "bench_archive",
        "fingerprint": fingerprint(),
        "load_1min_at_end": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "jobs": jobs,
        "size": {name: getattr(size, name) for name in size.__slots__},
        "archive": {
            "documents": len(archive.files),
            "images": archive.images,
            "panels": archive.panels,
            "mib": round(archive.bytes / 2**20, 1),
        },
        "model": rounds[0]["network"]["model"],
        "absent": absent,
        "ratios": ratios(rounds, transports, memory),
        "stages_ms_per_image": stages(rounds, archive.images),
        "rounds": rounds,
        "transport_tiles_per_second": transports,
        "memory": memory,
    }


def ratios(
    rounds: list[dict[str, Any]], transports: list[dict[str, float]], memory: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """What each goal is about: name, goal, median, smallest and largest over the rounds."""

    def per_image(one: dict[str, Any], unit: str = "wall_s") -> float:
        return float(one[unit] / one["images"])

    def row(name: str, goal: str, values: list[float], met: Callable[[float], bool] | None) -> dict[str, Any]:
        middle = statistics.median(values)
        spread = {"median": middle, "low": min(values), "high": max(values)}
        return {"name": name, "goal": goal, **spread, "met": None if met is None else met(middle)}

    def over(above: str, below: str, unit: str = "wall_s") -> list[float]:
        return [per_image(one[above], unit) / per_image(one[below], unit) for one in rounds]

    table = [
        row("speed of everything but the network / decode-only", ">= 0.80", over("decode", "fake"), lambda x: x >= 0.8),
        row("the same in CPU time", "", over("decode", "fake", "cpu_s"), None),
        row("speed with the shipped network on the CPU / decode-only", ">= 0.40", over("decode", "network"),
            lambda x: x >= 0.4),
        row("the same in CPU time", "", over("decode", "network", "cpu_s"), None),
    ]  # fmt: skip
    if "openvino" in rounds[0]:
        table += [
            row(
                "speed with the network in OpenVINO at half precision / decode-only",
                "",
                over("decode", "openvino"),
                None,
            ),
            row("the same in CPU time", "", over("decode", "openvino", "cpu_s"), None),
        ]
    for name in rounds[0].get("devices", {}):
        scans = [one["devices"][name] for one in rounds]
        values = [per_image(one["decode"]) / per_image(scan) for one, scan in zip(rounds, scans, strict=True)]
        table.append(row(f"speed with {name} / decode-only", ">= 0.80", values, lambda x: x >= 0.8))
        table.append(row(f"images/s with {name}", "", [1 / per_image(scan) for scan in scans], None))
    if "script" in rounds[0]:
        for way, words in (
            ("whole", "whole images scored"),
            ("as_scan", "as many tiles scored as in the scan"),
            ("tiles", "16 tiles per image scored"),
        ):
            for ours, how in (("network", "speed"), ("openvino", "speed in OpenVINO at half precision")):
                if ours in rounds[0]:
                    values = [per_image(one["script"][way]) / per_image(one[ours]) for one in rounds]
                    table.append(row(f"{how} / straightforward script, {words}", ">= 8", values, lambda x: x >= 8))
    parent = [1e6 * one["parent"]["parent_s"] / one["parent"]["tiles"] for one in rounds]
    written = [
        p + 1e6 * one["parent"]["writing_s"] / one["parent"]["tiles"] for p, one in zip(parent, rounds, strict=True)
    ]
    table += [
        row("parent's CPU time per tile, us", "<= 10", parent, lambda x: x <= 10),
        row("the same with its records written as JSON lines, us", "", written, None),
        row("tiles/s, slab / pickled arrays (tiles alone)", ">= 10",
            [one["slab, no record"] / one["pickled, no record"] for one in transports], lambda x: x >= 10),
        row("tiles/s, slab / pickled, with the panel's record", "",
            [one["slab"] / one["pickled"] for one in transports], None),
    ]  # fmt: skip
    if memory is not None:
        growth = 100 * (memory["end_mib"] / memory["tenth_mib"] - 1)
        tenth = memory["documents"] // 10
        name = f"parent's memory from {tenth:,} to {memory['documents']:,} documents, % more"
        table.append(row(name, "<= 5", [growth], lambda x: x <= 5))  # one run: no spread
    table += [
        row("speed with 2 workers / with 1", ">= 1.8", over("one_worker", "two_workers"), lambda x: x >= 1.8),
        row("the same for decode-only", "", over("decode_one", "decode_two"), None),
    ]
    return table


def stages(rounds: list[dict[str, Any]], images: int) -> dict[str, float]:
    """Wall milliseconds per image by stage, of the middle scan with the network."""
    middle = sorted((one["network"] for one in rounds), key=lambda one: one["wall_s"])[len(rounds) // 2]
    return {stage: 1000 * seconds / images for stage, seconds in middle["stages_s"].items()}


def markdown(result: dict[str, Any]) -> str:
    """The result as a page for people."""
    machine, archive, size = result["fingerprint"], result["archive"], result["size"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items() if number)
    loads = ", ".join(str(one["load_1min"]) for one in result["rounds"])
    words = {True: "yes", False: "**no**", None: ""}
    torch = result["rounds"][0].get("script", {}).get("torch")
    lines = [
        "# Speed and memory of an archive scan",
        "",
        f"{machine['cpu']}, {machine['cores_usable']} cores, {machine['memory_gib']} GiB, "
        f"{'; '.join(machine['gpus']) or 'no NVIDIA device'}, {machine['system']}, Python "
        f"{machine['python']}; {packages}{f', torch {torch}' if torch else ''}; revision {machine['revision']}, "
        f"model {result['model']}.",
        "",
        f"`{machine['command']}`",
        "",
        f"{archive['documents']} PDFs, {archive['images']} JPEG figures of 1.2 to 1.5 million pixels (half grey, half "
        f"RGB 4:2:0, quality 85), {archive['panels']} panels, {archive['mib']} MiB; {size['small']} small PDFs for the "
        f"memory; {result['jobs']} workers; medians of {size['repeats']} interleaved rounds. All images are assessed, "
        "for the pictures are synthetic; the gate runs all the same. One-minute load after each round, this benchmark "
        f"included: {loads}. A load well above {result['jobs'] + 1} means that others used the cores: wall-time ratios "
        "of different kinds of work are then less telling than those of CPU time.",
        "",
        "| what | goal | median | lowest to highest | met |",
        "|---|---|---|---|---|",
        *(
            f"| {row['name']} | {row['goal']} | {row['median']:.2f} | {row['low']:.2f} to {row['high']:.2f} "
            f"| {words[row['met']]} |"
            for row in result["ratios"]
        ),
        *(f"\n* {line}" for line in result.get("absent", [])),
        "",
        "| stage of a scan with the network | ms per image, wall, all processes |",
        "|---|---|",
        *(f"| {stage} | {value:.2f} |" for stage, value in result["stages_ms_per_image"].items()),
        "",
        *budget(result["rounds"]),
        "",
        "| tile transport | tiles/s, median |",
        "|---|---|",
        *(
            f"| {way} | {statistics.median(one[way] for one in result['transport_tiles_per_second']):,.0f} |"
            for way in transport.WAYS
        ),
        "",
        "A scan of one JPEG figure scores up to 16 tiles of every panel of it. The straightforward script "
        "(`benchmarks/straightforward.py`) looks for no panels and judges no kinds; PyTorch may use all cores in it, "
        "and its start is not counted, while that of the scan is. Whole images are what such a script scores if nobody "
        "thinks of tiles. As many tiles as in the scan are the same work for the network, 16 of each image about half.",
    ]
    return "\n".join(lines) + "\n"


def budget(rounds: list[dict[str, Any]]) -> list[str]:
    """What the goals would allow, in the CPU time that decoding alone takes."""

    def cpu_ms(way: str) -> float:
        return statistics.median(1000 * float(one[way]["cpu_s"] / one[way]["images"]) for one in rounds)

    decoding, everything, network = cpu_ms("decode"), cpu_ms("fake"), cpu_ms("network")
    left, left_network = decoding / 0.8 - decoding, decoding / 0.4 - decoding
    return [
        f"Decoding alone takes {decoding:.1f} ms of CPU time per image. At 0.80 of its speed {left:.1f} ms more would "
        "be allowed for opening, placements, panels, kinds, tiles and the parent together; they take "
        f"{everything - decoding:.1f} ms. At 0.40 with the network it would be {left_network:.1f} ms; all of it with "
        f"the network takes {network - decoding:.1f} ms.",
    ]


def note(words: str) -> None:
    """Tell on stderr what is being done."""
    print(words, file=sys.stderr, flush=True)


def main() -> None:
    """Command line."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser(description="Speed and memory goals of an archive scan, as ratios of one run.")
    parser.add_argument("--documents", type=int, default=10_000, help="small PDFs for the memory (default 10,000)")
    parser.add_argument("--heavy", type=int, default=80, help="JPEG-heavy PDFs for the speed (default 80)")
    parser.add_argument("-j", "--jobs", type=int, default=usable, help="worker processes (default: usable cores)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--quick", action="store_true", help="a few documents, one round: does it run at all?")
    parser.add_argument("-o", "--output", type=Path, default=None, help="write the result as JSON")
    parser.add_argument("--markdown", type=Path, default=None, help="write the table as Markdown")
    arguments = parser.parse_args()
    size = Size(arguments.heavy, arguments.documents, 3000, arguments.repeats)
    if arguments.quick:
        size = Size(min(4, arguments.heavy), min(100, arguments.documents), 50, 1)
    result = run(size, arguments.jobs)
    page = markdown(result)
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    main()
