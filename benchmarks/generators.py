"""How good is every generator? From the packs to ``docs/results/generators.md``, with plots and sheets of samples.

``python benchmarks/generators.py --data DIR --encoder runs/autoencoders/vae.pt --live runs/autoencoders``
measures everything anew; with ``--only NAME...`` these generators, and the others' numbers stay; ``--only`` alone
writes the page from the numbers that are there. The sentences on quality are written by whoever looked at the sheets,
in ``training/packs/seen.toml``; what trainings cost is measured by ``generator_costs.py``.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import sys
import tomllib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from generators_page import markdown
from machine import fingerprint
from numpy.typing import NDArray
from PIL import Image
from plots import Line, Panel, draw, histogram

from semscan.training import packs
from semscan.training.autoencoders import load_autoencoder
from semscan.training.crops import CropsPool, DataRecipe, load_recipe_pool
from semscan.training.fidelity import Fidelity, measure
from semscan.training.inception import Inception
from semscan.training.packs import Pack, list_packs, read_pack
from semscan.training.perceptual import Lpips
from semscan.training.pictures import grid_of
from semscan.training.recipe import build_recipe, read_system
from semscan.training.synthesize import open_maker
from semscan.training.systems import GENERATORS, find_system

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / "training" / "recipes"
GENUINE = {64: 512, 128: 256}
"""Genuine tiles compared with, by side."""
SHOWN = {64: 36, 128: 16}
LIVE = 64
ROW = 8
CURVES = ("wasserstein", "cycle", "loss", "d_loss")
"""What is plotted over the steps: the first of these that a training noted."""
Source = Callable[[int, int], NDArray[np.uint8]]


@functools.lru_cache(maxsize=8)
def read_pool(domain: DataRecipe, data: Path) -> CropsPool:
    """The pictures of a domain; most generators share theirs."""
    return load_recipe_pool(domain, data, 1)


def genuine_source(manifest: dict[str, Any], data: Path, *, unseen: bool) -> Source:
    """Genuine tiles drawn as the generator's training drew them, or likewise of pictures that it never saw.

    Returns:
        a function of a number of tiles and a seed.
    """
    values, size = manifest["recipe"], compared_px(manifest)
    other = "train" if manifest["trained_on"] == "test" else "test"
    if manifest["system"] in ("autoencoders", "inpaint"):
        domain = replace(DataRecipe(), split=other if unseen else manifest["trained_on"])
    elif manifest["trained_on"] == "composed":
        if unseen:
            values = {**values, "seed": values["seed"] + 1_000}
        system = find_system(manifest["system"])
        batches = system.batches(build_recipe(system.recipe, values), data)

        def composed(count: int, seed: int) -> NDArray[np.uint8]:
            rng, drawn = np.random.default_rng([seed, 77]), []
            while sum(map(len, drawn)) < count:
                tiles = batches(rng)
                drawn.append(tiles.reshape(-1, *tiles.shape[-3:]))
            return np.concatenate(drawn)[:count]

        return composed
    else:
        table = values["domain_b"] if "domain_b" in values else values["data"]
        domain = build_recipe(DataRecipe, table)
        if unseen:
            domain = replace(domain, split=other, sources=())
    pool = read_pool(domain, data)
    return lambda count, seed: pool.draw_as(domain, np.random.default_rng([seed, 77]), count, size)


def compared_px(manifest: dict[str, Any]) -> int:
    """Side at which a generator is compared: that of its tiles, but wide blots have no composed partners."""
    return int(manifest["trained_px"] if manifest["trained_on"] == "composed" else manifest["made_px"])


def middle(tiles: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The middle [n, C, side, side] of tiles."""
    first = (tiles.shape[-1] - side) // 2
    return tiles[:, :, first : first + side, first : first + side]


def report(
    found: dict[str, list[Pack]],
    data: Path,
    encoder_path: Path,
    lpips: Path | None,
    folder: Path,
    inception_path: Path | None = None,
) -> list[Any]:
    """Measure every generator and draw its plots; returns one dictionary for each."""
    encoder, net = load_autoencoder(encoder_path), Lpips(lpips) if lpips else None
    inception = Inception(inception_path) if inception_path else None
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, checkpoints in found.items():
        print(name, file=sys.stderr, flush=True)
        manifest = checkpoints[-1].manifest
        seen, unseen = (genuine_source(manifest, data, unseen=flag) for flag in (False, True))
        side = compared_px(manifest)
        count = GENUINE.get(side, 256)
        genuine = seen(count, 1), seen(count, 2), unseen(count, 3)
        results = [measure(middle(pack.tiles, side), *genuine, encoder, net, inception) for pack in checkpoints]
        stem = name.replace("/", "-")
        tiles = checkpoints[-1].tiles
        if not manifest.get("is_live"):  # those are near copies of pictures that are not ours
            sheet = grid_of(tiles[: SHOWN.get(tiles.shape[-1], 16)])
            Image.fromarray(sheet).save(folder / f"{stem}.png", optimize=True)
            if len(checkpoints) > 1:
                course = np.concatenate([np.hstack(pack.tiles[:ROW, 0]) for pack in checkpoints])
                Image.fromarray(course).save(folder / f"{stem}-steps.png", optimize=True)
        curve = manifest.get("curve", [])
        (folder / f"{stem}.svg").write_text(plot(results[-1], side, curve), encoding="utf-8")
        rows.append(row(name, checkpoints, results))
    return rows


def row(name: str, checkpoints: list[Pack], results: list[Fidelity]) -> dict[str, Any]:
    """What the page says of one generator."""
    manifest, last = checkpoints[-1].manifest, results[-1]
    nearness = ("mse_trained", "mse_unseen", "seen_trained", "seen_unseen")
    return {
        "name": name,
        "manifest": {key: value for key, value in manifest.items() if key not in ("recipe", "curve")},
        "settings": settings(manifest),
        "perceptual": last.perceptual,
        "tiles": len(checkpoints[-1].tiles),
        "size_px": manifest["made_px"],
        "compared_px": compared_px(manifest),
        **{f"{key}_least": float(np.median(getattr(last, key).least)) for key in nearness},
        **{f"{key}_mean": float(np.mean(getattr(last, key).mean)) for key in nearness},
        "least_of_all_mse": float(last.mse_trained.least.min()),
        "kid": last.kid,
        "kid_floor": last.kid_floor,
        "fid": last.fid,
        "fid_floor": last.fid_floor,
        "smoothness_auc": last.smoothness_auc,
        "high_excess_db": last.high_excess_db,
        "inception": asdict(last.inception) if last.inception else None,
        "by_step": [
            {"step": pack.manifest["step"], "kid": result.kid, "smoothness_auc": result.smoothness_auc}
            for pack, result in zip(checkpoints, results, strict=True)
        ],
    }


def settings(manifest: dict[str, Any]) -> str:
    """The settings that matter, in words."""
    values = manifest["recipe"]
    loop = values.get("training", values)
    words = [f"{loop[key]} {key}" for key in ("steps", "batch") if key in loop]
    size = loop.get("size_px", loop.get("crop_px"))
    words += [f"{size} px"] if size else []
    words += ["bfloat16"] if loop.get("amp") else []
    words += [f"width {values['width']}"] if "width" in values else []
    return ", ".join(words)


def plot(result: Fidelity, size: int, curve: list[dict[str, float]]) -> str:
    """Least distances as in figures 4.2 and 4.4 of the thesis, the spectra, and the training's course."""
    panels = []
    pairs = (
        ("least mean squared error", "squared grey levels", result.mse_trained.least, result.mse_unseen.least),
        ("least perceptual distance", result.perceptual, result.seen_trained.least, result.seen_unseen.least),
    )
    for title, label, trained, unseen in pairs:
        edges = np.linspace(0, max(trained.max(), unseen.max()), 30)
        lines = [histogram("to pictures trained on", trained, edges), histogram("to unseen ones", unseen, edges)]
        panels.append(Panel(title, label, lines))
    cycles = np.arange(1, len(result.spectrum)) / size
    spectra = [
        Line("generated", cycles, result.spectrum[1:]),
        Line("genuine", cycles, result.spectrum_genuine[1:]),
    ]
    panels.append(Panel("radial power spectrum, log10", "cycles per pixel", spectra))
    key = next((key for key in CURVES if curve and key in curve[0]), None)
    if key:
        steps, values = (np.array([line[name] for line in curve]) for name in ("step", key))
        panels.append(Panel(f"training: {key}", "step", [Line(key, steps, values)]))
    return draw(panels)


def not_trained(names: set[str]) -> list[str]:
    """Shipped recipes of generators without a pack."""
    recipes = {path.stem: read_system(path) for path in sorted(RECIPES.glob("*.toml"))}
    known = {*GENERATORS, "inpaint", "autoencoders"}
    return [recipe for recipe, system in recipes.items() if system in known and recipe not in names]


def make_live(sources: list[Path], data: Path) -> dict[str, list[Pack]]:
    """Tiles of generators whose tiles enter no pack, because they are near copies of genuine ones."""
    found = {}
    for source in sources:
        for path in sorted(source.glob("*.pt")) if source.is_dir() else [source]:
            maker = open_maker(path, 0, data)
            tiles = np.concatenate([made.tiles for made in maker.groups(LIVE)])
            manifest = {**asdict(maker.origin), **maker.details, "is_live": True}
            # Several runs may come from one recipe.
            name = f"{source.name}/{path.stem}" if source.is_dir() else maker.origin.generator
            found[name] = [Pack(tiles, None, manifest)]
    return found


def find_packs(only: list[str] | None = None) -> dict[str, list[Pack]]:
    """Packs by generator, its checkpoints by step."""
    found: dict[str, list[Pack]] = {}
    for path in [*list_packs(), *list_packs(packs.TEST_FOLDER)]:
        if only is not None and path.stem.rpartition("-")[0] not in only:
            continue
        pack = read_pack(path)
        found.setdefault(pack.manifest["generator"], []).append(pack)
    return {name: sorted(group, key=lambda p: p.manifest["step"]) for name, group in found.items()}


def joined(kept: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that were there, with new ones in their place: packs, those of the test split behind, then live ones."""
    by_name = {r["name"]: r for r in [*kept, *rows]}
    return sorted(
        by_name.values(),
        key=lambda r: (bool(r["manifest"].get("is_live")), r["manifest"]["trained_on"] == "test", r["name"]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the genuine micrographs")
    parser.add_argument("--encoder", type=Path, required=True, help="checkpoint of an autoencoder, for the features")
    parser.add_argument(
        "--live", type=Path, nargs="+", default=[], metavar="SOURCE",
        help="checkpoints, runs of autoencoders or inpaint recipes to measure without a pack",
    )  # fmt: skip
    parser.add_argument("--lpips", type=Path, help="folder with the weights of LPIPS; the substitute without")
    parser.add_argument("--inception", type=Path, help="weights of Inception v3; its distances are left out without")
    parser.add_argument(
        "--only", nargs="*", metavar="NAME", help="measure these packs, and what --live names; keep all other numbers"
    )
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "results" / "generators.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = find_packs(options.only)
    found |= make_live(options.live, options.data)
    folder, mark = options.output.parent / "generators", fingerprint()
    rows = report(found, options.data, options.encoder, options.lpips, folder, options.inception)
    commands = [mark["command"]] if rows else []
    rows = [{**row, "revision": mark["revision"]} for row in rows]
    if options.only is not None:
        before = json.loads(options.output.with_suffix(".json").read_text(encoding="utf-8"))
        then, mark = before["fingerprint"], mark if rows else before["fingerprint"]
        rows = joined([{"revision": then["revision"], **row} for row in before["generators"]], rows)
        commands = [*before.get("commands", [then["command"]]), *commands]
    costs = folder / "costs.json"
    digest = hashlib.sha256(options.encoder.read_bytes()).hexdigest()[:12]
    result = {
        "question": "generators",
        "fingerprint": mark,
        "commands": commands,
        "encoder": f"{options.encoder.parent.name}/{options.encoder.stem} ({digest})",
        "generators": rows,
        "not_trained": not_trained({row["name"].split("/")[0] for row in rows}),
        "costs": json.loads(costs.read_text(encoding="utf-8")) if costs.is_file() else None,
    }
    options.output.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    notes = packs.FOLDER / "seen.toml"
    seen = tomllib.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}
    options.output.write_text(markdown(result, seen) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
