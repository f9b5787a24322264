"""Labelled files: rates with their intervals, copies counted once, and manifests that show nothing refused."""

from dataclasses import replace

import numpy as np
import pytest
from test_reference import document, panel

from semscan.engine.errors import UsageError
from semscan.engine.labelled import Trial
from semscan.engine.manifest import Labelled, read_manifest, read_sources
from semscan.engine.records import CalibrationId, ModelId, NoticeRecord, RunRecord, Tool

RUN = RunRecord(
    run_id="r", tool=Tool("0"), model=ModelId("m", "0" * 64), calibration=CalibrationId("c", 1, 1),
    policy={"fpr_per_panel": 0.05}, argv=(), device="cpu", backend="fake", precision="fp32", started="",
)  # fmt: skip


def trial(folder, scores, *, labels=None, sources=None, records=()):
    """Results of documents with one panel each, flagged from a score of 10 on."""
    names = [f"{i}.pdf" for i in range(len(scores))]
    labels = labels or ["genuine" if i < len(scores) // 2 else "generated" for i in range(len(scores))]
    sources = sources or names
    rows = [Labelled(str(folder / name), label, s) for name, label, s in zip(names, labels, sources, strict=True)]
    found = Trial(rows)
    found.add(RUN)
    for index, (name, score) in enumerate(zip(names, scores, strict=True)):
        found.add(document(index, path=str(folder / name)))
        found.add(replace(panel(index, score), level="look" if score >= 10 else "none"))
    for record in records:
        found.add(record)
    return found.results()


def test_rates_are_those_of_the_scan_with_exact_intervals(tmp_path):
    results = trial(tmp_path, [0, 1, 2, 10, 4, 11, 12, 13])
    genuine, generated = (results["labels"][label] for label in ("genuine", "generated"))
    assert (genuine["flagged"], genuine["assessed"], genuine["rate"]) == (1, 4, 0.25)
    assert genuine["ci95"] == pytest.approx([0.006309, 0.805880], abs=1e-6)
    assert (generated["flagged"], generated["rate"]) == (3, 0.75)
    assert results["auc"]["value"] == 15 / 16
    assert results["strata"]["jpeg75"]["genuine"]["flagged"] == 1 and results["storage_overlap"] == 1


def test_panels_of_one_source_make_the_interval_by_source_wide(tmp_path):
    rng = np.random.default_rng(1)
    scores = [*rng.normal(0, 1, 60), *[20.0] * 20, *rng.normal(15, 1, 80)]
    labels = ["genuine"] * 80 + ["generated"] * 80
    apart = trial(tmp_path, scores, labels=labels)
    together = trial(tmp_path, scores, labels=labels, sources=[f"s{i // 20}" for i in range(160)])
    assert apart["labels"]["genuine"]["ci95"] == together["labels"]["genuine"]["ci95"]
    widths = [np.diff(r["labels"]["genuine"]["ci95_by_source"])[0] for r in (apart, together)]
    assert widths[1] > 3 * widths[0]
    assert np.diff(together["auc"]["ci95_by_source"])[0] > np.diff(apart["auc"]["ci95_by_source"])[0]


def test_copies_count_once_and_contradictions_are_refused(tmp_path):
    again = [document(0, path=str(tmp_path / "1.pdf")), panel(0, 3.0)]
    assert trial(tmp_path, [0, 1, 2, 10, 11, 12], records=again)["same_file_again"] == 1
    assert trial(tmp_path, [0, 1, 2, 10, 11, 12], records=again)["labels"]["genuine"]["assessed"] == 3
    with pytest.raises(UsageError, match="both labels"):
        trial(tmp_path, [0, 1, 2, 10], records=[document(0, path=str(tmp_path / "3.pdf"))])


def test_a_copy_in_the_same_archive_counts_once(tmp_path):
    inside = {"container": (str(tmp_path / "0.pdf"),)}  # the manifest names an archive
    copies = [document(7, path="x.pdf", **inside), panel(7), document(7, path="y.pdf", **inside), panel(7)]
    results = trial(tmp_path, [0, 1, 10, 11], records=copies)
    assert results["labels"]["genuine"]["assessed"] == 3 and results["same_file_again"] == 1


@pytest.mark.parametrize("shared", ["image", "doi", "bytes"])
def test_files_that_are_no_independent_witnesses_are_one_source(tmp_path, shared):
    """Whichever of them is read first."""
    found = []
    for order in (range(12), reversed(range(12))):
        rows = [Labelled(str(tmp_path / f"{i}.pdf"), "genuine" if i < 6 else "generated", f"s{i}") for i in range(12)]
        one = Trial(rows)
        one.add(RUN)
        for i in order:
            alike = i < 2
            doi = "10.1/x" if shared == "doi" and alike else None
            number = 0 if shared == "bytes" and alike else i
            one.add(document(number, path=rows[i].path, doi=doi))
            one.add(panel(number, float(number % 5), image="same" if shared == "image" and alike else ""))
        found.append(one.results())
    assert found[0] == found[1]
    genuine = found[0]["labels"]["genuine"]
    assert (genuine["sources"], genuine["assessed_sources"]) == (6, 5)


def test_an_interval_over_sources_is_never_narrower_for_want_of_a_flag(tmp_path):
    """Twenty panels of two sources, none flagged: nearly nothing is known of other sources."""
    scores, labels = [0.0] * 20 + [12.0] * 20, ["genuine"] * 20 + ["generated"] * 20
    results = trial(tmp_path, scores, labels=labels, sources=[f"s{i // 10}" for i in range(40)])
    assert results["labels"]["genuine"]["ci95_by_source"] == pytest.approx([0, 0.841886], abs=1e-6)
    assert results["labels"]["generated"]["ci95_by_source"] == pytest.approx([0.158114, 1], abs=1e-6)


def test_one_source_of_a_label_has_no_spread_and_its_auc_no_interval(tmp_path):
    rows = [Labelled(str(tmp_path / f"{i}.pdf"), "genuine" if i < 2 else "generated", f"s{i}") for i in range(8)]
    one = Trial(rows)
    one.add(RUN)
    for i, row in enumerate(rows):
        one.add(document(i, path=row.path))
        one.add(panel(i, float(i), stratum="lossless" if i == 1 else "jpeg75"))
    results = one.results()
    assert results["auc"]["ci95_by_source"] is not None
    assert results["strata"]["jpeg75"]["auc"] == {"value": 1.0, "ci95_by_source": None}


def test_what_was_not_assessed_or_not_read_is_counted_apart(tmp_path):
    left = replace(panel(9), status="not_assessed", reason="too_small", score=None, reference=None)
    notice = NoticeRecord("error", "corrupt", "9.pdf", "damaged")
    results = trial(tmp_path, [0, 1, 10, 11], records=[left, notice])
    assert results["labels"]["generated"]["not_assessed"] == {"too_small": 1}
    assert results["not_read"] == ["9.pdf: damaged"]


def test_labels_that_are_stored_differently_do_not_overlap(tmp_path):
    rows = [
        Labelled(str(tmp_path / f"{i}.pdf"), label, str(i))
        for i, label in enumerate(["genuine"] * 2 + ["generated"] * 2)
    ]
    found = Trial(rows)
    found.add(RUN)
    for index, row in enumerate(rows):
        found.add(document(index, path=row.path))
        found.add(panel(index, float(index), stratum="jpeg75" if row.label == "genuine" else "lossless"))
    results = found.results()
    assert results["storage_overlap"] == 0 and results["strata"]["lossless"]["auc"] is None


def test_one_label_without_an_assessed_panel_is_refused_with_the_number_needed(tmp_path):
    rows = [Labelled(str(tmp_path / f"{i}.pdf"), label, str(i)) for i, label in enumerate(["genuine", "generated"] * 2)]
    found = Trial(rows)
    found.add(RUN)
    with pytest.raises(UsageError, match="only 0 independent sources labelled genuine") as refusal:
        found.results()
    assert "59" in refusal.value.remedy


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no column 'file'"),
        ("file,label\n", "names no file"),
        ("file,label\n\n , \n", "names no file"),
        ("file,kind\na.pdf,genuine\n", "no column 'label'"),
        ("file,label,file\n", "twice"),
        ("file,label\na.pdf,genuine\nb.pdf,genuine\n", "0 sources of files labelled generated"),
        ("file,label\na.pdf,genuine\nb.pdf,generated\n", "1 sources of files labelled genuine"),
        ("file,label\na.pdf,fake\n", "line 2: the label 'fake'"),
        ("file,label\na.pdf\n", "line 2: the label ''"),
        ("file,label,source\na.pdf,genuine,\n", "line 2: no source"),
        ("file,label\nmissing.pdf,genuine\n", "line 2: there is no file"),
        ("file,label\n.,genuine\n", "line 2: there is no file"),
        ("file,label\na\0.pdf,genuine\n", "line 2: there is no file"),
        ("file,label\na.pdf,genuine\nb.pdf,generated\n./a.pdf,generated\n", "lines 2 and 4"),
        ('file,label\n"a.pdf,genuine\n', "line"),
        ('file,label\n"a\nb.pdf",genuine\n', "line 3: there is no file .*a\nb.pdf"),
        (f"file,label\n{'a' * 5000},genuine\n", "line 2: there is no file"),
    ],
)
def test_manifests_that_show_nothing_are_refused(tmp_path, text, why):
    for name in "ab":
        (tmp_path / f"{name}.pdf").touch()
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(UsageError, match=why):
        read_manifest(tmp_path / "m.csv")


def test_a_manifest_is_read_with_paths_beside_it(tmp_path):
    for name in "abcd":
        (tmp_path / f"{name}.pdf").touch()
    text = "\ufeffFile, Label ,source\na.pdf,Genuine,one\nb.pdf,genuine,two\nc.pdf,generated,x\nd.pdf,generated,y\n"
    (tmp_path / "m.csv").write_text(text, "utf-8")
    rows = read_manifest(tmp_path / "m.csv")
    assert rows[0] == Labelled(str((tmp_path / "a.pdf").resolve()), "genuine", "one")
    assert [row.label for row in rows] == ["genuine"] * 2 + ["generated"] * 2


def test_lists_of_sources_may_name_what_is_inside_archives(tmp_path):
    (tmp_path / "s.csv").write_text("file,source\na.pdf,one\nb.zip!x/c.pdf,two\n")
    (tmp_path / "b!d.pdf").touch()
    (tmp_path / "bang.csv").write_text("file,source\nb!d.pdf,three\n")
    root = tmp_path.resolve()
    assert read_sources(tmp_path / "s.csv") == {f"{root}/a.pdf": "one", f"{root}/b.zip!x/c.pdf": "two"}
    assert read_sources(tmp_path / "bang.csv") == {f"{root}/b!d.pdf": "three"}
    (tmp_path / "s.csv").write_text(f"file,source\n{'a' * 5000}!b.pdf,one\n")
    assert list(read_sources(tmp_path / "s.csv").values()) == ["one"]
    (tmp_path / "s.csv").write_text("file,source\n,one\n")
    with pytest.raises(UsageError, match="line 2: no file"):
        read_sources(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_text("file,source\na.pdf,one\na.pdf,two\n")
    with pytest.raises(UsageError, match="another source"):
        read_sources(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_bytes(b"file,source\n\xff,one\n")
    with pytest.raises(UsageError, match="UTF-8"):
        read_sources(tmp_path / "s.csv")
