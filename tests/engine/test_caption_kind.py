"""What a caption makes of a panel's kind: only where the pixels leave room, and never a panel that is not listed."""

from dataclasses import replace

import numpy as np
import pytest
from examining import TASK, texture
from papers import DOUBT, LIKELY, OTHER, SHUT, SURE, Paper, look

from semscan.engine.errors import Reason
from semscan.engine.examine import Examiner
from semscan.engine.figures.kind import KindGate, caption_says
from semscan.engine.pdf import reader, wire
from semscan.engine.pdf.methods import methods_named


@pytest.mark.parametrize("caption", ["SEM image of the powder", "FESEM micrograph", "SEM image and EDS spectrum"])
def test_a_caption_that_speaks_of_sem_only_settles_a_doubt(caption, gate, tmp_path):
    gate(DOUBT)
    (found,) = look(tmp_path, Paper().page(caption))
    assert found.record.status == "assessed" and found.record.reason is None and found.record.detail is None
    assert (found.record.kind.label, found.record.kind.p, found.record.kind.by) == ("sem", 0.2, "caption")
    assert "sem" in found.record.kind.caption
    assert len(found.tiles) == found.record.tiles and found.stratum == "lossless" and found.record.quality


@pytest.mark.parametrize(
    "caption",
    [None, "", "Powder", "SEM and TEM images", "SEM image and photograph", "Sizes, mean +/- SEM", "STEM image"],
)
def test_any_other_caption_leaves_the_doubt(caption, gate, tmp_path):
    gate(DOUBT)
    (found,) = look(tmp_path, Paper().page(caption))
    assert found.record.reason == Reason.UNCERTAIN_KIND and found.tiles is None
    assert (found.record.kind.label, found.record.kind.p, found.record.kind.by) == ("uncertain", 0.5, "pixels")


def test_where_the_pixels_leave_no_room_the_caption_changes_nothing(gate, tmp_path):
    for kind, caption in ((SHUT, "SEM image"), (SURE, "TEM image"), (OTHER, "SEM image")):
        gate(kind)
        (found,) = look(tmp_path, Paper().page(caption))
        assert (found.record.kind.label, found.record.kind.by) == (kind.label, "pixels")
        assert found.record.kind.caption == (caption[:3].lower(),)
        assert found.record.status == ("assessed" if kind is SURE else "not_assessed")


def test_a_caption_that_speaks_of_another_method_only_casts_doubt(gate, tmp_path):
    gate(LIKELY)
    (found,) = look(tmp_path, Paper().page("TEM and optical micrographs"))
    assert found.record.reason == Reason.UNCERTAIN_KIND and found.tiles is None and found.record.tiles is None
    others = "TEM and light microscopy"
    assert found.record.detail == f"like an SEM micrograph, but the caption speaks of another method: {others}"
    assert (found.record.kind.label, found.record.kind.p, found.record.kind.by) == ("uncertain", 0.6, "caption")
    for caption in ("SEM and TEM images", "XRD pattern", "Elemental maps", "Electron micrographs", "Powder"):
        (found,) = look(tmp_path, Paper().page(caption))
        assert found.record.status == "assessed", caption


def test_all_images_are_judged_by_their_pixels(gate, tmp_path):
    gate(LIKELY)
    (found,) = look(tmp_path, Paper().page("TEM image"), all_images=True)
    assert found.record.status == "assessed" and found.record.kind.caption == ()


def two_panels():
    """Two textures with a white gutter, drawn as large as one."""
    pixels = np.full((240, 340), 255, np.uint8)
    pixels[:, :160], pixels[:, 180:] = texture(240, 160), texture(240, 160, 1)
    paper = Paper()
    return paper, paper.pdf.flate(340, 240, pixels.tobytes()), "q 340 0 0 240 100 400 cm /J Do Q"


def test_letters_tell_panels_apart(gate, tmp_path):
    gate(DOUBT)
    paper, image, content = two_panels()
    paper.page("(a) TEM, (b) FESEM micrographs", [("(a)", 100), ("(b)", 280)], content, J=image)
    first, second = look(tmp_path, paper)
    assert (first.record.panel, first.record.status, first.record.kind.caption) == ("a", "not_assessed", ("tem",))
    assert (second.record.panel, second.record.status, second.record.kind.caption) == ("b", "assessed", ("sem",))


def test_without_letters_at_the_panels_the_whole_caption_counts(gate, tmp_path):
    gate(DOUBT)
    paper, image, content = two_panels()
    paper.page("(a) TEM, (b) FESEM micrographs, (c) TEM of the rim", (), content, J=image)
    assert [found.record.kind.caption for found in look(tmp_path, paper)] == [("sem", "tem")] * 2


def test_other_reasons_hold_for_what_the_caption_calls_sem(gate, tmp_path):
    gate(DOUBT)
    (found,) = look(tmp_path, Paper().page("SEM image"), min_panel_px=300)
    assert found.record.reason == Reason.TOO_SMALL and found.record.kind.label == "sem" and found.tiles is None


def test_an_image_drawn_again_under_a_telling_caption_is_assessed_there(gate, tmp_path):
    gate(DOUBT)
    paper = Paper().page().page("SEM image").page("SEM image").page()
    found = look(tmp_path, paper)
    assert [one.record.reason for one in found] == [Reason.UNCERTAIN_KIND, None, *[Reason.DUPLICATE_OF] * 2]
    assert found[2].record.duplicate_of == found[3].record.duplicate_of == found[1].record.panel_id


def test_one_caption_that_casts_doubt_does_not_hide_the_image_elsewhere(gate, tmp_path):
    gate(LIKELY)
    found = look(tmp_path, Paper().page("TEM image").page("TEM image").page("Powder"))
    assert [one.record.reason for one in found] == [Reason.UNCERTAIN_KIND, Reason.DUPLICATE_OF, None]


@pytest.mark.parametrize("caption", ["Electron micrographs", "Elemental maps", "XRD pattern", "SEM and TEM images"])
def test_nor_where_the_caption_there_says_nothing(caption, gate, tmp_path):
    gate(LIKELY)
    found = look(tmp_path, Paper().page("TEM image").page(caption))
    assert [one.record.reason for one in found] == [Reason.UNCERTAIN_KIND, None]


def test_an_image_under_two_methods_is_settled_where_one_is_named(gate, tmp_path):
    gate(DOUBT)
    found = look(tmp_path, Paper().page("SEM and TEM images").page("SEM image").page("SEM image"))
    assert [one.record.reason for one in found] == [Reason.UNCERTAIN_KIND, None, Reason.DUPLICATE_OF]


@pytest.mark.parametrize("kind", [DOUBT, LIKELY], ids=["doubt", "likely"])
def test_panels_told_apart_by_letters_are_told_once(kind, gate, tmp_path):
    gate(kind)
    paper, image, content = two_panels()
    for _ in range(3):
        paper.page("(a) TEM, (b) FESEM micrographs", [("(a)", 100), ("(b)", 280)], content, J=image)
    reasons = [one.record.reason for one in look(tmp_path, paper)]
    assert reasons == [Reason.UNCERTAIN_KIND, None, *[Reason.DUPLICATE_OF] * 4]


def test_a_caption_of_many_images_is_read_once(monkeypatch, tmp_path):
    read = []
    monkeypatch.setattr(reader, "methods_named", lambda text: (read.append(text), methods_named(text))[1])
    paper = Paper()
    pixels = [texture(240, 320, seed) for seed in range(2)]
    images = {f"I{at}": paper.pdf.flate(320, 240, each.tobytes()) for at, each in enumerate(pixels)}
    content = "q 120 0 0 90 100 400 cm /I0 Do Q q 120 0 0 90 300 440 cm /I1 Do Q"
    found = look(
        tmp_path, paper.page("SEM images of both powders, before and after milling", content=content, **images)
    )
    assert [one.record.figure for one in found] == ["Fig. 1"] * 2
    assert len(read) == 1


def test_what_an_earlier_document_said_of_an_image_does_not_count(gate, tmp_path):
    gate(DOUBT)
    examiner, file, seen = Examiner(), tmp_path / "document", []
    for caption in ("Powder", "SEM image", "TEM image", "SEM image"):
        file.write_bytes(Paper().page(caption).pdf.build())
        examiner.examine(replace(TASK, file=str(file), all_images=False), seen.append)
    found = [message for message in seen if isinstance(message, wire.Found)]
    assert [one.record.status for one in found] == ["not_assessed", "assessed"] * 2
    assert np.array_equal(found[1].tiles, found[3].tiles) and found[1].token == found[3].token


def test_the_gate_leaves_room_around_its_thresholds_only():
    _, limits = KindGate.load().open()
    sem, tem = limits.labels.index("sem"), limits.labels.index("tem")

    def opened(p_sem, coloured=False):
        p = np.zeros(len(limits.labels), np.float32)
        p[sem], p[tem] = p_sem, 1 - p_sem
        return limits.decide(p, coloured).margin

    assert opened(limits.doubt_from) and opened(limits.sem_from) and opened(0.85)
    assert not opened(0.9) and not opened(limits.doubt_from / 2)
    assert not opened(0.3, coloured=True)


@pytest.mark.parametrize(
    ("named", "own", "says"),
    [
        ({"sem"}, False, "sem"),
        ({"sem", "graph", "electron"}, False, "sem"),
        ({"sem", "map"}, False, None),
        ({"sem", "tem"}, True, None),
        ({"tem"}, False, "other"),
        ({"tem", "electron"}, False, None),
        ({"map"}, False, None),
        ({"map"}, True, "other"),
        ({"graph"}, True, None),
        ({"electron"}, True, None),
        (set(), False, None),
    ],
)
def test_what_named_methods_mean(named, own, says):
    assert caption_says(named, own) == says
