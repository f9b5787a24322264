"""The few calls of the CUDA runtime that a backend needs, through ctypes: no further package, nothing compiled.

Names and signatures are those of the CUDA Runtime API, versions 12 and 13. The library is looked for where pip puts
it and where the system's loader does.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends.failures import OutOfDeviceMemory
from semscan.engine.errors import DeviceError

LIBRARIES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so")
CUDNN = ("libcudnn.so.9",)
"""What ONNX Runtime's convolutions on CUDA are linked to."""
_PACKAGES = {"nvidia": "nvidia/*/lib", "tensorrt_libs": "tensorrt_libs"}
"""Packages that hold libraries, and their folders."""
_TO_DEVICE, _TO_HOST = 1, 2
_THREAD_LOCAL_CAPTURE = 1
_MAJOR, _MINOR = 75, 76
"""Numbers of the device attributes for the compute capability."""
_OUT_OF_MEMORY = 2


class Cuda:
    """One device.

    Args:
        index: which device.
        library: the loaded runtime; found by itself when ``None``.

    Raises:
        DeviceError: there is no CUDA runtime, no driver, or no such device.
    """

    def __init__(self, index: int = 0, library: Any = None) -> None:
        self._library = library or _load()
        count = device_count(self._library)
        if index >= count:
            raise DeviceError(f"there is no device cuda:{index}, only {count}", "use --device cuda")
        self.index = index
        self.use()

    @property
    def capability(self) -> str:
        """Compute capability, such as ``9.0``."""
        numbers = []
        for attribute in (_MAJOR, _MINOR):
            value = ctypes.c_int()
            self._call("cudaDeviceGetAttribute", ctypes.byref(value), attribute, self.index)
            numbers.append(str(value.value))
        return ".".join(numbers)

    @property
    def driver(self) -> int:
        """The newest CUDA version that the driver knows, 13000 for 13.0."""
        value = ctypes.c_int()
        self._call("cudaDriverGetVersion", ctypes.byref(value))
        return value.value

    def stream(self) -> ctypes.c_void_p:
        """A stream that does not wait for the default one."""
        stream = ctypes.c_void_p()
        self._call("cudaStreamCreateWithFlags", ctypes.byref(stream), 1)
        return stream

    def use(self) -> None:
        """Make it the device of the calling thread, which every thread has its own of."""
        self._call("cudaSetDevice", self.index)

    def device_memory(self, size_bytes: int) -> ctypes.c_void_p:
        """Memory of the device; it lives as long as the process, unless it is given to :meth:`free`.

        Raises:
            OutOfDeviceMemory: there is not enough.
        """
        pointer = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(pointer), ctypes.c_size_t(size_bytes))
        return pointer

    def free(self, pointer: ctypes.c_void_p) -> None:
        """Give memory of the device back."""
        self._call("cudaFree", pointer)

    def pinned(self, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        """Page-locked host memory as an array, which copies run past the processor.

        It lives as long as the process, unless the array is given to :meth:`unpin`.

        Raises:
            OutOfDeviceMemory: there is not enough that can be locked.
        """
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        pointer = ctypes.c_void_p()
        self._call("cudaHostAlloc", ctypes.byref(pointer), ctypes.c_size_t(size), 0)
        memory = (ctypes.c_ubyte * size).from_address(pointer.value or 0)
        return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)

    def unpin(self, values: NDArray[Any]) -> None:
        """Give page-locked memory back; the array must not be used any more."""
        self._call("cudaFreeHost", ctypes.c_void_p(values.ctypes.data))

    def copy_in(self, to: ctypes.c_void_p, values: NDArray[Any], stream: ctypes.c_void_p) -> None:
        """Copy pinned memory to the device, asynchronously."""
        self._copy(to, values.ctypes.data, values.nbytes, _TO_DEVICE, stream)

    def copy_out(self, values: NDArray[Any], source: ctypes.c_void_p, stream: ctypes.c_void_p) -> None:
        """Copy memory of the device to pinned memory, asynchronously."""
        self._copy(values.ctypes.data, source, values.nbytes, _TO_HOST, stream)

    def synchronize(self, stream: ctypes.c_void_p) -> None:
        """Wait until a stream has done all that it was given."""
        self._call("cudaStreamSynchronize", stream)

    @contextmanager
    def captured(self, stream: ctypes.c_void_p) -> Iterator[Callable[[], None]]:
        """Record what is put into a stream instead of doing it.

        Yields:
            What replays the recording into the stream, to be called after the block.
        """
        graph, made = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cudaStreamBeginCapture", stream, _THREAD_LOCAL_CAPTURE)
        try:
            yield lambda: self._call("cudaGraphLaunch", made, stream)
        except BaseException:
            self._library.cudaStreamEndCapture(stream, ctypes.byref(graph))  # or it would record what follows, too
            raise
        self._call("cudaStreamEndCapture", stream, ctypes.byref(graph))
        self._call("cudaGraphInstantiate", ctypes.byref(made), graph, ctypes.c_ulonglong(0))

    def _copy(self, to: Any, source: Any, size: int, kind: int, stream: ctypes.c_void_p) -> None:
        target, origin = ctypes.c_void_p(_address(to)), ctypes.c_void_p(_address(source))
        self._call("cudaMemcpyAsync", target, origin, ctypes.c_size_t(size), kind, stream)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status == _OUT_OF_MEMORY:
            raise OutOfDeviceMemory(f"cuda:{self.index} is out of memory", "use a smaller --batch-size")
        if status:
            describe = self._library.cudaGetErrorString
            describe.restype = ctypes.c_char_p
            raise DeviceError(f"{name} fails on the device: {(describe(status) or b'').decode()} ({status})")


def device_count(library: Any = None) -> int:
    """How many devices there are.

    Args:
        library: the loaded runtime; found by itself when ``None``.

    Raises:
        DeviceError: there is no CUDA runtime, no driver, or no device.
    """
    count = ctypes.c_int()
    if (library or _load()).cudaGetDeviceCount(ctypes.byref(count)) or not count.value:
        raise DeviceError("no CUDA device is usable here", "nvidia-smi shows the driver's view; or use --device cpu")
    return count.value


def _address(value: Any) -> int:
    return (value.value or 0) if isinstance(value, ctypes.c_void_p) else int(value)


def find_library(names: Sequence[str]) -> ctypes.CDLL | None:
    """The first of some libraries that can be loaded, from pip's packages or from the system; ``None`` if none can."""
    folders = list(_folders())
    for name in names:
        for path in [*(str(folder / name) for folder in folders if (folder / name).is_file()), name]:
            try:
                return ctypes.CDLL(path)
            except OSError:
                continue
    return None


def _folders() -> Iterator[Path]:
    """Where pip puts the libraries of CUDA and of TensorRT."""
    for package, pattern in _PACKAGES.items():
        if (spec := importlib.util.find_spec(package)) and spec.submodule_search_locations:
            for root in spec.submodule_search_locations:
                yield from sorted(Path(root).parent.glob(pattern))


def _load() -> ctypes.CDLL:
    found = find_library(LIBRARIES)
    if found is None:
        raise DeviceError(
            "the CUDA runtime library is not installed",
            "pip install 'semscan[gpu]' (ONNX Runtime) or 'semscan[tensorrt]'; or use --device cpu",
        )
    return found
