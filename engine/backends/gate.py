"""The small network of the SEM-or-not gate: run inside the workers, on one thread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semscan.engine.backends.onnxruntime import open_session
from semscan.engine.errors import ModelError


class GateNetwork:
    """An open ``kind-N.onnx``.

    Args:
        path: the file.

    Attributes:
        width: how many numbers it takes.
        metadata: what is stored in the file beside the network.

    Raises:
        DeviceError: ONNX Runtime is missing, or two distributions of it overwrite each other.
        ModelError: the runtime refuses the file, or it takes something else.
    """

    def __init__(self, path: Path) -> None:
        self._session = open_session(path)
        shapes = {entry.name: entry.shape for entry in self._session.get_inputs()}
        if list(shapes) != ["numbers"]:
            raise ModelError(f"{path} takes {', '.join(shapes)}, not numbers", "reinstall semscan")
        self.width = int(shapes["numbers"][1])
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def probabilities(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score one panel.

        Args:
            numbers: float32 [f], what was measured of it.

        Returns:
            float32 [kinds], summing to 1.
        """
        (shares,) = self._session.run(["probabilities"], {"numbers": numbers[None]})
        return np.asarray(shares[0], np.float32)
