"""TensorRT through ONNX Runtime on pretended devices: what is asked of it, where its engines are kept, and for whom."""

import json
import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from pretended_cuda import Device
from pretended_onnx import TENSORRT, Pretended

from semscan.engine.backends import cudart, onnxsettings, open_backend
from semscan.engine.backends.choice import choose
from semscan.engine.backends.failures import Unusable
from semscan.engine.backends.onnxsettings import cuda_settings, tensorrt_settings
from semscan.engine.backends.usercache import private_folder
from semscan.engine.backends.ways import Way
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import DeviceError
from semscan.engine.selftest import open_proved

CHOICE = choose(backend="onnxruntime-tensorrt")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "semscan" / "onnxruntime-tensorrt"


@pytest.fixture
def libraries(monkeypatch, cache):
    """CUDA 13 and TensorRT 10.16.1 for two devices of capability 9.0; ``there`` names the libraries to be found."""
    there = {*onnxsettings.NVINFER, *onnxsettings.ONNX_PARSER}
    state = SimpleNamespace(version=101601, there=there, device=Device(devices=2))

    def find(names):
        return SimpleNamespace(getInferLibVersion=lambda: state.version) if set(names) & state.there else None

    monkeypatch.setattr(onnxsettings, "find_library", find)
    monkeypatch.setattr(cudart, "_load", lambda: state.device)
    return state


@pytest.fixture(scope="module")
def half():
    return load_bundle().at("fp16")


def test_what_tensorrt_is_asked_for(libraries, cache, half):
    folder, settings = tensorrt_settings(onnxruntime, half, 1, Way(256))
    assert folder.parent == cache
    assert settings == {
        "device_id": "1",
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(cache / "timing-101601"),
        "trt_profile_min_shapes": "tiles:1x1x128x128",
        "trt_profile_opt_shapes": "tiles:256x1x128x128",
        "trt_profile_max_shapes": "tiles:256x1x128x128",
    }  # and no flag for a precision: types are those of the graph
    _, graph = tensorrt_settings(onnxruntime, half, 1, Way(256, graph=True))
    assert graph == settings | {"trt_cuda_graph_enable": "True"}


def test_an_engine_is_kept_for_what_it_was_built_for_and_nothing_else(libraries, half, monkeypatch):
    def folder(bundle=half, **way):
        return tensorrt_settings(onnxruntime, bundle, 0, Way(**way))[0]

    first = folder()
    assert folder() == first == folder(graph=True)
    others = [folder(batch_size=16), folder(load_bundle())]
    libraries.version = 100900
    others.append(folder())
    libraries.version = 101601
    monkeypatch.setattr(Device, "cudaDriverGetVersion", lambda self, value: setattr(value._obj, "value", 12080) or 0)
    others.append(folder())
    monkeypatch.undo()
    assert len({first, *others}) == 5


def test_a_scan_gets_the_fastest_way_that_works(monkeypatch, libraries, half):
    tiles = np.random.default_rng(2).integers(90, 160, (5, 1, 128, 128), dtype=np.uint8)
    expected = open_backend(load_bundle(), choose(backend="onnxruntime", precision="fp16")).infer(tiles)
    device = Pretended(monkeypatch)
    found = open_proved(load_bundle(), CHOICE, 5)
    (backend,) = found.backends
    assert (backend.name, backend.precision, backend.device) == ("onnxruntime-tensorrt", "fp16", "cuda:0")
    assert found.how == "a CUDA graph for batches of 5"
    assert [provider for provider, _ in device.opened] == [TENSORRT]
    np.testing.assert_allclose(backend.infer(tiles), expected, atol=1e-6)
    assert device.recorded == [5]
    device = Pretended(monkeypatch, faults=("recording",))
    found = open_proved(load_bundle(), CHOICE, 5)
    assert found.how.startswith("a CUDA graph for batches of 5 refused: ONNX Runtime fails on cuda:0: CUDA failure 900")
    assert len(device.opened) == 2


def test_an_engine_that_cannot_be_loaded_is_built_again_once(monkeypatch, libraries, cache, half):
    folder, _ = tensorrt_settings(onnxruntime, half, 0, Way(8))
    broken = folder / "TensorrtExecutionProvider_sem_sm90.engine"
    broken.write_bytes(b"cut off")
    Pretended(monkeypatch)
    opens, seen = onnxruntime.InferenceSession, []

    def strict(path, options, providers, **named):
        seen.append([kept.name for kept in Path(providers[0][1]["trt_engine_cache_path"]).iterdir()])
        if seen[-1] or len(seen) > 2:
            raise RuntimeError("TensorRT EP could not deserialize engine from cache")
        return opens(path, options, providers, **named)

    monkeypatch.setattr(onnxruntime, "InferenceSession", strict)
    open_backend(load_bundle(), CHOICE, Way(8))
    assert seen == [[broken.name], []]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with pytest.raises(DeviceError, match="could not deserialize"):
        open_backend(load_bundle(), CHOICE, Way(8))
    assert len(seen) == 3  # nothing was kept, so there is nothing to build again


@pytest.mark.parametrize("missing", [onnxsettings.NVINFER, onnxsettings.ONNX_PARSER])
def test_missing_libraries_of_tensorrt(monkeypatch, libraries, missing):
    Pretended(monkeypatch)
    libraries.there -= set(missing)
    with pytest.raises(Unusable, match=f"cannot use TensorRT: {missing[0]} is not installed") as refusal:
        open_proved(load_bundle(), CHOICE, 8)
    assert refusal.value.remedy.startswith("pip install 'tensorrt-cu13<11'")


def test_a_runtime_without_tensorrt(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(Unusable, match="the installed ONNX Runtime cannot use TensorRT") as refusal:
        open_proved(load_bundle(), CHOICE, 8)
    assert "pip install 'semscan[gpu]'" in refusal.value.remedy


def test_a_private_folder_is_made_for_one_user(cache, monkeypatch, tmp_path):
    folder = private_folder("onnxruntime-tensorrt", "key")
    assert folder == cache / "key"
    for part in (folder, cache, cache.parent):
        assert stat.S_IMODE(part.stat().st_mode) == 0o700
    (folder / "kept").write_text("x")
    assert private_folder("onnxruntime-tensorrt", "key") == folder
    assert (folder / "kept").exists()
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert private_folder("x") == tmp_path / "home" / ".cache" / "semscan" / "x"


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions")
@pytest.mark.parametrize("planted", ["writable", "link", "foreign", "file"])
def test_a_folder_that_others_may_have_filled_is_refused(cache, monkeypatch, tmp_path, planted):
    private_folder()
    if planted == "writable":
        cache.mkdir()
        cache.chmod(0o777)
    elif planted == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        cache.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    elif planted == "file":
        cache.write_text("no folder")
    else:
        cache.mkdir(mode=0o700)
        monkeypatch.setattr(os, "getuid", lambda: cache.stat().st_uid + 1)
    with pytest.raises(DeviceError, match=r"is not this user's alone|no cache can be kept in") as refusal:
        private_folder("onnxruntime-tensorrt")
    assert "XDG_CACHE_HOME" in refusal.value.remedy


def test_a_place_where_nothing_can_be_kept(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DeviceError, match="no cache can be kept in"):
        private_folder("x")


CORE = ("gpu_graph_id", "session.disable_cpu_ep_fallback", "session.record_ep_graph_assignment_info")


def names_in(folder: Path, pattern: str, names) -> set[str]:
    """Those of some names that stand in the libraries of a package, as whole strings."""
    content = b"".join(path.read_bytes() for path in folder.glob(pattern))
    assert content
    return {name for name in names if b"\0" + name.encode() + b"\0" in content}


def test_the_names_of_the_runtime_itself_exist():
    folder = Path(onnxruntime.__file__).parent / "capi"
    assert names_in(folder, "onnxruntime_pybind11_state*.so", (*CORE, "no_such_option")) == set(CORE)


def test_the_names_of_the_providers_exist(libraries, half):
    """In the libraries of ``onnxruntime-gpu``; its unpacked wheel may lie anywhere, for it weighs 250 MB."""
    folder = Path(os.environ.get("SEMSCAN_ONNXRUNTIME_GPU", Path(onnxruntime.__file__).parent.parent))
    folder = folder / "onnxruntime" / "capi"
    if not (folder / "libonnxruntime_providers_tensorrt.so").is_file():
        pytest.skip("onnxruntime-gpu is not at hand; SEMSCAN_ONNXRUNTIME_GPU names a folder with its unpacked wheel")
    cuda = set(cuda_settings(0, Way(nhwc=True, graph=True)))
    assert names_in(folder, "libonnxruntime_providers_cuda.so", cuda) == cuda
    asked = set(tensorrt_settings(onnxruntime, half, 0, Way(graph=True))[1])
    assert names_in(folder, "libonnxruntime_providers_tensorrt.so", asked) == asked
    assert json.dumps(sorted(asked)).count("trt_") == len(asked) - 1
