import os
from pathlib import Path

import numpy as np
import pytest

from semscan.engine.errors import UsageError
from semscan.training.data import (
    data_root,
    describe_sources,
    list_micrographs,
    list_others,
    preprint_split,
    read_panel,
    source_weights,
    verify_files,
)
from semscan.training.evaluation.leaks import SAME, details_of

SPLITS = ("train", "calibrate", "test")


@pytest.fixture(scope="module")
def real_data():
    root = Path(os.environ.get("SEMSCAN_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not (root / "micrographs.csv").is_file():
        pytest.skip("the shared data is not here: set SEMSCAN_DATA")
    return root


@pytest.mark.data
def test_no_source_and_no_file_in_two_splits(real_data):
    by_split = {split: list_micrographs(real_data, [split]) for split in SPLITS}
    for key in ("source", "sha256"):
        seen = [{getattr(m, key) for m in listed} for listed in by_split.values()]
        assert all(seen)
        assert len(set.union(*seen)) == sum(map(len, seen)), key
    steel = {"uhcs_manchester", "uhcs_matseg", "ampis_spheroidite"}
    assert steel <= {m.source for m in by_split["train"]}


@pytest.mark.data
def test_every_emps_panel_and_preprint_is_its_own_source(real_data):
    listed = list_micrographs(real_data, ["calibrate"])
    emps = [m.source for m in listed if m.source.startswith("emps_sem/")]
    assert len(emps) == len(set(emps)) == 70


@pytest.mark.data
def test_others_of_preprints_come_from_none_that_calibrates_or_tests(real_data):
    found = list_others(real_data, ["preprint"])
    sources = {m.source for m in found}
    assert len(sources) > 10 and all(source.startswith("preprint/") for source in sources)
    assert not sources & {m.source for m in list_micrographs(real_data, SPLITS)}
    verify_files(found)


def test_small_folder(small_data):
    listed = list_micrographs(small_data, ["train"])
    verify_files(listed)
    assert [m.split for m in listed] == ["train"] * 6
    assert read_panel(listed[0]).shape == (176, 192)
    assert describe_sources(listed)[0] == {
        "data_set": "train0", "split": "train", "licence": "made up", "independent_sources": 1, "files": 2
    }  # fmt: skip


def test_changed_or_missing_files_are_refused(small_data, tmp_path):
    from dataclasses import replace

    (first,) = list_micrographs(small_data, ["train"])[:1]
    with pytest.raises(UsageError, match="differs from its entry"):
        verify_files([replace(first, sha256="0" * 64)])
    with pytest.raises(UsageError, match="cannot be read"):
        verify_files([replace(first, path=tmp_path / "none.png")])
    with pytest.raises(UsageError, match=r"holds no micrographs\.csv"):
        data_root(tmp_path)


def test_sources_weigh_like_the_root_of_their_size():
    weights = source_weights(["a", "a", "b"], [300, 100, 100])
    np.testing.assert_allclose(weights.sum(), 1)
    np.testing.assert_allclose((weights[0] + weights[1]) / weights[2], 2)
    np.testing.assert_allclose(weights[0] / weights[1], 3)


def test_preprints_fall_on_both_sides_and_stay_there():
    sides = [preprint_split(f"preprint_{i}") for i in range(50)]
    assert sides == [preprint_split(f"preprint_{i}") for i in range(50)]
    assert 10 < sides.count("test") < 40
    assert set(sides) == {"calibrate", "test"}


@pytest.mark.data
def test_others_are_of_the_gates_split_and_no_picture_of_them_calibrates_or_tests(real_data):
    others = list_others(real_data, ["emps_tem", "isbi2012_sstem"])
    assert {m.split for m in others} == {"kind"}
    assert len({m.source for m in others}) == 49
    rest = list_micrographs(real_data, SPLITS)
    assert not {m.sha256 for m in rest} & {m.sha256 for m in others}
    assert not {m.path.stem for m in rest} & {m.path.stem for m in others}
    assert not {m.source for m in rest} & {m.source for m in others}
    details = [
        np.stack([details_of(read_panel(m), 64, 9) for m in listed])
        for listed in (others, [m for m in rest if m.split != "train"])
    ]
    assert np.abs(details[0] @ details[1].T).max() < SAME
    with pytest.raises(UsageError, match="micrographs of nothing"):
        list_others(real_data, ["nothing"])
