"""Write the self-describing model file of a finished run: graph, calibration, results, provenance, golden scores."""

from __future__ import annotations

import base64
import copy
import json
import zlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from semscan.engine.errors import UsageError
from semscan.export.card import caution, model_card
from semscan.export.fold import fold
from semscan.export.golden import golden_tiles
from semscan.export.graph import build_graph
from semscan.training.nets.registry import read_detector

NEEDED = ("detector.pt", "config.json", "calibration.json", "results.json")


def export_onnx(run_dir: Path, output: Path) -> Path:
    """Write the bundle of a trained, calibrated and evaluated detector, and its model card beside it.

    Args:
        run_dir: the run's folder.
        output: path of the ``.onnx`` file; the card gets the same name with ``.md``.

    Returns:
        ``output``.

    Raises:
        UsageError: the run lacks one of its files, or its network has no graph.
    """
    for name in NEEDED:
        if not (run_dir / name).is_file():
            raise UsageError(
                f"{run_dir} holds no {name}",
                "run semscan train, calibrate and evaluate first: a bundle carries them all",
            )
    config, calibration, results = (_json(run_dir / name) for name in NEEDED[1:])
    recipe = config["recipe"]
    tile_px = recipe["pairs"]["tile_px"]
    name, network = read_detector(run_dir / "detector.pt")
    folded = fold(network)
    tiles = golden_tiles(tile_px)
    with torch.inference_mode():
        # In single precision the network itself is 1e-4 off, and what a runtime must meet is the definition.
        logits = copy.deepcopy(network).double()(torch.from_numpy(tiles).double()).tolist()
    provenance = {
        "data": [entry for path in sorted(run_dir.glob("sources_*.json")) for entry in _json(path)],
        "recipe": recipe,
        "recipe_sha256": config["recipe_sha256"],
        "git_revision": config["git_revision"],
        "torch": config["torch"],
        "seed": recipe["seed"],
        "network": name,
        "parameters": sum(p.numel() for p in network.parameters()),
        "tile_px": tile_px,
        "makers": _json(run_dir / "makers.json") if (run_dir / "makers.json").is_file() else [],
    }
    line = calibration["smoothness"]
    envelope = {
        "smallest_side_px": tile_px,
        "jpeg_quality": [60, 100],
        "strata": list(calibration["strata"]),
        "smoothness": [line["low"], line["high"]],
    }
    card = model_card(recipe["model_id"], calibration, results, provenance, _notes(recipe["model_id"]))
    golden = {
        "tiles": base64.b64encode(zlib.compress(tiles.tobytes(), 9)).decode(),
        "n": len(tiles),
        "logits": [float(np.float32(v)) for v in logits],
    }
    model = build_graph(folded, tile_px)
    texts = {
        "format": "1",
        "id": recipe["model_id"],
        "tile_px": str(tile_px),
        "card": card,
        "caution": caution(recipe["model_id"], results),
        "calibration": json.dumps(calibration),
        "envelope": json.dumps(envelope),
        "evidence": json.dumps({"cell_px": network.cell_px, "margin_px": network.margin_px}),
        "golden": json.dumps(golden),
        "provenance": json.dumps(provenance),
        "results": json.dumps(results),
    }
    onnx.helper.set_model_props(model, {f"semscan.{key}": value for key, value in texts.items()})
    onnx.checker.check_model(model)
    output.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, output)
    output.with_suffix(".md").write_text(card, encoding="utf-8")
    return output


def _notes(model_id: str) -> str:
    """What is known of this model beside its evaluation; other models do not inherit it."""
    path = files("semscan.training.recipes") / f"{model_id}.md"
    return path.read_text("utf-8") if path.is_file() else ""


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
