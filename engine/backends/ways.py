"""How a device is used beyond plain computing. What a runtime refuses is left out, and said; see ``selftest``."""

from __future__ import annotations

from dataclasses import dataclass

from semscan.engine.backends.choice import Choice


@dataclass(frozen=True, slots=True)
class Way:
    """How a runtime is to use a device; on the CPU there is one way only.

    Attributes:
        batch_size: tiles in the batches that will come. Batches of other sizes are scored too, but not as fast.
        nhwc: whether the channels of a pixel lie side by side, as tensor cores want them.
        graph: whether all that a batch of that size launches is recorded once as a CUDA graph, and replayed.
    """

    batch_size: int = 32
    nhwc: bool = False
    graph: bool = False

    @property
    def words(self) -> str:
        """For people; empty if it is plain."""
        parts = ["NHWC"] * self.nhwc + [f"a CUDA graph for batches of {self.batch_size}"] * self.graph
        return " and ".join(parts)


def ways(choice: Choice, batch_size: int) -> tuple[Way, ...]:
    """The ways to use the devices of a choice, from the fastest to the plain one, which is always the last."""
    plain = Way(batch_size)
    if choice.device == "cpu" or choice.backend == "tensorrt":  # which records graphs itself, for every batch size
        return (plain,)
    graph = Way(batch_size, graph=True)
    if choice.backend == "onnxruntime-tensorrt":  # where TensorRT chooses how channels lie
        return graph, plain
    return Way(batch_size, nhwc=True, graph=True), Way(batch_size, nhwc=True), graph, plain
