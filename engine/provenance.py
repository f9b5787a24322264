"""What a picture's file says about where it comes from: cues for a person, never a verdict.

Anybody can write or remove such a statement, so nothing here changes a score. Read are the places where generators and
instruments are known to leave one: C2PA manifests (JUMBF boxes, C2PA specification 2), IPTC's digital source type and
the creator tool in XMP, text chunks of PNG, Exif and TIFF tags. The bytes are hostile: every length is checked, every
amount bounded, and what is quoted is short and printable.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from semscan.engine.errors import CueCode
from semscan.engine.jpegfacts import jpeg_segments
from semscan.engine.records import CueRecord
from semscan.engine.tifftags import CAMERA, DESCRIPTION, MAKE, MODEL, SOFTWARE, USER_COMMENT, XMP, read_tags

C2PA_TAG = 52545
_LONGEST_QUOTE = 120
_LONGEST_TEXT = 1 << 18
_MOST_CHUNKS = 4096
_MOST_CUES = 12

_PNG = b"\x89PNG\r\n\x1a\n"
_PROMPT_KEYS = ("parameters", "prompt", "workflow", "dream", "sd-metadata", "invokeai_metadata", "generation_data")
_NAMED_KEYS = ("software", "description", "comment", "title", "source", "author", "creator_tool")

_SOURCE_TYPE = re.compile(rb"digitalsourcetype/([A-Za-z]{4,60})")
_CREATOR_TOOL = re.compile(
    rb"<(?:xmp|xap):CreatorTool>([^<]{1,200})<|(?:xmp|xap):CreatorTool=[\"']([^\"']{1,200})[\"']"
)
_GENERATORS = re.compile(
    r"\b(stable[ -]?diffusion|midjourney|dall[-·. ]?e\b|adobe firefly|firefly (?:image|generat)|comfyui|automatic1111"
    r"|invokeai|novelai|leonardo[. ]?ai\b|ideogram[. ]?ai\b|openai|chatgpt|gpt-4o|google (?:gemini|imagen)"
    r"|bing image creator|craiyon|dreamstudio|nightcafe|playground ?ai|flux\.1|fooocus|generative fill|stylegan"
    r"|recraft(?:[. ]?ai\b|[ -]?v\d))",
    re.IGNORECASE,
)
_SETTINGS = re.compile(r"\bSteps: ?\d++.{0,400}\b(?:Sampler|CFG scale|Seed): ", re.DOTALL)
_INSTRUMENT_TAGS = {
    34118: "Zeiss SmartSEM",
    34680: "FEI",
    34682: "FEI or Thermo Fisher",
    50431: "Tescan",
    51023: "Fibics",
    65027: "JEOL",
}
_MAKERS = re.compile(
    r"\b(jeol|hitachi|tescan|carl zeiss|zeiss|smartsem|fei company|thermo ?fisher|thermoscientific|phenom\b"
    r"|nova nanosem|philips xl|leo electron|gatan)",
    re.IGNORECASE,
)


def read_cues(data: bytes) -> tuple[CueRecord, ...]:
    """What an image file says about its origin.

    Args:
        data: a JPEG, PNG or TIFF, possibly damaged; anything else says nothing.

    Returns:
        At most 12 cues without repeats, in a fixed order.
    """
    if data.startswith(b"\xff\xd8"):
        found = _jpeg(data)
    elif data.startswith(_PNG):
        found = _png(data)
    elif data[:4] in (b"II*\0", b"MM\0*"):
        found = _tags(data)
    else:
        return ()
    cues: dict[CueRecord, None] = {}
    for cue in found:
        cues[cue] = None
        if len(cues) >= _MOST_CUES:
            break
    return tuple(sorted(cues, key=lambda cue: (cue.code, cue.detail)))


def _jpeg(data: bytes) -> Iterator[CueRecord]:
    manifest = bytearray()
    for marker, body in jpeg_segments(data):
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            yield from _tags(body[6:])
        elif marker == 0xE1 and body.startswith(b"http://ns.adobe.com/"):
            yield from _xmp(body)
        elif marker == 0xEB and body.startswith(b"JP") and len(manifest) < _LONGEST_TEXT:
            manifest += body[8:]
        elif marker == 0xFE:
            yield from _named("comment", _text(body))
    if b"jumb" in manifest[:64]:
        yield from _manifest(bytes(manifest))


def _png(data: bytes) -> Iterator[CueRecord]:
    position = len(_PNG)
    for _ in range(_MOST_CHUNKS):
        length, kind = int.from_bytes(data[position : position + 4]), data[position + 4 : position + 8]
        if len(kind) < 4 or kind == b"IEND":
            return
        body = data[position + 8 : position + 8 + min(length, _LONGEST_TEXT)]
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            yield from _png_text(kind, body)
        elif kind == b"caBX":
            yield from _manifest(body)
        elif kind == b"eXIf":
            yield from _tags(body)
        position += 12 + length


def _png_text(kind: bytes, body: bytes) -> Iterator[CueRecord]:
    key, _, rest = body.partition(b"\0")
    name = _text(key[:80]).lower()
    if kind == b"zTXt":
        rest = _inflated(rest[1:])
    elif kind == b"iTXt":
        packed = rest[:1] == b"\1"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        rest = _inflated(rest) if packed else rest
    if name == "xml:com.adobe.xmp":
        yield from _xmp(rest)
    elif name in _PROMPT_KEYS:
        yield _cue(CueCode.GENERATION_PARAMETERS, f"PNG text chunk {name}: {_text(rest)}")
    elif name in _NAMED_KEYS:
        yield from _named(f"PNG text chunk {name}", _text(rest))


def _tags(data: bytes) -> Iterator[CueRecord]:
    tags = read_tags(data)
    for number, maker in _INSTRUMENT_TAGS.items():
        if number in tags:
            yield _cue(CueCode.INSTRUMENT, f"TIFF tag {number}, written by {maker} instruments")
    for number, name in (
        (SOFTWARE, "Software"),
        (MAKE, "Make"),
        (MODEL, "Model"),
        (DESCRIPTION, "ImageDescription"),
        (CAMERA, "UniqueCameraModel"),
        (USER_COMMENT, "UserComment"),
    ):
        text = _text(tags.get(number, b"").removeprefix(b"ASCII\0\0\0").removeprefix(b"UNICODE\0"))
        yield from _named(name, text)
        if (found := _MAKERS.search(text[:2000])) is not None:
            yield _cue(CueCode.INSTRUMENT, f"{name}: {text[max(0, found.start() - 20) :]}")
    if XMP in tags:
        yield from _xmp(tags[XMP])
    if C2PA_TAG in tags:
        yield from _manifest(tags[C2PA_TAG])


def _xmp(packet: bytes) -> Iterator[CueRecord]:
    packet = packet[:_LONGEST_TEXT]
    yield from _source_types(packet, "XMP")
    for found in _CREATOR_TOOL.finditer(packet):
        yield from _named("XMP CreatorTool", _text(found[1] or found[2]))


def _manifest(boxes: bytes) -> Iterator[CueRecord]:
    """A C2PA manifest store. It is named, not verified: that takes certificates."""
    if b"c2pa" not in boxes[:_LONGEST_TEXT]:
        return
    maker = _cbor_text(boxes, b"claim_generator")
    yield _cue(CueCode.C2PA, f"C2PA manifest{f' by {maker}' if maker else ''}, signature not checked")
    yield from _source_types(boxes[:_LONGEST_TEXT], "C2PA manifest")


def _cbor_text(data: bytes, key: bytes) -> str:
    """The text that follows a key in CBOR (RFC 8949), empty if there is none up to 255 bytes long."""
    place = data.find(key)
    if place < 0:
        return ""
    place += len(key)
    head = data[place : place + 2]
    if head[:1] == b"\x78" and len(head) == 2:
        return _text(data[place + 2 : place + 2 + head[1]])
    if head and 0x60 <= head[0] < 0x78:
        return _text(data[place + 1 : place + 1 + (head[0] & 31)])
    return ""


def _source_types(data: bytes, where: str) -> Iterator[CueRecord]:
    for found in _SOURCE_TYPE.finditer(data):
        yield _cue(CueCode.DIGITAL_SOURCE_TYPE, f"{where}: {_text(found[1])}")


def _named(where: str, text: str) -> Iterator[CueRecord]:
    """Text that names a generator or holds the settings of one."""
    if _SETTINGS.search(text[:4000]):
        yield _cue(CueCode.GENERATION_PARAMETERS, f"{where}: {text}")
    elif (found := _GENERATORS.search(text[:2000])) is not None:
        yield _cue(CueCode.GENERATOR_NAMED, f"{where}: {text[max(0, found.start() - 20) :]}")


def _cue(code: CueCode, detail: str) -> CueRecord:
    short = " ".join(detail.split())
    return CueRecord(code.value, short if len(short) <= _LONGEST_QUOTE else f"{short[: _LONGEST_QUOTE - 3]}...")


def _text(data: bytes) -> str:
    """Bytes of any kind as printable text."""
    data = data[:_LONGEST_TEXT]
    if data[1:8:2] == b"\0\0\0\0"[: len(data[1:8:2])] and len(data) > 3:
        decoded = data.decode("utf-16-le", "replace")
    elif data[:8:2] == b"\0\0\0\0"[: len(data[:8:2])] and len(data) > 3:
        decoded = data.decode("utf-16-be", "replace")
    else:
        decoded = data.decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in decoded).strip()


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _LONGEST_TEXT)
    except zlib.error:
        return b""
