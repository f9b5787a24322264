"""The SEM-or-not gate: plots are graphics, noisy textures are not, and a model that does not fit is refused."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from semscan.engine.errors import ModelError
from semscan.engine.figures import features
from semscan.engine.figures.kind import KindGate, looks_like_micrograph


@pytest.fixture(scope="module")
def gate():
    return KindGate.load()


@pytest.fixture
def stored():
    return json.loads((files("semscan.engine.models") / "kind-0.json").read_text())


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
    return np.asarray(image.convert("L")), np.asarray(image)


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


@pytest.mark.parametrize("seed", range(5))
def test_plots_are_graphics_before_their_colour_is_decoded(seed):
    grey, _ = plot(seed)
    assert not looks_like_micrograph(grey)


@pytest.mark.parametrize("seed", range(5))
def test_plots_on_tinted_paper_are_graphics_too(seed, gate):
    grey, colour = plot(seed, paper=(235, 240, 225))
    assert not looks_like_micrograph(grey) or gate.classify(grey, colour[::2, ::2]).label == "graphic"


@pytest.mark.parametrize("seed", range(5))
def test_micrograph_like_texture_reaches_the_model_and_is_not_left_out(seed, gate):
    grey = spheres(seed)
    assert looks_like_micrograph(grey)
    kind = gate.classify(grey, None)
    assert kind.label in ("sem", "uncertain")
    assert 0 <= kind.p <= 1


def test_grey_stored_as_colour_is_judged_like_grey(gate):
    grey = spheres(1)
    same = gate.classify(grey, np.repeat(grey[::2, ::2, None], 3, axis=2))
    assert same == gate.classify(grey, None)


def test_a_coloured_version_is_never_sem(gate):
    grey = spheres(1)
    assert gate.classify(grey, None).label == "sem"
    tinted = (grey[::2, ::2, None] * np.array([0.4, 0.7, 1.0])).astype(np.uint8)
    assert gate.classify(grey, tinted).label != "sem"


def test_colour_marks_on_a_grey_picture_do_not_make_it_coloured():
    grey = spheres(1)
    colour = np.repeat(grey[:, :, None], 3, axis=2)
    colour[20:60, 20:200] = (255, 0, 0)
    assert not features.is_coloured(features.measure(grey, colour))


@pytest.mark.parametrize("size", [(32, 32), (33, 700), (500, 40), (1200, 900)])
def test_features_are_finite_at_any_size_and_for_flat_pictures(size):
    for grey in (np.full(size, 200, np.uint8), np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)):
        measured = features.measure(grey, np.zeros((max(1, size[0] // 8), max(1, size[1] // 8), 3), np.uint8))
        assert measured.shape == (len(features.NAMES),)
        assert np.isfinite(measured).all()


def test_features_do_not_depend_on_the_memory_layout():
    grey = spheres(2)
    framed = np.zeros((grey.shape[0] + 9, grey.shape[1] + 7), np.uint8)
    framed[4:-5, 3:-4] = grey
    np.testing.assert_array_equal(features.measure(framed[4:-5, 3:-4], None), features.measure(grey, None))


def test_panels_smaller_than_a_block_are_uncertain(gate):
    tiny = np.zeros((20, 300), np.uint8)
    assert looks_like_micrograph(tiny)
    assert gate.classify(tiny, None).label == "uncertain"
    with pytest.raises(ValueError, match="holds no block"):
        features.measure(tiny, None)


def test_feature_names_are_unique():
    assert len(set(features.NAMES)) == len(features.NAMES)


def test_doubt_lies_between_sem_and_the_other_labels(gate):
    assert 0 < gate.doubt_from < gate.sem_from < 1
    sem, tem = gate.labels.index("sem"), gate.labels.index("tem")

    def said(p_sem, p_tem, coloured=False):
        p = np.full(len(gate.labels), (1 - p_sem - p_tem) / (len(gate.labels) - 2))
        p[sem], p[tem] = p_sem, p_tem
        return gate.decide(p, coloured).label

    assert said(gate.sem_from + 0.01, 0.6) == "sem"
    assert said((gate.sem_from + gate.doubt_from) / 2, 0.7) == "uncertain"
    assert said(gate.doubt_from / 2, 0.9) == "tem"
    assert said(gate.doubt_from / 2, gate.label_from / 2) == "uncertain"
    assert said(0.9, 0.05, coloured=True) == "uncertain"


def test_unknown_features_are_refused(stored):
    stored["features"][3] = "sparkle"
    with pytest.raises(ModelError, match="sparkle"):
        KindGate.from_json(json.dumps(stored))


def test_features_in_another_order_are_refused(stored):
    stored["features"].reverse()
    with pytest.raises(ModelError, match="another order"):
        KindGate.from_json(json.dumps(stored))


@pytest.mark.parametrize("broken", ["{", "[]", "{}", '{"format": 1}'])
def test_text_that_is_no_model_is_refused(broken):
    with pytest.raises(ModelError, match="cannot be read"):
        KindGate.from_json(broken)


def test_parts_that_do_not_fit_together_are_refused(stored):
    stored["weights"].pop()
    with pytest.raises(ModelError, match="do not fit together"):
        KindGate.from_json(json.dumps(stored))


def test_another_format_is_refused(stored):
    stored["format"] = 2
    with pytest.raises(ModelError, match="format 2"):
        KindGate.from_json(json.dumps(stored))
