"""What becomes of the panels of one image: which tiles are taken, and why a panel is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semscan.engine.errors import Reason
from semscan.engine.figures.kind import Kind
from semscan.engine.figures.lettering import LetterReader
from semscan.engine.figures.survey import Survey
from semscan.engine.geometry import Box
from semscan.engine.pdf.wire import Task
from semscan.engine.raster import Raster
from semscan.engine.records import CueRecord
from semscan.engine.stats import Stopwatch

TASK = Task("a.png", "image/png", 64, 16, 64, 10**8, 100, all_images=False, timeout_s=60.0)


class Everything:
    """A gate that takes everything for SEM."""

    def classify(self, grey, colour):
        return Kind("sem", 1.0)


def texture(height, width, seed=0):
    """Smooth blobs under noise, without a straight edge."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(random.normal(size=(height, width)))
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    blobs = np.fft.irfft2(spectrum * np.exp(-((y**2 + x**2) * 900)), (height, width))
    return np.clip(120 + 25 * blobs / blobs.std() + random.normal(0, 9, (height, width)), 0, 255).astype(np.uint8)


def surveyed(grey, covered=(), task=TASK, gate=None, **changes):
    raster = Raster(grey, **({"encoding": "png", "components": 1, "bits": 8, "sha256": "0" * 64} | changes))
    survey = Survey(task, gate or Everything(), LetterReader.load(), Stopwatch())
    return list(survey.panels(raster, covered))


def test_tiles_keep_off_what_is_drawn_over_the_image():
    grey = texture(200, 200)
    (free,), (part,) = surveyed(grey), surveyed(grey, (Box(0, 0, 70, 200),))
    assert len(free.tiles) == 9 and len(part.tiles) == 6
    assert part.record.status == "assessed"
    assert (part.tiles[0, 0] == grey[:64, 70:134]).all()


def test_tiles_keep_off_what_is_drawn_onto_the_image():
    grey = texture(200, 200)
    plain = surveyed(grey)[0]
    grey[10:40, 10:40] = 255
    (found,) = surveyed(grey)
    assert plain.record.quality.annotated == 0 and found.record.quality.annotated == pytest.approx(0.036, abs=0.006)
    assert 4 <= len(found.tiles) < 9 and (found.tiles < 250).all()
    assert (found.smoothness != 0) and found.record.quality.saturated == pytest.approx(900 / 200**2, abs=0.001)


def test_a_panel_coloured_afterwards_is_not_assessed_unless_asked_for():
    grey = texture(200, 200)
    tinted = np.dstack([grey, grey // 2, grey // 3])[::4, ::4]
    colour = {"components": 3, "load_colour": lambda: tinted}
    (found,) = surveyed(grey, **colour)
    assert found.tiles is None and found.record.reason == Reason.FALSE_COLOUR
    (found,) = surveyed(grey, task=replace(TASK, all_images=True), **colour)
    assert found.record.status == "assessed"
    (found,) = surveyed(grey, components=3, load_colour=lambda: np.dstack([grey] * 3)[::4, ::4])
    assert found.record.status == "assessed"


def test_a_coloured_panel_that_is_no_sem_micrograph_in_grey_is_just_uncertain():
    class Doubtful:
        def classify(self, grey, colour):
            return Kind("uncertain", 0.5)

    grey = texture(200, 200)
    tinted = np.dstack([grey, grey // 2, grey // 3])[::4, ::4]
    (found,) = surveyed(grey, gate=Doubtful(), components=3, load_colour=lambda: tinted)
    assert found.record.reason == Reason.UNCERTAIN_KIND


def test_panels_carry_the_cues_of_their_image_and_what_its_tables_are():
    cue = CueRecord("instrument", "Make: a maker")
    (found,) = surveyed(texture(200, 200), cues=(cue,), encoding="jpeg", jpeg_q=90, jpeg_tables="other")
    assert found.record.cues == (cue,) and found.record.image.jpeg_tables == "other"


def test_a_panel_that_is_drawn_over_everywhere_is_not_assessed():
    (found,) = surveyed(texture(200, 200), tuple(Box(0, y, 200, y + 2) for y in range(20, 200, 40)))
    assert found.tiles is None
    assert found.record.reason == Reason.HEAVILY_ANNOTATED
    assert found.record.detail == "no square of 64 px is free of letters, arrows and lines"
