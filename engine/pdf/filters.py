"""The filters of a stream (ISO 32000-1, 7.4): which they are, and running some of them by MuPDF's lossless decoders."""

from __future__ import annotations

import pymupdf

from semscan.engine.errors import ImageUnusable, Reason
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
    # MuPDF only offers its decoders for streams inside a document, so the data travel through a scratch document.
    with pymupdf.open() as scratch:
        xref = scratch.get_new_xref()
        scratch.update_object(xref, "<<>>")
        scratch.update_stream(xref, data, compress=False)
        scratch.xref_set_key(xref, "Filter", "[" + " ".join(f"/{name}" for name, _ in filters) + "]")
        scratch.xref_set_key(xref, "DecodeParms", "[" + " ".join(_plain_dict(own) for _, own in filters) + "]")
        return decoded_stream(scratch, xref)


def raw_stream(doc: pymupdf.Document, xref: int) -> bytes:
    """The stored bytes of a stream, decrypted, before any filter.

    Raises:
        ImageUnusable: ``corrupt``.
    """
    return _stream(doc.xref_stream_raw, xref)


def decoded_stream(doc: pymupdf.Document, xref: int) -> bytes:
    """The bytes of a stream after all its filters.

    Raises:
        ImageUnusable: ``corrupt``.
    """
    return _stream(doc.xref_stream, xref)


def reject(error: Exception) -> Exception:
    """What to raise for an exception of MuPDF's while it read one image's data."""
    clause = " ".join(str(error).split())[:120]
    if "alloc" in clause and "failed" in clause:
        return MemoryError(clause)
    return ImageUnusable(Reason.CORRUPT, f"the image data cannot be decoded ({clause or type(error).__name__})")


def _stream(read: object, xref: int) -> bytes:
    assert callable(read)
    try:
        data = read(xref)
    except (RuntimeError, ValueError) as error:  # MuPDF's own exceptions derive from RuntimeError
        raise reject(error) from error
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
