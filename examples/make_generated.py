"""Makes the generated panels in ``assets/``: simulated micrographs that our own autoencoders drew again.

    semscan train autoencoders
    python examples/make_generated.py runs/autoencoders

Needs the extra ``train``. The networks' weights are not part of the repository; the panels are, with a manifest that
says which network made them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from make_paper import HERE, PANEL_PX
from PIL import Image
from simulate import Microscope, micrograph

from semscan.training.autoencoders import load_autoencoder, reconstruct


@dataclass(frozen=True, slots=True)
class Panel:
    """One generated panel: what was simulated, and which network drew it again."""

    name: str
    scene: str
    seed: int
    network: str


PANELS = (
    Panel("one", "fibres", 21, "nearest"),
    Panel("two", "powder", 22, "convt4"),
    Panel("three", "foam", 21, "vae"),
    Panel("four", "dimples", 22, "convt4"),
    Panel("five", "lamellae", 21, "nearest"),
)

IN_WORDS = {
    "convt4": "transposed convolutions",
    "convt3": "transposed convolutions that overlap unevenly",
    "nearest": "nearest neighbours and convolutions",
    "bilinear": "bilinear interpolation and convolutions",
    "shuffle": "channels shuffled into pixels",
    "fir": "filtered zero insertion",
    "vae": "a variational autoencoder",
    "vq": "an autoencoder with quantised codes",
}


def make(run_dir: Path, target: Path) -> None:
    """Write one PNG for every entry of :data:`PANELS`, and ``manifest.json``.

    Args:
        run_dir: folder with one ``<network>.pt`` each.
        target: folder to write into.
    """
    torch.set_num_threads(1)
    target.mkdir(exist_ok=True)
    panels = {}
    for panel in PANELS:
        checkpoint = run_dir / f"{panel.network}.pt"
        source = micrograph(panel.scene, panel.seed, PANEL_PX, Microscope())
        drawn = reconstruct(load_autoencoder(checkpoint), source, panel.seed)
        Image.fromarray(drawn).save(target / f"{panel.name}.png", optimize=True)
        panels[panel.name] = {
            "scene": panel.scene,
            "seed": panel.seed,
            "network": panel.network,
            "network_in_words": IN_WORDS[panel.network],
            "checkpoint_sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
            "sha256": hashlib.sha256((target / f"{panel.name}.png").read_bytes()).hexdigest(),
        }
    manifest = {
        "what": "simulated micrographs (simulate.py) drawn again by autoencoders of training/recipes/autoencoders.toml",
        "torch": torch.__version__,
        "panels": panels,
    }
    (target / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the generated panels of the example paper.")
    parser.add_argument("run_dir", type=Path, help="folder of trained autoencoders")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "assets")
    arguments = parser.parse_args()
    make(arguments.run_dir, arguments.output)
