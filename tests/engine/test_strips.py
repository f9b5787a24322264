"""A figure that is stored as strips or tiles gives the panels and pixels of the whole."""

from itertools import pairwise

import numpy as np
import pytest
from examining import examined, pixels, records
from hypothesis import given, settings
from hypothesis import strategies as st
from pdf_factory import Pdf, colour_micrograph, encode, micrograph
from PIL import Image

from semscan.engine.errors import Reason
from semscan.engine.examine import Examiner
from semscan.engine.imagefile import decode_image_file
from semscan.engine.pdf.affine import UNIT, transformed
from semscan.engine.pdf.placements import Placement
from semscan.engine.pdf.reader import PdfReader
from semscan.engine.pdf.stitch import NotOneFigureError
from semscan.engine.pdf.strips import figures_of
from semscan.engine.pdf.syntax import Resolver
from semscan.engine.raster import Raster

FIGURE = micrograph(600, 400)
FIGURE[296:304] = 255
COLOUR = colour_micrograph(300, 400)


def cuts(length: int, count: int) -> list[int]:
    """Unequal cuts of a length, as producers make them: all parts alike but the last."""
    step = -(-length // count)
    return [*range(0, length, step), length]


def stored(pdf: Pdf, part: np.ndarray, how: str) -> int:
    """A part of a figure as an image XObject."""
    if how == "flate":
        space = "/DeviceGray" if part.ndim == 2 else "/DeviceRGB"
        return pdf.flate(part.shape[1], part.shape[0], np.ascontiguousarray(part).tobytes(), space=space)
    if how == "jpx":
        return pdf.image(part.shape[1], part.shape[0], encode(part, "JPEG2000"), filters="/JPXDecode")
    return pdf.jpeg(encode(part, "JPEG", quality=int(how)))


def decoded(part: np.ndarray, how: str) -> np.ndarray:
    """Its pixels as they come back."""
    if how in ("flate", "jpx"):
        return part
    return decode_image_file(encode(part, "JPEG", quality=int(how)), 10**7)[0].grey


def place(x: float, y: float, width: float, height: float) -> str:
    """The matrix that puts an image at x, y from the top left of the page, half a point for a pixel."""
    return f"q {width / 2} 0 0 {height / 2} {50 + x / 2} {750 - (y + height) / 2} cm"


def cut_up(figure: np.ndarray, rows: int, columns: int, hows: list[str], order=list) -> tuple[Pdf, np.ndarray]:
    """A page that draws a figure in parts, and the concatenation of what is decoded of them."""
    pdf, content, truth = Pdf(), [], np.zeros(figure.shape[:2], np.uint8)
    names = {}
    ys, xs = cuts(figure.shape[0], rows), cuts(figure.shape[1], columns)
    for y0, y1 in pairwise(ys):
        for x0, x1 in pairwise(xs):
            how = hows[len(names) % len(hows)]
            name = f"P{len(names)}"
            names[name] = stored(pdf, figure[y0:y1, x0:x1], how)
            content.append(f"{place(x0, y0, x1 - x0, y1 - y0)} /{name} Do Q")
            truth[y0:y1, x0:x1] = decoded(figure[y0:y1, x0:x1], how)
    pdf.page(" ".join(order(content)), **names)
    return pdf, truth


def whole(figure: np.ndarray) -> Pdf:
    """A page that draws a figure as one image."""
    pdf = Pdf()
    pdf.page(f"{place(0, 0, figure.shape[1], figure.shape[0])} /I Do Q", I=stored(pdf, figure, "flate"))
    return pdf


def stitched(pdf: Pdf) -> Raster:
    """The only figure on the first page."""
    reader = PdfReader(pdf.build(), None, 10)
    (image,), _ = reader.page_images(0)
    return reader.open_image(image, 10**7).decode()


@pytest.mark.parametrize("order", [list, lambda parts: parts[::-1], lambda parts: parts[1::2] + parts[::2]])
@pytest.mark.parametrize(("rows", "columns"), [(5, 1), (23, 1), (1, 4), (3, 2), (4, 5)])
@pytest.mark.parametrize("how", ["flate", "90"])
def test_strips_and_tiles_give_the_panels_of_the_whole(tmp_path, how, rows, columns, order):
    pdf, truth = cut_up(FIGURE, rows, columns, [how], order)
    one = whole(truth)
    found, alone = records(tmp_path, pdf), records(tmp_path, one)
    assert [r.image.bbox_px for r in found] == [r.image.bbox_px for r in alone]
    assert [r.bbox_pt for r in found] == [pytest.approx(r.bbox_pt, abs=0.02) for r in alone]
    assert [(r.image.px, r.image.ppi, r.index, r.of) for r in found] == [
        (r.image.px, r.image.ppi, r.index, r.of) for r in alone
    ]
    for parts, direct in zip(pixels(tmp_path, pdf), pixels(tmp_path, one), strict=True):
        assert np.array_equal(parts, direct)
    ys, xs = cuts(FIGURE.shape[0], rows), cuts(FIGURE.shape[1], columns)
    assert {r.image.parts for r in found} == {(len(ys) - 1) * (len(xs) - 1)}
    assert {r.image.parts for r in alone} == {1}


def test_tiles_are_the_same_as_those_of_the_whole(tmp_path):
    pdf, truth = cut_up(FIGURE, 7, 1, ["flate"])
    strips, alone = examined(tmp_path, pdf), examined(tmp_path, whole(truth))
    assert [f.tiles.tobytes() for f in strips if f.tiles is not None] == [
        f.tiles.tobytes() for f in alone if f.tiles is not None
    ]
    assert any(f.tiles is not None for f in strips)


def test_of_mixed_parts_the_worst_compression_is_reported(tmp_path):
    pdf, truth = cut_up(FIGURE, 6, 1, ["95", "flate", "80"])
    image = records(tmp_path, pdf)[0].image
    assert (image.encoding, image.jpeg_q, image.parts) == ("jpeg", 80, 6)
    assert image.object == "3 0"
    assert np.array_equal(stitched(pdf).grey, truth)


def test_a_figure_with_a_part_that_has_no_reference_has_none(tmp_path):
    pdf, _ = cut_up(FIGURE, 6, 1, ["95", "jpx", "flate"])
    found = records(tmp_path, pdf)
    assert {(r.image.encoding, r.image.jpeg_q, r.image.parts) for r in found} == {("jpx", None, 6)}
    assert {r.reason for r in found} == {Reason.BELOW_QUALITY_FLOOR}


@pytest.mark.parametrize(
    "turn", ["0 -1 1 0 -400 700", "-1 0 0 -1 600 780", "1 0 0 -1 0 780", ".96 .28 -.28 .96 250 -50"]
)
def test_turned_and_mirrored_strips(tmp_path, turn):
    pdf, truth = cut_up(FIGURE, 6, 1, ["flate"], lambda parts: [f"{turn} cm", *parts])
    assert {(r.image.parts, r.image.px) for r in records(tmp_path, pdf)} == {(6, (400, 600))}
    assert np.array_equal(stitched(pdf).grey, truth)


def test_inline_strips(tmp_path):
    pdf, content = Pdf(), b""
    for y in range(0, 600, 60):
        head = f"{place(0, y, 400, 60)} BI /W 400 /H 60 /CS /G /BPC 8 ID ".encode()
        content += head + FIGURE[y : y + 60].tobytes() + b" EI Q "
    pdf.page(content)
    found = records(tmp_path, pdf)
    assert {(r.image.parts, r.image.source, r.image.px) for r in found} == {(10, "inline", (400, 600))}


def test_a_tiling_need_not_be_a_grid():
    boxes = [(0, 0, 300, 200), (300, 0, 400, 450), (0, 200, 150, 450), (150, 200, 300, 450), (0, 450, 400, 600)]
    pdf, names, content = Pdf(), {}, ""
    for x0, y0, x1, y1 in boxes:
        names[f"P{len(names)}"] = stored(pdf, FIGURE[y0:y1, x0:x1], "flate")
        content += f"{place(x0, y0, x1 - x0, y1 - y0)} /P{len(names) - 1} Do Q "
    pdf.page(content, **names)
    assert np.array_equal(stitched(pdf).grey, FIGURE)


def chain(pitch: float, drawn: float, rows: int, overlap: int = 0) -> Pdf:
    """Strips of 60 rows, each drawn so high, so far from each other, that store some rows of the next one too."""
    pdf, names, content = Pdf(), {}, ""
    for index in range(rows):
        top = index * (60 - overlap)
        names[f"P{index}"] = stored(pdf, FIGURE[top : top + 60], "flate")
        content += f"{place(0, index * pitch, 400, drawn)} /P{index} Do Q "
    pdf.page(content, **names)
    return pdf


def test_strips_that_are_stretched_over_their_seams_keep_all_rows():
    assert np.array_equal(stitched(chain(60, 60.8, 10)).grey, FIGURE)


def test_rows_that_two_strips_store_are_taken_once():
    pdf = chain(59, 60, 10, overlap=1)
    assert np.array_equal(stitched(pdf).grey, FIGURE[: 59 * 9 + 60])


@pytest.mark.parametrize(("pitch", "scale"), [(64, 1), (60, 1.4), (30, 1)])
def test_what_does_not_abut_is_not_one_figure(tmp_path, pitch, scale):
    pdf, names, content = Pdf(), {}, ""
    for index in range(5):
        names[f"P{index}"] = stored(pdf, FIGURE[index * 60 : index * 60 + 60], "flate")
        wide = 400 * scale**index
        content += f"{place(0, index * pitch, wide, 60)} /P{index} Do Q "
    pdf.page(content, **names)
    assert {r.image.parts for r in records(tmp_path, pdf, min_panel_px=8)} == {1}


def smooth(seed: int) -> np.ndarray:
    """A picture whose neighbouring rows resemble each other."""
    small = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 20), np.uint8))
    return np.array(small.resize((200, 200), Image.Resampling.BICUBIC))


def test_pictures_that_an_author_put_edge_to_edge_stay_apart(tmp_path):
    pdf = Pdf()
    names = {f"P{index}": stored(pdf, smooth(index), "flate") for index in range(4)}
    content = "".join(f"{place(200 * (i % 2), 200 * (i // 2), 200, 200)} /P{i} Do Q " for i in range(4))
    pdf.page(content, **names)
    reader = PdfReader(pdf.build(), None, 10)
    (image,) = reader.page_images(0)[0]
    assert len(image.parts) == 4
    with pytest.raises(NotOneFigureError):
        reader.open_image(image, 10**7).decode()
    found = records(tmp_path, pdf)
    assert {(r.image.parts, r.image.object) for r in found} == {(1, f"{number} 0") for number in names.values()}
    assert len({r.panel_id for r in found}) == len(found)
    for index, number in enumerate(names.values()):
        boxes = np.array([r.bbox_pt for r in found if r.image.object == f"{number} 0"])
        x, y = 50 + 100 * (index % 2), 42 + 100 * (index // 2)
        assert (boxes.min(0)[:2] >= (x, y)).all() and (boxes.max(0)[2:] <= (x + 100, y + 100)).all()


def test_one_image_again_and_again_is_a_texture(tmp_path):
    pdf = Pdf()
    image = stored(pdf, FIGURE[:200, :200], "flate")
    pdf.page("".join(f"{place(200 * i, 0, 200, 200)} /I Do Q " for i in range(3)), I=image)
    found = records(tmp_path, pdf)
    assert {r.image.parts for r in found} == {1}
    assert {r.duplicate_of is None for r in found} == {True, False}


def test_strips_drawn_twice_are_one_figure(tmp_path):
    pdf, _ = cut_up(FIGURE, 6, 1, ["flate"], lambda parts: [part for part in parts for _ in range(2)])
    found = records(tmp_path, pdf)
    assert {r.image.parts for r in found} == {6}
    assert len(found) == len(records(tmp_path, whole(FIGURE)))


def test_limits_hold_for_the_whole_and_a_damaged_part_hides_no_other(tmp_path):
    pdf, _ = cut_up(FIGURE, 6, 1, ["flate"])
    (large,) = records(tmp_path, pdf, max_pixels=FIGURE.size - 1)
    assert large.reason == Reason.TOO_LARGE
    assert "6 parts" in large.detail
    broken, _ = cut_up(FIGURE, 2, 1, ["flate"])
    first = next(number for number, written in broken.objects.items() if b"/FlateDecode" in written)
    broken.objects[first] = broken.objects[first].replace(b"/FlateDecode", b"/Nothing")
    found = records(tmp_path, broken, all_images=True)
    assert sorted(r.status for r in found) == ["assessed", "not_assessed"]
    assert {r.reason for r in found} == {Reason.UNSUPPORTED_CODEC, None}


def test_a_transparent_strip_is_white():
    pdf, names, content = Pdf(), {}, ""
    for index in range(6):
        clear = pdf.flate(400, 100, bytes(400 * 100))
        part = FIGURE[100 * index : 100 * index + 100]
        hidden = f"/SMask {clear} 0 R" if index in (0, 3) else ""
        names[f"P{index}"] = pdf.flate(400, 100, part.tobytes(), extra=hidden)
        content += f"{place(0, 100 * index, 400, 100)} /P{index} Do Q "
    pdf.page(content, **names)
    truth = FIGURE.copy()
    truth[:100] = truth[300:400] = 255
    assert np.array_equal(stitched(pdf).grey, truth)


def test_colour_strips_keep_their_colour_view():
    pdf, _ = cut_up(COLOUR, 5, 1, ["90"])
    view = stitched(pdf).load_colour()
    pixels_of_view = COLOUR[4::8, 4::8].astype(float)
    assert view.shape == (-(-300 // 8), 50, 3)
    rows = min(len(view), len(pixels_of_view))
    means = np.abs(view[:rows].mean((0, 1)) - pixels_of_view[:rows].mean((0, 1)))
    assert (means < 8).all()


def test_a_figure_in_strips_is_remembered_by_all_its_parts(tmp_path):
    examiner = Examiner()
    first, _ = cut_up(FIGURE, 6, 1, ["flate"])
    changed = FIGURE.copy()
    changed[-50:] = changed[-50:][::-1]
    second, _ = cut_up(changed, 6, 1, ["flate"])
    examined(tmp_path, first, examiner)
    again = [f.record for f in examined(tmp_path, second, examiner)]
    assert again == records(tmp_path, second)
    assert len(examiner._memory) == 2


spots = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))


@settings(max_examples=150, deadline=None)
@given(st.lists(spots, max_size=14), st.sampled_from([1.0, -1.0, 0.3]), st.booleans())
def test_every_image_is_in_one_figure_however_they_lie(spots, scale, inline):
    placements = []
    for order, (x, y, wide, high, xref) in enumerate(spots):
        size = {"Width": 20 * wide, "Height": 20 * high, "BitsPerComponent": 8}
        matrix = (20 * wide * scale, 0.0, 0.0, 20 * high * scale, 20 * x * scale, 20 * y * scale)
        number = 0 if inline else xref * 100 + wide * 10 + high
        placements.append(Placement(1, number, transformed(matrix, UNIT), matrix, order, entries=size))
    with Pdf().open() as doc:
        figures = figures_of(placements, Resolver(doc))
    orders = [part.placement.order for f in figures for part in (f.mosaic.parts if f.mosaic else ())]
    orders += [f.placement.order for f in figures if f.mosaic is None]
    assert len(set(orders)) == len(orders)
    drawn = {(p.xref or -1 - p.order, p.matrix) for p in placements}
    assert {(placements[o].xref or -1 - o, placements[o].matrix) for o in orders} == drawn
    for figure in figures:
        if figure.mosaic is not None:
            covered = sum(part.place.width * part.place.height for part in figure.mosaic.parts)
            assert covered == figure.mosaic.size_px[0] * figure.mosaic.size_px[1]
            assert all(part.place[2:] != part.place[:2] for part in figure.mosaic.parts)


def test_many_small_tiles():
    pdf, truth = cut_up(FIGURE, 40, 40, ["flate"], lambda parts: parts[::-1])
    assert np.array_equal(stitched(pdf).grey, truth)
