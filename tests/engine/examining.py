"""What a worker finds in a document that a test builds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from pdf_factory import Pdf
from PIL import Image

from semscan.engine.examine import Examiner
from semscan.engine.pdf import wire
from semscan.engine.records import PanelRecord

TASK = wire.Task("a", "application/pdf", 128, 16, 128, 10**7, 10, True, 60.0)


def examined(folder: Path, pdf: Pdf, examiner: Examiner | None = None, **changes) -> list[wire.Found]:
    """The panels of a PDF, all images assessed unless told otherwise."""
    file = folder / "document"
    file.write_bytes(pdf.build())
    messages: list[wire.Message] = []
    (examiner or Examiner()).examine(replace(TASK, file=str(file), **changes), messages.append)
    return [message for message in messages if isinstance(message, wire.Found)]


def records(folder: Path, pdf: Pdf, **changes) -> list[PanelRecord]:
    """Their records."""
    return [found.record for found in examined(folder, pdf, **changes)]


def pixels(folder: Path, pdf: Pdf, **changes) -> list[np.ndarray]:
    """The pixels of each panel."""
    return [found.pixels for found in examined(folder, pdf, send_pixels=True, **changes)]


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A grey picture without any line that a panel could end at, uint8 [height, width]."""
    rng = np.random.default_rng(seed)
    grains = Image.fromarray(rng.integers(40, 216, (height // 12, width // 12), np.uint8))
    smooth = np.asarray(grains.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return np.clip(smooth + rng.normal(0, 8, (height, width)), 0, 255).astype(np.uint8)
