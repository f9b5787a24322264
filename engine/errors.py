"""What can go wrong, in two kinds that never mix.

*Refusals* are exceptions: a run that would be dishonest or cannot produce its output ends with an exit code and a
remedy (:class:`SemscanError`). *Failures* are data: what goes wrong with one document, page or image becomes a
record with one of the codes below, and the run goes on.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """Exit codes of the command line; a stable interface."""

    OK = 0
    CONDITION_MET = 1
    REFUSED = 2
    INCOMPLETE = 3
    NO_INPUT = 4
    INTERNAL = 70
    INTERRUPTED = 130


class Reason(StrEnum):
    """Why a panel (or a document) was not assessed."""

    TOO_SMALL = "too_small"
    BELOW_QUALITY_FLOOR = "below_quality_floor"
    VECTOR_ONLY = "vector_only"
    NOT_SEM = "not_sem"
    UNCERTAIN_KIND = "uncertain_kind"
    HEAVILY_ANNOTATED = "heavily_annotated"
    FALSE_COLOUR = "false_colour"
    PAGE_SCAN = "page_scan"
    UNSUPPORTED_CODEC = "unsupported_codec"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    TIMEOUT = "timeout"
    EXCLUDED = "excluded"
    DUPLICATE_OF = "duplicate_of"
    NO_PANELS = "no_panels"


class CueCode(StrEnum):
    """What the file of a picture says about where it comes from; anybody can write it."""

    C2PA = "c2pa"
    DIGITAL_SOURCE_TYPE = "digital_source_type"
    GENERATION_PARAMETERS = "generation_parameters"
    GENERATOR_NAMED = "generator_named"
    INSTRUMENT = "instrument"


class NoticeCode(StrEnum):
    """What went wrong with an input, or with a part of it."""

    NOT_FOUND = "not_found"
    UNREADABLE = "unreadable"
    EMPTY_FILE = "empty_file"
    NOT_A_PDF = "not_a_pdf"
    UNSUPPORTED_TYPE = "unsupported_type"
    NO_SUPPORTED_FILES = "no_supported_files"
    FILE_TOO_LARGE = "file_too_large"
    ENCRYPTED = "encrypted"
    CORRUPT = "corrupt"
    NO_PAGES = "no_pages"
    TOO_MANY_PAGES = "too_many_pages"
    PAGE_DAMAGED = "page_damaged"
    ARCHIVE_BOMB = "archive_bomb"
    ARCHIVE_LIMIT = "archive_limit"
    ARCHIVE_CORRUPT = "archive_corrupt"
    ARCHIVE_ENCRYPTED = "archive_encrypted"
    LINK_NOT_FOLLOWED = "link_not_followed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    WORKER_CRASHED = "worker_crashed"
    BATCH_HALVED = "batch_halved"


class SemscanError(Exception):
    """A refusal: nothing dishonest is printed instead.

    Args:
        message: one sentence that says what is wrong.
        remedy: what the user can do about it, often a command; may be empty.
    """

    exit_code = ExitCode.REFUSED

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(SemscanError):
    """An option or a combination of options makes no sense."""


class ModelError(SemscanError):
    """The model file is missing, truncated, not a semscan bundle, or fails its self-test."""


class DeviceError(SemscanError):
    """The requested device, runtime or precision is not really available."""


class OutputError(SemscanError):
    """An output cannot be written, or exists and must not be overwritten."""


class ImageUnusable(Exception):
    """One image cannot be turned into pixels; caught in the worker, becomes a ``not_assessed`` panel.

    Args:
        reason: the machine-readable reason.
        detail: one readable clause without a full stop.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class DocumentUnusable(Exception):
    """One document cannot be processed; caught in the worker, becomes a ``notice`` and a ``failed`` document.

    Args:
        code: the machine-readable code.
        message: one readable sentence.
    """

    def __init__(self, code: NoticeCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
