"""The pool of pairs that detectors train on: a genuine tile and a made one that differ in how they came about only.

Every pair has a genuine crop of its own, because the number of genuine pictures seen is what keeps false flags down.
What is made gets the crop's mean and spread, its grey levels and, if it had one, its JPEG compression on the same grid;
then both go through one random chain with one draw. Where the generator made its picture from nothing, the crop is
often chosen among several for being about as smooth, so that smoothness alone does not tell them apart.

Tiles are 96 px although pictures are scanned in tiles of 128: pictures made from nothing are 160 px, and a chain that
may shrink them to 0.63 and shift the grids of two compressions has to leave a tile.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import UsageError
from semscan.training.data import Micrograph, data_root, list_micrographs, list_others, verify_files
from semscan.training.degrade import least_side
from semscan.training.makers import FAMILIES, MakerSource, find_makers
from semscan.training.pairing import Job, PairingRecipe, Result, Worker, run_jobs, start_worker
from semscan.training.recipe import load_recipe, recipe_sha256
from semscan.training.rundir import open_run, write_sources

_JOBS_AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class PoolRecipe:
    """Recipe of the system ``detector_pool``.

    Attributes:
        name: folder name of the run.
        autoencoders: run folders.
        packs: folders of packs.
        translations: checkpoints of ``cyclegan``.
        inpainters: checkpoints of ``ddpm``.
        leave_out: prefixes of makers' names.
        others: data sets of genuine micrographs that are no SEM; they are partners, too.
        seed: everything random follows from it and the number of the pair.
        pairs: number of pairs.
        shares: share of each family; what is missing is shared by the others.
        pairing: how made members are fitted to genuine ones.
        workers: processes.
    """

    name: str
    autoencoders: tuple[str, ...]
    packs: tuple[str, ...] = ()
    translations: tuple[str, ...] = ()
    inpainters: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    seed: int = 1
    pairs: int = 14000
    shares: dict[str, float] = field(
        default_factory=lambda: dict(zip(FAMILIES, (0.35, 0.25, 0.15, 0.1, 0.1, 0.05), strict=True))
    )
    pairing: PairingRecipe = field(default_factory=PairingRecipe)
    workers: int = 2

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.shares) - set(FAMILIES)):
            raise UsageError(f"shares.{unknown[0]} is no family", f"families: {', '.join(FAMILIES)}")


@dataclass(frozen=True, slots=True)
class Pool:
    """Degraded tile pairs.

    Attributes:
        tiles: uint8 [n, 2, T, T]; index 0 is genuine, 1 made.
        maker: int16 [n], index into ``names``.
        names: the makers, ``family/origin``.
        source: int16 [n], index into ``sources``.
        sources: where the genuine members come from.
    """

    tiles: NDArray[np.uint8]
    maker: NDArray[np.int16]
    names: list[str]
    source: NDArray[np.int16]
    sources: list[str]


def train_pool(
    recipe_path: Path,
    overrides: list[str],
    data: Path | None,
    run_dir: Path | None,
    resume: bool = False,
    dry_run: bool = False,
) -> Path:
    """Make the pool of pairs of the train split, once for all detectors.

    Args:
        recipe_path: TOML file, see :class:`PoolRecipe`.
        overrides: ``key=value`` strings.
        data: data folder, see :func:`semscan.training.data.data_root`.
        run_dir: output folder; ``runs/<name>`` when ``None``.
        resume: make a pool again that was interrupted.
        dry_run: print what would be made.

    Returns:
        The folder with ``tiles.npy`` and ``pool.json``.
    """
    recipe = load_recipe(recipe_path, PoolRecipe, overrides)
    target = run_dir or Path("runs") / recipe.name
    makers = _find(recipe)
    jobs = _deal(recipe, makers)
    print(_summary(recipe, makers, jobs), file=sys.stderr, flush=True)
    if dry_run:
        return target
    root = data_root(data)
    listed, others = list_micrographs(root, ["train"]), list_others(root, recipe.others)
    verify_files([*listed, *others])
    open_run(target, recipe, resume=resume)
    for part in (listed, others):
        if part:
            write_sources(target, part)
    _write_pool(recipe, [*listed, *others], makers, jobs, target)
    return target


def load_pool(folder: Path) -> Pool:
    """A pool that :func:`train_pool` wrote; its tiles stay on the disk and are shared by all who read them.

    Raises:
        UsageError: there is none, or it is not finished.
    """
    try:
        values = json.loads((folder / "pool.json").read_text(encoding="utf-8"))
        tiles = np.load(folder / "tiles.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"there is no pool of pairs in {folder}", "semscan train detector_pool") from error
    maker, source = (np.array(values[key], np.int16) for key in ("maker", "source"))
    return Pool(tiles, maker, values["names"], source, values["sources"])


def _find(recipe: PoolRecipe) -> list[MakerSource]:
    makers = find_makers(
        recipe.autoencoders,
        recipe.packs,
        recipe.translations,
        recipe.inpainters,
        leave_out=recipe.leave_out,
        least_px=least_side(recipe.pairing.tile_px),
    )
    wanted = [m for m in makers if recipe.shares.get(m.family, 0) > 0]
    if not wanted:
        raise UsageError("no family has both a share and a maker", "see the recipe's shares, autoencoders and packs")
    return wanted


def _deal(recipe: PoolRecipe, makers: list[MakerSource]) -> list[Job]:
    """Pairs are dealt to families by their shares, then evenly to groups (``family/group``), then to makers."""
    present = [family for family in FAMILIES if any(m.family == family for m in makers)]
    total = sum(recipe.shares[family] for family in present)
    ends = np.rint(np.cumsum([recipe.shares[family] for family in present]) / total * recipe.pairs).astype(int)
    counts = dict(zip(present, np.diff([0, *ends]).tolist(), strict=True))
    jobs: list[Job] = []
    for family, count in counts.items():
        groups: dict[str, list[int]] = {}
        for at, maker in enumerate(makers):
            if maker.family == family:
                groups.setdefault("/".join(maker.name.split("/")[:2]), []).append(at)
        turns = list(groups.values())
        for place, group in enumerate(turns):
            left, turn = count // len(turns) + (place < count % len(turns)), 0
            while left:
                chosen = group[turn % len(group)]
                pairs = min(left, recipe.pairing.cuts.get(makers[chosen].kind, 1))
                jobs.append(Job(len(jobs), chosen, pairs))
                left, turn = left - pairs, turn + 1
    return jobs


def _summary(recipe: PoolRecipe, makers: list[MakerSource], jobs: list[Job]) -> str:
    counts = np.bincount([j.maker for j in jobs], [j.pairs for j in jobs], len(makers)).astype(int)
    lines = [f"{count:6} {maker.name}" for maker, count in zip(makers, counts, strict=True)]
    memory = recipe.pairs * 2 * recipe.pairing.tile_px**2 / 2**20
    return "\n".join([*lines, f"{recipe.pairs:6} pairs of {recipe.pairing.tile_px}-px tiles, {memory:.0f} MiB"])


def _write_pool(
    recipe: PoolRecipe, listed: list[Micrograph], makers: list[MakerSource], jobs: list[Job], target: Path
) -> None:
    shape = (recipe.pairs, 2, recipe.pairing.tile_px, recipe.pairing.tile_px)
    part = target / "tiles.part.npy"
    tiles = np.lib.format.open_memmap(part, "w+", np.uint8, shape)
    sources = sorted({m.source for m in listed})
    starts = np.cumsum([0, *(job.pairs for job in jobs)])
    maker, source = (np.zeros(recipe.pairs, np.int16) for _ in range(2))
    began = time.monotonic()
    # Dealt like cards, so that slow makers are spread over all packets.
    packets = max(1, -(-len(jobs) // _JOBS_AT_ONCE))
    for done, (packet, (made, found)) in enumerate(_results(recipe, listed, makers, jobs, packets), 1):
        at = 0
        for job, where in zip(packet, found, strict=True):
            rows = slice(starts[job.index], starts[job.index + 1])
            tiles[rows] = made[at : at + job.pairs]
            maker[rows], source[rows] = job.maker, sources.index(where)
            at += job.pairs
        if done % max(1, packets // 10) == 0:
            seconds = time.monotonic() - began
            print(f"pool: {100 * done // packets} % after {seconds:.0f} s", file=sys.stderr, flush=True)
    tiles.flush()
    part.replace(target / "tiles.npy")
    values = {
        "recipe_sha256": recipe_sha256(recipe),
        "names": [m.name for m in makers],
        "sources": sources,
        "maker": maker.tolist(),
        "source": source.tolist(),
    }
    text = json.dumps(values)
    half = target / "pool.part"
    half.write_text(text, encoding="utf-8")
    half.replace(target / "pool.json")


def _results(
    recipe: PoolRecipe, listed: list[Micrograph], makers: list[MakerSource], jobs: list[Job], packets: int
) -> Iterator[tuple[list[Job], Result]]:
    dealt = [jobs[k::packets] for k in range(packets)]
    if recipe.workers == 1:
        worker = Worker(recipe.pairing, recipe.seed, listed, makers)
        yield from ((packet, worker.run(packet)) for packet in dealt)
        return
    arguments = (recipe.pairing, recipe.seed, listed, makers)
    with ProcessPoolExecutor(recipe.workers, get_context("spawn"), start_worker, arguments) as processes:
        yield from zip(dealt, processes.map(run_jobs, dealt), strict=True)
