"""``python -m semscan.cli`` does what ``semscan`` does."""

from __future__ import annotations

import sys

from semscan.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
