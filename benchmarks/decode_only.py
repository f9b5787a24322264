"""The floor under a scan: open each PDF, take the raw streams of its images, decode them to grey, nothing else.

The same images, the same decoder and the same number of processes as the scan. What a scan takes beyond this is the
price of finding placements, panels and kinds, of scoring, and of supervision.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pymupdf

from semscan.engine.errors import DocumentUnusable, ImageUnusable
from semscan.engine.options import ScanOptions
from semscan.engine.pdf.decode import open_pdf_image
from semscan.engine.pdf.masks import InvisibleError
from semscan.engine.pdf.reader import PdfReader

MAX_PIXELS = ScanOptions().max_pixels


def drawn_images(path: Path) -> list[int]:
    """Object numbers of the images that a scan decodes: those drawn on a page, each once."""
    try:
        reader = PdfReader(path.read_bytes(), None, ScanOptions().max_pages)
    except DocumentUnusable:
        return []
    found: dict[int, None] = {}
    for page in range(reader.pages):
        for image in reader.page_images(page)[0]:
            found |= {part.xref: None for part in image.parts if part.xref}
    return list(found)


def decode_all(job: tuple[Path, list[int]]) -> int:
    """Decode images of one PDF; returns how many gave pixels."""
    path, xrefs = job
    decoded = 0
    with pymupdf.open(stream=path.read_bytes(), filetype="pdf") as doc:
        for xref in xrefs:
            try:
                open_pdf_image(doc, xref, MAX_PIXELS).decode()
            except (ImageUnusable, InvisibleError):
                continue
            decoded += 1
    return decoded


def measure(listed: list[tuple[Path, list[int]]], jobs: int) -> tuple[float, int]:
    """Wall seconds, process start included, and the number of images decoded."""
    start = time.perf_counter()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        decoded = sum(pool.map(decode_all, listed))
    return time.perf_counter() - start, decoded
