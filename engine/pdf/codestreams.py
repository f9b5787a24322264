"""What must be known of JPEG and JPEG 2000 data in a PDF before a decoder gets them."""

from __future__ import annotations

from semscan.engine.jpegfacts import jpeg_facts
from semscan.engine.pdf.syntax import Value

_JPX_START = b"\xff\x4f\xff\x51"


def with_colour_transform(data: bytes, transform: Value) -> bytes:
    """Tell the decoder of a /ColorTransform that contradicts its guess, by the marker that it listens to.

    Args:
        data: a JPEG from its start-of-image marker on.
        transform: the entry of its filter's parameters, if any.

    The entry only counts where the data have no Adobe marker (ISO 32000-1, table 13); a JFIF file is always YCbCr.
    """
    if not isinstance(transform, int) or b"Adobe" in data[:4096]:
        return data
    facts = jpeg_facts(data)
    wanted = {3: 1 if transform else 0, 4: 2 if transform else 0}.get(facts.components)
    if facts.jfif or facts.adobe_transform is not None or wanted is None:
        return data
    body = b"Adobe" + bytes((0, 100, 0, 0, 0, 0, wanted))
    return data[:2] + b"\xff\xee" + (len(body) + 2).to_bytes(2) + body + data[2:]


def jpx_bits(data: bytes) -> tuple[int, int]:
    """Components and largest bit depth that a JPEG 2000 codestream declares (ITU-T T.800, A.5.1); 0, 0 without."""
    start = data.find(_JPX_START)
    head = data[start + 38 : start + 42] if start >= 0 else b""
    if len(head) < 4:
        return 0, 0
    count = int.from_bytes(head[2:4])
    depths = data[start + 42 : start + 42 + 3 * count : 3]
    return count, max((depth & 127) + 1 for depth in depths) if depths else 0
