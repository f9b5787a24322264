"""Shortcut probes: what the detector should not be able to tell apart, and what should not matter to it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from semscan.training.data import list_micrographs, read_panel
from semscan.training.degrade import jpeg, jpeg_with_tables
from semscan.training.evaluation.judge import Judge
from semscan.training.evaluation.lab import Lab
from semscan.training.evaluation.parts import Context, Part, Result, not_measured
from semscan.training.metrics import auc
from semscan.training.nets.registry import build_network
from semscan.training.panels import LARGEST_PX, SMALLEST_PX, Panel

HALVES = 200
_QUALITY = 85
_STEPS, _PAIRS, _CROP = 60, 16, 96


def measure(context: Context) -> Result:
    """Every probe that there are panels for."""
    lab = Lab(context)
    genuine = lab.panels("genuine")
    if len(genuine) < 2:
        return not_measured("the test split holds too few genuine panels")
    probes: list[dict[str, Any]] = [_halves(lab, genuine)]
    made = lab.panels("packs_test") or lab.panels("reconstructed")
    rivals = "genuine_small" if lab.panels("packs_test") else "genuine"
    if made:
        probes += _turned(lab, lab.panels(rivals), made)
        probes += _same_tables(lab, lab.panels(rivals), made)
        probes.append(_permuted(context, lab.panels(rivals), made))
    probes += _bars(context, lab.judge)
    return {"probes": probes}


def _probe(name: str, value: str, wanted: str) -> dict[str, str]:
    return {"probe": name, "value": value, "wanted": wanted}


def _halves(lab: Lab, genuine: list[Panel]) -> dict[str, str]:
    """Sources split in two at random, many times: how far from .5 an AUC of nothing comes with so few of them."""
    score = lab.measured("genuine", "png").score
    sources = np.array([panel.source for panel in genuine])
    names = np.array(sorted(set(sources.tolist())))
    found = []
    for draw in range(HALVES):
        rng = np.random.default_rng([draw, 17])
        one = np.isin(sources, rng.permutation(names)[: len(names) // 2])
        if one.any() and not one.all():
            found.append(auc(score[one], score[~one]))
    low, high = np.quantile(found, (0.025, 0.975)) if found else (0.5, 0.5)
    text = f"{np.mean(found) if found else 0.5:.3f}, 95 % of the splits {low:.3f} to {high:.3f}"
    return _probe("genuine against genuine, two halves of the sources, AUC", text, ".5; the spread is the floor")


def _turned(lab: Lab, genuine: list[Panel], made: list[Panel]) -> list[dict[str, str]]:
    """Polarity, mirror and rotation change neither what is genuine nor what was made."""
    changes: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
        "as they are": lambda g: g,
        "inverted": lambda g: 255 - g,
        "turned by 90 degrees": lambda g: np.ascontiguousarray(np.rot90(g)),
        "mirrored": lambda g: np.ascontiguousarray(g[:, ::-1]),
        "moved by one pixel": lambda g: np.ascontiguousarray(g[1:, 1:]),
    }
    found, plain = [], None
    for name, change in changes.items():
        scores = [lab.judge.measure((change(p.grey), None) for p in side) for side in (genuine, made)]
        both = np.concatenate([s.score for s in scores])
        plain = both if plain is None else plain
        moved = float(np.median(np.abs(both - plain)))
        text = f"{auc(scores[0].score, scores[1].score):.3f}; median change of the score {moved:.2f}"
        found.append(_probe(f"generated against genuine, {name}, AUC", text, "the same in all rows"))
    return found


def _same_tables(lab: Lab, genuine: list[Panel], made: list[Panel]) -> list[dict[str, str]]:
    """Both classes through one and the same JPEG table, which is then swapped for another one on one side."""
    table = next((p.tables for p in genuine if p.tables), None)
    rows = {"both at quality 85": (_at_85, _at_85)}
    if table:
        other = _through_table(table)
        rows |= {
            "both through one journal's table": (other, other),
            "genuine through the journal's table, made at 85": (other, _at_85),
            "genuine at 85, made through the journal's table": (_at_85, other),
        }
    found = []
    for name, (of_genuine, of_made) in rows.items():
        scores = [
            lab.judge.measure((send(p.grey), _QUALITY) for p in side)
            for send, side in ((of_genuine, genuine), (of_made, made))
        ]
        found.append(
            _probe(f"generated against genuine, {name}, AUC", f"{auc(scores[0].score, scores[1].score):.3f}", "alike")
        )
    return found


def _at_85(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return jpeg(grey, _QUALITY)


def _through_table(table: list[int]) -> Any:
    return lambda grey: jpeg_with_tables(grey, table)


def _permuted(context: Context, genuine: list[Panel], made: list[Panel]) -> dict[str, str]:
    """A network trained briefly on shuffled labels, on one half of the sources, tested on the other with true ones."""
    value = permuted_auc(genuine, made, context.recipe.seed)
    return _probe(
        f"{_STEPS} steps on permuted labels, other sources, AUC",
        f"{value:.3f}",
        "near .5: nothing leaks from the set-up",
    )


def permuted_auc(genuine: list[Panel], made: list[Panel], seed: int) -> float:
    """AUC on unseen panels of a ``npr5k`` that learned from labels drawn by lot."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 23])
    halves = [
        [[p for p in side if zlib.crc32(p.source.encode()) % 2 == half] for side in (genuine, made)] for half in (0, 1)
    ]
    learned = halves[0][0] + halves[0][1]
    tested = halves[1] if all(halves[1]) else [genuine, made]
    learned = learned or genuine + made
    labels = rng.permutation(np.arange(len(learned)) % 2).astype(np.float32)
    net = build_network("npr5k").train()
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(_STEPS):
        chosen = rng.integers(0, len(learned), 2 * _PAIRS)
        tiles = torch.from_numpy(np.stack([_crop(learned[i].grey, rng) for i in chosen])[:, None])
        loss = F.binary_cross_entropy_with_logits(net(tiles), torch.from_numpy(labels[chosen]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    net.eval()
    with torch.inference_mode():
        scores = [
            net(torch.from_numpy(np.stack([p.grey[:_CROP, :_CROP] for p in side])[:, None])).double().numpy()
            for side in tested
        ]
    return auc(scores[0], scores[1])


def _crop(grey: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    y, x = (2 * int(rng.integers(0, (side - _CROP) // 2 + 1)) for side in grey.shape)
    return grey[y : y + _CROP, x : x + _CROP]


def _bars(context: Context, judge: Judge) -> list[dict[str, str]]:
    """Genuine pictures that have a data bar, with it and without: its letters are no evidence."""
    from semscan.engine.luminance import read_luminance

    both: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
    for micrograph in list_micrographs(context.root, ["test"]):
        if micrograph.databar == "yes":
            whole, trimmed = read_luminance(micrograph.path), read_panel(micrograph)
            bottom = [grey[-LARGEST_PX:, :LARGEST_PX] for grey in (whole, trimmed)]
            if min(min(grey.shape) for grey in bottom) >= SMALLEST_PX:
                both.append((np.ascontiguousarray(bottom[0]), np.ascontiguousarray(bottom[1])))
    if not both:
        return []
    with_bar, without = (judge.measure((pair[k], None) for pair in both) for k in (0, 1))
    moved = np.abs(with_bar.score - without.score)
    text = (
        f"median change of the score {np.median(moved):.2f}, flagged {int(with_bar.at_five.sum())} with it and "
        f"{int(without.at_five.sum())} without, of {len(both)}"
    )
    return [_probe("data bar left in, lower left of the picture", text, "no more flags with it")]


def render(result: Result) -> list[str]:
    """One line for each probe."""
    if "not_measured" in result:
        return [f"Not measured: {result['not_measured']}."]
    lines = ["| probe | measured | wanted |", "|---|---|---|"]
    return lines + [f"| {p['probe']} | {p['value']} | {p['wanted']} |" for p in result["probes"]]


PART = Part("probes", "Shortcut probes", measure, render)
