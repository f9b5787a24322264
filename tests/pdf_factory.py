"""Builds PDFs in code, byte by byte where needed, so that odd and broken ones are possible and every pixel is known."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np
import pymupdf
from PIL import Image


@dataclass
class Pdf:
    """Collects objects; ``build`` writes them. Objects 1 and 2 are the catalogue and the page tree.

    >>> pdf = Pdf()
    >>> image = pdf.image(2, 1, bytes([0, 255]))
    >>> pdf.page("10 0 0 10 5 5 cm /I Do", I=image)
    4
    >>> pymupdf.open(stream=pdf.build(), filetype="pdf").page_count
    1
    """

    objects: dict[int, bytes] = field(default_factory=dict)
    pages: list[int] = field(default_factory=list)
    tree_entries: str = ""
    catalogue_entries: str = ""

    def add(self, body: str | bytes) -> int:
        """Add an object; returns its number."""
        number = max(self.objects, default=2) + 1
        self.objects[number] = body.encode("latin-1") if isinstance(body, str) else body
        return number

    def stream(self, entries: str, data: bytes) -> int:
        """Add a stream whose data are stored as given."""
        return self.add(f"<<{entries} /Length {len(data)}>>\nstream\n".encode("latin-1") + data + b"\nendstream")

    def image(
        self,
        width: int,
        height: int,
        data: bytes,
        *,
        space: str = "/DeviceGray",
        bits: int = 8,
        filters: str = "",
        extra: str = "",
    ) -> int:
        """Add an image XObject with stored data."""
        colour = f"/ColorSpace {space}" if space else ""
        used = f"/Filter {filters}" if filters else ""
        entries = f"/Type/XObject/Subtype/Image/Width {width}/Height {height}/BitsPerComponent {bits}"
        return self.stream(f"{entries}{colour}{used}{extra}", data)

    def flate(self, width: int, height: int, data: bytes, **options) -> int:
        """Add an image XObject, its data deflated."""
        return self.image(width, height, zlib.compress(data), filters="/FlateDecode", **options)

    def jpeg(self, data: bytes, *, space: str = "", extra: str = "") -> int:
        """Add a JPEG as it is."""
        with Image.open(io.BytesIO(data)) as image:
            (width, height), bands = image.size, len(image.getbands())
        space = space or {1: "/DeviceGray", 3: "/DeviceRGB", 4: "/DeviceCMYK"}[bands]
        return self.image(width, height, data, space=space, filters="/DCTDecode", extra=extra)

    def form(self, content: str | bytes, matrix: str = "", resources: str | None = None, **xobjects: int) -> int:
        """Add a form XObject."""
        own = _resources(xobjects) if resources is None else resources
        data = content.encode("latin-1") if isinstance(content, str) else content
        placed = f"/Matrix [{matrix}]" if matrix else ""
        return self.stream(f"/Type/XObject/Subtype/Form/BBox [-1e5 -1e5 1e5 1e5]{placed}{own}", data)

    def page(self, content: str | bytes = "", extra: str = "/MediaBox [0 0 612 792]", **xobjects: int) -> int:
        """Add a page that draws ``content``; keywords name its XObjects."""
        data = content.encode("latin-1") if isinstance(content, str) else content
        contents = self.stream("", data)
        body = f"<</Type/Page/Parent 2 0 R/Contents {contents} 0 R{_resources(xobjects) if xobjects else ''}{extra}>>"
        self.pages.append(self.add(body))
        return self.pages[-1]

    def build(self) -> bytes:
        """The file."""
        kids = " ".join(f"{number} 0 R" for number in self.pages)
        tree = f"<</Type/Pages/Count {len(self.pages)}/Kids [{kids}]{self.tree_entries}>>".encode()
        catalogue = f"<</Type/Catalog/Pages 2 0 R{self.catalogue_entries}>>".encode()
        return write_pdf({1: catalogue, 2: tree, **self.objects})

    def open(self) -> pymupdf.Document:
        """The file, opened."""
        return open_pdf(self.build())


def write_pdf(objects: dict[int, bytes], trailer: str = "/Root 1 0 R") -> bytes:
    """A file of the given objects, with a correct cross-reference table."""
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), {}
    for number, body in sorted(objects.items()):
        offsets[number] = len(out)
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    size, start = max(objects) + 1, len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 n \n" % offsets[number] if number in offsets else b"0000000000 00000 f \n"
    return bytes(out + f"trailer\n<</Size {size} {trailer}>>\nstartxref\n{start}\n%%EOF\n".encode())


def open_pdf(data: bytes) -> pymupdf.Document:
    """Open bytes as a PDF without MuPDF's messages."""
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    return pymupdf.open(stream=data, filetype="pdf")


def encrypted(data: bytes, user_password: str = "", owner_password: str = "owner") -> bytes:
    """The same PDF, encrypted with AES-256."""
    with open_pdf(data) as doc:
        return doc.tobytes(
            encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw=user_password, owner_pw=owner_password, garbage=0
        )


def micrograph(height: int = 96, width: int = 120, seed: int = 0) -> np.ndarray:
    """A grey test image with slopes, slanted edges and noise, uint8 [height, width]; no edge looks like a seam."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    blobs = 60 * np.sin(rows / 7.0) * np.cos(columns / 11.0) + 40 * ((rows + columns // 2) // 13 % 2)
    return np.clip(100 + blobs + rng.normal(0, 12, (height, width)), 0, 255).astype(np.uint8)


def colour_micrograph(height: int = 96, width: int = 120) -> np.ndarray:
    """Three different planes, uint8 [height, width, 3]."""
    return np.stack([micrograph(height, width, seed) for seed in range(3)], axis=-1)


def encode(pixels: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    """Pixels as a file of Pillow's format ``kind``."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_stream(png: bytes) -> tuple[bytes, bytes]:
    """The compressed pixel data and the palette of a PNG, which a PDF can take as they are (predictor 15)."""
    data, palette, position = b"", b"", 8
    while position < len(png):
        length, kind = struct.unpack(">I4s", png[position : position + 8])
        body = png[position + 8 : position + 8 + length]
        data += body if kind == b"IDAT" else b""
        palette = body if kind == b"PLTE" else palette
        position += 12 + length
    return data, palette


def fax_strip(bits: np.ndarray) -> bytes:
    """ITU-T T.6 data of a bool image (True is white)."""
    # Pillow stores 1 as white and leaves the bits as they are; for the fax code 1 is black.
    tiff = encode(Image.fromarray(~bits), "TIFF", compression="group4", tiffinfo={278: bits.shape[0]})
    with Image.open(io.BytesIO(tiff)) as image:
        offset, count = image.tag_v2[273][0], image.tag_v2[279][0]
    return tiff[offset : offset + count]


def jbig2_stream(bits: np.ndarray) -> bytes:
    """A JBIG2 stream as PDFs embed it (ITU-T T.88): one page, one generic region coded as T.6."""
    height, width = bits.shape
    page = struct.pack(">IIIIBH", width, height, 0, 0, 0, 0)
    region = struct.pack(">IIIIB", width, height, 0, 0, 0) + b"\x01" + fax_strip(bits)
    segments = (page, 48), (region, 38)
    return b"".join(
        struct.pack(">IBBBI", number, kind, 0, 1, len(body)) + body for number, (body, kind) in enumerate(segments)
    )


def bomb_pdf(side: int = 30_000) -> bytes:
    """An image of ``side`` x ``side`` pixels in about 2 kB."""
    band = zlib.compressobj(9, zlib.DEFLATED, -15)
    # After a full flush the coder starts afresh, so the code of one band of rows can stand there a hundred times.
    rows = band.compress(bytes(side * side // 100)) + band.flush(zlib.Z_FULL_FLUSH)
    checksum = ((side * side % 65521) << 16 | 1).to_bytes(4)  # Adler-32 of so many zeros
    deflated = b"\x78\xda" + rows * 100 + b"\x03\x00" + checksum
    pdf = Pdf()
    image = pdf.image(side, side, zlib.compress(deflated, 9), filters="[/FlateDecode /FlateDecode]")
    pdf.page("100 0 0 100 50 50 cm /I Do", I=image)
    return pdf.build()


def bomb_png(side: int = 30_000) -> bytes:
    """A PNG that declares ``side`` x ``side`` pixels and holds next to no data."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(1_000_000), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def _resources(xobjects: dict[str, int]) -> str:
    return "/Resources <</XObject <<" + "".join(f"/{name} {number} 0 R" for name, number in xobjects.items()) + ">>>>"
