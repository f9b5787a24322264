"""The reader of panel letters: what it is trained on is what the engine looks at, and the file is what was trained."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pymupdf
import pytest
import torch
from PIL import Image

from semscan.engine.figures.corners import GLYPH_PX, Corner
from semscan.engine.figures.glyphnet import GlyphNetwork
from semscan.engine.figures.lettering import METADATA_KEY, LetterReader
from semscan.engine.geometry import Box
from semscan.training import letters
from semscan.training.letter_pictures import Lettered, draw_lettered, usual_fonts
from semscan.training.nets.glyph import GlyphNet


@pytest.fixture(scope="module")
def fonts(tmp_path_factory):
    """A folder with the fonts that PyMuPDF brings, called as their families are, and what is no such font."""
    folder = tmp_path_factory.mktemp("fonts")
    (folder / "sub").mkdir()
    for name, file in (("helv", "NimbusSans-Regular.otf"), ("hebo", "NimbusSans-Bold.otf"), ("tiro", "C059-Roman.otf")):
        (folder / "sub" / file).write_bytes(pymupdf.Font(name).buffer)
    (folder / "NotoSansSymbols-Regular.ttf").write_bytes(b"")
    (folder / "NimbusSans-Bold.txt").write_bytes(b"")
    return folder


def planes(count=3):
    random = np.random.default_rng(0)
    coarse = random.integers(60, 180, (count, 60, 80), np.uint8)
    return [np.asarray(Image.fromarray(plane).resize((640, 480))) for plane in coarse]


def test_fonts_are_grouped_by_family(fonts):
    families = usual_fonts(fonts)
    assert [[path.name for path in family] for family in families] == [
        ["NimbusSans-Bold.otf", "NimbusSans-Regular.otf"],
        ["C059-Roman.otf"],
    ]


def test_pictures_hold_a_letter_where_they_say(fonts):
    random = np.random.default_rng(3)
    drawn = [draw_lettered(random, planes(), usual_fonts(fonts)) for _ in range(60)]
    assert {picture.corner for picture in drawn} == set(Corner)
    with_letter = [picture for picture in drawn if picture.letter is not None]
    assert 40 <= len(with_letter) < 60
    found = 0
    for picture in with_letter:
        glyphs, labels = letters.samples_of(picture, picture.corner)
        assert glyphs.shape[1:] == (GLYPH_PX, GLYPH_PX) and len(glyphs) == len(labels)
        own = labels[labels != letters.NONE]
        assert {letters.LETTERS[label] for label in own.tolist()} <= {picture.letter}
        found += len(own) > 0
    assert found >= 0.4 * len(with_letter)  # others are too small or too faint


def test_parts_of_a_letter_are_neither_the_letter_nor_something_else():
    grey = np.full((300, 300), 110, np.uint8)
    grey[20:60, 20:50] = 250
    grey[30:50, 28:42] = 110  # like an O
    whole = Lettered(grey, Box(0, 0, 300, 300), Corner.TOP_LEFT, "O", (20, 20, 50, 60), dark=False)
    _, labels = letters.samples_of(whole, Corner.TOP_LEFT)
    assert letters.LETTERS.index("O") in labels.tolist()
    half = Lettered(grey, whole.panel, Corner.TOP_LEFT, "O", (20, 20, 50, 150), dark=False)
    _, labels = letters.samples_of(half, Corner.TOP_LEFT)
    assert letters.LETTERS.index("O") not in labels.tolist()
    none = Lettered(grey, whole.panel, Corner.TOP_LEFT, None, (0, 0, 0, 0), dark=False)
    _, labels = letters.samples_of(none, Corner.TOP_LEFT)
    assert len(labels) and set(labels.tolist()) == {letters.NONE}


def test_the_file_computes_what_was_trained(tmp_path):
    torch.manual_seed(0)
    net = GlyphNet(letters.NONE + 1, GLYPH_PX)
    for module in net.features:
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
    to = tmp_path / "letters.onnx"
    letters.write_model(net.eval(), {"pictures": 5, "letters": 7, "rest": 9}, to)
    glyphs = np.random.default_rng(0).integers(0, 256, (5, GLYPH_PX, GLYPH_PX), np.uint8)
    expected = letters.probabilities(net, glyphs)
    assert np.abs(GlyphNetwork(to, GLYPH_PX).probabilities(glyphs) - expected).max() < 0.01  # of half precision
    stored = {entry.key: entry.value for entry in onnx.load(to).metadata_props}
    assert json.loads(stored[METADATA_KEY])["letters"] == letters.LETTERS
    assert "fonts-liberation" in stored["card"] and stored["card"] == to.with_suffix(".md").read_text("utf-8")
    assert LetterReader(to).open().classes == letters.NONE + 1


def test_training_tells_letters_from_the_rest(capsys):
    """Bars that stand are i, bars that lie are no letter."""
    random = np.random.default_rng(0)
    glyphs = random.integers(0, 60, (200, GLYPH_PX, GLYPH_PX)).astype(np.uint8)
    labels = np.where(np.arange(200) % 2, letters.LETTERS.index("i"), letters.NONE)
    glyphs[1::2, 4:20, 10:14] = 240
    glyphs[::2, 10:14, 4:20] = 240
    net = letters.fit((glyphs, labels), 60, seed=0)
    said = letters.probabilities(net, glyphs).argmax(axis=1)
    assert (said == labels).mean() > 0.95
    assert "step 0" in capsys.readouterr().out


def test_the_command_draws_trains_and_writes(fonts, tmp_path, monkeypatch):
    samples, to = tmp_path / "samples.npz", tmp_path / "letters.onnx"
    glyphs = np.zeros((40, GLYPH_PX, GLYPH_PX), np.uint8)
    drawn = glyphs, np.repeat([0, letters.NONE], 20)
    monkeypatch.setattr(letters, "collect", lambda *_: drawn)
    (tmp_path / "micrographs.csv").write_text("file\n")
    given = [
        "--data",
        str(tmp_path),
        "--fonts",
        str(fonts),
        "--steps",
        "1",
        "--samples",
        str(samples),
        "--model",
        str(to),
    ]
    letters.main(given)
    monkeypatch.setattr(letters, "collect", lambda *_: pytest.fail("drawn again"))
    letters.main(given)
    assert to.exists() and "20 shapes that are panel letters and 20 that are none" in to.with_suffix(".md").read_text()
