"""A model file is read without a runtime, and a wrong one is refused in one sentence."""

import base64
import json
import zlib

import numpy as np
import pytest

from semscan.engine import bundle as bundles
from semscan.engine.backends.fake import FakeBackend
from semscan.engine.bundle import load_bundle
from semscan.engine.errors import ModelError
from semscan.engine.selftest import golden_self_test

TILES = np.random.default_rng(1).integers(0, 256, (3, 1, 128, 128), np.uint8)
TABLE = {"n": 1, "sources": 1, "scores": [0], "tail": [1], "low95": [0], "high95": [1], "upper95": [1]}
METADATA = {
    "format": "1",
    "id": "test",
    "tile_px": "128",
    "card": "# A card",
    "calibration": json.dumps(
        {
            "id": "c",
            "smoothness": {"slope": 0, "intercept": 0, "low": -9, "high": 9},
            "strata": dict.fromkeys(("lossless", "jpeg90", "jpeg75"), TABLE),
        }
    ),
    "golden": json.dumps(
        {
            "n": 3,
            "tiles": base64.b64encode(zlib.compress(TILES.tobytes())).decode(),
            "logits": FakeBackend().infer(TILES).tolist(),
        }
    ),
}


def length_delimited(number: int, value: bytes) -> bytes:
    size, head = len(value), bytearray([number << 3 | 2])
    while size > 127:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(head) + bytes([size]) + value


def model_file(path, **changes):
    """An ``onnx.ModelProto`` that holds metadata only, after a varint and a fixed-width field."""
    data = bytes([1 << 3, 0x88, 0x01]) + bytes([9 << 3 | 5, 0, 0, 0, 0])
    for key, value in (METADATA | changes).items():
        if value is not None:
            entry = length_delimited(1, f"semscan.{key}".encode()) + length_delimited(2, value.encode())
            data += length_delimited(14, entry)
    path.write_bytes(data)
    return path


def test_metadata_is_read_from_the_file(tmp_path):
    bundle = load_bundle(str(model_file(tmp_path / "m.onnx")))
    assert (bundle.id, bundle.tile_px, bundle.card) == ("test", 128, "# A card")
    assert bundle.calibration.sources == 1 and len(bundle.sha256) == 64
    np.testing.assert_array_equal(bundle.golden().tiles, TILES)


def test_the_self_test_passes_on_the_right_runtime_and_refuses_another(tmp_path):
    bundle = load_bundle(str(model_file(tmp_path / "m.onnx")))
    assert golden_self_test(bundle, FakeBackend()) == 0.0

    class Off(FakeBackend):
        def infer(self, tiles):
            return super().infer(tiles) + np.float32(0.01)

    class Broken(FakeBackend):
        def infer(self, tiles):
            return super().infer(tiles) * np.float32("nan")

    for backend in (Off(), Broken()):
        with pytest.raises(ModelError, match="golden"):
            golden_self_test(bundle, backend)


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 0, "tiles": base64.b64encode(zlib.compress(b"")).decode(), "logits": []},
        {"logits": [0.0]},
        {"logits": [0.0] * 4},
        {"logits": []},
        {"n": -1, "logits": [[0.0]] * 3},
        {"tiles": base64.b64encode(b"not compressed").decode()},
    ],
    ids=["none", "one logit", "a logit too many", "no logits", "logits of another shape", "damaged"],
)
def test_golden_tiles_that_prove_nothing_are_refused(tmp_path, changes):
    golden = json.dumps(json.loads(METADATA["golden"]) | changes)
    bundle = load_bundle(str(model_file(tmp_path / "m.onnx", golden=golden)))
    with pytest.raises(ModelError, match="are unusable"):
        golden_self_test(bundle, FakeBackend(), 4)


@pytest.mark.parametrize("key", ["format", "id", "tile_px", "calibration"])
def test_a_file_without_its_metadata_is_refused(tmp_path, key):
    with pytest.raises(ModelError):
        load_bundle(str(model_file(tmp_path / "m.onnx", **{key: None})))


def test_every_truncation_is_refused(tmp_path):
    whole = model_file(tmp_path / "m.onnx").read_bytes()
    cut = tmp_path / "cut.onnx"
    for size in [*range(1, 60), len(whole) // 2, len(whole) - 1]:
        cut.write_bytes(whole[:size])
        with pytest.raises(ModelError):
            load_bundle(str(cut))


def test_an_unknown_name_lists_the_shipped_models(monkeypatch, tmp_path):
    monkeypatch.setattr(bundles, "MODELS", tmp_path)
    model_file(tmp_path / "sem-9.onnx")
    assert load_bundle("sem-9").id == "test"
    with pytest.raises(ModelError) as refused:
        load_bundle("sem-8")
    assert "sem-9" in refused.value.remedy
