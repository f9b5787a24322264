"""The self-describing model file: an ONNX graph whose metadata carries all that a score needs to mean something.

The metadata is read straight from the protobuf, so that listing models, opening a worker or printing a model card
needs no inference runtime.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.calibration import Calibration
from semscan.engine.errors import ModelError
from semscan.engine.onnxfile import metadata as read_metadata
from semscan.engine.options import DEFAULT_MODEL

MODELS = Path(__file__).parent / "models"
GATE = "kind-1"
"""Name of the network that tells SEM from other kinds."""
LETTERS = "letters-1"
"""Name of the network that reads panel letters."""

FORMAT = "1"
_PREFIX = "semscan."


@dataclass(frozen=True, slots=True)
class Golden:
    """Tiles with known logits: uint8 [n, 1, T, T] and float32 [n]."""

    tiles: NDArray[np.uint8]
    logits: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A detector with its calibration.

    Attributes:
        path: the ``.onnx`` file.
        id: name of the model.
        sha256: hex digest of the file.
        tile_px: side of the tiles it takes, in pixels.
        calibration: genuine reference.
        metadata: every ``semscan.*`` entry, without the prefix, as stored.
    """

    path: Path
    id: str
    sha256: str
    tile_px: int
    calibration: Calibration
    metadata: dict[str, str]

    @property
    def precision(self) -> str:
        """``fp32``, or ``fp16`` or ``int8`` for an artefact made from a bundle."""
        return self.metadata.get("precision", "fp32")

    @property
    def caution(self) -> str | None:
        """What its makers say first of its limits, a sentence or two; ``None`` if the file does not hold it."""
        return self.metadata.get("caution")

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return self.metadata["card"]

    def at(self, precision: str) -> Bundle:
        """This bundle in another precision: the artefact beside it, ``NAME.fp16.onnx`` or ``NAME.int8.onnx``.

        Raises:
            ModelError: there is none, or it was made from another file.
        """
        if precision == self.precision:
            return self
        path = self.path.with_suffix(f".{precision}.onnx")
        tiles = " --tiles PACK.npz" if precision == "int8" else ""
        how = f"semscan export {precision} {self.path} -o {path}{tiles} makes one"
        if self.precision != "fp32" or not path.is_file():
            raise ModelError(f"{self.path} has no {precision} artefact beside it", how)
        artefact = load_bundle(str(path))
        if (artefact.precision, artefact.metadata.get("made_from")) != (precision, self.sha256):
            raise ModelError(f"{path} was not made from {self.path}", f"{how}; give it --overwrite")
        return artefact

    def golden(self) -> Golden:
        """The tiles of the self-test.

        Raises:
            KeyError, TypeError, ValueError: they are damaged, none, or do not have one logit each.
        """
        data = json.loads(self.metadata["golden"])
        shape = (int(data["n"]), 1, self.tile_px, self.tile_px)
        try:
            stored = zlib.decompress(base64.b64decode(data["tiles"]))
        except zlib.error as error:
            raise ValueError(error) from error
        golden = Golden(np.frombuffer(stored, np.uint8).reshape(shape), np.asarray(data["logits"], np.float32))
        if not len(golden.tiles) or golden.logits.shape != (len(golden.tiles),):
            raise ValueError(f"{len(golden.tiles)} tiles with logits of shape {golden.logits.shape}")
        return golden


def network_sha256(name: str) -> str:
    """Hex digest of the file of :data:`GATE` or :data:`LETTERS`.

    Raises:
        ModelError: it is missing.
    """
    path = MODELS / f"{name}.onnx"
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"the model {path} cannot be read: {error.strerror}", "reinstall semscan") from error


def list_models() -> list[Path]:
    """The shipped bundles, by name; their artefacts of other precisions and the gate's network are none."""
    return sorted(path for path in MODELS.glob("sem-*.onnx") if "." not in path.stem)


def load_bundle(model: str | None = None) -> Bundle:
    """Read a bundle.

    Args:
        model: name of a shipped model or path of a ``.onnx`` file; ``None`` for the default.

    Raises:
        ModelError: there is no such model, or the file is not a complete semscan bundle.
    """
    path = _find(model or DEFAULT_MODEL)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"the model {path} cannot be read: {error.strerror}") from error
    try:
        metadata = {
            key.removeprefix(_PREFIX): value for key, value in read_metadata(data).items() if key.startswith(_PREFIX)
        }
    except (ValueError, IndexError) as error:
        raise ModelError(f"{path} is not a whole ONNX file", "semscan models list shows the shipped models") from error
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"{path} is not a semscan bundle of format {FORMAT}", "semscan export onnx writes one from a training run"
        )
    try:
        return Bundle(
            path=path,
            id=metadata["id"],
            sha256=hashlib.sha256(data).hexdigest(),
            tile_px=int(metadata["tile_px"]),
            calibration=Calibration.from_json(json.loads(metadata["calibration"])),
            metadata=metadata,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the bundle {path} has unusable metadata: {error}", "train or download it again") from error


def _find(model: str) -> Path:
    shipped = {path.stem: path for path in list_models()}
    if model in shipped:
        return shipped[model]
    path = Path(model)
    if path.is_file():
        return path
    raise ModelError(
        f"there is no model {model!r}",
        f"shipped models: {', '.join(shipped) or 'none'}; or give the path of a .onnx file",
    )


def describe(bundle: Bundle) -> dict[str, Any]:
    """What ``semscan models info`` prints, as JSON-ready values."""
    calibration = bundle.calibration
    return {
        "id": bundle.id,
        "path": str(bundle.path),
        "sha256": bundle.sha256,
        "tile_px": bundle.tile_px,
        "calibration": {
            "id": calibration.id,
            "supported_rate": calibration.supported_rate(),
            "smallest_bound": round(calibration.smallest_bound(), 4),
            "strata": {s.name: {"panels": s.panels, "sources": s.sources} for s in calibration.strata.values()},
        },
    }
