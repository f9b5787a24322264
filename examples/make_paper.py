"""Makes ``paper.pdf``, the document of ``make demo``: three pages laid out like a paper, from our own material only.

    python examples/make_paper.py [-o examples/paper.pdf]

The micrographs are simulated (``simulate.py``) or made by our own networks (``assets/``, see ``make_generated.py``);
the plots, the photograph-like picture and the text are made here. Needs what semscan needs, nothing else.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import numpy as np
from layout import Paper
from pictures import Grey, curve, font, landscape, letter, load_plot, scale_bar
from PIL import Image, ImageDraw
from simulate import Microscope, micrograph

HERE = Path(__file__).parent
PANEL_PX = (416, 312)
GUTTER_PX = 12
PAPER = 255

TITLE = "Micrographs nobody took: simulated and generated test images for screening tools"
ABSTRACT = (
    "Abstract. This is a demonstration document of the program semscan, not a research paper. No instrument made any "
    "image in it. Some micrographs come from a simulator that follows the physics of a scanning electron microscope "
    "in rough strokes; others are pictures that small neural networks drew. Two plots, a picture that looks like a "
    "photograph, one very small panel and one heavily compressed panel complete the set, because a screening tool "
    "has to say what it did not examine. The captions name the origin of every panel, so the output of the program "
    "can be compared with the truth."
)
INTRODUCTION = (
    "A reader who wants to try a screening tool needs a document. Published papers are poor material for that: their "
    "images belong to somebody, and nobody wants to see a colleague's figure in a demonstration with a mark on it. "
    "This document avoids both problems. Everything in it was made by the code that stands next to it in the "
    "repository.",
    "The SEM images in Fig. 1 are simulated. They stand in for genuine ones: their fine structure is that of a slow "
    "scan that counts electrons, which is what the detector looks at. The micrographs in Fig. 2 were drawn by "
    "autoencoders, networks that squeeze a picture into a few numbers and draw it again. They stand in for generated "
    "ones. What was drawn again is a simulated micrograph of the same kind, so that the two figures differ in how the "
    "pixels were made and in little else.",
    "Figures 3 and 5 add what a program meets in every journal: plots, pictures of other kinds, panels that are too "
    "small and panels that were compressed too much. A tool that passes over such panels in silence gives its reader "
    "a false sense of coverage, so each of them has to turn up in the report, with the reason why no score stands "
    "next to it.",
)
SIMULATION = (
    "A simulated micrograph starts as a map of heights. Powder is a heap of spheres with satellites; a ductile "
    "fracture is a field of cups at two scales, bent by a smooth displacement; a porous body is a random field cut at "
    "a level; a fibre mat is layers of bent cylinders; a polished metal is a mosaic of flat grains, an etched alloy "
    "one of colonies with parallel plates.",
    "The signal of a pixel grows with the tilt of the surface, is raised at convex edges and on the side that faces "
    "the detector, and is lowered in pits. The map is blurred with the profile of the beam. Then every pixel draws "
    "its electrons from a Poisson distribution, the amplifier lags a little behind and adds Gaussian noise, and the "
    "gain changes from line to line. A mean of 60 to 90 electrons in a mid-grey pixel gives the grain of an ordinary "
    "scan.",
    "This is no Monte Carlo simulation of electron paths. Charging, drift, astigmatism and depth of focus are left "
    "out. The scale bars are drawn for the look of the figures; the units mean nothing.",
)
GENERATION = (
    "Every autoencoder shrinks the picture to a quarter or an eighth of its width and enlarges it again in its own "
    "way: transposed convolutions, nearest neighbours followed by a convolution, or a shuffle of channels into "
    "pixels. Enlarging leaves small regular relations between neighbouring pixels that a counting detector does not "
    "produce. They survive moderate compression and vanish under strong compression.",
    "These networks belong to the families that the detector was trained with. That is right for a demonstration and "
    "says nothing about networks of other kinds. The model card, shown by the command semscan models info, lists what "
    "was tested and what was not.",
)
COMPRESSION = (
    "Journals compress figures, most of them as JPEG. Fig. 4 shows what that costs in general terms: the finest "
    "structure is rounded away first. A score is therefore compared only with genuine panels of similar JPEG quality, "
    "and below a floor no score is given at all. Fig. 5a lies below this floor. Fig. 5b is smaller than one tile of "
    "the detector; it is listed, not enlarged.",
    "Fig. 3 mixes kinds, as figures in papers do. Only its micrographs are assessed; the plot and the picture of the "
    "landscape are counted as other panels.",
)
READING = (
    "A mark for a closer look means that few of the genuine reference panels score as high. It is a prompt to look "
    "and to ask the authors for the original instrument file. It is not a finding. A panel without a mark is not "
    "shown to be genuine either: it lies in the range in which most genuine panels lie, and so may generated ones.",
    "In this document the mark can be checked against the captions. In a submitted paper it cannot, which is why the "
    "program prints beside its flags how many to expect if every panel were genuine.",
)
CLOSING = (
    "The script make_paper.py builds this file again; the simulator, the layout and the list of the networks that "
    "drew the generated panels are in the same folder. Text and figures are under the licence of the program.",
)


def build(target: Path) -> None:
    """Write the paper.

    Args:
        target: the PDF to write.
    """
    paper = Paper("A demonstration document with simulated and generated images")
    paper.title(TITLE, "The semscan authors", "Made by a program; no specimen, no instrument, no results", ABSTRACT)
    figure = compound(
        [
            simulated("powder", 11, bar=True),
            simulated("dimples", 12),
            simulated("foam", 13, contrast=34),
            simulated("grains", 14, contrast=36),
        ]
    )
    paper.wide_figure(
        jpeg(figure, 85),
        figure.size,
        "Fig. 1. Simulated SEM images. (a) Atomised powder with an information bar as instruments print it. "
        "(b) Ductile fracture. (c) Porous ceramic. (d) Polished metal. All four are made of heights and "
        "counting noise.",
        bottom=True,
    )
    paper.heading("1. Purpose")
    paper.text(*INTRODUCTION)

    paper.new_page()
    figure = compound([generated(name) for name in ("one", "two", "three", "four")])
    paper.wide_figure(
        jpeg(figure, 88),
        figure.size,
        "Fig. 2. Generated micrographs. Each panel is a simulated micrograph that one autoencoder drew again: "
        + " ".join(
            f"({letter}) {origin(name)}." for letter, name in zip("abcd", ("one", "two", "three", "four"), strict=True)
        ),
    )
    paper.heading("2. Simulated micrographs")
    paper.text(*SIMULATION)
    paper.heading("3. Generated micrographs")
    paper.text(*GENERATION)
    paper.heading("4. Compression, size and kind")
    paper.text(*COMPRESSION)

    paper.new_page()
    figure = mixed()
    paper.wide_figure(
        jpeg(figure, 88),
        figure.size,
        "Fig. 3. A figure of mixed kinds. (a) Simulated micrograph of a ductile fracture. "
        f"(b) Generated micrograph. {origin('five')}. (c) Picture of a landscape, drawn by a formula. "
        "(d) Invented load curves.",
    )
    caption = "Fig. 4. Share of the finest structure that survives JPEG compression, drawn as lines (schematic)."
    room = paper.column_figure(118, caption)
    curve(paper.page, room)
    poor, small = simulated("powder", 15, size=(320, 240)), simulated("foam", 16, size=(112, 96), plain=True)
    caption = "Fig. 5. (a) Simulated powder, saved as JPEG of quality 30. (b) Simulated foam, 112 by 96 pixels."
    room = paper.column_figure(98, caption)
    paper.page.insert_image((room.x0, room.y0, room.x0 + 130, room.y1), stream=jpeg(Image.fromarray(poor), 30))
    paper.page.insert_image((room.x0 + 142, room.y0 + 20, room.x0 + 233, room.y1), stream=png(Image.fromarray(small)))
    paper.heading("5. How to read the output")
    paper.text(*READING)
    paper.heading("6. Material")
    paper.text(*CLOSING)

    for page in paper.doc:
        page.clean_contents()
    paper.doc.set_metadata(
        {
            "title": TITLE,
            "author": "The semscan authors",
            "subject": "Demonstration document with simulated and generated images; not a research paper",
            "keywords": "simulated, generated, demonstration",
            "creator": "examples/make_paper.py",
            "producer": "PyMuPDF",
            "creationDate": "D:20261120120000Z",
            "modDate": "D:20261120120000Z",
        }
    )
    paper.doc.save(target, garbage=3, deflate=True, no_new_id=True)


def simulated(
    scene: str,
    seed: int,
    *,
    size: tuple[int, int] = PANEL_PX,
    bar: bool = False,
    plain: bool = False,
    contrast: float = 38.0,
) -> Grey:
    """A simulated micrograph with a scale bar, or with an information bar below (as part of ``size``)."""
    bar_px = 28 if bar else 0
    scope = Microscope(60 + 30 * (seed * 0.37 % 1), 0.65 + 0.2 * (seed * 0.61 % 1), contrast=contrast)
    grey = micrograph(scene, seed, (size[0], size[1] - bar_px), scope)
    if plain:
        return grey
    if not bar:
        return scale_bar(grey, f"{(200, 500, 800, 300)[seed % 4]} nm")
    strip = Image.new("L", (size[0], bar_px), 0)
    pen = ImageDraw.Draw(strip)
    pen.text((8, 6), "SIMULATED 15.0 kV   x500   WD 10.0 mm   SE", 235, font(13))
    pen.line((size[0] - 92, 20, size[0] - 22, 20), 235, 2)
    pen.text((size[0] - 75, 3), "800 nm", 235, font(11))
    return np.vstack([grey, np.asarray(strip)])


def generated(name: str) -> Grey:
    """A panel made by one of our networks, with a scale bar like the simulated ones."""
    grey = np.asarray(Image.open(HERE / "assets" / f"{name}.png"))
    return scale_bar(grey, "500 nm")


def origin(name: str) -> str:
    """What the manifest says about a generated panel, for its caption."""
    entry = json.loads((HERE / "assets" / "manifest.json").read_text("utf-8"))["panels"][name]
    return f"{entry['scene'].capitalize()}, {entry['network_in_words']}"


def compound(panels: list[Grey]) -> Image.Image:
    """Two panels in a row, white gutters, letters in the corners."""
    width, height = PANEL_PX
    rows = (len(panels) + 1) // 2
    sheet = Image.new("L", (2 * width + GUTTER_PX, rows * height + (rows - 1) * GUTTER_PX), PAPER)
    for number, panel in enumerate(panels):
        corner = (number % 2 * (width + GUTTER_PX), number // 2 * (height + GUTTER_PX))
        sheet.paste(Image.fromarray(panel), corner)
        letter(sheet, corner, "abcd"[number])
    return sheet


def mixed() -> Image.Image:
    """Micrographs, a plot and a photograph-like picture in one colour figure."""
    sheet = compound([simulated("dimples", 17, contrast=46), generated("five")]).convert("RGB")
    width, height = PANEL_PX
    tall = Image.new("RGB", (sheet.width, 2 * height + GUTTER_PX), "white")
    tall.paste(sheet, (0, 0))
    below = height + GUTTER_PX
    tall.paste(landscape(PANEL_PX), (0, below))
    letter(tall, (0, below), "c")
    tall.paste(load_plot(PANEL_PX), (width + GUTTER_PX, below))
    letter(tall, (width + GUTTER_PX, below), "d")
    return tall


def jpeg(image: Image.Image, quality: int) -> bytes:
    """JPEG bytes, to be embedded as they are."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return data.getvalue()


def png(image: Image.Image) -> bytes:
    """PNG bytes; the PDF stores the same pixels losslessly."""
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the example paper.")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "paper.pdf")
    build(parser.parse_args().output)
