"""The page of results, from what the parts found: the table of aims, plots, then one section for each part."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from semscan.training.evaluation.parts import MODULES, Result, load_part
from semscan.training.plots import Line, Panel, draw

STATE_WORDS = {
    "aim": "**aim met**",
    "least": "least met, aim missed",
    "missed": "**missed**",
    "reported": "reported",
    "not measured": "**not measured**",
}
CALIBRATION_LINES = {"png": "lossless", "q75": "JPEG 75", "in_pdf": "as in a PDF", "x2": "enlarged x 2"}
_FLOOR_FPR = 0.001


def write_page(path: Path, about: dict[str, Any], results: dict[str, Result]) -> None:
    """Write the page and its plots, which lie in the folder named like the page without its suffix.

    Args:
        path: of the Markdown file.
        about: ``model``, ``revision``, ``command``, ``seconds`` by part, ``sizes`` of the sets.
        results: by the part's key.
    """
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    plots = _plots(results)
    for name, text in plots.items():
        (folder / name).write_text(text, encoding="utf-8")
    reasons = read_reasons()
    sizes = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in about["sizes"].items())
    lines = [
        f"# Measured: {about['model']}",
        "",
        f"Written by `{about['command']}`, revision {about['revision']}. Panels: {sizes}. All genuine ones are of the "
        "test split: no network, no generator of the train packs and no calibration has seen their sources.",
        "",
        *targets_table(results, reasons),
        "",
    ]
    for name, caption in (("roc.svg", "ROC, false positives on a log axis"), ("calibration.svg", "calibration")):
        if name in plots:
            lines += [f"![{caption}]({folder.name}/{name})", ""]
    for key in MODULES:
        part = load_part(key)
        if part is None:
            continue
        lines += [f"## {part.title}", ""]
        body = part.render(results[key]) if key in results else ["Not measured in this run."]
        lines += [line.replace("](detector/", f"]({folder.name}/") for line in body]
        lines += [""]
    times = ", ".join(f"{key} {seconds:.0f}" for key, seconds in about["seconds"].items())
    lines += ["## Time", "", f"Seconds of one core by part; two parts run at a time: {times}.", ""]
    notes = reasons.get("notes", {}).get("items", [])
    if notes:
        lines += ["## Notes on this run", "", *(f"* {note}" for note in notes), ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def read_reasons() -> dict[str, Any]:
    """What people wrote about missed aims, by part."""
    return tomllib.loads((files("semscan.training.evaluation") / "reasons.toml").read_text("utf-8"))


def targets_table(results: dict[str, Result], reasons: dict[str, Any]) -> list[str]:
    """One line for each part that had an aim."""
    lines = [
        "| test | aim | least | measured | state | why, and the next experiment |",
        "|---|---|---|---|---|---|",
    ]
    for key in MODULES:
        part = load_part(key)
        if part is None and key.startswith("T"):
            lines.append(f"| {key} | - | - | the part is not there | {STATE_WORDS['not measured']} | |")
        if part is None or not part.aim:
            continue
        told = results.get(key, {}).get("verdict") or {"measured": "-", "state": "not measured"}
        given = reasons.get(key, {})
        why = " ".join(filter(None, (given.get("why", ""), f"Next: {given['next']}" if given.get("next") else "")))
        lines.append(
            f"| {key} | {part.aim} | {part.least} | {told['measured']} | {STATE_WORDS[told['state']]} | {why} |"
        )
    return lines


def unreasoned(results: dict[str, Result]) -> list[str]:
    """Parts whose aim was missed and of which nobody has written why."""
    reasons = read_reasons()
    missed = [key for key, result in results.items() if result.get("verdict", {}).get("state") in ("least", "missed")]
    return [key for key in missed if not reasons.get(key, {}).get("why")]


def _plots(results: dict[str, Result]) -> dict[str, str]:
    found = {}
    curves = results.get("T1", {}).get("curves", {})
    if curves:
        by_kind: dict[str, list[Line]] = {}
        for label, curve in curves.items():
            kind, _, channel = label.partition(", ")
            fpr = np.maximum(np.array(curve["fpr"]), _FLOOR_FPR)
            by_kind.setdefault(kind, []).append(Line(channel, fpr, np.array(curve["tpr"])))
        panels = [
            Panel(f"ROC, {kind}", "false-positive rate", [*lines, _chance()], is_log=True, y_range=(0.0, 1.0))
            for kind, lines in by_kind.items()
        ]
        found["roc.svg"] = draw(panels)
    flags = results.get("T4", {})
    if "channels" in flags:
        nominal = np.array(flags["nominals"])
        lines = [
            Line(label, nominal, np.array(flags["channels"][channel]["realised"]))
            for channel, label in CALIBRATION_LINES.items()
        ]
        lines.append(Line("as promised", nominal, nominal))
        found["calibration.svg"] = draw([Panel("genuine panels with a tail up to", "a rate of", lines, is_log=True)])
    sweeps = results.get("sweeps", {}).get("curves", {})
    if sweeps:
        found["sweeps.svg"] = draw([_sweep(name, points) for name, points in sweeps.items()], columns=3)
    return found


def _chance() -> Line:
    fpr = np.geomspace(_FLOOR_FPR, 1, 30)
    return Line("chance", fpr, fpr)


def _sweep(name: str, points: list[dict[str, Any]]) -> Panel:
    place = np.array([point["place"] for point in points])
    keys = {"auc": "AUC", "made_flagged": "made, tail <= 5 %", "genuine_flagged": "genuine, tail <= 5 %"}
    lines = [Line(label, place, np.array([point[key] for point in points])) for key, label in keys.items()]
    return Panel(name, name if name != "double JPEG" else "as in the table", lines, y_range=(0.0, 1.0))
