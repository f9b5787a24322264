"""The SEM-or-not gate: what it says of plots and textures, when it looks at colour, and models that it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image, ImageDraw, ImageFont

from semscan.engine.bundle import load_bundle
from semscan.engine.errors import ModelError
from semscan.engine.figures import kind as kind_module
from semscan.engine.figures.kind import METADATA_KEY, KindGate, Thresholds


@pytest.fixture(scope="module")
def gate():
    return KindGate.load()


@pytest.fixture
def shipped():
    return Path(kind_module.__file__).parent.parent / "models" / f"{kind_module.NAME}.onnx"


def plot(seed, size=(420, 560), paper=(255, 255, 255)):
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (size[1], size[0]), paper)
    canvas = ImageDraw.Draw(image)
    canvas.rectangle((60, 20, size[1] - 20, size[0] - 50), outline=(0, 0, 0), width=2)
    for colour in ((200, 0, 0), (0, 0, 200), (0, 130, 0)):
        y = np.cumsum(random.normal(0, 4, size[1] - 100)) + size[0] / 2
        canvas.line([(70 + i, float(np.clip(v, 25, size[0] - 55))) for i, v in enumerate(y)], fill=colour, width=2)
    for i in range(6):
        canvas.text((60 + i * 80, size[0] - 45), str(i), fill=(0, 0, 0), font=ImageFont.load_default(18))
    canvas.text((size[1] // 2, size[0] - 26), "Energy (eV)", fill=(0, 0, 0), font=ImageFont.load_default(18))
    return np.asarray(image.convert("L"))


def spheres(seed, size=(400, 500)):
    """Bright-rimmed balls on a dark ground with shot noise: what secondary electrons make of a powder."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    picture = np.full(size, 55.0)
    for _ in range(120):
        r = random.uniform(15, 45)
        cy, cx = random.uniform(0, size[0]), random.uniform(0, size[1])
        d = np.hypot(y - cy, x - cx) / r
        inside = d < 1
        picture[inside] = (85 + 110 * d[inside] ** 4) * random.uniform(0.8, 1.1)
    return np.clip(picture + random.normal(0, 10, size), 0, 255).astype(np.uint8)


def no_colour():
    return None


def unwanted():
    raise AssertionError("colour was decoded for nothing")


@pytest.mark.parametrize("seed", range(5))
def test_plots_are_graphics_and_their_colour_is_not_decoded(seed, gate):
    assert gate.classify(plot(seed), unwanted).label == "graphic"
    assert gate.classify(plot(seed, paper=(235, 240, 225)), unwanted).label == "graphic"


@pytest.mark.parametrize("seed", range(5))
def test_micrograph_like_texture_is_not_left_out(seed, gate):
    kind = gate.classify(spheres(seed), no_colour)
    assert kind.label in ("sem", "uncertain")
    assert 0 <= kind.p <= 1


def test_grey_stored_as_colour_is_judged_like_grey(gate):
    grey = spheres(1)
    assert gate.classify(grey, lambda: np.repeat(grey[::8, ::8, None], 3, axis=2)) == gate.classify(grey, no_colour)


def test_a_coloured_version_is_never_sem(gate):
    grey = spheres(1)
    assert gate.classify(grey, no_colour).label == "sem"
    tinted = (grey[::8, ::8, None] * np.array([0.4, 0.7, 1.0])).astype(np.uint8)
    assert gate.classify(grey, lambda: tinted).label != "sem"


def test_colour_marks_on_a_grey_picture_do_not_make_it_coloured(gate):
    grey = spheres(1)
    colour = np.repeat(grey[::8, ::8, None], 3, axis=2)
    colour[3:8, 3:25] = (255, 0, 0)
    assert gate.classify(grey, lambda: colour).label == "sem"


def test_panels_smaller_than_a_patch_are_uncertain(gate):
    assert gate.classify(np.zeros((40, 300), np.uint8), unwanted).label == "uncertain"


def test_doubt_lies_between_sem_and_the_other_labels(gate):
    _, limits = gate.open()
    assert 0 < limits.doubt_from < limits.sem_from < 1
    sem, tem = limits.labels.index("sem"), limits.labels.index("tem")

    def said(p_sem, p_tem, coloured=False):
        p = np.full(len(limits.labels), (1 - p_sem - p_tem) / (len(limits.labels) - 2), np.float32)
        p[sem], p[tem] = p_sem, p_tem
        return limits.decide(p, coloured).label

    assert said(limits.sem_from + 0.01, 0.1) == "sem"
    assert said((limits.sem_from + limits.doubt_from) / 2, 0.5) == "uncertain"
    assert said(limits.doubt_from / 2, 0.9) == "tem"
    assert said(limits.doubt_from / 2, limits.label_from / 2) == "uncertain"
    assert said(0.9, 0.05, coloured=True) == "uncertain"


def test_the_file_is_opened_when_the_first_panel_comes(tmp_path):
    gate = KindGate(tmp_path / "missing.onnx")
    with pytest.raises(ModelError, match="missing"):
        gate.classify(spheres(0), no_colour)


def changed(path, to, change):
    model = onnx.load(path)
    change(model)
    onnx.save(model, to)
    return KindGate(to)


def test_a_file_that_is_no_gate_is_refused(shipped, tmp_path):
    def forget(model):
        del model.metadata_props[:]

    with pytest.raises(ModelError, match="cannot be read"):
        changed(shipped, tmp_path / "a.onnx", forget).open()
    with pytest.raises(ModelError, match="no network of the gate"):
        KindGate(load_bundle().path).open()


def test_another_format_is_refused(shipped, tmp_path):
    def newer(model):
        (entry,) = (entry for entry in model.metadata_props if entry.key == METADATA_KEY)
        entry.value = json.dumps(json.loads(entry.value) | {"format": 3})

    with pytest.raises(ModelError, match="format 3"):
        changed(shipped, tmp_path / "a.onnx", newer).open()


def test_a_gate_that_is_given_other_numbers_is_refused(shipped, monkeypatch):
    monkeypatch.setattr(kind_module, "NUMBERS", (*kind_module.NUMBERS, "sparkle"))
    with pytest.raises(ModelError, match="sparkle"):
        KindGate(shipped).open()
    monkeypatch.setattr(kind_module, "NUMBERS", kind_module.NUMBERS[-2::-1])
    with pytest.raises(ModelError, match="another order"):
        KindGate(shipped).open()


@pytest.mark.parametrize("broken", ["{", "[]", "{}", '{"format": 2}', '{"format": 2, "numbers": [], "labels": 3}'])
def test_thresholds_that_cannot_be_read_are_refused(broken):
    with pytest.raises(ModelError, match="cannot be read"):
        Thresholds.from_json(broken)


def test_a_gate_without_sem_is_refused():
    text = json.dumps(
        {"format": 2, "numbers": [], "labels": ["tem"], "sem_from": 0.5, "doubt_from": 0.3, "label_from": 0.3}
    )
    with pytest.raises(ModelError, match="does not know SEM"):
        Thresholds.from_json(text)


def test_numpy_gives_the_probabilities_of_the_model_file(gate, shipped):
    network, _ = gate.open()
    session = onnxruntime.InferenceSession(str(shipped), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    for spread in (0.5, 3.0, 40.0):  # the last ones are cut
        numbers = random.normal(0, spread, (20, network.width)).astype(np.float32)
        for row in numbers:
            (expected,) = session.run(["probabilities"], {"numbers": row[None]})
            np.testing.assert_allclose(network.probabilities(row), expected[0], atol=1e-6)


def test_a_damaged_gate_is_refused(shipped, tmp_path):
    whole = shipped.read_bytes()
    for cut in (0, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.onnx").write_bytes(whole[:cut])
        with pytest.raises(ModelError):
            KindGate(tmp_path / "cut.onnx").open()

    def one_less(model):
        del model.graph.initializer[-3]

    with pytest.raises(ModelError, match="no network of the gate"):
        changed(shipped, tmp_path / "less.onnx", one_less).open()
