"""Makes the helpers beside the tests importable: with importlib mode pytest does not touch the path itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
