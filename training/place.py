"""Where networks run: the device, its precision and its memory format."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn

from semscan.engine.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how networks run.

    Attributes:
        device: of all tensors.
        amp: whether :meth:`autocast` changes anything.
        compile: whether :meth:`prepare` compiles; on CUDA only.
    """

    device: torch.device
    amp: bool = False
    compile: bool = False

    def prepare(self, module: nn.Module, *, differentiated_twice: bool = False) -> nn.Module:
        """Move a network here; on CUDA channels last and, unless its gradients are differentiated, compiled.

        Compiling in place leaves the names in ``state_dict`` as they are. ``torch.compile`` knows no second
        derivatives, so networks under a gradient or path-length penalty stay eager.
        """
        module.to(self.device)
        if self.device.type == "cuda":
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
            if self.compile and not differentiated_twice:
                module.compile()
        return module

    def autocast(self) -> AbstractContextManager[None]:
        """For forward passes: bfloat16 where the recipe wants it. Needs no loss scaling, unlike float16."""
        context: AbstractContextManager[None] = torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp)
        return context


def find_place(device: str, amp: bool = False, compile_networks: bool = False) -> Place:
    """The device that a recipe names.

    Raises:
        DeviceError: CUDA is not there; training would take days on another device, so none is put in its place.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("the recipe wants CUDA and there is none", "--set training.device=cpu, or a _64 recipe")
    return Place(torch.device(device), amp, compile_networks)
