"""The panels that are judged: genuine ones of unseen sources, and made ones. Built once, kept in the run's folder.

Generators of ours make small pictures, so what they made is compared with genuine crops of the same size; a whole
panel, whose score averages over many tiles, would be compared with a single tile otherwise. A made crop gets the mean,
the spread and the JPEG tables of a genuine partner: what is left to tell them apart is how they came about.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from semscan.training.data import list_micrographs
from semscan.training.degrade import jpeg_with_tables, match_moments
from semscan.training.evaluation.parts import Context
from semscan.training.makers import FAMILY_OF, MakerSource, open_maker
from semscan.training.nets.autoencoders import UPSAMPLERS
from semscan.training.packs import list_packs, read_pack
from semscan.training.panels import SMALLEST_PX, Panel, genuine_panels, reconstructions

SMALL_PX = 160
"""Side of a genuine crop that a generator's picture is compared with."""

CROPS = 2
"""Such crops of one genuine panel."""

PER_PACK = 48
"""Made crops taken of one pack, and translations by one generator."""

PER_MAKER = 12
"""Made crops of each untrained decoder and of each transplant."""

SETS = ("genuine", "reconstructed", "genuine_small", "packs_test", "packs_train", "remade")
WORKERS = 2


def family_of(maker: str) -> str:
    """The family of a maker, the first part of its name.

    >>> family_of("gan/fastgan_64")
    'gan'
    """
    return maker.partition("/")[0]


def is_named(maker: str, prefixes: Sequence[str]) -> bool:
    """Whether a maker is one of those named by the beginnings of their names, with or without the family.

    >>> is_named("vae/autoencoders/fir", ["autoencoders/fir"]), is_named("gan/fastgan_64", ["gan/"])
    (True, True)
    """
    names = (maker, maker.partition("/")[2])
    beginnings = [prefix.rstrip("/") for prefix in prefixes]
    return any(name == first or name.startswith(f"{first}/") for name in names for first in beginnings)


def maker_name(generator: str, system: str) -> str:
    """``family/generator`` of a pack's manifest; packs of generators that saw test sources have the same name.

    >>> maker_name("dcgan_64_test", "dcgan")
    'gan/dcgan_64'
    """
    return f"{FAMILY_OF.get(system, 'other')}/{generator.removesuffix('_test')}"


def find_decoders(context: Context) -> dict[str, Path]:
    """Checkpoints of the autoencoders by ``run/decoder``: the small ones of the repository, else those of the runs."""
    found = {}
    for path in sorted(context.weights.glob("autoencoders*/**/*.pt")):
        # Of a folder for each run, and of one folder with ``run--decoder.pt``, the same names come out.
        words = path.relative_to(context.weights).with_suffix("").as_posix().replace("--", "/").split("/")
        found["/".join(words[-2:])] = path
    if found:
        return found
    runs = [Path(run) for run in context.recipe.autoencoders]
    return {f"{run.name}/{path.stem}": path for run in runs for path in sorted(run.glob("*.pt"))}


def set_digests(context: Context) -> dict[str, str]:
    """What each set is made of, as a digest that changes with the data, packs, decoders and settings it depends on."""
    base = hashlib.sha256(repr((context.recipe.evaluation, SMALL_PX, CROPS, PER_PACK, PER_MAKER)).encode())
    base.update(repr([m.sha256 for m in list_micrographs(context.root, ["test"])]).encode())
    decoders = list(find_decoders(context).values())
    files = {
        "reconstructed": decoders,
        "packs_test": list(list_packs(context.packs / "test")),
        "packs_train": list(list_packs(context.packs)),
        "remade": [*decoders, *_translators(context)],
    }
    return {name: digest_of(files.get(name, []), base.digest()) for name in SETS}


def digest_of(files: Sequence[Path], begin: bytes = b"") -> str:
    """Hex digest of the names and contents of files."""
    digest = hashlib.sha256(begin)
    for path in files:
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def build_sets(context: Context) -> dict[str, int]:
    """Make the sets that are not there yet, or not of what there is now; returns the number of panels in each."""
    sizes = {}
    for name, digest in set_digests(context).items():
        path = _path(context, name)
        about = path.with_suffix(".json")
        told = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
        if told.get("digest") != digest or not path.is_file():
            panels = _build(context, name)
            save_panels(panels, path)
            told = {"digest": digest, "panels": len(panels)}
            about.write_text(json.dumps(told) + "\n", encoding="utf-8")
        sizes[name] = int(told["panels"])
    return sizes


def _build(context: Context, name: str) -> list[Panel]:
    """One set; those that it is made from come before it in :data:`SETS`."""
    settings = context.recipe.evaluation
    if name == "genuine":
        return genuine_panels(context.root, "test", settings.panels_per_source)
    if name == "reconstructed":
        return _reconstruct(load_set(context, "genuine"), find_decoders(context), settings.fakes_per_panel)
    if name == "genuine_small":
        return list(_crops(load_set(context, "genuine")))
    small = load_set(context, "genuine_small")
    # In a random order, so that few packs do not take their partners, and the JPEG history of these, of few sources.
    small = [small[i] for i in np.random.default_rng(5).permutation(len(small))]
    if name == "remade":
        return list(_remade(context, small))
    return list(_from_packs(context.packs / "test" if name == "packs_test" else context.packs, small))


def load_set(context: Context, name: str) -> list[Panel]:
    """One of :data:`SETS`."""
    return load_panels(_path(context, name))


def _path(context: Context, name: str) -> Path:
    return context.folder / "sets" / f"{name}.npz"


def save_panels(panels: list[Panel], path: Path) -> None:
    """Write panels; they are read again without unpickling anything."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = [[p.source, p.seed, p.decoder, p.tables, p.licence, p.name] for p in panels]
    arrays: dict[str, Any] = {f"p{index}": panel.grey for index, panel in enumerate(panels)}
    part = path.with_suffix(".part.npz")
    np.savez(part, about=np.frombuffer(json.dumps(told).encode(), np.uint8), **arrays)
    part.replace(path)


def load_panels(path: Path) -> list[Panel]:
    """Read panels."""
    with np.load(path, allow_pickle=False) as stored:
        told = json.loads(stored["about"].tobytes())
        return [Panel(stored[f"p{index}"], *about) for index, about in enumerate(told)]


def _crops(genuine: list[Panel]) -> Iterator[Panel]:
    """Crops of each panel, from opposite corners, on the panel's own 8 x 8 grid."""
    for panel in genuine:
        room = [(side - SMALL_PX) // 8 for side in panel.grey.shape]
        if min(room) < 0:
            continue
        corners = [(0, 0), (room[0], room[1])][: 1 if max(room) * 8 < SMALL_PX else CROPS]
        for index, (y, x) in enumerate(corners):
            grey = np.ascontiguousarray(panel.grey[8 * y : 8 * y + SMALL_PX, 8 * x : 8 * x + SMALL_PX])
            yield replace(panel, grey=grey, seed=panel.seed + index)


def _from_packs(folder: Path, partners: list[Panel]) -> Iterator[Panel]:
    """Crops of the packs of a folder whose tiles are large enough for one of the detector's tiles."""
    turn = 0
    for path in list_packs(folder):
        pack = read_pack(path)
        if min(pack.tiles.shape[-2:]) < SMALLEST_PX or pack.masks is not None or not partners:
            continue
        name = maker_name(pack.manifest["generator"], pack.manifest["system"])
        for index in np.linspace(0, len(pack.tiles) - 1, min(PER_PACK, len(pack.tiles))).astype(int):
            partner = partners[turn % len(partners)]
            turn += 1
            grey = match_moments(pack.tiles[index, 0][:SMALL_PX, :SMALL_PX], partner.grey)
            if partner.tables:
                grey = jpeg_with_tables(grey, partner.tables)
            yield replace(partner, grey=grey, seed=partner.seed + 1009 * turn, decoder=name, source=f"{name}/{index}")


def _remade(context: Context, small: list[Panel]) -> Iterator[Panel]:
    """Genuine crops translated, put through untrained decoders, or mostly replaced by another picture's latents."""
    sources = [MakerSource(f"translation/{p.stem}", "translation", (str(p),)) for p in _translators(context)]
    sources += [MakerSource(f"untrained/{up}", "untrained", (up,)) for up in UPSAMPLERS]
    sources += [
        MakerSource(f"inpaint/transplant/{name}", "transplant", (str(path),))
        for name, path in find_decoders(context).items()
        if not is_named(f"vae/{name}", context.recipe.faithful)
    ]
    if not small:
        return
    for number, source in enumerate(sources):
        make = open_maker(source)
        for index in range(PER_MAKER if source.kind != "translation" else PER_PACK):
            partner, other = (small[(number * PER_MAKER + index + shift) % len(small)] for shift in (0, 1))
            made, _ = make(partner.grey, other.grey, np.random.default_rng([partner.seed, number]))
            grey = made if source.kind == "transplant" else match_moments(made, partner.grey)
            if partner.tables:
                grey = jpeg_with_tables(grey, partner.tables)
            yield replace(partner, grey=grey, decoder=source.name)


def _translators(context: Context) -> list[Path]:
    return sorted(context.weights.glob("cyclegan*.pt"))


def _reconstruct(genuine: list[Panel], decoders: dict[str, Path], per_panel: int) -> list[Panel]:
    """Reconstructions, in as many processes as there may be; the same for any number."""
    if not decoders or not genuine:
        return []
    names = sorted(decoders)
    # A chunk starts where the deal of decoders would have come to, so that the chunks together deal as one would.
    size = -(-len(genuine) // WORKERS)
    chunks = [(genuine[k : k + size], k) for k in range(0, len(genuine), size)]
    jobs = [(chunk, {n: decoders[n] for n in names}, per_panel, first) for chunk, first in chunks]
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(_reconstruct_chunk, jobs))
    return [replace(panel, decoder=f"vae/{panel.decoder}") for part in parts for panel in part]


def _reconstruct_chunk(job: tuple[list[Panel], dict[str, Path], int, int]) -> list[Panel]:
    import torch

    torch.set_num_threads(1)
    panels, decoders, per_panel, first = job
    return reconstructions(panels, decoders, per_panel, first)
