"""The filters of a stream (ISO 32000-1, 7.4): which they are, and running some of them by MuPDF's lossless decoders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pymupdf

from semscan.engine.errors import ImageUnusable, Reason
from semscan.engine.pdf.guard import MupdfError, calling_mupdf
from semscan.engine.pdf.syntax import Name, Resolver, Value

_SHORT_NAMES = {
    "AHx": "ASCIIHexDecode",
    "A85": "ASCII85Decode",
    "LZW": "LZWDecode",
    "Fl": "FlateDecode",
    "RL": "RunLengthDecode",
    "CCF": "CCITTFaxDecode",
    "DCT": "DCTDecode",
}
ENCODINGS = {
    "DCTDecode": "jpeg",
    "JPXDecode": "jpx",
    "FlateDecode": "flate",
    "LZWDecode": "lzw",
    "RunLengthDecode": "runlength",
    "CCITTFaxDecode": "ccitt",
    "JBIG2Decode": "jbig2",
    "ASCII85Decode": "raw",
    "ASCIIHexDecode": "raw",
}

Filter = tuple[str, dict[str, Value]]


def stream_filters(resolver: Resolver, entries: dict[str, Value]) -> list[Filter]:
    """Full names and parameters of a stream's filters, outermost first.

    Args:
        resolver: of the document that holds the stream.
        entries: the stream's dictionary, also that of an inline image.
    """
    names = resolver.get(entries, "Filter", "F")
    parameters = resolver.get(entries, "DecodeParms", "DP")
    names = names if isinstance(names, list) else [names]
    parameters = parameters if isinstance(parameters, list) else [parameters]
    filters: list[Filter] = []
    for index, name in enumerate(names):
        name = resolver.resolve(name)
        if not isinstance(name, Name) or name == "Crypt":  # decryption is done when the raw stream is read
            continue
        own = resolver.resolve(parameters[index]) if index < len(parameters) else None
        resolved = {key: resolver.resolve(value) for key, value in own.items()} if isinstance(own, dict) else {}
        filters.append((_SHORT_NAMES.get(name, str(name)), resolved))
    return filters


def run_filters(data: bytes, filters: list[Filter]) -> bytes:
    """Undo lossless filters, outermost first.

    Raises:
        ImageUnusable: ``corrupt``, or ``unsupported_codec`` for a filter that MuPDF does not know.
    """
    if not filters:
        return data
    names = " ".join(f"/{name}" for name, _ in filters)
    parameters = " ".join(_plain_dict(own) for _, own in filters)
    # MuPDF only offers its decoders for streams inside a document, so the data travel through a scratch document.
    with image_damage(), calling_mupdf(), pymupdf.open() as scratch:
        xref = scratch.get_new_xref()
        scratch.update_object(xref, "<<>>")
        scratch.update_stream(xref, data, compress=False)
        scratch.xref_set_key(xref, "Filter", f"[{names}]")
        scratch.xref_set_key(xref, "DecodeParms", f"[{parameters}]")
        decoded = scratch.xref_stream(xref)
    return _bytes_of(decoded, xref)


def raw_stream(doc: pymupdf.Document, xref: int) -> bytes:
    """The stored bytes of a stream, decrypted, before any filter.

    Raises:
        ImageUnusable: ``corrupt``.
    """
    with image_damage(), calling_mupdf():
        data = doc.xref_stream_raw(xref)
    return _bytes_of(data, xref)


def decoded_stream(doc: pymupdf.Document, xref: int) -> bytes:
    """The bytes of a stream after all its filters.

    Raises:
        ImageUnusable: ``corrupt``.
    """
    with image_damage(), calling_mupdf():
        data = doc.xref_stream(xref)
    return _bytes_of(data, xref)


@contextmanager
def image_damage() -> Iterator[None]:
    """Make what MuPDF cannot read the fault of the one image that is being decoded."""
    try:
        yield
    except MupdfError as error:
        raise ImageUnusable(Reason.CORRUPT, f"the image data cannot be decoded ({error})") from error


def _bytes_of(data: object, xref: int) -> bytes:
    if not isinstance(data, bytes):
        raise ImageUnusable(Reason.CORRUPT, f"object {xref} has no data")
    return data


def _plain_dict(parameters: dict[str, Value]) -> str:
    """Filter parameters in PDF syntax; the lossless filters take numbers and booleans only."""
    words = []
    for key, value in parameters.items():
        if isinstance(value, bool):
            words.append(f"/{key} {str(value).lower()}")
        elif isinstance(value, int | float):
            words.append(f"/{key} {value}")
    return "<<" + " ".join(words) + ">>"
