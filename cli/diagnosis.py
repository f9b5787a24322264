"""What ``semscan doctor`` looks at: versions, the runtime's owners, limits of the machine, the self-test."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semscan.engine.errors import DeviceError, SemscanError

if TYPE_CHECKING:
    from semscan.engine.backends.choice import Choice
    from semscan.engine.bundle import Bundle

REQUIRED = ("numpy", "pillow", "pymupdf")
PACKAGES = (*REQUIRED, "click", "onnxruntime", "onnxruntime-gpu", "openvino", "torch", "onnx", "scipy")

WORKER_START = "import semscan.engine.pdf.worker as worker; worker.Examiner()"
"""What a worker does before its first document."""

_RUNTIMES: dict[str, dict[str, tuple[str, ...]]] = {
    "cpu": {"onnxruntime": ("fp32", "fp16", "int8"), "openvino": ("fp32", "fp16", "int8")},
    "cuda": {"onnxruntime": ("fp32", "fp16"), "onnxruntime-tensorrt": ("fp16",), "tensorrt": ("fp16",)},
}
"""Every combination of device, runtime and precision that a scan may be asked for."""

_UNLIMITED_BYTES = 1 << 60
"""Control groups state the absence of a memory limit as a number beyond any machine."""


@dataclass(slots=True)
class Diagnosis:
    """Facts by topic, in the order of printing, and what keeps a scan from running."""

    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[SemscanError] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON-ready values."""
        problems = [{"message": p.message, "remedy": p.remedy} for p in self.problems]
        return {"ready": not self.problems, **self.facts, "problems": problems}


def diagnose() -> Diagnosis:
    """Look at everything; what is missing becomes a problem, not an exception."""
    found = Diagnosis()
    found.facts["semscan"] = _version("semscan")
    found.facts["python"] = f"{platform.python_version()} ({sys.executable})"
    found.facts["system"] = f"{platform.system()} {platform.release()} {platform.machine()}"
    found.facts["packages"] = {name: _version(name) for name in PACKAGES} | _tensorrt_versions()
    owners = runtime_owners()
    found.facts["runtime"] = owners
    found.facts["cores"] = usable_cores()
    found.facts["memory"] = {"usable_mib": usable_memory_mib()}
    shared = Path("/dev/shm")
    found.facts["shm"] = {"free_mib": shutil.disk_usage(shared).free >> 20} if shared.is_dir() else None
    if len(owners) > 1:
        found.problems.append(
            DeviceError(
                f"{' and '.join(owners)} are installed together and overwrite each other's files",
                f"pip uninstall -y {' '.join(owners)} && pip install --no-cache-dir {owners[0]}",
            )
        )
    absent = [name for name in REQUIRED if found.facts["packages"][name] is None]
    if absent:
        found.problems.append(SemscanError(f"not installed: {', '.join(absent)}", f"pip install {' '.join(absent)}"))
    else:
        _look_at_workers(found)
        _look_at_models(found)
    return found


def runtime_owners() -> list[str]:
    """Installed distributions that own the package ``onnxruntime``."""
    return sorted(set(importlib.metadata.packages_distributions().get("onnxruntime", [])))


def _tensorrt_versions() -> dict[str, str | None]:
    """Versions of the packages that can run TensorRT's plans; their distributions are named after those of CUDA."""
    from semscan.engine.backends.tensorrt import PACKAGES as RUNTIMES

    owners = importlib.metadata.packages_distributions()
    return {name: _version(owners[name][0]) if owners.get(name) else None for name in RUNTIMES}


def usable_cores() -> int:
    """Cores that this process may use: its affinity mask, cut by the quota of a control group (version 2)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def usable_memory_mib() -> int | None:
    """Memory that is available, cut by the limit of a control group; ``None`` where the system does not tell."""
    limits = [int(line.split()[1]) << 10 for line in _read("/proc/meminfo").splitlines() if line.startswith("MemAvail")]
    limit, used = _read("/sys/fs/cgroup/memory.max").strip(), _read("/sys/fs/cgroup/memory.current").strip()
    if limit.isdigit() and int(limit) < _UNLIMITED_BYTES:
        limits.append(max(0, int(limit) - int(used or 0)))
    return min(limits) >> 20 if limits else None


def _look_at_workers(found: Diagnosis) -> None:
    """Whether a worker process can start; a scan cannot show why not, because it reads nothing that workers print."""
    # The caller's paths reach the workers too, see the pool.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-P", "-c", WORKER_START], capture_output=True, text=True, env=environment, check=False
    )
    found.facts["workers"] = "start" if done.returncode == 0 else "do not start"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        found.problems.append(SemscanError(f"worker processes do not start: {last}", "install semscan again"))


def _look_at_models(found: Diagnosis) -> None:
    from semscan.engine.backends.choice import choose
    from semscan.engine.bundle import list_models, load_bundle
    from semscan.engine.options import ScanOptions
    from semscan.engine.selftest import open_proved

    found.facts["models"] = [path.stem for path in list_models()]
    _look_at_gate(found)
    found.facts["self-test"] = "not run"
    try:
        bundle = load_bundle()
        choice = choose()
        found.facts["runs on"] = f"{choice.backend} {choice.precision} on {choice.device}: {choice.why}"
        proved = open_proved(bundle, choice, ScanOptions().batch_size)
    except SemscanError as problem:
        found.problems.append(problem)
        return
    (backend,) = proved.backends
    where = f"{backend.name} {backend.precision} on {backend.device}"
    found.facts["self-test"] = f"{bundle.id} ok, largest deviation {proved.deviation:.1e} logits, {where}"
    found.facts["could use"] = other_runtimes(bundle, choice)


def other_runtimes(bundle: Bundle, chosen: Choice) -> list[str]:
    """The self-test on every runtime, device and precision but the chosen one, or why not; a line for each.

    What is not usable is no problem of the installation: nobody asked for it.
    """
    from semscan.engine.backends import cudart
    from semscan.engine.backends.choice import choose
    from semscan.engine.options import ScanOptions
    from semscan.engine.selftest import open_proved

    try:
        devices = [f"cuda:{number}" for number in range(cudart.device_count())]
    except DeviceError:
        devices = ["cuda:0"]  # what is asked for it says why there is none
    lines: list[str] = []
    for device in ("cpu", *devices):
        for backend, precisions in _RUNTIMES[device.partition(":")[0]].items():
            said: dict[str, str] = {}
            for precision in precisions:
                if (device, backend, precision) == (chosen.device, chosen.backend, chosen.precision):
                    continue
                try:
                    proved = open_proved(bundle, choose(device, backend, precision), ScanOptions().batch_size)
                    how = f", {proved.how}" if proved.how else ""
                    said[precision] = f"ok, largest deviation {proved.deviation:.1e} logits{how}"
                except SemscanError as refusal:
                    said[precision] = refusal.message
            if len(set(said.values())) == 1 and len(said) > 1:
                said = {"/".join(said): next(iter(said.values()))}
            lines += [f"{backend} {precision} on {device}: {words}" for precision, words in said.items()]
    return lines


def _look_at_gate(found: Diagnosis) -> None:
    """Whether what tells panels apart and what reads their letters can be opened."""
    from semscan.engine.figures import kind, lettering

    for what, name, model in (
        ("gate", kind.NAME, kind.KindGate.load()),
        ("letters", lettering.NAME, lettering.LetterReader.load()),
    ):
        try:
            model.open()
            found.facts[what] = f"{name} ok"
        except SemscanError as problem:
            found.facts[what] = f"{name} cannot be used"
            found.problems.append(problem)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _read(path: str) -> str:
    """A file of the system's, empty where there is none."""
    try:
        return Path(path).read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return ""
