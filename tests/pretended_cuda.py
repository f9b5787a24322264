"""A CUDA device and TensorRT, pretended: host memory plays the device's, mean grey level the network.

What a GPU would do is not shown; that lanes, padding, recordings and refusals do what they should can be.
"""

import ctypes
import threading
from types import SimpleNamespace

import numpy as np

SIDE = 128


def means(tiles):
    """The logits of the pretended network."""
    return tiles.reshape(len(tiles), -1).mean(1).astype(np.float32)


class Device:
    """libcudart in host memory; streams do at once what they are given, or record it while a capture runs."""

    def __init__(self, devices=1, memory_bytes=1 << 30):
        self.devices, self.free = devices, memory_bytes
        self.kept, self.recording, self.graphs, self.launches = [], None, [], 0
        self.current = threading.local()  # every thread has a device of its own, the first one unless it says so
        self.taken, self.used = {}, set()
        self.pinned, self.most_pinned = [], None

    def do(self, action):
        if self.recording is None:
            action()
        else:
            self.recording.append(action)

    def cudaGetDeviceCount(self, count):
        count._obj.value = self.devices
        return 0 if self.devices else 100

    def cudaSetDevice(self, index):
        self.current.index = index
        return 0

    def cudaFree(self, pointer):
        self.free += self.taken.pop(pointer.value)
        return 0

    def cudaDeviceGetAttribute(self, value, attribute, index):
        value._obj.value = {75: 9, 76: 0}[attribute]
        return 0

    def cudaDriverGetVersion(self, value):
        value._obj.value = 13010
        return 0

    def cudaStreamCreateWithFlags(self, stream, flags):
        stream._obj.value = 7
        return 0

    def cudaMalloc(self, pointer, size):
        if size.value > self.free:
            return 2
        self.free -= size.value
        self.used.add(getattr(self.current, "index", 0))
        memory = ctypes.create_string_buffer(size.value)
        self.kept.append(memory)
        pointer._obj.value = ctypes.addressof(memory)
        self.taken[pointer._obj.value] = size.value
        return 0

    def cudaFreeHost(self, pointer):
        self.pinned.remove(pointer.value)
        return 0

    def cudaHostAlloc(self, pointer, size, flags):
        if len(self.pinned) == self.most_pinned:
            return 2
        memory = ctypes.create_string_buffer(size.value)
        self.kept.append(memory)
        pointer._obj.value = ctypes.addressof(memory)
        self.pinned.append(pointer._obj.value)
        return 0

    def cudaMemcpyAsync(self, target, origin, size, kind, stream):
        self.do(lambda: ctypes.memmove(target.value, origin.value, size.value))
        return 0

    def cudaStreamSynchronize(self, stream):
        return 0

    def cudaStreamBeginCapture(self, stream, mode):
        self.recording = []
        return 0

    def cudaStreamEndCapture(self, stream, graph):
        self.graphs.append(self.recording)
        graph._obj.value, self.recording = len(self.graphs), None
        return 0

    def cudaGraphInstantiate(self, made, graph, flags):
        made._obj.value = graph.value
        return 0

    def cudaGraphLaunch(self, made, stream):
        self.launches += 1
        for action in self.graphs[made.value - 1]:
            action()
        return 0


class Context:
    """Gives each tile its logit."""

    def __init__(self, device, network):
        self.device, self.network, self.addresses, self.shape = device, network, {}, None

    def set_input_shape(self, name, shape):
        self.shape = shape

    def get_tensor_shape(self, name):
        assert name == "evidence"
        return (self.shape[0], 24, 24)

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def execute_async_v3(self, stream):
        addresses, shape = dict(self.addresses), self.shape  # recorded with the graph, like TensorRT does

        def compute():
            count = shape[0]
            raw = (ctypes.c_ubyte * (count * SIDE * SIDE)).from_address(addresses["tiles"])
            logits = self.network(np.frombuffer(raw, np.uint8).reshape(shape))
            ctypes.memmove(addresses["logit"], logits.ctypes.data, logits.nbytes)

        self.device.do(compute)
        return True


def fake_trt(device, version="11.4.0", outputs=("logit", "evidence"), refuses=False, name="tensorrt", network=means):
    """The package, as far as a plan's runner uses it; ``network`` is what the plan computes."""
    names = ("tiles", *outputs)
    engine = SimpleNamespace(
        num_io_tensors=len(names),
        get_tensor_name=lambda number: names[number],
        get_tensor_mode=lambda name: "in" if name == "tiles" else "out",
        get_tensor_dtype=lambda name: "uint8" if name == "tiles" else "float",
        create_execution_context=lambda: Context(device, network),
    )
    runtime = SimpleNamespace(deserialize_cuda_engine=lambda plan: None if refuses else engine)
    return SimpleNamespace(
        __name__=name,
        __version__=version,
        Logger=type("Logger", (), {"ERROR": 1, "__init__": lambda self, level: None}),
        Runtime=lambda given: runtime,
        TensorIOMode=SimpleNamespace(INPUT="in"),
        DataType=SimpleNamespace(UINT8="uint8", FLOAT="float"),
    )
