"""Leak check: nothing of one split is in another, byte for byte, by a perceptual hash, or by correlation of tiles."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from semscan.engine.errors import UsageError
from semscan.training.data import Micrograph, list_micrographs, list_others, read_panel
from semscan.training.evaluation.parts import Context, Part, Result
from semscan.training.evaluation.sets import load_set
from semscan.training.packs import list_packs, read_pack

SPLITS = ("train", "calibrate", "test")
OTHERS = ("isbi2012_sstem", "preprint")
"""Data sets of no SEM that are genuine partners in the pool; what trains with them must not calibrate or test."""

PARTNERS = "other partners"

NEAR_BITS = 64
"""Difference hashes of 256 bits that differ in fewer belong to pictures that may be copies; smooth ones come near."""

SAME = 0.5
"""Pictures of which the details correlate more than this are copies; unrelated ones stay below a third."""

ALIKE = 0.8
"""Tiles of which the details correlate more than this show the same thing; the most of 4000 unrelated ones was .7."""

_HASH, _WHOLE, _TILE = 16, 64, 32


def measure(context: Context) -> Result:
    """Counts that must be zero, and how near the nearest come."""
    listed = {split: list_micrographs(context.root, [split]) for split in SPLITS}
    others, missing = _others(context)
    if others:
        listed[PARTNERS] = others
    seen: dict[str, tuple[NDArray[np.bool_], NDArray[np.float64]]] = {}
    for split, micrographs in listed.items():
        pictures = [read_panel(m) for m in micrographs]
        if pictures:
            details = [details_of(p, _WHOLE, 9) for p in pictures]
            seen[split] = np.stack([difference_hash(p) for p in pictures]), np.stack(details)
    pairs: list[dict[str, Any]] = []
    for one, other in combinations(seen, 2):
        apart = (seen[one][0][:, None] != seen[other][0][None]).sum(2)
        likeness = np.abs(seen[one][1] @ seen[other][1].T)
        i, j = np.unravel_index(int(likeness.argmax()), likeness.shape)
        a, b = listed[one], listed[other]
        pairs.append(
            {
                "splits": [one, other],
                "same_bytes": len({m.sha256 for m in a} & {m.sha256 for m in b}),
                "same_source": len({m.source for m in a} & {m.source for m in b}),
                "near_hashes": int((apart < NEAR_BITS).sum()),
                "nearest_bits": int(apart.min()),
                "copies": int((likeness > SAME).sum()),
                "most_alike": [float(likeness.max()), a[i].path.name, b[j].path.name],
            }
        )
    grid = np.concatenate([np.empty((0, _TILE**2)), *(small_tiles(p.grey) for p in load_set(context, "genuine"))])
    packs: list[dict[str, Any]] = []
    for name, made in sorted(_tiles_of_packs(context).items()):
        alike = np.abs(made @ grid.T).max(1) if len(grid) and len(made) else np.zeros(1)
        packs.append(
            {"pack": name, "tiles": len(made), "alike": int((alike > ALIKE).sum()), "most": float(alike.max())}
        )
    found: dict[str, Any] = {"pairs": pairs, "packs": packs, "genuine_tiles": len(grid), "missing": missing}
    found["leaks"] = sum(p["same_bytes"] + p["same_source"] + p["copies"] for p in pairs)
    found["leaks"] += sum(p["alike"] for p in packs)
    return found


def _others(context: Context) -> tuple[list[Micrograph], list[str]]:
    """The other partners, and the data sets of them that are not there: such a folder trains without them."""
    found: list[Micrograph] = []
    missing = []
    for name in OTHERS:
        try:
            found += list_others(context.root, [name])
        except UsageError:
            missing.append(name)
    return found, missing


def difference_hash(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each of 16 x 16 means is darker than its right neighbour; bool [256]."""
    small = np.asarray(Image.fromarray(grey).resize((_HASH + 1, _HASH), Image.Resampling.BOX), np.int16)
    bits: NDArray[np.bool_] = (small[:, 1:] > small[:, :-1]).ravel()
    return bits


def details_of(grey: NDArray[np.uint8], side: int, around: int) -> NDArray[np.float64]:
    """A picture reduced to ``side`` x ``side`` px, less its local means, of unit length; zero where it has no details.

    The slow shading that all micrographs share correlates between unrelated ones; what is left of them does not.
    """
    small = np.asarray(Image.fromarray(np.ascontiguousarray(grey)).resize((side, side), Image.Resampling.BOX), float)
    details = small - uniform_filter(small, around, mode="mirror")
    length = float(np.linalg.norm(details))
    found: NDArray[np.float64] = (details / length if details.std() > 1 else np.zeros_like(details)).ravel()
    return found


def small_tiles(grey: NDArray[np.uint8], tile_px: int = 64) -> NDArray[np.float64]:
    """The details of the tiles of a grid and of one shifted by half, float64 [n, 1024]."""
    found = []
    for shift in (0, tile_px // 2):
        for y in range(shift, grey.shape[0] - tile_px + 1, tile_px):
            for x in range(shift, grey.shape[1] - tile_px + 1, tile_px):
                found.append(details_of(grey[y : y + tile_px, x : x + tile_px], _TILE, 7))
    return np.array(found).reshape(-1, _TILE**2)


def _tiles_of_packs(context: Context) -> dict[str, NDArray[np.float64]]:
    """The upper left 64 px of the tiles of every pack that trains detectors."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    for path in list_packs(context.packs):
        pack = read_pack(path)
        tiles = [details_of(tile[0, :64, :64], _TILE, 7) for tile in pack.tiles]
        found.setdefault(pack.manifest["generator"], []).extend(tiles)
    return {name: np.array(tiles) for name, tiles in found.items()}


def render(result: Result) -> list[str]:
    """Pairs of splits, then packs against the genuine test panels."""
    lines = [
        f"**{result['leaks']} leaks.** Between splits: files with the same SHA-256, sources on both sides, and "
        f"pictures of which the details, at {_WHOLE} x {_WHOLE} px and less their local means, correlate above {SAME}. "
        f"Difference hashes that differ in fewer than {NEAR_BITS} of 256 bits are counted, but smooth unrelated "
        f"pictures come that near, too. Between the packs that train detectors and {result['genuine_tiles']} tiles of "
        f"the genuine test panels: tiles of which the details correlate above {ALIKE}. *{PARTNERS.capitalize()}* are "
        "TEM and light micrographs that detectors train on as genuine. Two panels of one paper that show different "
        "places are no copies of each other: that they stay together rests on the names of sources, which the tables "
        "of the data give for all but the panels of EMPS, and those only calibrate.",
        *[f"\n**Not checked, for it is not there: {name}.**" for name in result.get("missing", [])],
        "",
        "| splits | same bytes | same source | copies | most alike | near hashes (nearest, bits) |",
        "|---|---|---|---|---|---|",
    ]
    for pair in result["pairs"]:
        most, one, other = pair["most_alike"]
        lines.append(
            f"| {' and '.join(pair['splits'])} | {pair['same_bytes']} | {pair['same_source']} | {pair['copies']} "
            f"| {most:.2f} ({one} and {other}) | {pair['near_hashes']} ({pair['nearest_bits']}) |"
        )
    lines += ["", "| generator | tiles | alike | largest correlation |", "|---|---|---|---|"]
    return lines + [f"| {p['pack']} | {p['tiles']} | {p['alike']} | {p['most']:.2f} |" for p in result["packs"]]


PART = Part("leaks", "Leak check", measure, render, depends_on_model=False)
