"""The reader that ships reads letters drawn onto panels, leaves alone what has none, and its model is checked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image, ImageDraw, ImageFont

from semscan.engine.errors import ModelError
from semscan.engine.figures import lettering
from semscan.engine.figures.findings import Finding, Place
from semscan.engine.figures.glyphnet import GlyphNetwork
from semscan.engine.figures.kind import Kind
from semscan.engine.figures.lettering import METADATA_KEY, LetterReader
from semscan.engine.figures.survey import Survey
from semscan.engine.geometry import Box
from semscan.engine.pdf.wire import Task
from semscan.engine.raster import Raster
from semscan.engine.records import ImageRecord, KindRecord, PanelRecord
from semscan.engine.stats import Stopwatch

SHIPPED = Path(lettering.__file__).parent.parent / "models" / f"{lettering.NAME}.onnx"
TASK = Task("x.pdf", "application/pdf", 64, 9, 128, 10_000_000, 10, False, 60.0)


def figure(texts, columns=3, side=260, gap=8, corner="left", seed=0):
    """Panels of noise in a grid on white paper, each with a text in an upper corner; the image and the boxes."""
    rows = -(-len(texts) // columns)
    random = np.random.default_rng(seed)
    sheet = Image.new("L", (columns * (side + gap) - gap, rows * (side + gap) - gap), 255)
    pen, font, boxes = ImageDraw.Draw(sheet), ImageFont.load_default(26), []
    for index, text in enumerate(texts):
        x, y = index % columns * (side + gap), index // columns * (side + gap)
        coarse = random.normal(110, 22, (side // 4, side // 4))
        noise = Image.fromarray(np.clip(coarse, 40, 190).astype(np.uint8))
        sheet.paste(noise.resize((side, side), Image.Resampling.BICUBIC), (x, y))
        at = (x + 8, y + 4) if corner == "left" else (x + side - 8, y + 4)
        pen.text(at, text, fill=255, font=font, anchor="la" if corner == "left" else "ra")
        boxes.append(Box(x, y, x + side, y + side))
    return np.asarray(sheet), boxes


@pytest.fixture(scope="module")
def reader():
    return LetterReader.load()


@pytest.mark.parametrize("corner", ("left", "right"))
@pytest.mark.parametrize("style", ("{}", "({})", "{})", "{}."))
@pytest.mark.parametrize("letters", ("abcdef", "ABCDEF"))
def test_letters_in_the_pixels_are_read(reader, letters, style, corner):
    grey, boxes = figure([style.format(letter) for letter in letters], corner=corner)
    assert reader.read(grey, boxes) == tuple(letters)


def test_a_panel_without_a_letter_has_none(reader):
    grey, boxes = figure(["a", "b", "", "d", "e", "f"])
    assert reader.read(grey, boxes) == ("a", "b", None, "d", "e", "f")


@pytest.mark.parametrize(
    "texts",
    ([""] * 6, ["SEM"] * 6, ["5 um", "10 um", "20 um", "1 um", "2 um", "50 nm"], ["C", "N", "O", "S", "Fe", "Al"]),
)
def test_what_is_no_panel_letter_is_not_read(reader, texts):
    grey, boxes = figure(texts)
    assert set(reader.read(grey, boxes)) == {None}


def test_one_panel_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(lettering, "find_shapes", lambda *_: pytest.fail("looked at"))
    grey, boxes = figure(["a"])
    assert LetterReader(Path("missing")).read(grey, boxes) == (None,)


def test_the_network_is_that_of_the_file():
    """Against ONNX Runtime, on random squares."""
    onnxruntime = pytest.importorskip("onnxruntime")
    glyphs = np.random.default_rng(0).integers(0, 256, (300, 24, 24), np.uint8)
    (expected,) = onnxruntime.InferenceSession(str(SHIPPED)).run(None, {"glyphs": glyphs})
    assert np.abs(GlyphNetwork(SHIPPED, 24).probabilities(glyphs) - expected).max() < 1e-5
    assert SHIPPED.stat().st_size < 60_000


def test_a_model_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        LetterReader(tmp_path / "missing.onnx").open()
    (tmp_path / "cut.onnx").write_bytes(SHIPPED.read_bytes()[:-9])
    with pytest.raises(ModelError):
        LetterReader(tmp_path / "cut.onnx").open()
    with pytest.raises(ModelError, match="no network that reads letters"):
        LetterReader(SHIPPED.with_name("kind-1.onnx")).open()
    model = onnx.load(SHIPPED)
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            entry.value = json.dumps({"format": 99})
    onnx.save(model, tmp_path / "new.onnx")
    with pytest.raises(ModelError, match="has format 99"):
        LetterReader(tmp_path / "new.onnx").open()


class Gate:
    """Says the same of all panels."""

    def __init__(self, label):
        self.label = label

    def classify(self, grey, colour):
        return Kind(self.label, 1.0)


def surveyed(texts, label, reader):
    grey, boxes = figure(texts)
    raster = Raster(grey, encoding="png", components=1, bits=8, sha256="0" * 64)
    findings = list(Survey(TASK, Gate(label), reader, Stopwatch()).panels(raster))
    assert [finding.record.image.bbox_px for finding in findings] == [tuple(box) for box in boxes]
    return findings


@pytest.mark.parametrize("label", ("sem", "uncertain", "tem"))
def test_panels_are_called_by_the_letters_in_their_pixels(reader, label):
    findings = surveyed(["a", "b", "c", "d"], label, reader)
    assert [finding.read for finding in findings] == [tuple("abcd")] * 4


def test_plots_alone_are_not_read(reader):
    class Unused:
        def read(self, grey, panels):
            pytest.fail("read")

    assert {finding.read for finding in surveyed(["a", "b", "c", "d"], "graphic", Unused())} == {()}


def found_panels(seen, printed):
    """Letters of two panels as told at one place, and as told again at another one without text."""
    image = ImageRecord("0" * 64, (200, 100), (0, 0, 100, 100), "embedded", "png")
    boxes = (Box(0, 0, 100, 100), Box(100, 0, 200, 100))
    letters = None if printed is None else lambda panels: printed
    place = Place(
        PanelRecord("p", "d", "not_assessed", page=1),
        "embedded",
        None,
        lambda w, h: None,
        lambda box, w, h: tuple(map(float, box)),
        letters=letters,
    )
    records = []
    for index, box in enumerate(boxes, 1):
        own, kind = replace(image, bbox_px=tuple(box)), KindRecord("sem", 1.0)
        record = PanelRecord("", "", "not_assessed", index=index, of=2, image=own, kind=kind)
        records.append(place.found(Finding(record, among=boxes, read=seen)).record)
    again = replace(place, letters=None).lettered_again(records, [tuple(map(float, box)) for box in boxes])
    return [(record.panel, record.panel_by) for record in records], again


def test_letters_of_the_text_win():
    assert found_panels(("a", "b"), None)[0] == [("a", "pixels"), ("b", "pixels")]
    assert found_panels(("a", "b"), (None, None))[0] == [("a", "pixels"), ("b", "pixels")]
    assert found_panels(("a", "b"), ("c", None))[0] == [("c", "text"), (None, None)]
    assert found_panels((None, None), ("c", "d"))[0] == [("c", "text"), ("d", "text")]


def test_letters_in_the_pixels_go_with_the_image_and_those_of_a_page_do_not():
    assert found_panels(("a", "b"), None)[1] == [("a", "pixels"), ("b", "pixels")]
    assert found_panels(("a", "b"), ("c", "d"))[1] == [(None, None), (None, None)]
