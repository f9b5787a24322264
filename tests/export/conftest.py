"""Lets the tests of the export import each other's helpers."""

import sys
from pathlib import Path

from small_data import small_data

sys.path.insert(0, str(Path(__file__).parent))

__all__ = ["small_data"]
