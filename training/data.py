"""Genuine micrographs with their splits: which pictures may train, calibrate or test, and their grey planes.

The split is by *source* (data set, paper, preprint), never by picture, because pictures of one source resemble each
other far more than the rest of the world. Pixels come from the same luminance code that scanning uses.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.engine.errors import UsageError

PREPRINT_LABELS = Path(__file__).resolve().parent / "labels" / "preprint_panels.csv"


@dataclass(frozen=True, slots=True)
class Micrograph:
    """One genuine picture.

    Attributes:
        path: the stored file.
        source: what makes it dependent on other pictures: data set, paper or preprint.
        split: ``train``, ``calibrate`` or ``test``.
        sha256: hex digest of the file.
        licence: as the source repository states it.
        databar: whether the instrument's information bar is in the picture: ``yes``, ``no`` or ``unknown``.
    """

    path: Path
    source: str
    split: str
    sha256: str
    licence: str
    databar: str


def data_root(given: Path | None) -> Path:
    """The folder with ``micrographs.csv``: ``given``, else ``$SEMSCAN_DATA``, else ``../shared/data``.

    Raises:
        UsageError: there is none.
    """
    repository = Path(__file__).resolve().parents[1]
    root = given or Path(os.environ.get("SEMSCAN_DATA") or repository.parent / "shared" / "data")
    if not (root / "micrographs.csv").is_file():
        raise UsageError(f"{root} holds no micrographs.csv", "give the data folder with --data or SEMSCAN_DATA")
    return root


def list_micrographs(root: Path, splits: Sequence[str]) -> list[Micrograph]:
    """The genuine SEM pictures of some splits, preprint panels labelled ``sem`` included.

    Args:
        root: from :func:`data_root`.
        splits: any of ``train``, ``calibrate``, ``test``.

    Returns:
        Pictures in the order of the tables. Preprints are halved between ``calibrate`` and ``test`` by a hash of
        their name, so a preprint is never on both sides.
    """
    found = []
    for row in _rows(root / "micrographs.csv"):
        if row["kind"] != "sem":
            continue
        path = root / row["file"]
        # EMPS pictures are figure panels of papers that the table does not name. Most are the only one of theirs, but
        # some papers gave two or more, so there are somewhat fewer independent sources than counted.
        source = f"{row['source']}/{path.stem}" if row["source"] == "emps_sem" else row["source"]
        found.append(Micrograph(path, source, row["split"], row["sha256"], row["licence"], row["databar"]))
    for row, label in _labelled_panels(root):
        if label == "sem":
            found.append(_panel(root, row, preprint_split(row["preprint"])))
    return [m for m in found if m.split in splits]


def list_others(root: Path, sources: Sequence[str]) -> list[Micrograph]:
    """Genuine micrographs that are no SEM, of the data sets named: journals and instruments did the same to them.

    Args:
        root: from :func:`data_root`.
        sources: data sets; of ``emps_tem`` every picture is a source, though some papers gave two, and some of the
            papers may have panels in ``emps_sem`` as well. ``preprint`` stands for the TEM and light microscopy panels
            of preprints without any SEM panel, which neither calibrate nor test.

    Returns:
        Pictures of the split ``kind``, in the order of the tables.

    Raises:
        UsageError: a data set has none.
    """
    rows = [row for row in _rows(root / "micrographs.csv") if row["kind"] == "other" and row["source"] in sources]
    found = []
    for row in rows:
        path = root / row["file"]
        source = f"{row['source']}/{path.stem}" if row["source"] == "emps_tem" else row["source"]
        found.append(Micrograph(path, source, row["split"], row["sha256"], row["licence"], row["databar"]))
    if "preprint" in sources:
        labelled = _labelled_panels(root)
        with_sem = {row["preprint"] for row, label in labelled if label == "sem"}
        found += [
            _panel(root, row, "kind")
            for row, label in labelled
            if label in ("tem", "light") and row["preprint"] not in with_sem
        ]
    if missing := sorted(set(sources) - {micrograph.source.split("/")[0] for micrograph in found}):
        raise UsageError(f"there are no micrographs of {missing[0]} that are not SEM")
    return found


def _labelled_panels(root: Path) -> list[tuple[dict[str, str], str | None]]:
    """Rows of ``preprint_panels.csv`` with their labels."""
    labels = {row["file"]: row["label"] for row in _rows(PREPRINT_LABELS)} if PREPRINT_LABELS.is_file() else {}
    return [(row, labels.get(row["file"])) for row in _rows(root / "preprint_panels.csv")]


def _panel(root: Path, row: dict[str, str], split: str) -> Micrograph:
    source = f"preprint/{row['preprint']}"
    return Micrograph(root / row["file"], source, split, row["sha256"], row["licence"], "unknown")


def preprint_split(preprint: str) -> str:
    """``calibrate`` or ``test``: a coin flip decided by the SHA-256 of the preprint's name."""
    return ("calibrate", "test")[hashlib.sha256(preprint.encode()).digest()[0] & 1]


def verify_files(micrographs: Iterable[Micrograph]) -> None:
    """Check that every file is there and unchanged.

    Raises:
        UsageError: a file is missing or its digest differs from the table.
    """
    for micrograph in micrographs:
        try:
            digest = hashlib.sha256(micrograph.path.read_bytes()).hexdigest()
        except OSError as error:
            raise UsageError(f"{micrograph.path} cannot be read: {error.strerror}", "get the data again") from error
        if digest != micrograph.sha256:
            raise UsageError(f"{micrograph.path} differs from its entry in the table", "get the data again")


def describe_sources(micrographs: Iterable[Micrograph]) -> list[dict[str, str | int]]:
    """Data sets with their licences and sizes, for provenance; papers and preprints are counted, not listed."""
    groups: dict[tuple[str, str, str], tuple[set[str], int]] = {}
    for micrograph in micrographs:
        key = (micrograph.source.split("/")[0], micrograph.split, micrograph.licence)
        sources, files = groups.setdefault(key, (set(), 0))
        groups[key] = (sources | {micrograph.source}, files + 1)
    return [
        {"data_set": name, "split": split, "licence": licence, "independent_sources": len(sources), "files": files}
        for (name, split, licence), (sources, files) in sorted(groups.items())
    ]


def read_panel(micrograph: Micrograph) -> NDArray[np.uint8]:
    """Grey plane without the instrument's information bar.

    Returns:
        uint8 [h, w], C-contiguous.
    """
    from semscan.engine.figures.databar import trim_data_bar
    from semscan.engine.geometry import Box
    from semscan.engine.luminance import read_luminance

    grey = read_luminance(micrograph.path)
    box = Box(0, 0, grey.shape[1], grey.shape[0])
    if micrograph.databar != "no":
        box = trim_data_bar(grey, box)
    return np.ascontiguousarray(grey[box.y0 : box.y1, box.x0 : box.x1])


def source_weights(sources: Sequence[str], pixels: Sequence[int]) -> NDArray[np.float64]:
    """Probability of drawing each picture so that a source counts like the square root of its size.

    Args:
        sources: the source of each picture.
        pixels: the number of pixels of each picture.

    Returns:
        float64 [n], summing to 1; within a source proportional to the pixels.
    """
    size = np.asarray(pixels, np.float64)
    total = {source: size[[s == source for s in sources]].sum() for source in set(sources)}
    weights = np.array([px / np.sqrt(total[source]) for source, px in zip(sources, size, strict=True)])
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
