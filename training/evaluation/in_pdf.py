"""T6: genuine and made panels in compound figures of a PDF, found, gated and scored by the scanner itself."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from semscan.engine.bundle import load_bundle
from semscan.engine.geometry import Box
from semscan.engine.options import ScanOptions
from semscan.engine.pipeline import scan
from semscan.engine.records import DocumentRecord, PanelRecord
from semscan.training.evaluation.compound import COLOURS, Figure, Store, compose, write_pdf
from semscan.training.evaluation.judge import Judge, is_run
from semscan.training.evaluation.lab import Lab
from semscan.training.evaluation.parts import Context, Part, Result, not_measured, verdict
from semscan.training.evaluation.ranking import percent, share
from semscan.training.evaluation.seen import group_masks
from semscan.training.metrics import auc
from semscan.training.panels import Panel

QUALITIES = (50, 60, 75, 80, 85, 90, 95)
SCALES = {"large": (0.5, 0.7, 0.85, 1.0, 1.0, 1.3, 1.5), "small": (0.85, 1.0, 1.0, 1.3, 1.5)}
LARGE_PX = 512
PER_KIND = 160
_PAIRED = {"large": ("genuine", "reconstructed"), "small": ("genuine_small", "packs_test")}
_COLUMNS = {"large": 2, "small": 3}
_IN_FIGURE = {"large": 4, "small": 6}
_OVERLAP = 0.5
_PER_PDF = 12


@dataclass(frozen=True, slots=True)
class Placed:
    """A panel that was put into a figure: which kind, who made it, where it lies and how it was stored."""

    kind: str
    maker: str
    source: str
    document: int
    page: int
    box: Box
    store: Store


class JudgeBackend:
    """The evaluated detector as the scanner's runtime, in this process.

    Args:
        judge: the detector.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.name, self.device, self.precision, self.how = "onnxruntime", "cpu", "fp32", ""

    def infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits, float32 [B], of tiles, uint8 [B, 1, T, T]."""
        return self._judge.logits(tiles)


def measure(context: Context) -> Result:
    """Compose, write, scan, compare with the truth."""
    lab = Lab(context)
    panels = {kind: _chosen(context, lab, kind) for kind in _PAIRED}
    panels = {kind: found for kind, found in panels.items() if found}
    if not panels:
        return not_measured("there are no made panels to place")
    rng = np.random.default_rng([context.recipe.seed, 6])
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        placed = [p for kind, found in panels.items() for p in _write(kind, found, folder, rng)]
        records = _scan(context, lab.judge, folder)
    rows: list[dict[str, Any]] = []
    for one in placed:
        record = _match(one, records)
        rows.append(
            {
                "kind": one.kind,
                "maker": one.maker,
                "source": one.source,
                "quality": one.store.quality,
                "scale": one.store.scale,
                "colour": one.store.colour,
                "status": record.status if record else "not found",
                "reason": (record.reason or "") if record else "",
                "score": record.score if record else None,
                "flagged": bool(record and record.level == "look"),
            }
        )
    groups = {
        "all": rows,
        "quality >= 75, scale .7 to 1.5": [r for r in rows if _is_fair(r)],
        "quality below 75": [r for r in rows if r["quality"] < 75],
        "scale below .7": [r for r in rows if r["scale"] < 0.7],
        **{f"colour {name}": [r for r in rows if r["colour"] == name] for name in COLOURS},
        **{f"{kind} panels": [r for r in rows if r["kind"] == kind] for kind in panels},
    }
    summary = {name: told for name, group in groups.items() if (told := _summary(group))}
    reasons = Counter((bool(r["maker"]), r["reason"] or r["status"]) for r in rows if r["score"] is None)
    fair = summary.get("quality >= 75, scale .7 to 1.5")
    return {
        "summary": summary,
        "reasons": [[made, reason, count] for (made, reason), count in reasons.most_common()],
        "rate": lab.judge.rate,
        "figures": len({(p.document, p.page) for p in placed}),
        "verdict": _verdict(fair, lab.judge.rate),
    }


def _is_fair(row: dict[str, Any]) -> bool:
    return bool(row["quality"] >= 75 and 0.7 <= row["scale"] <= 1.5)


def _chosen(context: Context, lab: Lab, kind: str) -> list[Panel]:
    """As many genuine as made panels, in random order; made ones of kinds seen in training."""
    genuine_name, made_name = _PAIRED[kind]
    genuine, made = lab.panels(genuine_name), lab.panels(made_name)
    mask = group_masks(context, made)["seen"]
    made = [p for p, used in zip(made, mask, strict=True) if used]
    if not genuine or not made:
        return []
    rng = np.random.default_rng([context.recipe.seed, 60, len(kind)])
    count = min(PER_KIND, len(genuine), len(made))
    both = [side[i] for side in (genuine, made) for i in rng.permutation(len(side))[:count]]
    return [both[i] for i in rng.permutation(len(both))]


def _write(kind: str, panels: list[Panel], folder: Path, rng: np.random.Generator) -> list[Placed]:
    placed: list[Placed] = []
    figures: list[Figure] = []
    for start in range(0, len(panels), _IN_FIGURE[kind]):
        shown = panels[start : start + _IN_FIGURE[kind]]
        store = Store(
            int(rng.choice(QUALITIES)), float(rng.choice(SCALES[kind])), COLOURS[int(rng.integers(len(COLOURS)))]
        )
        figure = compose([p.grey[:LARGE_PX, :LARGE_PX] for p in shown], store, rng, _COLUMNS[kind])
        document, page = divmod(len(figures), _PER_PDF)
        for panel, box in zip(shown, figure.boxes, strict=True):
            placed.append(Placed(kind, panel.decoder, panel.source, document, page + 1, box, store))
        figures.append(figure)
    for document, first in enumerate(range(0, len(figures), _PER_PDF)):
        write_pdf(figures[first : first + _PER_PDF], folder / f"{kind}-{document:03}.pdf")
    return placed


def _scan(context: Context, judge: Judge, folder: Path) -> dict[tuple[str, int], list[PanelRecord]]:
    """Panel records by document and page."""
    options = ScanOptions(model=str(_bundle(context, judge, folder / "model.onnx")), jobs=1, include=("*.pdf",))
    found: dict[tuple[str, int], list[PanelRecord]] = {}
    name = ""
    for record in scan(folder, options, backend=JudgeBackend(judge)):
        if isinstance(record, DocumentRecord):
            name = Path(record.path).stem
        elif isinstance(record, PanelRecord) and record.image and record.page:
            found.setdefault((name, record.page), []).append(record)
    return found


def _bundle(context: Context, judge: Judge, path: Path) -> Path:
    """The shipped bundle, or what a scan needs to know of a run that is not exported yet."""
    if not is_run(context.run_dir):
        return load_bundle(context.recipe.model_id).path
    # The scanner reads what goes with the model from here; the logits come from the detector in this process.
    nothing = onnx.helper.make_graph([], "none", [], [])
    model = onnx.helper.make_model(nothing)
    texts = {
        "format": "1",
        "id": context.recipe.model_id,
        "tile_px": str(judge.tile_px),
        "calibration": json.dumps(json.loads((context.run_dir / "calibration.json").read_text(encoding="utf-8"))),
        "card": "not exported",
    }
    onnx.helper.set_model_props(model, {f"semscan.{key}": value for key, value in texts.items()})
    onnx.save(model, path)
    return path


def _match(placed: Placed, records: dict[tuple[str, int], list[PanelRecord]]) -> PanelRecord | None:
    """The record that overlaps most, if it overlaps by half."""
    candidates = records.get((f"{placed.kind}-{placed.document:03}", placed.page), [])
    best = max(candidates, key=lambda r: _overlap(placed.box, Box(*r.image.bbox_px)), default=None)  # type: ignore[union-attr]
    if best is None or best.image is None or _overlap(placed.box, Box(*best.image.bbox_px)) < _OVERLAP:
        return None
    return best


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    across, down = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    shared = max(0, across) * max(0, down)
    return shared / (a.width * a.height + b.width * b.height - shared)


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Found, assessed and flagged, and the ranking among the assessed; a made panel without a score is missed."""
    genuine, made = ([r for r in rows if bool(r["maker"]) == is_made] for is_made in (False, True))
    scores = [np.array([r["score"] for r in side if r["score"] is not None]) for side in (genuine, made)]
    if not len(scores[0]) or not made:
        return None
    found: dict[str, Any] = {
        "genuine": len(genuine),
        "made": len(made),
        "found": share([r["status"] != "not found" for r in rows]),
        "assessed_genuine": share([r["score"] is not None for r in genuine]),
        "assessed_made": share([r["score"] is not None for r in made]),
        "flagged_genuine": share([r["flagged"] for r in genuine]),
        "flagged_made": share([r["flagged"] for r in made]),
        "auc": auc(*scores) if len(scores[1]) else None,
    }
    for fpr in (0.05, 0.01):
        allowed = int(np.floor(fpr * len(scores[0])))
        threshold = np.sort(scores[0])[::-1][allowed]
        hits = [r["score"] is not None and r["score"] > threshold for r in made]
        found[f"tpr_at_{fpr:g}"] = share(hits) if allowed else None
        found[f"tpr_assessed_at_{fpr:g}"] = share(scores[1] > threshold) if allowed else None
    return found


def _verdict(fair: dict[str, Any] | None, rate: float) -> Result:
    if fair is None:
        return verdict("too few panels at quality >= 75 and scale .7 to 1.5", "not measured")
    five, one = fair["tpr_at_0.05"], fair["tpr_at_0.01"]
    text = (
        f"quality >= 75, scale .7 to 1.5: TPR at 5 % FPR {percent(five) if five else '-'} of all placed, "
        f"{percent(fair['tpr_assessed_at_0.05']) if five else '-'} of those assessed; at 1 % FPR, of all placed, "
        f"{percent(one) if one else 'not told by so few'}; flagged as shipped ({rate:g}) "
        f"{percent(fair['flagged_made'])} of made and {percent(fair['flagged_genuine'])} of genuine ones"
    )
    state = "aim" if one and one["rate"] >= 0.8 else ("least" if five and five["rate"] >= 0.5 else "missed")
    return verdict(text, state)


def render(result: Result) -> list[str]:
    """One line for each group of figures."""
    if "not_measured" in result:
        return [f"Not measured: {result['not_measured']}."]
    lines = [
        f"{result['figures']} compound figures, JPEG {min(QUALITIES)} to {max(QUALITIES)}, grey, 4:2:0, 4:4:4 or CMYK, "
        "resampled as to 300 ppi, one on each page of PDFs that the scanner then reads: it finds the panels, decides "
        "which are SEM (the captions say *SEM micrographs*, which settles what the gate is uncertain of), and flags at "
        f"{result['rate']:g}. "
        "*All*: a made panel that is not found or not assessed counts as missed. TPR at a false-positive rate: "
        "threshold from the assessed genuine panels of the same line, a ranking figure. Intervals: Clopper-Pearson "
        "over panels; those of one source are alike, so the truth is wider.",
        "",
        "| figures | genuine, made | found | assessed: genuine, made | flagged: genuine | flagged: made | AUC "
        "| TPR at 5 % FPR: all, assessed | at 1 % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in result["summary"].items():
        keys = (("tpr_at_0.05", "tpr_assessed_at_0.05"), ("tpr_at_0.01", "tpr_assessed_at_0.01"))
        tprs = [", ".join(f"{row[key]['rate']:.2f}" if row[key] else "-" for key in both) for both in keys]
        ranked = "-" if row["auc"] is None else f"{row['auc']:.3f}"
        lines.append(
            f"| {name} | {row['genuine']}, {row['made']} | {100 * row['found']['rate']:.0f} % "
            f"| {100 * row['assessed_genuine']['rate']:.0f} %, {100 * row['assessed_made']['rate']:.0f} % "
            f"| {percent(row['flagged_genuine'])} | {percent(row['flagged_made'])} | {ranked} | {' | '.join(tprs)} |"
        )
    told = [f"{count} {'made' if made else 'genuine'}: {reason}" for made, reason, count in result["reasons"]]
    return [*lines, "", f"Without a score: {'; '.join(told) or 'none'}."]


PART = Part(
    "T6",
    "T6: in the PDF, found and scored by the scanner",
    measure,
    render,
    aim="TPR at 1 % FPR >= 80 % for quality >= 75 and scale .7 to 1.5",
    least="TPR at 5 % FPR >= 50 %",
)
