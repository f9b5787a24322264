"""The example paper is what its scripts make, says what it is, and holds the kinds of panels that the demo shows."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pymupdf
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
PAPER = EXAMPLES / "paper.pdf"
LARGEST_BYTES = 700_000


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    target = tmp_path_factory.mktemp("paper") / "paper.pdf"
    script = str(EXAMPLES / "make_paper.py")
    done = subprocess.run([sys.executable, script, "-o", str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def shape_of(path: Path):
    """Text of the pages and the size and coding of their images: what does not depend on library versions."""
    with pymupdf.open(path) as doc:
        return [(page.get_text(), [image[2:4] + image[8:9] for image in page.get_images()]) for page in doc]


def test_it_is_small_and_says_on_page_one_what_it_is():
    assert PAPER.stat().st_size < LARGEST_BYTES
    with pymupdf.open(PAPER) as doc:
        words = " ".join(doc[0].get_text().split())
        assert "This is a demonstration document" in words
        assert "No instrument made any image in it" in words
        assert "not a research paper" in doc.metadata["subject"]


def test_the_committed_paper_is_what_the_script_makes(rebuilt):
    assert shape_of(PAPER) == shape_of(rebuilt)


def test_the_script_makes_the_same_file_twice(rebuilt, tmp_path):
    again = tmp_path / "again.pdf"
    subprocess.run([sys.executable, str(EXAMPLES / "make_paper.py"), "-o", str(again)], check=True)
    assert again.read_bytes() == rebuilt.read_bytes()


def test_jpegs_are_embedded_as_they_are():
    with pymupdf.open(PAPER) as doc:
        images = [image for page in doc for image in page.get_images()]
        jpegs = [doc.xref_stream_raw(image[0]) for image in images if image[8] == "DCTDecode"]
    assert len(images) == 5
    assert [data[:3] for data in jpegs] == [b"\xff\xd8\xff"] * 4


def test_the_manifest_names_the_network_of_every_generated_panel():
    manifest = json.loads((EXAMPLES / "assets" / "manifest.json").read_text("utf-8"))
    files = {path.stem: path for path in (EXAMPLES / "assets").glob("*.png")}
    assert files.keys() == manifest["panels"].keys()
    for name, entry in manifest["panels"].items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == entry["sha256"]
        assert entry["network"]
        assert len(entry["checkpoint_sha256"]) == 64


def test_the_readme_shows_what_a_scan_of_the_paper_prints():
    """After a change of the model or of the words: ``python examples/readme_block.py``."""
    import importlib.util

    found = importlib.util.spec_from_file_location("readme_block", EXAMPLES / "readme_block.py")
    block = importlib.util.module_from_spec(found)
    found.loader.exec_module(block)
    assert block.shown((EXAMPLES.parent / "README.md").read_text("utf-8")) == block.printed()
