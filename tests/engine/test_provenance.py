"""What files say about their pictures is quoted, short and printable; damaged files say less, never raise."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from semscan.engine.imagefile import decode_image_file
from semscan.engine.provenance import read_cues
from semscan.engine.tifftags import SOFTWARE, read_tags

GREY = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def saved(kind, **options):
    held = io.BytesIO()
    GREY.save(held, kind, **options)
    return held.getvalue()


def png_with(key, value, packed=False, xmp=False):
    info = PngInfo()
    if xmp:
        info.add_itxt(key, value, zip=packed)
    else:
        info.add_text(key, value, zip=packed)
    return saved("PNG", pnginfo=info)


def tiff_with(tags):
    directory = ImageFileDirectory_v2()
    for number, value in tags.items():
        directory[number] = value
    return saved("TIFF", tiffinfo=directory)


def jpeg_with(marker, body):
    plain = saved("JPEG")
    return plain[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body + plain[2:]


def jumbf(claim=b""):
    content = b"c2pa" + b"\x6fclaim_generator" + bytes((0x60 + len(claim),)) + claim + TRAINED.encode()
    return struct.pack(">I", 8 + len(content)) + b"jumb" + content


def codes(data):
    return [cue.code for cue in read_cues(data)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("key", ["parameters", "prompt", "workflow"])
def test_text_chunks_of_generators(key, packed):
    (cue,) = read_cues(png_with(key, 'a crystal, "Seed": 7', packed))
    assert (cue.code, cue.detail) == ("generation_parameters", f'PNG text chunk {key}: a crystal, "Seed": 7')
    assert codes(png_with("Title", "a crystal")) == []


def test_software_that_names_a_generator():
    assert codes(png_with("Software", "Stable Diffusion 1.5")) == ["generator_named"]
    assert codes(tiff_with({305: "ComfyUI"})) == ["generator_named"]
    # A column of an electron microscope, and Spanish for a picture.
    assert codes(png_with("Software", "GeminiSEM 500, imagen 3")) == []


@pytest.mark.parametrize("words", ["Ideogram of chromosome 7", "coated light diffusers", "recrafted phenomena"])
def test_words_of_science_are_no_names_of_generators_and_instruments(words):
    assert codes(tiff_with({270: words})) == []
    assert codes(png_with("Description", words)) == []


def test_names_that_are_also_words_are_known_with_what_follows_them():
    assert (
        codes(png_with("Software", "ideogram.ai")) == codes(png_with("Software", "Recraft V3")) == ["generator_named"]
    )
    assert codes(tiff_with({271: "Phenom ProX"})) == ["instrument"]


@pytest.mark.parametrize("packed", [False, True])
def test_xmp_states_a_source_type_and_a_creator_tool(packed):
    xmp = f'<x xmp:CreatorTool="Adobe Firefly Image 3"><Iptc4xmpExt:DigitalSourceType>{TRAINED}</x>'
    cues = read_cues(png_with("XML:com.adobe.xmp", xmp, packed, xmp=True))
    assert [(cue.code, cue.detail) for cue in cues] == [
        ("digital_source_type", "XMP: trainedAlgorithmicMedia"),
        ("generator_named", "XMP CreatorTool: Adobe Firefly Image 3"),
    ]
    assert read_cues(jpeg_with(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode())) == cues


def test_a_c2pa_manifest_is_named_and_not_verified():
    boxes = jumbf(b"OpenAI-API")
    in_jpeg = jpeg_with(0xEB, b"JP\0\1\0\0\0\1" + boxes)
    chunk = struct.pack(">I", len(boxes)) + b"caBX" + boxes + struct.pack(">I", zlib.crc32(b"caBX" + boxes))
    plain = saved("PNG")
    for data in (in_jpeg, plain[:33] + chunk + plain[33:]):
        assert [(cue.code, cue.detail) for cue in read_cues(data)] == [
            ("c2pa", "C2PA manifest by OpenAI-API, signature not checked"),
            ("digital_source_type", "C2PA manifest: trainedAlgorithmicMedia"),
        ]


@pytest.mark.parametrize(
    ("tags", "detail"),
    [
        ({34682: "[User]\nDate=1"}, "TIFF tag 34682, written by FEI or Thermo Fisher instruments"),
        ({34118: "AP_MAG\nMag = 10 K X"}, "TIFF tag 34118, written by Zeiss SmartSEM instruments"),
        ({50431: "x"}, "TIFF tag 50431, written by Tescan instruments"),
        ({271: "HITACHI"}, "Make: HITACHI"),
        ({270: "taken with a JEOL JSM-7800F"}, "ImageDescription: taken with a JEOL JSM-7800F"),
    ],
)
def test_instruments(tags, detail):
    (cue,) = read_cues(tiff_with(tags))
    assert (cue.code, cue.detail) == ("instrument", detail)


def test_exif_comments_of_generators():
    comment = b"ASCII\0\0\0grains\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1"
    exif = Image.Exif()
    exif.get_ifd(0x8769)[37510] = comment
    (cue,) = read_cues(saved("JPEG", exif=exif))
    assert (cue.code, cue.detail) == (
        "generation_parameters",
        "UserComment: grains Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 1",
    )


def test_quotes_are_short_and_printable_and_few():
    (cue,) = read_cues(png_with("parameters", "\x1b[31m\u202e" + "red " * 5000))
    assert len(cue.detail) <= 120 and cue.detail.isprintable() and cue.detail.endswith("...")
    info = PngInfo()
    for index in range(100):
        info.add_text("parameters", f"number {index}")
    assert len(read_cues(saved("PNG", pnginfo=info))) == 12


def test_packed_text_is_unpacked_to_a_bounded_size():
    bomb = zlib.compress(b"a" * 30_000_000)
    body = b"parameters\0\0" + bomb
    plain = saved("PNG")
    data = plain[:33] + struct.pack(">I", len(body)) + b"zTXt" + body + b"\0\0\0\0" + plain[33:]
    (cue,) = read_cues(data)
    assert cue.detail.startswith("PNG text chunk parameters: aaa") and len(cue.detail) == 120


@given(st.binary(max_size=300), st.sampled_from([b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b""]))
def test_any_bytes_are_read_without_an_exception(data, start):
    assert all(len(cue.detail) <= 120 for cue in read_cues(start + data))


@given(st.integers(0, 2000), st.integers(0, 255), st.sampled_from(["tiff", "png", "jpeg"]))
def test_damaged_files_are_read_without_an_exception(place, value, kind):
    data = bytearray(
        {
            "tiff": tiff_with({34682: "x" * 50, 305: "ComfyUI"}),
            "png": png_with("parameters", "a", packed=True),
            "jpeg": jpeg_with(0xEB, b"JP\0\1\0\0\0\1" + jumbf(b"x")),
        }[kind]
    )
    data[place % len(data)] = value
    read_cues(bytes(data))
    read_cues(bytes(data[: place % len(data)]))


def test_tags_that_point_outside_the_file_are_empty():
    data = b"II*\0" + struct.pack("<IHHHII", 8, 1, SOFTWARE, 2, 2**31, 2**31) + b"\0" * 4
    assert read_tags(data) == {SOFTWARE: b""}


def test_an_image_file_carries_its_cues():
    (raster,) = decode_image_file(tiff_with({34682: "x"}), 10**6)
    assert [cue.code for cue in raster.cues] == ["instrument"]
    (raster,) = decode_image_file(jpeg_with(0xEB, b"JP\0\1\0\0\0\1" + jumbf()), 10**6)
    assert [cue.code for cue in raster.cues] == ["c2pa", "digital_source_type"]
