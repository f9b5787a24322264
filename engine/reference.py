"""A genuine reference of one's own: the file that ``semscan calibrate`` writes and ``--calibration`` reads.

A reference counts scores, so it belongs to the one model that gave them and is refused with any other.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from semscan.engine.bundle import Bundle
from semscan.engine.calibration import STRATA, Calibration, SmoothnessLine, Stratum, Tail
from semscan.engine.errors import ModelError

FORMAT = "semscan-calibration/1"
LARGEST_BYTES = 1 << 28

_AGAIN = "semscan calibrate DIR -o FILE writes one"


def load_reference(path: str, bundle: Bundle) -> Calibration:
    """Read a calibration file.

    Args:
        path: of the file.
        bundle: the model that is to be used with it; a less precise artefact of the model will do.

    Raises:
        ModelError: the file cannot be read, is none, or was made with another model.
    """
    try:
        if Path(path).stat().st_size > LARGEST_BYTES:
            raise ModelError(f"{path} is too large for a calibration file", _AGAIN)
        data = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise ModelError(f"the calibration {path} cannot be read: {error.strerror}", _AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not a calibration file", _AGAIN) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ModelError(f"{path} is not a calibration file of format {FORMAT}", _AGAIN)
    try:
        model = data["model"]
        if model["sha256"] not in (bundle.sha256, bundle.metadata.get("made_from", bundle.sha256)):
            raise ModelError(
                f"{path} was made with the model {model['id']} (sha256 {model['sha256'][:8]}), not with {bundle.id} "
                f"(sha256 {bundle.sha256[:8]})",
                f"--model {model['id']}, or calibrate again: scores of two models cannot be compared",
            )
        calibration = Calibration.from_json({**data["calibration"], "id": data["id"]})
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(f"the calibration {path} is damaged: {error}", _AGAIN) from error
    unknown = [name for name in (*calibration.strata, *calibration.local) if name not in STRATA]
    if unknown:
        raise ModelError(f"the calibration {path} has an unknown stratum {unknown[0]!r:.40}", _AGAIN)
    return calibration


def open_reference(bundle: Bundle) -> Calibration:
    """A reference that admits every panel and flags none, with the smoothness line that is part of the model's score.

    Regions are told of every panel if the model was calibrated for them.
    """
    line = bundle.calibration.smoothness
    strata = {name: Stratum(name, 0, 0, (), (), Tail(0.0, 0.0, 1.0, 1.0)) for name in STRATA}
    return replace(
        bundle.calibration,
        id="none",
        strata=strata,
        smoothness=SmoothnessLine(line.slope, line.intercept, -math.inf, math.inf),
        local=strata if bundle.calibration.local else {},
    )


def to_file(identity: str, tables: dict[str, Any], bundle: Bundle, facts: dict[str, Any]) -> dict[str, Any]:
    """The content of a calibration file.

    Args:
        identity: of the calibration.
        tables: ``smoothness``, ``strata`` and perhaps ``local``, see :meth:`Calibration.from_json`.
        bundle: the model that gave the scores.
        facts: what people should know of it.
    """
    return {
        "format": FORMAT,
        "id": identity,
        "model": {"id": bundle.id, "sha256": bundle.sha256},
        **facts,
        "calibration": tables,
    }
