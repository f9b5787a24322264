"""The benchmark counts what a scan did, measures its floor on the same images, and says where it ran."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent
PAPER = ROOT / "examples" / "paper.pdf"


@pytest.fixture
def bench(monkeypatch):
    """The scripts as modules; they import each other as files of one folder."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import bench_scan

    yield bench_scan
    for name in ("bench_scan", "decode_only", "machine"):
        sys.modules.pop(name, None)


def test_decode_only_takes_the_images_that_are_drawn(bench):
    found = bench.decode_only.drawn_images(PAPER)
    assert len(found) == 5
    assert bench.decode_only.decode_all((PAPER, found)) == 5


def test_a_file_that_is_no_pdf_has_no_images(bench, tmp_path):
    (tmp_path / "no.pdf").write_bytes(b"not a PDF")
    assert bench.decode_only.drawn_images(tmp_path / "no.pdf") == []


def test_the_fingerprint_holds_versions_and_no_absolute_path(bench, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(ROOT / "benchmarks" / "bench_scan.py"), str(ROOT / "papers"), "-j", "2"])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    found = bench.fingerprint()
    assert "bench_scan.py" in found["command"]
    assert found["packages"]["pymupdf"]
    assert found["cores_usable"] >= 1
    assert not any(word.startswith("/") for word in found["command"].split())


def test_the_command_of_a_module_names_the_module(bench, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(ROOT / "benchmarks" / "figures.py"), "-o", "page.md"])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", SimpleNamespace(name="benchmarks.figures"))
    assert bench.fingerprint()["command"] == "python -m benchmarks.figures -o page.md"


def test_the_table_shows_the_median_ratio_and_every_stage(bench):
    scan = {"documents": 2, "images": 6, "panels": 9, "tiles": 40, "failed": 0, "wall_s": 2.0, "model": "m 0"}
    result = {
        "fingerprint": {"cpu": "c", "cores_usable": 2, "python": "3", "revision": "r", "command": "python b.py",
                        "packages": {"semscan": "0"}},
        "model": "m 0", "jobs": 2, "files": 2, "mib": 1.0, "scans": [scan],
        "per_second": {"documents": 1.0, "images": 3.0, "panels": 4.5, "tiles": 20.0},
        "decode_only_images_per_second": 12.0, "scan_over_decode_only": 4.0,
        "stages_s": dict.fromkeys(bench.STAGES, 1.0),
    }  # fmt: skip
    table = bench.markdown(result)
    assert "| scan time / decode-only time (median of pairs) | 4.00 |" in table
    assert "| tiles/s | 20.00 |" in table
    for stage in bench.STAGES:
        assert f"| {stage} | 1.00 | {100 / len(bench.STAGES):.1f} % |" in table
