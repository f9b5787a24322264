"""Lets the engine's tests import each other's helpers; fixtures that several of them use."""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from semscan.engine.bundle import load_bundle
from semscan.engine.document import Document
from semscan.engine.figures.kind import KindGate
from semscan.engine.options import ScanOptions
from semscan.engine.records import NoticeRecord
from semscan.engine.sources import Intake

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def bundle():
    """The shipped model."""
    return load_bundle()


@pytest.fixture(scope="module")
def tiles():
    """A few tiles of noise, uint8 [5, 1, 128, 128]."""
    return np.random.default_rng(2).integers(90, 160, (5, 1, 128, 128), dtype=np.uint8)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The folder for temporary files, checked to be empty afterwards."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def read(tmp_path, scratch):
    """Labels and first bytes of the documents in an archive, and codes and labels of its notices."""

    def reader(name: str, data: bytes, **options) -> list:
        path = tmp_path / name
        path.write_bytes(data)
        out = []
        with Intake(ScanOptions(**options)) as intake:
            for item in intake.documents([path]):
                label = str(item.label if isinstance(item, Document) else item.path).replace(str(path), name)
                if isinstance(item, NoticeRecord):
                    assert item.message and item.message.isprintable()
                    out.append((str(item.code), label))
                    continue
                content = item.opened.read_bytes()
                assert len(content) == item.bytes and len(list(item.opened.parent.iterdir())) <= 2 + 4
                out.append((label, content[-8:]))
                intake.release(item)
                assert not item.opened.exists()
        return out

    return reader


@pytest.fixture
def gate(monkeypatch):
    """The gate's answer, for all panels."""

    def answers(kind):
        monkeypatch.setattr(KindGate, "classify", lambda gate, grey, colour: kind)

    return answers
