"""ONNX Runtime with NVIDIA devices, pretended: sessions compute on the CPU and keep what they call CUDA graphs.

A graph is kept for each thread and number, and reads the memory that was bound when it was recorded, as the real ones
do. What a real device would refuse, and how fast it is, is not shown.
"""

import threading
from types import SimpleNamespace

import numpy as np
import onnxruntime

REAL_SESSION, REAL_VALUE = onnxruntime.InferenceSession, onnxruntime.OrtValue
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
GRAPHS = ("enable_cuda_graph", "trt_cuda_graph_enable")


class Session:
    """A session that says which providers it took, and computes nothing."""

    taken = (CUDA,)
    asked = None

    def __init__(self, path, options, providers, enable_fallback):
        assert not enable_fallback
        if not self.taken:
            raise RuntimeError("CUDA failure 100")
        type(self).asked = providers

    def get_providers(self):
        return list(self.taken)


class Pretended:
    """A machine with devices, put in the place of the package's own names.

    Attributes:
        refuses: options that no session opens with.
        faults: what goes wrong while it computes: ``recording``, ``replaying``, ``nhwc`` or ``memory``.
        most: tiles that the memory has room for, one less while a graph is recorded.
        opened: provider and options of every session that was asked for.
        recorded, replayed, plain: how often graphs were, with their numbers, and sizes of batches without one.
        threads: that recorded or replayed.
    """

    def __init__(self, monkeypatch, refuses=(), faults=(), most=1 << 20):
        self.refuses, self.faults, self.most = refuses, faults, most
        self.opened, self.recorded, self.replayed, self.plain, self.threads = [], [], [], [], set()
        machine = self

        class PretendedSession(DeviceSession):
            def __init__(self, path, options, providers, enable_fallback):
                assert not enable_fallback  # or it would go on elsewhere, and print so
                assert options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"
                asked = any(name in providers[0][1] for name in (*GRAPHS, "prefer_nhwc"))
                assert options.log_severity_level == (4 if asked else 3)  # a refused way is no error of the run
                super().__init__(machine, path, providers[0])

        def opens(path, options=None, providers=None, **named):
            if providers == ["CPUExecutionProvider"]:
                return REAL_SESSION(path, options, providers=providers)
            return PretendedSession(path, options, providers, **named)

        monkeypatch.setattr(onnxruntime, "InferenceSession", opens)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA])
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libnothing.so"))
        monkeypatch.setattr(onnxruntime, "OrtValue", OnDevice)
        monkeypatch.setattr("semscan.engine.backends.onnxdevice.find_library", lambda names: object())


class OnDevice:
    """Memory of the CPU in the place of a device's."""

    @staticmethod
    def ortvalue_from_numpy(values, device, index):
        assert device == "cuda"
        return REAL_VALUE.ortvalue_from_numpy(values, "cpu", 0)

    @staticmethod
    def ortvalue_from_shape_and_type(shape, dtype, device, index):
        assert device == "cuda"
        return REAL_VALUE.ortvalue_from_shape_and_type(shape, dtype, "cpu", 0)


class DeviceSession:
    """A session of a :class:`Pretended` machine."""

    def __init__(self, machine, path, asked):
        self.machine, (self.provider, self.settings) = machine, asked
        machine.opened.append(asked)
        for name in machine.refuses:
            if name in self.settings:
                raise RuntimeError(f"unknown provider option {name}")
        self.real, self.graphs = REAL_SESSION(path, providers=["CPUExecutionProvider"]), {}

    def get_providers(self):
        return [self.provider, "CPUExecutionProvider"]

    def get_provider_graph_assignment_info(self):
        return [SimpleNamespace(ep_name=self.provider)]

    def io_binding(self):
        return self.real.io_binding()

    def run_with_iobinding(self, binding, options):
        machine, number = self.machine, int(options.get_run_config_entry("gpu_graph_id"))
        graph = any(self.settings.get(name) in ("1", "True") for name in GRAPHS) and number != -1
        size = binding.get_outputs()[0].shape()[0]
        if size > machine.most - graph:
            raise RuntimeError("CUDA failure 2: out of memory")
        if not graph:
            machine.plain.append(size)
            self._compute(binding)
            return
        key = threading.get_ident(), number
        machine.threads.add(key[0])
        if key in self.graphs:
            machine.replayed.append(number)
            if "replaying" not in machine.faults:
                self._compute(self.graphs[key])
            return
        if "recording" in machine.faults:
            raise RuntimeError("CUDA failure 900: operation not permitted when stream is capturing")
        machine.recorded.append(number)
        self.graphs[key] = binding
        self._compute(binding)

    def _compute(self, binding):
        self.real.run_with_iobinding(binding)
        if "nhwc" in self.machine.faults and "prefer_nhwc" in self.settings:
            logits = binding.get_outputs()[0]
            logits.update_inplace(np.asarray(logits.numpy() + np.float32(0.1)))
