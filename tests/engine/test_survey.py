"""What becomes of the panels of one image: which tiles are taken, and why a panel is left."""

from __future__ import annotations

import numpy as np

from semscan.engine.errors import Reason
from semscan.engine.figures.kind import Kind
from semscan.engine.figures.survey import Survey
from semscan.engine.geometry import Box
from semscan.engine.pdf.wire import Task
from semscan.engine.raster import Raster
from semscan.engine.stats import Stopwatch

TASK = Task("a.png", "image/png", 64, 16, 64, 10**8, 100, all_images=False, timeout_s=60.0)


class Everything:
    """A gate that takes everything for SEM."""

    def classify(self, grey, colour):
        return Kind("sem", 1.0)


def texture(height, width, seed=0):
    random = np.random.default_rng(seed)
    blobs = np.kron(random.normal(size=(height // 9 + 2, width // 9 + 2)), np.ones((9, 9)))[:height, :width]
    return np.clip(120 + 25 * blobs + random.normal(0, 9, (height, width)), 0, 255).astype(np.uint8)


def surveyed(grey, covered=(), **changes):
    raster = Raster(grey, **({"encoding": "png", "components": 1, "bits": 8, "sha256": "0" * 64} | changes))
    return list(Survey(TASK, Everything(), Stopwatch()).panels(raster, covered))


def test_tiles_keep_off_what_is_drawn_over_the_image():
    grey = texture(200, 200)
    (free,), (part,) = surveyed(grey), surveyed(grey, (Box(0, 0, 70, 200),))
    assert len(free.tiles) == 9 and len(part.tiles) == 6
    assert part.record.status == "assessed"
    assert (part.tiles[0, 0] == grey[:64, 70:134]).all()


def test_a_panel_that_is_drawn_over_everywhere_is_not_assessed():
    (found,) = surveyed(texture(200, 200), tuple(Box(0, y, 200, y + 2) for y in range(20, 200, 40)))
    assert found.tiles is None
    assert found.record.reason == Reason.HEAVILY_ANNOTATED
    assert found.record.detail == "no square of 64 px is free of letters, arrows and lines"
