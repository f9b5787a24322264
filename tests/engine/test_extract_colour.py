"""Panels and figures in their stored colours: bit-exact, wherever an image comes from, and grey unless asked for."""

import io

import numpy as np
import pytest
from examining import texture
from pdf_factory import Pdf, encode
from PIL import Image

from semscan.engine.extract import ExtractedPanel, extract_panels
from semscan.engine.options import ScanOptions

SIDE = 256
COLOUR = np.dstack([texture(SIDE, SIDE, seed) for seed in (1, 2, 3)])
WHITE = 255


def extracted(path, *, colour: bool = True) -> list[ExtractedPanel]:
    found = list(extract_panels([path], ScanOptions(jobs=1, all_images=True), figures=True, colour=colour))
    assert all(isinstance(item, ExtractedPanel) for item in found)
    return found


def drawn(tmp_path, pdf: Pdf, image: int, content: str = "256 0 0 256 50 50 cm /I Do"):
    pdf.page(content, I=image)
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf.build())
    return path


def pillow_rgb(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def test_lossless_colour_comes_out_as_it_is_stored(tmp_path):
    pdf = Pdf()
    path = drawn(tmp_path, pdf, pdf.flate(SIDE, SIDE, COLOUR.tobytes(), space="/DeviceRGB"))
    panel, figure = extracted(path)
    assert np.array_equal(panel.pixels, COLOUR) and np.array_equal(figure.pixels, COLOUR)
    assert {item.pixels.ndim for item in extracted(path, colour=False)} == {2}


def test_a_jpeg_gives_what_any_viewer_shows(tmp_path):
    data = encode(COLOUR, "JPEG", quality=90)
    pdf = Pdf()
    inside = extracted(drawn(tmp_path, pdf, pdf.jpeg(data)))[-1].pixels
    (tmp_path / "a.jpg").write_bytes(data)
    alone = extracted(tmp_path / "a.jpg")[-1].pixels
    assert np.array_equal(inside, pillow_rgb(data)) and np.array_equal(alone, inside)


def test_a_palette_gives_its_colours_and_one_of_greys_gives_grey(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (256, 3), np.uint8)
    levels = texture(SIDE, SIDE, 4)
    pdf = Pdf()
    indexed = pdf.flate(SIDE, SIDE, levels.tobytes(), space=f"[/Indexed /DeviceRGB 255 <{colours.tobytes().hex()}>]")
    assert np.array_equal(extracted(drawn(tmp_path, pdf, indexed))[-1].pixels, colours[levels])
    greys = np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes().hex()
    pdf = Pdf()
    grey = pdf.flate(SIDE, SIDE, levels.tobytes(), space=f"[/Indexed /DeviceRGB 255 <{greys}>]")
    assert np.array_equal(extracted(drawn(tmp_path, pdf, grey))[-1].pixels, levels)


def test_only_what_is_seen_of_it(tmp_path):
    pdf = Pdf()
    image = pdf.flate(SIDE, SIDE, COLOUR.tobytes(), space="/DeviceRGB")
    path = drawn(tmp_path, pdf, image, "q 50 178 256 128 re W n 256 0 0 256 50 50 cm /I Do Q")
    assert np.array_equal(extracted(path)[-1].pixels, COLOUR[:128])


def test_what_is_transparent_is_white(tmp_path):
    pdf = Pdf()
    alpha = np.full((SIDE, SIDE), 255, np.uint8)
    alpha[:64] = 0
    mask = pdf.flate(SIDE, SIDE, alpha.tobytes())
    image = pdf.flate(SIDE, SIDE, COLOUR.tobytes(), space="/DeviceRGB", extra=f"/SMask {mask} 0 R")
    shown = extracted(drawn(tmp_path, pdf, image))[-1].pixels
    assert (shown[:64] == WHITE).all() and np.array_equal(shown[64:], COLOUR[64:])


def test_strips_are_put_together_in_colour_and_what_is_hidden_is_white(tmp_path):
    pdf, names, content = Pdf(), {}, ""
    tinted = (texture(SIDE, SIDE, 5)[..., None] * np.array([1.0, 0.8, 0.6])).astype(np.uint8)
    for index in range(4):
        hidden = f"/SMask {pdf.flate(SIDE, 64, bytes(64 * SIDE))} 0 R" if index == 3 else ""
        part = tinted[64 * index : 64 * index + 64]
        names[f"P{index}"] = pdf.flate(SIDE, 64, part.tobytes(), space="/DeviceRGB", extra=hidden)
        content += f"q 256 0 0 64 50 {500 - 64 * index} cm /P{index} Do Q "
    pdf.page(content, **names)
    (tmp_path / "a.pdf").write_bytes(pdf.build())
    (figure,) = [item for item in extracted(tmp_path / "a.pdf") if item.is_figure]
    assert figure.record.image.parts == 4
    tinted[192:] = WHITE
    assert np.array_equal(figure.pixels, tinted)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
def test_an_image_file_gives_its_colours(tmp_path, form):
    path = tmp_path / f"a.{form.lower()}"
    path.write_bytes(encode(COLOUR, form))
    assert np.array_equal(extracted(path)[-1].pixels, COLOUR)


def test_every_page_of_a_tiff_gives_its_own_colours(tmp_path):
    pages = [Image.fromarray(np.roll(COLOUR, shift, 2)) for shift in range(3)]
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    figures = [item for item in extracted(tmp_path / "a.tiff") if item.is_figure]
    assert [np.array_equal(item.pixels, np.asarray(page)) for item, page in zip(figures, pages, strict=True)] == [
        True
    ] * 3


def test_the_panels_of_a_figure_are_parts_of_it(tmp_path):
    figure = np.concatenate([COLOUR, np.full((8, SIDE, 3), WHITE, np.uint8), COLOUR[::-1]])
    (tmp_path / "a.png").write_bytes(encode(figure, "PNG"))
    *panels, whole = extracted(tmp_path / "a.png")
    assert len(panels) == 2
    for panel in panels:
        x0, y0, x1, y1 = panel.record.image.bbox_px
        assert np.array_equal(panel.pixels, whole.pixels[y0:y1, x0:x1])
