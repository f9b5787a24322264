"""T7: panels changed in one region: where the evidence lies, whether it lies where the change is, and controls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.geometry import Box
from semscan.engine.region import find_region
from semscan.engine.smoothness import smoothness
from semscan.engine.tiles import cut_tiles
from semscan.training.degrade import jpeg
from semscan.training.evaluation.forgeries import CONTROLS, SIDE_PX, Forgery, control, forge, untouched
from semscan.training.evaluation.judge import Judge
from semscan.training.evaluation.lab import Lab
from semscan.training.evaluation.parts import Context, Part, Result, not_measured, verdict
from semscan.training.evaluation.ranking import share
from semscan.training.evaluation.sets import find_decoders
from semscan.training.metrics import auc, auc_interval, tpr_at
from semscan.training.nets.registry import evidence_grid

CHANNELS: dict[str, int | None] = {"png": None, "q90": 90, "q75": 75}
COUNT = 36
WINDOW_PX = 32
_STRIDE_PX = 32
_CHANGED = 0.5
"""Share of a window's pixels from which on it counts as changed; windows with fewer are left out, not counted."""


def measure(context: Context) -> Result:
    """Windows, regions and panels of every kind of change, in every channel."""
    lab = Lab(context)
    panels = untouched(lab.panels("genuine"), COUNT)
    made = _forgeries(context, panels)
    if len(panels) < 2 or not made:
        return not_measured("there is no generator among the weights, or there are no panels large enough to change")
    kinds = made | {name: control(panels, name, context.recipe.seed) for name in CONTROLS}
    rows: list[dict[str, Any]] = []
    for channel, quality in CHANNELS.items():
        plain = [_stored(p.grey, quality) for p in panels]
        quiet = [evidence_windows(lab.judge, grey) for grey in plain]
        # What stands out in a panel is measured from the panel's own level, which its source decides.
        threshold = float(np.quantile(np.concatenate([_from_median(q) for q in quiet]), 0.95))
        regions = np.array([_region_score(q) for q in quiet])
        whole = lab.judge.measure((grey, quality) for grey in plain)
        for name, forgeries in kinds.items():
            greys = [_stored(f.grey, quality) for f in forgeries]
            maps = [evidence_windows(lab.judge, grey) for grey in greys]
            judged = lab.judge.measure((grey, quality) for grey in greys)
            row = _windows(forgeries, greys, maps, threshold, context.recipe.seed)
            scores = np.array([_region_score(m) for m in maps])
            row |= {
                "kind": name,
                "is_control": name in CONTROLS,
                "channel": channel,
                "n": len(forgeries),
                "region_auc": auc(regions, scores),
                "region_tpr_at_5pct": tpr_at(regions, scores, 0.05),
                "panel_auc": auc(whole.score, judged.score),
                "flagged": share(judged.flagged),
            }
            rows.append(row)
    return {"rows": rows, "panels": len(panels), "sources": len({p.source for p in panels}), "verdict": _verdict(rows)}


def _forgeries(context: Context, panels: list[Any]) -> dict[str, list[Forgery]]:
    """By kind; the first diffusion model and two unlike decoders of the weights."""
    if len(panels) < 2:
        return {}
    seed = context.recipe.seed
    kinds: dict[str, tuple[Path, str]] = {}
    for path in sorted(context.weights.glob("ddpm*.pt"))[:1]:
        kinds[f"inpainted by {path.stem}"] = (path, "diffusion")
    decoders = find_decoders(context)
    for wanted in ("nearest", "vae"):
        name = next((name for name in sorted(decoders) if name.endswith(f"/{wanted}")), None)
        if name:
            kinds[f"transplanted by {name}"] = (decoders[name], "autoencoder")
    return {name: forge(panels, path, system, seed) for name, (path, system) in kinds.items()}


def _stored(grey: NDArray[np.uint8], quality: int | None) -> NDArray[np.uint8]:
    return grey if quality is None else jpeg(grey, quality)


def evidence_windows(judge: Judge, grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean evidence in windows of ``WINDOW_PX`` side by side, of a panel of ``SIDE_PX``; float64 [rows, columns].

    Tiles are cut densely, every cell of the map is the mean over the tiles that cover it.
    """
    side = judge.tile_px
    starts = range(0, SIDE_PX - side + 1, _STRIDE_PX)
    origins = [(x, y) for y in starts for x in starts]
    maps = judge.evidence(cut_tiles(grey, origins, side))
    cell, margin = evidence_grid(side, maps.shape[-1])
    total = np.zeros((SIDE_PX // cell, SIDE_PX // cell))
    weight = np.zeros_like(total)
    for (x, y), one in zip(origins, maps, strict=True):
        top, left = (y + margin) // cell, (x + margin) // cell
        place = np.s_[top : top + len(one), left : left + len(one)]
        total[place] += one
        weight[place] += 1
    per = WINDOW_PX // cell
    means = np.where(weight, total / np.maximum(weight, 1), np.nan)  # maps may leave out a margin of the panel
    return np.asarray(np.nanmean(means.reshape(len(total) // per, per, -1, per), (1, 3)))


def _windows(
    forgeries: Sequence[Forgery],
    greys: Sequence[NDArray[np.uint8]],
    maps: Sequence[NDArray[np.float64]],
    threshold: float,
    seed: int,
) -> dict[str, Any]:
    """AUC over windows, and how the windows above the threshold and the region's box lie over the change."""
    values, levels, labels, sources, overlaps, boxes = [], [], [], [], [], []
    for forgery, grey, evidence in zip(forgeries, greys, maps, strict=True):
        count = SIDE_PX // WINDOW_PX
        blocks = forgery.mask.reshape(count, WINDOW_PX, count, WINDOW_PX).mean((1, 3))
        used = (blocks >= _CHANGED) | (blocks == 0)
        outstanding = _from_median(evidence)
        values.append(outstanding[used])
        rough = [
            smoothness(grey[y : y + WINDOW_PX, x : x + WINDOW_PX])
            for y in range(0, SIDE_PX, WINDOW_PX)
            for x in range(0, SIDE_PX, WINDOW_PX)
        ]
        levels.append(np.array(rough).reshape(count, count)[used])
        labels.append(blocks[used] >= _CHANGED)
        sources += [forgery.source] * int(used.sum())
        found, true = outstanding > threshold, blocks >= _CHANGED
        if true.any():
            overlaps.append(float((found & true).sum() / (found | true).sum()))
            boxes.append(_box_overlap(evidence, forgery.mask))
    value, level, label = np.concatenate(values), np.concatenate(levels), np.concatenate(labels)
    owners = np.array(sources)
    low, high = auc_interval(
        value[~label], owners[~label].tolist(), value[label], owners[label].tolist(), 200, seed
    )  # fmt: skip
    rough_auc = auc(level[~label], level[label])
    return {
        "windows": [int(label.sum()), int((~label).sum())],
        "tile_auc": auc(value[~label], value[label]),
        "tile_auc_ci95": [low, high],
        "tile_auc_smoothness": max(rough_auc, 1 - rough_auc),
        "iou": float(np.median(overlaps)),
        "box_iou": float(np.median(boxes)),
    }


def _from_median(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(evidence - np.median(evidence))


def _origins(evidence: NDArray[np.float64]) -> list[tuple[int, int]]:
    return [(WINDOW_PX * x, WINDOW_PX * y) for y in range(evidence.shape[0]) for x in range(evidence.shape[1])]


def _region_score(evidence: NDArray[np.float64]) -> float:
    region = find_region(evidence.ravel(), _origins(evidence), WINDOW_PX)
    return region.score if region else 0.0


def _box_overlap(evidence: NDArray[np.float64], mask: NDArray[np.bool_]) -> float:
    """Intersection over union of the region's box and the box around the change."""
    region = find_region(evidence.ravel(), _origins(evidence), WINDOW_PX)
    if region is None:
        return 0.0
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    true, found = Box(int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1), region.box
    across = max(0, min(true.x1, found.x1) - max(true.x0, found.x0))
    shared = across * max(0, min(true.y1, found.y1) - max(true.y0, found.y0))
    return shared / (true.width * true.height + found.width * found.height - shared)


def _verdict(rows: list[dict[str, Any]]) -> Result:
    made = [row for row in rows if not row["is_control"] and row["channel"] == "png"]
    controls = [row for row in rows if row["is_control"] and row["channel"] == "png"]
    words = [
        f"{r['kind']} {r['tile_auc']:.3f} [{r['tile_auc_ci95'][0]:.3f}, {r['tile_auc_ci95'][1]:.3f}], IoU "
        f"{r['iou']:.2f}, TPR at 5 % {r['region_tpr_at_5pct']:.2f}"
        for r in made
    ]
    beside = ", ".join(f"{r['kind']} {r['tile_auc']:.3f}" for r in controls)
    text = f"tile AUC, lossless: {'; '.join(words)}; controls {beside}; n = {made[0]['n']} panels each"
    return verdict(text, "aim" if min(r["tile_auc"] for r in made) >= 0.85 else "least")


def render(result: Result) -> list[str]:
    """One line for each kind of change and channel; controls below."""
    if "not_measured" in result:
        return [f"Not measured: {result['not_measured']}."]
    lines = [
        f"{result['panels']} genuine panels of {result['sources']} sources, {SIDE_PX} px, one region of a {128}-px "
        f"patch changed. *Tile AUC*: evidence in windows of {WINDOW_PX} px, less the panel's median, changed windows "
        "against those without a changed pixel; *IoU*: windows above the 95 % quantile of untouched panels against the "
        "changed ones; *box*: the region that a scan would report against the box around the change (medians). "
        "*Region*: AUC and TPR at 5 % FPR of the region's score against the untouched panels; *panel*: AUC of the "
        "panel's score; *smoothness alone* in its better direction. "
        "A control that stands out as much as an inpainted region means that the map "
        "shows editing, or smoothness, not AI.",
        "",
        "| change | channel | tile AUC [95 %] | smoothness alone | IoU | box | region AUC, TPR | panel AUC | flagged |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(result["rows"], key=lambda r: r["is_control"]):
        low, high = row["tile_auc_ci95"]
        name = f"control: {row['kind']}" if row["is_control"] else row["kind"]
        lines.append(
            f"| {name} | {row['channel']} | {row['tile_auc']:.3f} [{low:.3f}, {high:.3f}] "
            f"| {row['tile_auc_smoothness']:.3f} | {row['iou']:.2f} | {row['box_iou']:.2f} "
            f"| {row['region_auc']:.3f}, {row['region_tpr_at_5pct']:.2f} | {row['panel_auc']:.3f} "
            f"| {row['flagged']['k']} of {row['n']} |"
        )
    return lines


PART = Part(
    "T7",
    "T7: local changes",
    measure,
    render,
    aim="tile AUC >= .85",
    least="reported",
    uses=("ddpm*.pt",),
)
