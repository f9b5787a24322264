"""The archive benchmark measures what it says: its archives are what they claim, its ratios are the right way up."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from pretended_onnx import Pretended

ROOT = Path(__file__).parent.parent
MODULES = ("bench_archive", "bench_scan", "decode_only", "machine", "on_devices", "synthetic_archive", "transport")


@pytest.fixture
def bench(monkeypatch):
    """The scripts as modules; they import each other as files of one folder."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import bench_archive

    yield bench_archive
    for name in MODULES:
        sys.modules.pop(name, None)


def test_heavy_pdfs_hold_the_figures_that_were_counted(bench, tmp_path):
    archive = bench.synthetic_archive.jpeg_heavy(tmp_path, 3)
    found = {path: bench.decode_only.drawn_images(path) for path in archive.files}
    assert [len(xrefs) for xrefs in found.values()] == [1, 2, 3]
    assert (archive.images, archive.panels) == (6, 1 + 1 + 2 + 4 + 1 + 1)
    for path, xrefs in found.items():
        assert bench.decode_only.decode_all((path, xrefs)) == len(xrefs)
        with pymupdf.open(path) as document:
            assert not document.is_repaired
            for (info,) in (page.get_image_info() for page in document):
                assert 1_200_000 <= info["width"] * info["height"] <= 1_500_000
                assert info["width"] / (info["bbox"][2] - info["bbox"][0]) * 72 == pytest.approx(300, rel=1e-3)


def test_every_small_pdf_is_another(bench, tmp_path):
    archive = bench.synthetic_archive.small(tmp_path, 4, side=160)
    assert len({path.read_bytes() for path in archive.files}) == 4


def test_a_compound_figure_has_white_gutters(bench):
    texture = np.full((2048, 2048), 100, np.uint8)
    figure = bench.synthetic_archive.picture(texture, np.random.default_rng(0), 412, 312, 2, 2)
    assert (figure[:, 200:212] == 255).all() and (figure[150:162] == 255).all()
    assert (figure[:150, :200] == 100).all() and (figure[162:, 212:] == 100).all()


def test_the_parents_time_is_counted_without_writing(bench, tmp_path):
    archive = bench.synthetic_archive.small(tmp_path, 2)
    found = bench.measure_parent(list(archive.files), 1)
    assert (found["panels"], found["tiles"]) == (2, 8)
    assert found["parent_s"] > 0 and found["writing_s"] >= 0


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_the_parents_memory_is_read_after_every_document(bench, tmp_path):
    bench.synthetic_archive.small(tmp_path, 20, side=160)
    found = bench.measure_memory(tmp_path, 1)
    assert [documents for documents, _ in found["resident_mib"]] == list(range(1, 21))
    assert 1 < found["tenth_mib"] <= found["end_mib"] * 1.5


def test_tiles_arrive_both_ways(bench):
    for way in bench.transport.WAYS[:2]:
        assert bench.transport.tiles_per_second(way, 2) > 0


def test_ratios_and_the_page(bench):
    def scan(wall):
        return {"wall_s": wall, "cpu_s": wall, "images": 10, "model": "m 0",
                "stages_s": dict.fromkeys(bench.bench_scan.STAGES, 1.0)}  # fmt: skip

    one = {
        "fake": scan(4.0), "decode": {"wall_s": 2.0, "cpu_s": 1.0, "images": 10}, "network": scan(5.0),
        "openvino": scan(4.0),
        "one_worker": scan(9.0), "two_workers": scan(5.0), "decode_one": scan(2.0), "decode_two": scan(1.0),
        "parent": {"parent_s": 0.002, "writing_s": 0.001, "tiles": 100},
        "script": {"torch": "2", "whole": {"wall_s": 45.0, "images": 10}, "tiles": {"wall_s": 30.0, "images": 10},
                   "as_scan": {"wall_s": 40.0, "images": 10}},
        "load_1min": 1.0, "devices": {"tensorrt fp16 on CUDA": scan(2.5)},
    }  # fmt: skip
    ways = dict.fromkeys(bench.transport.WAYS, 1.0) | {"slab": 3.0, "slab, no record": 12.0}
    memory = {"documents": 100, "tenth_mib": 100.0, "end_mib": 104.0}
    rows = bench.ratios([one], [ways], memory)
    found = {row["name"]: (round(row["median"], 6), row["met"]) for row in rows}
    assert found["speed of everything but the network / decode-only"] == (0.5, False)
    assert found["speed with the shipped network on the CPU / decode-only"] == (0.4, True)
    assert found["speed / straightforward script, whole images scored"] == (9.0, True)
    assert found["speed / straightforward script, 16 tiles per image scored"] == (6.0, False)
    assert found["speed with the network in OpenVINO at half precision / decode-only"] == (0.5, None)
    assert found["speed in OpenVINO at half precision / straightforward script, whole images scored"] == (11.25, True)
    in_openvino = "speed in OpenVINO at half precision / straightforward script, "
    assert found[in_openvino + "as many tiles scored as in the scan"] == (10.0, True)
    assert found["parent's CPU time per tile, us"] == (20.0, False)
    assert found["the same with its records written as JSON lines, us"] == (30.0, None)
    assert found["tiles/s, slab / pickled arrays (tiles alone)"] == (12.0, True)
    assert found["tiles/s, slab / pickled, with the panel's record"] == (3.0, None)
    assert found["parent's memory from 10 to 100 documents, % more"] == (4.0, True)
    assert found["speed with 2 workers / with 1"] == (1.8, True)
    assert found["speed with tensorrt fp16 on CUDA / decode-only"] == (0.8, True)
    assert found["images/s with tensorrt fp16 on CUDA"] == (4.0, None)

    page = bench.markdown({
        "fingerprint": bench.fingerprint(), "archive": {"documents": 1, "images": 10, "panels": 20, "mib": 1.0},
        "size": {"small": 100, "repeats": 1}, "jobs": 2, "model": "m 0", "ratios": rows, "rounds": [one],
        "stages_ms_per_image": bench.stages([one], 10), "transport_tiles_per_second": [ways],
        "absent": ["onnxruntime fp16 on CUDA: not measured, no device"],
    })  # fmt: skip
    assert "| speed with 2 workers / with 1 | >= 1.8 | 1.80 | 1.80 to 1.80 | yes |" in page
    assert "| gate | 100.00 |" in page
    assert "\n* onnxruntime fp16 on CUDA: not measured, no device\n" in page
    assert "takes 100.0 ms of CPU time per image. At 0.80 of its speed 25.0 ms more" in page and "take 300.0 ms" in page


def test_devices_are_proved_or_named_with_the_reason(bench, monkeypatch, tmp_path):
    import on_devices

    Pretended(monkeypatch)
    monkeypatch.setattr("semscan.engine.backends.onnxsettings.find_library", lambda names: None)
    monkeypatch.setattr(on_devices, "BATCH", 8)
    found, absent = on_devices.usable_devices(tmp_path)
    assert list(found) == ["onnxruntime fp32 on CUDA", "onnxruntime fp16 on CUDA"]
    assert {options["batch_size"] for options in found.values()} == {8}
    assert [line.partition(": not measured, ")[0] for line in absent] == [
        "onnxruntime-tensorrt fp16 on CUDA",
        "tensorrt fp16 on CUDA",
    ]
    scanned = bench.bench_scan.measure_scan(
        list(bench.synthetic_archive.small(tmp_path, 2).files),
        bench.ScanOptions(jobs=1, all_images=True, **found["onnxruntime fp16 on CUDA"]),
    )
    assert scanned["images"] == 2
