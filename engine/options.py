"""What a scan may be told: one frozen object, validated here, handed down, never global."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from semscan.engine.errors import UsageError

DEFAULT_MODEL = "sem-1"
"""The shipped model that is used unless another is asked for; the one place that names it."""

SMALLEST_PANEL_PX = 128

_AT_LEAST_ONE = (
    "batch_size", "max_tiles_per_panel", "memory_mib", "max_pixels", "max_pages", "max_file_mib",
    "archive_depth", "archive_files", "archive_mib", "archive_ratio",
)  # fmt: skip
_OPTION = {
    "batch_size": "--batch-size", "max_pixels": "--max-pixels", "max_pages": "--max-pages",
    "max_file_mib": "--max-file-size", "archive_depth": "--archive-depth", "archive_files": "--archive-files",
}  # fmt: skip
"""What the command line calls them; the others are set by callers only."""


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """Options of :func:`semscan.scan`.

    Attributes:
        fpr: share of genuine panels that may be flagged, per panel; ``None`` takes the smallest rate that the
            model's calibration supports.
        min_panel_px: panels whose shorter side is below this are listed as ``too_small``.
        all_images: assess every panel, whatever the SEM-or-not gate says (results are marked by their kind).
        model: name of a shipped model or path of a bundle; ``None`` takes the shipped default.
        calibration: path of a file that ``semscan calibrate`` wrote, a genuine reference to use instead of the
            model's own.
        device: where to score: ``auto``, ``cpu``, ``cuda``, ``cuda:N``, several such as ``cuda:0,cuda:1``, or
            ``cuda:all``.
        backend: the inference runtime: ``auto``, ``onnxruntime``, ``onnxruntime-tensorrt``, ``openvino`` or
            ``tensorrt``.
        precision: ``auto`` (``fp32``), ``fp32``, ``fp16`` or ``int8``; the last two need an artefact beside the model.
        jobs: worker processes; ``None`` takes the number of usable cores.
        batch_size: tiles in one inference batch, always padded to this size.
        max_tiles_per_panel: tiles taken from one panel at most, spread evenly over it.
        timeout_s: seconds one document may take before its worker is killed.
        memory_mib: address space a worker may use beyond what it starts with, in MiB.
        max_pixels: images with more pixels are not decoded.
        max_pages: documents with more pages are refused with a notice.
        max_file_mib: larger files are refused with a notice.
        include: shell patterns; documents found must match one of them, if there are any.
        exclude: shell patterns; documents, folders and archives that match one of them are passed over.
        archive_depth: archives are opened inside archives to this depth, the outermost counted.
        archive_files: files in one archive, those of archives inside it counted; more are not read.
        archive_mib: what one archive may expand to in all by decompression, in MiB.
        archive_ratio: how many times its compressed size a member or an archive may expand to, beyond 10 MiB.
        password: password tried on encrypted PDFs; never written to any record.

    Raises:
        UsageError: a value is out of range.
    """

    fpr: float | None = None
    min_panel_px: int = SMALLEST_PANEL_PX
    all_images: bool = False
    model: str | None = None
    calibration: str | None = None
    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    jobs: int | None = None
    batch_size: int = 32
    max_tiles_per_panel: int = 16
    timeout_s: float = 120.0
    memory_mib: int = 2048
    max_pixels: int = 200_000_000
    max_pages: int = 5000
    max_file_mib: int = 1024
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    archive_depth: int = 4
    archive_files: int = 10_000
    archive_mib: int = 8192
    archive_ratio: int = 200
    password: str | None = None

    def __post_init__(self) -> None:
        if self.fpr is not None and not 0.0 < self.fpr < 1.0:
            raise UsageError(f"--fpr {self.fpr} is not a rate between 0 and 1", "try --fpr 0.05")
        if self.min_panel_px < SMALLEST_PANEL_PX:
            raise UsageError(
                f"--min-panel {self.min_panel_px} is below the tile size of {SMALLEST_PANEL_PX} px",
                "panels are never enlarged: a smaller panel holds too little evidence to assess",
            )
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                option, usual = _OPTION.get(name, name), type(self).__dataclass_fields__[name].default
                raise UsageError(
                    f"{option} must be at least 1, not {getattr(self, name)}", f"{option} {usual} is usual"
                )
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"--jobs {self.jobs} must be at least 1")
        if self.timeout_s <= 0:
            raise UsageError(f"--timeout {self.timeout_s} must be more than 0 seconds")

    def worker_count(self) -> int:
        """Worker processes to use: ``jobs``, or as many as this process may use cores."""
        if self.jobs is not None:
            return self.jobs
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def to_json(self) -> dict[str, Any]:
        """The options as JSON-ready values, without the password."""
        values = asdict(self)
        del values["password"]
        return values
