"""A genuine reference of one's own: counted by independent source, refused where it would promise too much."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from test_bundle import METADATA, model_file

from semscan.engine.backends.fake import FakeBackend
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import ModelError, UsageError
from semscan.engine.options import ScanOptions
from semscan.engine.ownarchive import ArchiveCount
from semscan.engine.pipeline import scan
from semscan.engine.records import Counts, DocumentRecord, ImageRecord, PanelRecord, ReferenceRecord, RegionRecord
from semscan.engine.reference import load_reference, to_file


def document(number: int, **changes) -> DocumentRecord:
    values = {"doc_id": f"sha256:{number}", "path": f"{number}.pdf", "doi": None} | changes
    counts = Counts(assessed=1)
    return DocumentRecord(
        media_type="application/pdf", bytes=1, pages=1, status="assessed", counts=counts, p_any_false_flag=0.0,
        seconds=0.0, **values,
    )  # fmt: skip


def panel(number: int, score=0.0, image="", stratum="jpeg75", smoothness=0.0, region=None) -> PanelRecord:
    stored = ImageRecord(image or f"i{number}", (300, 300), (0, 0, 300, 300), "embedded", "jpeg")
    reference = ReferenceRecord(stratum, 0, 0)
    return PanelRecord(
        f"p{number}", f"sha256:{number}", "assessed", image=stored, score=score, reference=reference,
        smoothness=smoothness, region=region,
    )  # fmt: skip


def counted(*records, listed=None) -> ArchiveCount:
    count = ArchiveCount(listed or {})
    for record in records:
        count.add(record)
    return count


def papers(number: int, start=0, **changes):
    return [r for i in range(start, start + number) for r in (document(i), panel(i, score=float(i), **changes))]


@pytest.fixture
def bundle(tmp_path):
    return load_bundle(str(model_file(tmp_path / "m.onnx")))


def test_each_document_is_a_source_and_the_rate_follows_from_their_number(bundle):
    found = counted(*papers(60)).reference(bundle)
    assert found.sources == {"jpeg75": 60} and found.rate == 0.05
    assert found.calibration.supported_rate() == 0.05
    assert counted(*papers(40)).reference(bundle).rate == 0.1
    assert [path for path, _ in found.highest][:2] == ["59.pdf", "58.pdf"]


@pytest.mark.parametrize("alike", [{"doc_id": "sha256:0"}, {"doi": "10.1/X"}, {}])
def test_documents_that_are_no_independent_witnesses_count_as_one(bundle, alike):
    shared = "same" if not alike else ""
    records = [document(0, **({"doi": "10.1/x"} if "doi" in alike else {})), panel(0, image=shared)]
    for number in range(100, 110):
        records += [document(number, **alike), panel(number, image=shared)]
    found = counted(*records, *papers(60, 1)).reference(bundle)
    assert found.sources == {"jpeg75": 61} and found.merged == 10


def test_a_list_puts_documents_together(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listed = {str(tmp_path / f"{i}.pdf"): "one paper" for i in range(40)}
    count = counted(*papers(100), listed=listed)
    found = count.reference(bundle)
    assert found.sources == {"jpeg75": 61} and len(count.found) == 40


def test_the_file_does_not_depend_on_which_document_was_finished_first(bundle):
    both = [document(200, path="z.png"), panel(200, 7.0, image="same"), document(201), panel(201, 7.0, image="same")]
    left = [replace(panel(i), status="not_assessed", reason=why) for i, why in ((0, "too_small"), (1, "corrupt"))]
    records = [*papers(60), *both, document(300), left[0], document(301), left[1]]
    turned = [one for at in range(len(records) - 2, -1, -2) for one in records[at : at + 2]]
    first, second = counted(*records).reference(bundle), counted(*turned).reference(bundle)
    assert json.dumps(first.data) == json.dumps(second.data)
    assert first.highest == second.highest


def test_images_that_a_list_names_are_not_taken_for_sources_that_nobody_looked_at(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = papers(100)
    records = [replace(r, image=replace(r.image, source="file")) if isinstance(r, PanelRecord) else r for r in records]
    listed = {str(tmp_path / f"{i}.pdf"): f"paper {i // 2}" for i in range(60)}
    assert counted(*records, listed=listed).reference(bundle).single_images == 40


def test_thin_strata_are_left_out_and_named(bundle):
    found = counted(*papers(60), *papers(20, 200, stratum="lossless")).reference(bundle)
    assert list(found.calibration.strata) == ["jpeg75"]
    assert found.data["left_out"] == {"lossless": 20}
    with pytest.raises(UsageError, match="60 independent") as refusal:
        counted(*papers(60)).reference(bundle, 0.01)
    assert "299" in refusal.value.remedy


def test_too_few_sources_are_refused_with_the_number_needed(bundle):
    with pytest.raises(UsageError, match="20 independent") as refusal:
        counted(*papers(20)).reference(bundle)
    assert "29" in refusal.value.remedy and "59" in refusal.value.remedy and "299" in refusal.value.remedy
    with pytest.raises(UsageError, match="no SEM panel") as refusal:
        counted(document(1)).reference(bundle)
    assert "59" in refusal.value.remedy


def test_regions_are_counted_only_for_models_that_were_calibrated_for_them(bundle, tmp_path):
    region = RegionRecord((0, 0, 9, 9), 1, 1.5, 0.0, (0.0, 1.0), 0)
    records = papers(60, region=region)
    assert counted(*records).reference(bundle).calibration.local == {}
    calibration = json.loads(METADATA["calibration"])
    calibration["local"] = {"jpeg75": calibration["strata"]["jpeg75"]}
    other = load_bundle(str(model_file(tmp_path / "n.onnx", calibration=json.dumps(calibration))))
    local = counted(*records).reference(other).calibration.local["jpeg75"]
    assert (local.sources, local.scores) == (60, (1.50005,))


def archive(folder, number):
    folder.mkdir()
    for index in range(number):
        pixels = np.random.default_rng(index).integers(0, 256, (140, 140), dtype=np.uint8)
        Image.fromarray(np.clip(pixels // 2 + index, 0, 255).astype(np.uint8)).save(folder / f"{index}.png")


def test_what_was_counted_is_what_a_scan_then_compares_with(tmp_path):
    archive(tmp_path / "genuine", 60)
    model = str(model_file(tmp_path / "m.onnx"))
    options = ScanOptions(model=model, all_images=True, jobs=2)
    count = counted(*scan(tmp_path / "genuine", options, backend=FakeBackend(), judge=False))
    found = count.reference(load_bundle(model))
    assert found.sources == {"lossless": 60} and found.single_images == 60
    path = tmp_path / "ours.json"
    path.write_text(json.dumps(found.data))
    ours = ScanOptions(model=model, all_images=True, jobs=2, calibration=str(path))
    records = list(scan(tmp_path / "genuine", ours, backend=FakeBackend()))
    panels = [r for r in records if isinstance(r, PanelRecord)]
    tails = sorted(r.tail for r in panels)
    assert records[0].calibration.id == found.calibration.id
    assert tails == pytest.approx([(k + 2) / 61 for k in range(60)], abs=1e-6)
    assert all(r.level != "look" for r in panels)
    Image.open(tmp_path / "genuine" / "0.png").save(tmp_path / "0.jpg", quality=95)
    (other,) = (r for r in scan(tmp_path / "0.jpg", ours, backend=FakeBackend()) if isinstance(r, PanelRecord))
    assert other.detail == f"{found.calibration.id} has no genuine reference panels of stratum jpeg90"


def damaged(data, change):
    copy = json.loads(json.dumps(data))
    change(copy)
    return json.dumps(copy)


def test_files_that_are_no_reference_of_this_model_are_refused(bundle, tmp_path):
    data = counted(*papers(60)).reference(bundle).data
    path = tmp_path / "c.json"
    path.write_text(json.dumps(data))
    assert load_reference(str(path), bundle).sources == 60
    other = load_bundle(str(model_file(tmp_path / "o.onnx", id="another")))
    with pytest.raises(ModelError, match="made with the model test"):
        load_reference(str(path), other)
    table = ("calibration", "strata", "jpeg75")
    for text, why in [
        ("{", "not a calibration"),
        ("[" * 100_000, "not a calibration"),
        ("[]", "format"),
        ('{"format": "semscan-calibration/2"}', "format"),
        (damaged(data, lambda d: d.pop("model")), "damaged"),
        (damaged(data, lambda d: d.update(model=3)), "damaged"),
        (damaged(data, lambda d: d["model"].update(sha256=None)), "damaged"),
        (damaged(data, lambda d: d["calibration"].update(strata={})), "damaged"),
        (damaged(data, lambda d: d["calibration"]["strata"]["jpeg75"].update(sources=0)), "damaged"),
        (damaged(data, lambda d: d["calibration"]["strata"]["jpeg75"]["upper95"].__setitem__(0, -1)), "damaged"),
        (damaged(data, lambda d: d["calibration"]["smoothness"].update(low=float("nan"))), "damaged"),
        (damaged(data, lambda d: d["calibration"]["smoothness"].update(low=10**400)), "damaged"),
        (damaged(data, lambda d: d["calibration"]["strata"].update(mine=d[table[0]][table[1]][table[2]])), "unknown"),
    ]:
        path.write_text(text)
        with pytest.raises(ModelError, match=why):
            load_reference(str(path), bundle)
    with pytest.raises(ModelError, match="cannot be read"):
        load_reference(str(tmp_path / "gone.json"), bundle)


def test_an_artefact_of_less_precision_may_use_the_reference_of_its_model(bundle, tmp_path):
    path = tmp_path / "c.json"
    tables = {"smoothness": json.loads(METADATA["calibration"])["smoothness"], "strata": {}}
    tables["strata"]["jpeg75"] = json.loads(METADATA["calibration"])["strata"]["jpeg75"]
    path.write_text(json.dumps(to_file("x", tables, bundle, {})))
    half = load_bundle(str(model_file(tmp_path / "h.onnx", made_from=bundle.sha256, precision="fp16")))
    assert load_reference(str(path), half).id == "x"
