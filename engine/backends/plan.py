"""What a TensorRT plan was built for. A plan is a cache: on another device or version it is refused, not guessed at."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from semscan.engine.errors import ModelError


@dataclass(frozen=True, slots=True)
class PlanKey:
    """All that a plan depends on.

    Attributes:
        onnx_sha256: digest of the artefact that it was built from.
        tensorrt: version of the builder.
        capability: compute capability of the device.
        driver_major: major CUDA version of the driver.
        batches: smallest, best and largest batch.
        flags: builder options beyond the defaults, such as ``version_compatible``.
    """

    onnx_sha256: str
    tensorrt: str
    capability: str
    driver_major: int
    batches: tuple[int, int, int]
    flags: tuple[str, ...] = ()

    def save(self, plan: Path) -> None:
        """Write it beside the plan."""
        _sidecar(plan).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def read_key(plan: Path) -> PlanKey:
    """What a plan says it was built for.

    Raises:
        ModelError: the plan or its key is missing or unreadable.
    """
    remedy = f"semscan export tensorrt MODEL -o {plan} builds one"
    if not plan.is_file():
        raise ModelError(f"there is no TensorRT plan {plan}", remedy)
    try:
        stored = json.loads(_sidecar(plan).read_text(encoding="utf-8"))
        values = {field.name: stored[field.name] for field in fields(PlanKey)}
        smallest, best, largest = values["batches"]
        values["batches"] = (int(smallest), int(best), int(largest))
        values["flags"] = tuple(map(str, values["flags"]))
        return PlanKey(**values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"the key of the plan {plan} cannot be read: {error}", remedy) from error


def require_same(plan: Path, found: PlanKey, here: PlanKey) -> None:
    """Refuse a plan that was built for something else; batches and flags are its builder's choice.

    Raises:
        ModelError: naming every difference and the command that builds it again.
    """
    if "version_compatible" in found.flags and _major(found.tensorrt) == _major(here.tensorrt):
        names: tuple[str, ...] = ("onnx_sha256", "capability")
    else:
        names = ("onnx_sha256", "tensorrt", "capability", "driver_major")
    differences = [
        f"{name.replace('_', ' ')} {getattr(found, name)}, here {getattr(here, name)}"
        for name in names
        if getattr(found, name) != getattr(here, name)
    ]
    if differences:
        raise ModelError(
            f"the plan {plan} was built for something else: {'; '.join(differences)}",
            f"semscan export tensorrt MODEL -o {plan} --overwrite builds it again",
        )


def _major(version: str) -> str:
    return version.partition(".")[0]


def _sidecar(plan: Path) -> Path:
    return plan.with_name(plan.name + ".json")
