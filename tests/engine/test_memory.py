"""An image met in another document is not decoded again, and no record shows it."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pdf_factory import Pdf, colour_micrograph, encode, encrypted, micrograph
from PIL import Image

from semscan.engine import examine, imagefile
from semscan.engine.examine import Examiner
from semscan.engine.figures.findings import Finding
from semscan.engine.figures.memory import ImageMemory, Remembered
from semscan.engine.pdf import wire
from semscan.engine.pdf.decode import StoredImage, open_pdf_image
from semscan.engine.records import PanelRecord

GREY = micrograph(300, 400)
JPEG = encode(GREY, "JPEG", quality=88)
DRAW = "400 0 0 300 50 400 cm /I Do"
TASK = wire.Task("a", "application/pdf", 128, 16, 128, 10**6, 10, True, 60.0)


@pytest.fixture
def decodes(monkeypatch):
    """Counts decoded images."""
    counted = []
    whole = StoredImage.decode
    monkeypatch.setattr(StoredImage, "decode", lambda stored: counted.append(stored.xref) or whole(stored))
    return counted


@pytest.fixture
def look(tmp_path):
    def looked(examiner, data, **changes):
        """All that a worker would send about a document, comparable."""
        file = tmp_path / "document"
        file.write_bytes(data)
        messages = []
        done = examiner.examine(replace(TASK, file=str(file), **changes), messages.append)
        told = [comparable(m) for m in messages if not isinstance(m, wire.Named)]
        return told, done.images, done.figures

    return looked


def comparable(message):
    if not isinstance(message, wire.Found):
        return message
    arrays = [None if a is None else (a.shape, a.tobytes()) for a in (message.tiles, message.pixels)]
    return message.record, message.stratum, message.smoothness, arrays, message.token


def paper(add, before: int = 0, content: str = DRAW) -> bytes:
    """A PDF of one page with one image, after so many unused objects, so that its number differs."""
    pdf = Pdf()
    for _ in range(before):
        pdf.add("null")
    pdf.page(content, I=add(pdf))
    return pdf.build()


def test_the_same_jpeg_in_two_documents_is_decoded_once_and_reported_as_if_it_were_alone(look, decodes):
    first = paper(lambda pdf: pdf.jpeg(JPEG))
    second = paper(lambda pdf: pdf.jpeg(JPEG), before=3, content="q 200 0 0 150 9 9 cm /I Do Q " + DRAW)
    alone = look(Examiner(), second)
    del decodes[:]
    examiner = Examiner()
    look(examiner, first)
    assert look(examiner, second) == alone
    assert len(decodes) == 1
    records = [m[0] for m in alone[0][1:]]
    assert [r.status for r in records] == ["assessed", "not_assessed"]
    assert [r.duplicate_of for r in records] == [None, records[0].panel_id]


def test_twins_within_a_document_are_marked_whether_or_not_they_are_remembered(look, decodes):
    def twins(pdf: Pdf) -> int:
        pdf.page(DRAW, I=pdf.jpeg(JPEG))
        return pdf.jpeg(JPEG)

    alone = look(Examiner(), paper(twins))
    assert len(decodes) == 1
    examiner = Examiner()
    look(examiner, paper(lambda pdf: pdf.jpeg(JPEG)))
    assert look(examiner, paper(twins)) == alone
    assert alone[1] == 2 and alone[0][-1][0].duplicate_of == alone[0][1][0].panel_id


INDICES = GREY // 16
PALETTES = [bytes(range(0, 256, 16)), bytes(range(255, 0, -16))]
PACKED = zlib.compress((INDICES[:, ::2] << 4 | INDICES[:, 1::2]).tobytes())


def indexed(pdf: Pdf, palette: bytes, as_stream: bool = False, extra: str = "") -> int:
    table = f"{pdf.stream('', palette)} 0 R" if as_stream else f"<{palette.hex()}>"
    space = f"[/Indexed /DeviceGray 15 {table}]"
    return pdf.image(400, 300, PACKED, space=space, bits=4, filters="/FlateDecode", extra=extra)


def masked(pdf: Pdf, level: int, extra: str = "") -> int:
    mask = pdf.flate(400, 300, np.full((300, 400), level, np.uint8).tobytes(), extra=extra)
    return pdf.jpeg(JPEG, extra=f"/SMask {mask} 0 R")


def predicted(pdf: Pdf, predictor: int) -> int:
    rows = np.pad(GREY, ((0, 0), (1, 0)), constant_values=1)
    parms = f"/DecodeParms <</Predictor {predictor}/Columns 401>>"
    return pdf.flate(401, 300, rows.tobytes()[: 401 * 300], extra=parms)


COLOUR = zlib.compress(colour_micrograph(300, 400).tobytes())

LOOKALIKES = {
    "palette": [lambda pdf, p=p: indexed(pdf, p) for p in PALETTES],
    "palette in a stream": [lambda pdf, p=p: indexed(pdf, p, True) for p in PALETTES],
    "decode": [lambda pdf, d=d: pdf.jpeg(JPEG, extra=d) for d in ("", "/Decode [1 0]", "/Decode [0 0.5]")],
    "soft mask": [lambda pdf, v=v: masked(pdf, v) for v in (255, 128, 40)] + [lambda pdf: pdf.jpeg(JPEG)],
    "decode of the mask": [lambda pdf, d=d: masked(pdf, 90, d) for d in ("", "/Decode [1 0]")],
    "matte": [lambda pdf, m=m: masked(pdf, 90, m) for m in ("", "/Matte [0]", "/Matte [1]")],
    "colour key": [lambda pdf, k=k: pdf.jpeg(JPEG, extra=k) for k in ("", "/Mask [0 90]", "/Mask [90 255]")],
    "size": [
        lambda pdf, w=w, h=h: pdf.image(w, h, zlib.compress(GREY.tobytes()), filters="/FlateDecode")
        for w, h in ((400, 300), (300, 400), (400, 200))
    ],
    "depth": [lambda pdf, w=w, b=b: pdf.flate(w, 300, GREY.tobytes(), bits=b) for w, b in ((400, 8), (200, 16))],
    "colour space": [
        lambda pdf, w=w, s=s: pdf.image(w, 300, COLOUR, filters="/FlateDecode", space=s)
        for w, s in ((400, "/DeviceRGB"), (1200, "/DeviceGray"), (300, "/DeviceCMYK"), (400, "[/Lab <<>>]"))
    ],
    "filter parameters": [lambda pdf, n=n: predicted(pdf, n) for n in (1, 2)],
}


@pytest.mark.parametrize("what", LOOKALIKES)
def test_the_same_stream_read_in_another_way_is_another_image(look, what):
    papers = [paper(add) for add in LOOKALIKES[what]]
    alone = [look(Examiner(), data) for data in papers]
    assert len({m[3][0] for found, _, _ in alone for m in found[1:]}) > 1, "the tiles should differ"
    examiner = Examiner()
    assert [look(examiner, data) for data in papers * 2] == alone * 2


def identity(pdf: Pdf, number: int) -> str | None:
    with pdf.open() as doc:
        return open_pdf_image(doc, number, 10**6).identity


def test_entries_that_change_no_pixel_do_not_hide_a_copy():
    plain, dressed = Pdf(), Pdf()
    dressed.add("null")
    name = dressed.add("/DeviceGray")
    extra = f"/Metadata {dressed.stream('', b'x')} 0 R/StructParent 7/Interpolate true"
    assert identity(plain, plain.jpeg(JPEG)) == identity(dressed, dressed.jpeg(JPEG, space=f"{name} 0 R", extra=extra))
    again = Pdf()
    assert identity(again, masked(again, 90)) == identity(plain, masked(plain, 90)) != identity(again, again.jpeg(JPEG))


def test_of_a_colour_profile_only_what_decoding_reads_counts():
    def profiled(entries: str, data: bytes) -> str | None:
        pdf = Pdf()
        return identity(pdf, pdf.jpeg(JPEG, space=f"[/ICCBased {pdf.stream(entries, data)} 0 R]"))

    assert profiled("/N 1", b"abc") == profiled("/N 1", b"xyz") != profiled("/N 3", b"abc")
    assert profiled("/Alternate/DeviceGray", b"") != profiled("/Alternate/DeviceRGB", b"")


def test_images_that_cannot_be_compared_have_no_identity():
    pdf = Pdf()
    spot = "[/Separation /Gold /DeviceGray <</FunctionType 2/Domain [0 1]/N 1>>]"
    deep = "[" * 40 + "]" * 40
    loop = max(pdf.objects, default=2) + 1
    pdf.add(f"[/Indexed {loop} 0 R 3 <00>]")
    for space in (spot, f"[/ICCBased {deep}]", f"{loop} 0 R", "[" + "/X " * 4000 + "]"):
        assert identity(pdf, pdf.flate(400, 300, GREY.tobytes(), space=space)) is None
    crypt = pdf.image(400, 300, GREY.tobytes(), filters="[/Crypt]", extra="/DecodeParms [<</Name/Identity>>]")
    assert identity(pdf, crypt) is None
    known = pdf.flate(400, 300, GREY.tobytes(), space="[/Separation /Black /DeviceGray null]")
    assert identity(pdf, known) is not None


def test_an_encrypted_copy_is_the_same_image(look, decodes):
    data = paper(lambda pdf: pdf.jpeg(JPEG))
    locked = encrypted(data, user_password="secret")
    alone = look(Examiner(), locked, password="secret")
    examiner = Examiner()
    look(examiner, data)
    del decodes[:]
    assert look(examiner, locked, password="secret") == alone and decodes == []


@pytest.mark.parametrize(
    "change", [{"min_panel_px": 500}, {"max_tiles": 2}, {"all_images": False}, {"max_pixels": 1000}, {"tile_px": 64}]
)
def test_what_was_found_under_other_rules_does_not_count(look, change):
    data = paper(lambda pdf: pdf.jpeg(JPEG))
    alone = look(Examiner(), data, **change)
    examiner = Examiner()
    assert look(examiner, data) != alone
    assert look(examiner, data, **change) == alone


def test_panels_that_are_sent_with_their_pixels_are_not_remembered(look, decodes):
    examiner, data = Examiner(), paper(lambda pdf: pdf.jpeg(JPEG))
    first = look(examiner, data, send_pixels=True)
    assert look(examiner, data, send_pixels=True) == first and len(decodes) == 2
    assert first[0][1][3][1] is not None and first[0][1][4] is None
    assert len(examiner._memory) == 0


def test_an_image_that_cannot_be_decoded_is_tried_again(look, decodes):
    cut = [paper(lambda pdf: pdf.image(400, 300, JPEG[:2000], filters="/DCTDecode"), before=n) for n in (0, 2)]
    examiner = Examiner()
    found = [look(examiner, data) for data in cut]
    assert found == [look(Examiner(), data) for data in cut]
    assert [f[0][1][0].reason for f in found] == ["corrupt", "corrupt"] and len(decodes) == 4


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_an_image_file_is_decoded_once_with_all_its_pages(look, monkeypatch, kind):
    calls = []
    monkeypatch.setattr(
        examine, "decode_image_file", lambda *arguments: calls.append(1) or imagefile.decode_image_file(*arguments)
    )
    pages = [micrograph(300, 400, seed) for seed in range(3)]
    several = {"save_all": True, "append_images": [Image.fromarray(page) for page in pages[1:]]}
    data = encode(pages[0], kind, **(several if kind == "TIFF" else {}))
    examiner = Examiner()
    first = look(examiner, data, media_type="image/x")
    assert look(examiner, data, media_type="image/x") == first == look(Examiner(), data, media_type="image/x")
    assert first[1] == (3 if kind == "TIFF" else 1) and len(calls) == 2


def test_a_file_of_which_a_page_is_forgotten_is_decoded_again(look):
    data = encode(GREY, "TIFF", save_all=True, append_images=[Image.fromarray(GREY.T)] * 2)
    alone = look(Examiner(), data, media_type="image/x")
    for lost in range(3):
        examiner = Examiner()
        look(examiner, data, media_type="image/x")
        del examiner._memory._images[list(examiner._memory._images)[lost]]
        assert look(examiner, data, media_type="image/x") == alone


def finding(tiles: int) -> Finding:
    record = PanelRecord("", "", "assessed", index=1, of=1)
    return Finding(record, tiles=np.zeros((tiles, 1, 16, 16), np.uint8))


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(0, 60), max_size=3), st.booleans()), max_size=60))
def test_the_memory_keeps_within_its_bound_and_forgets_what_was_not_asked_for_longest(steps):
    bound = 60_000
    memory, recent = ImageMemory(bound), {}
    for name, panels, ask in steps:
        key = str(name)
        if ask:
            found = memory.get(key)
            assert found is recent.get(key)
            if found:
                recent[key] = recent.pop(key)
            continue
        image = Remembered(key, tuple(map(finding, panels)))
        memory.put(key, image)
        if image.size_bytes <= memory.largest_bytes:
            recent.pop(key, None)
            recent[key] = image
        while sum(kept.size_bytes for kept in recent.values()) > bound:
            del recent[next(iter(recent))]
        assert memory.size_bytes == sum(kept.size_bytes for kept in recent.values()) <= bound
        assert len(memory) == len(recent)


def test_an_image_of_very_many_panels_is_not_remembered_but_reported(look):
    examiner, data = Examiner(), paper(lambda pdf: pdf.jpeg(JPEG))
    alone = look(Examiner(), data)
    examiner._memory = ImageMemory(100_000)
    assert look(examiner, data) == look(examiner, data) == alone
    assert len(examiner._memory) == 0
