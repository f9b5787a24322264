"""Screen scientific PDFs for AI-generated scanning-electron micrographs.

>>> import semscan
>>> records = semscan.scan(["examples/paper.pdf"])  # doctest: +SKIP

:func:`scan` yields the same records that the command line writes, as typed objects: a :class:`RunRecord`, then for each
document a :class:`DocumentRecord` with its :class:`PanelRecord` and :class:`NoticeRecord` objects, then a
:class:`SummaryRecord`. A flag is a prompt to look, not a finding; no flag does not show that an image is genuine.

Importing this package loads neither numpy nor PyMuPDF nor an inference runtime; the first use does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from semscan.engine.errors import DeviceError, ExitCode, ModelError, OutputError, SemscanError, UsageError
    from semscan.engine.options import ScanOptions
    from semscan.engine.pipeline import scan
    from semscan.engine.records import DocumentRecord, NoticeRecord, PanelRecord, Record, RunRecord, SummaryRecord

_HOMES = {
    "semscan.engine.pipeline": ("scan",),
    "semscan.engine.options": ("ScanOptions",),
    "semscan.engine.records": ("DocumentRecord", "NoticeRecord", "PanelRecord", "Record", "RunRecord", "SummaryRecord"),
    "semscan.engine.errors": ("DeviceError", "ExitCode", "ModelError", "OutputError", "SemscanError", "UsageError"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DeviceError",
    "DocumentRecord",
    "ExitCode",
    "ModelError",
    "NoticeRecord",
    "OutputError",
    "PanelRecord",
    "Record",
    "RunRecord",
    "ScanOptions",
    "SemscanError",
    "SummaryRecord",
    "UsageError",
    "__version__",
    "scan",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'semscan' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
