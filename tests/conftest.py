"""Helpers for all tests."""

import os
import sys
from pathlib import Path

import pytest

# With importlib mode pytest does not touch the path itself, so the helpers beside the tests are made importable here.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of third-party data, which is no part of the repository."""
    folder = Path(os.environ.get("SEMSCAN_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the shared data are not at {folder} (set SEMSCAN_DATA)")
    return folder
