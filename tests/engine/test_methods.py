"""Methods that captions name: which words count, what they do not mean, and which panels they are about."""

import time

import pymupdf
import pytest

from semscan.engine.pdf import methodwords
from semscan.engine.pdf.captions import figure_captions, text_blocks
from semscan.engine.pdf.captiontext import LONGEST_CAPTION, caption_text
from semscan.engine.pdf.methods import methods_named
from semscan.engine.pdf.placements import Placement


def said(text):
    """Methods of a caption in alphabetical order."""
    return " ".join(sorted(methods_named(text).all))


def letters(text):
    return {letter: " ".join(sorted(names)) for letter, names in methods_named(text).letters.items()}


@pytest.mark.parametrize(
    "text",
    [
        "SEM image of the fracture",
        "FESEM micrographs",
        "FE-SEM of the powder",
        "FE SEM view",
        "Cryo-SEM of a droplet",
        "SBF-SEM stack",
        "FIB-SEM tomography of the cathode",
        "FIB-SEM tomographic slices",
        "ESEM image",
        "SEMs of the surface",
        "SEM photographs of the surface",
        "Scanning electron micrographs",
        "scanning electron microscopy (SEM)",
        "Scanning electron photomicrographs",
        "Scanning electron images",
        "Secondary electron image",
        "Backscattered electron image",
        "Back-scattered electrons",
        "BSE images",
        "SE images",
        "Serial block-face stack",
        "Scanning ion micrographs",
        "REM-Aufnahme der Bruchfl\u00e4che",
        "Rasterelektronenmikroskopische Aufnahme",
        "Images de microscopie \u00e9lectronique \u00e0 balayage (MEB)",
        "Overview (a) and detail (b) by SEM",
        "Surface of the semi-finished system, SEM",
    ],
)
def test_words_for_sem(text):
    assert said(text) == "sem"


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("TEM image", "tem"),
        ("HRTEM and HAADF-STEM", "tem"),
        ("STEM images", "tem"),
        ("BF-STEM", "tem"),
        ("Scanning transmission electron micrograph", "tem"),
        ("Transmission electron microscopy", "tem"),
        ("Transmissionselektronenmikroskopie", "tem"),
        ("Cryo-EM of the complex", "tem"),
        ("Negatively stained particles", "tem"),
        ("AFM topography", "probe"),
        ("Atomic force microscopy", "probe"),
        ("Optical micrograph", "light"),
        ("Bright field image", "light"),
        ("Light microscopy, H&E", "light"),
        ("Lichtmikroskopische Aufnahme", "light"),
        ("Confocal fluorescence image", "fluorescence"),
        ("Photographs of the setup", "photograph"),
        ("Digital image of the sample", "photograph"),
        ("X-ray tomography slice", "xray"),
        ("Micro-CT of the foam", "xray"),
        ("Synchrotron X-ray microtomography", "xray"),
        ("Tomographic slices through the cell", "xray"),
        ("Computerized tomography", "xray"),
        ("Neutron radiograph", "xray"),
        ("Reflected light image", "light"),
        ("Digital microscope view", "light"),
        ("Polarized optical micrographs", "light"),
        ("Thermal images of the plate", "photograph"),
        ("High-speed camera frames", "photograph"),
        ("Segmented volume", "derived"),
        ("Binarized images", "derived"),
        ("3D reconstruction of the pores", "derived"),
        ("Volume renderings", "derived"),
        ("Simulated microstructure", "derived"),
        ("Mapping of nickel", "map"),
        ("Electron backscatter diffraction", "map"),
        ("EBSD", "map"),
        ("Western blot", "gel"),
        ("XRD pattern", "graph"),
        ("Fluorescence spectra", "graph"),
        ("Electron micrographs", "electron"),
        ("EDS", "graph"),
    ],
)
def test_words_for_other_methods(text, method):
    assert said(text) == method


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Semi-solid system of stem cells",
        "STEM CELLS AND SEMEN",
        "the sem of it",
        "Values are mean \u00b1 SEM (n = 6)",
        "Growth rate, mean +/- SEM",
        "mean \u00b1 s.e.m.",
        "Error bars represent SEM",
        "Error bars show one SEM of three cultures",
        "Bars indicate the SEM",
        "Means with SEM",
        "Mean (SEM)",
        "Density; SEM, n = 3",
        "Density, SEM of three independent experiments",
        "Growth with its standard error of the mean (SEM). The SEM is small",
        "Photosynthesis of maples and the graphene they are not",
        "\u0130 and \ud800 and \x00",
    ],
)
def test_what_is_no_method(text):
    assert said(text) == ""


def test_an_error_of_the_mean_takes_nothing_from_a_micrograph():
    assert said("SEM images of the cells. Viability, mean \u00b1 SEM, n = 4") == "sem"
    assert said(
        "Standard errors of the mean (SEM) of sizes from SEM micrographs. Scale bars represent 2 um in SEM"
    ) == ("sem")


def test_sem_near_a_mean_may_be_either():
    assert said("The mean diameter of particles by SEM") == "electron"


@pytest.mark.parametrize(
    ("text", "methods"),
    [
        ("Scanning and transmission electron micrographs", "sem tem"),
        ("Light and scanning electron micrographs", "light sem"),
        ("Optical and SEM images", "light sem"),
        ("SEM-EDS analysis", "graph sem"),
        ("SEM image and elemental maps", "map sem"),
    ],
)
def test_figures_of_several_methods(text, methods):
    assert said(text) == methods


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("(a) TEM, (b,c) FESEM micrographs", {"a": "tem", "b": "sem", "c": "sem"}),
        ("(A) SEM; (B) and (C) TEM images", {"a": "sem", "b": "tem", "c": "tem"}),
        ("(a\u2013c) SEM images, (d) photograph", {"a": "sem", "b": "sem", "c": "sem", "d": "photograph"}),
        ("(a) to (c) SEM images, (d) photograph", {"a": "sem", "b": "sem", "c": "sem", "d": "photograph"}),
        ("a) SEM image b) TEM image", {"a": "sem", "b": "tem"}),
        ("[a] SEM image. [b] TEM image", {"a": "sem", "b": "tem"}),
        ("a SEM image of A, b TEM image of B", {"a": "sem", "b": "tem"}),
        ("A, SEM image. B, C, TEM images", {"a": "sem", "b": "tem", "c": "tem"}),
        ("a, b SEM images; c TEM image", {"a": "sem", "b": "sem", "c": "tem"}),
        ("SEM images of A (a) and B (b); TEM images (c-e).", {"a": "sem", "b": "sem"} | dict.fromkeys("cde", "tem")),
        ("SEM (a) and TEM (b) images of A", {"a": "sem", "b": "tem"}),
        ("SEM images of (a) A, (b) B; TEM of (c) C", {"a": "sem", "b": "sem", "c": "tem"}),
        (
            "(a) SEM image of A. Photographs of B: (b) new and (c) used",
            {"a": "sem"} | dict.fromkeys("bc", "photograph"),
        ),
        ("(a) SEM image, (b) TEM image of the square in (a).", {"a": "sem", "b": "tem"}),
        ("(a) SEM image(s) at 5 keV (T), (b) TEM", {"a": "sem", "b": "tem"}),
        ("Powder. (a) SEM image and (b) XRD pattern", {"a": "sem", "b": "graph"}),
        ("(a), (b) SEM images. (c), (d). TEM images", dict.fromkeys("ab", "sem") | dict.fromkeys("cd", "tem")),
        ("a, SEM image. b, TEM image of the square in (a) and (b).", {"a": "sem", "b": "tem"}),
        ("a, SEM image. b,c, TEM image. Scale bars, 1 um (a), 2 um (b,c).", {"a": "sem", "b": "tem", "c": "tem"}),
        ("(a) SEM image, (b) TEM image. Scale bar 0.5 um in (a); 2 um (b). By SEM.", {"a": "sem", "b": "sem tem"}),
        ("SEM (scale bar 2 um) of (a) A; TEM of (b) B", {"a": "sem", "b": "tem"}),
        ("SEM and TEM: A (a), (b) B, C (c)", {}),  # before or after?
        ("SEM image (x) and TEM image (y)", {}),
        ("SEM and TEM images of panel (a)", {}),
        ("SEM and TEM images", {}),
    ],
)
def test_letters(text, of):
    assert letters(text) == of


def test_a_panel_without_a_letter_has_all_methods_of_its_figure():
    methods = methods_named("(a) SEM image, (b) TEM image")
    assert methods.of("A") == (frozenset({"sem"}), True)
    assert methods.of(None) == methods.of("x") == (frozenset({"sem", "tem"}), False)


def test_a_letter_without_a_method_has_that_of_the_lead():
    assert letters("SEM and TEM images of (a) A, (b) B")["b"] == "sem tem"
    assert letters("Powder by SEM. (a) Overview, (b) detail, (c) TEM image") == {"a": "sem", "b": "sem", "c": "tem"}


@pytest.mark.parametrize(
    "unit", ["(a) ", "scanning ", "a, ", "SEM ", "and ", "x-ray ", "\u00b1 ", "(a,", ". ", "- ", "a"]
)
def test_no_caption_takes_long(unit):
    text = (unit * LONGEST_CAPTION)[:LONGEST_CAPTION]
    began = time.process_time()
    methods_named(text)
    assert time.process_time() - began < 1  # a few milliseconds each


def test_the_text_of_a_caption_is_whole_and_bounded():
    assert (
        caption_text(["Fig. 2. Scan-", "ning elec\u00ad", "tron and FE-", "SEM images"])
        == "Scanning electron and FE-SEM images"
    )
    assert caption_text(["Figure 3a. View"]) == "(a) View"
    assert caption_text(["Figure 4 | \ufb01eld"]) == "field"
    assert caption_text(["Nothing"]) == caption_text([]) == ""
    assert len(caption_text(["Fig. 1. " + "\ufdfa" * 10_000] * 3)) <= LONGEST_CAPTION


def page(*lines, size=12.0, pitch=2.0, y=300.0):
    made = pymupdf.open().new_page(width=600, height=800)
    for number, text in enumerate(lines):
        made.insert_text((50, y + number * size * pitch), text, fontsize=size)
    return made


def caption_on(made):
    placement = Placement(1, 9, (50, 100, 400, 290), (350, 0, 0, -190, 50, 290), 0)
    return figure_captions(text_blocks(made), [placement])[0].text


def test_a_caption_set_wide_goes_on_in_the_next_lines():
    first = "Figure 2. SEM images of the powder after milling and transmission"
    made = page(first, "electron micrographs of the same powder.", "Here the running text begins, which names an AFM.")
    assert (
        caption_on(made)
        == "SEM images of the powder after milling and transmission electron micrographs of the same powder."
    )


@pytest.mark.parametrize("pitch", [1.2, 2.0])
def test_a_label_on_a_line_of_its_own_has_its_caption_below(pitch):
    assert caption_on(page("Figure 2.", "SEM image of the powder.", pitch=pitch)) == "SEM image of the powder."


def test_another_caption_below_is_another():
    assert caption_on(page("Figure 2. SEM image", "Figure 3. TEM image")) == "SEM image"


def test_a_label_may_stand_apart_from_the_first_line_of_its_caption():
    made = page("Fig. 2", pitch=1.2)
    for x, number, words in (
        (100, 0, "SEM images of the powder and transmission"),
        (50, 1, "electron micrographs of it."),
    ):
        made.insert_text((x, 300 + 14.4 * number), words, fontsize=12)
    assert caption_on(made) == "SEM images of the powder and transmission electron micrographs of it."
    made.insert_text((450, 300), "Fig. 3. AFM", fontsize=12)
    assert "AFM" not in caption_on(made)


@pytest.mark.parametrize(
    "words",
    [
        "high-angle grain boundaries", "ultrasonic treatment", "a laser scanning speed of 800 mm/s",
        "fluorescent particles",
        "electrophoretic deposition", "metallographic sections", "polarized light emitters", "an LSCM electrode",
        "POM particles", "two-photon lithography",
    ],
)  # fmt: skip
def test_materials_and_treatments_are_no_methods(words):
    assert methods_named(f"Surfaces after {words}.").all == frozenset()
    assert methods_named(f"SEM images of {words}.").all == {"sem"}


@pytest.mark.parametrize(
    ("words", "method"),
    [
        ("HAADF image", "tem"), ("high-angle annular dark-field image", "tem"),
        ("laser scanning microscopy", "fluorescence"),
        ("fluorescence image", "fluorescence"), ("POM images", "light"), ("polarized light micrographs", "light"),
        ("gel electrophoresis", "gel"), ("ultrasound image", "xray"),
    ],
)  # fmt: skip
def test_methods_beside_them_are(words, method):
    assert method in methods_named(f"{words} of the sample").all


def test_a_letter_that_becomes_two_in_lower_case_hides_no_words():
    assert methods_named("\u0130zmir: scanning electron micrograph beside a TEM image.").all == {"sem", "tem"}


def test_people_read_words_for_every_method():
    named = {method for method, _ in (*methodwords._ACRONYMS, *methodwords._WORDS)}
    named = named - {methodwords.BARE, methodwords.ERROR} | {methodwords.SEM}
    assert set(methodwords.IN_WORDS) == named
    assert methodwords.in_words({"xray", "derived"}) == ["X-ray imaging or tomography", "segmentations or simulations"]
