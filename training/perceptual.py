"""How different two pictures look: LPIPS where its weights are at hand, and a plain substitute where not.

LPIPS (Zhang et al., CVPR 2018, arXiv 1801.03924): distances of normalised VGG-16 features (Simonyan and Zisserman,
arXiv 1409.1556), weighted by 1 x 1 layers that were fitted to human judgements. The weights are other people's and
are never fetched from here; see :class:`Lpips` for the files.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semscan.engine.errors import UsageError

VGG_FILE, LINEAR_FILE = "vgg16.pth", "lpips_vgg.pth"
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Widths of the convolutions of VGG-16 between its five poolings."""

PYRAMID_LEVELS = 4


class Lpips(nn.Module):
    """Learned perceptual distance, version 0.1 with VGG-16.

    Args:
        folder: holds ``vgg16.pth`` (torchvision's state dictionary, keys ``features.N.weight``) and
            ``lpips_vgg.pth`` (the ``lpips`` package's, keys ``linN.model.1.weight``).

    Raises:
        UsageError: a file is missing or holds something else.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        self.linears = nn.ParameterList()
        vgg, linear = (_read(folder / name) for name in (VGG_FILE, LINEAR_FILE))
        inputs, index = 3, 0
        for level, widths in enumerate(STAGES):
            layers: list[nn.Module] = [nn.MaxPool2d(2)] if level else []
            index += 1 if level else 0
            for width in widths:
                conv = nn.Conv2d(inputs, width, 3, padding=1)
                _fill(conv.weight, vgg, f"features.{index}.weight")
                _fill(conv.bias, vgg, f"features.{index}.bias")
                layers += [conv, nn.ReLU()]
                inputs, index = width, index + 2
            self.stages.append(nn.Sequential(*layers))
            self.linears.append(nn.Parameter(torch.empty(1, inputs, 1, 1)))
            _fill(self.linears[-1], linear, f"lin{level}.model.1.weight")
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450])[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Mean distance, a scalar, of float pictures [n, C, h, w] in -1..1; grey ones are taken three times."""
        return self.distances(first, second).mean()

    def distances(self, first: Tensor, second: Tensor) -> Tensor:
        """Distance of each pair, float [n]."""
        a, b = ((x.expand(-1, 3, -1, -1) - self.shift) / self.scale for x in (first, second))
        total = torch.zeros(len(first), device=first.device)
        for stage, linear in zip(self.stages, self.linears, strict=True):
            a, b = stage(a), stage(b)
            difference = (F.normalize(a, dim=1, eps=1e-10) - F.normalize(b, dim=1, eps=1e-10)).square()
            total = total + (difference * linear).sum(1).mean((1, 2))
        return total


def pyramid_loss(first: Tensor, second: Tensor) -> Tensor:
    """The substitute: mean absolute differences of grey levels and of their slopes on four halved scales, a scalar.

    Slopes are first differences to the right and down. Nothing in it was learned, so it asks for sharp edges in the
    right place but knows nothing of texture.
    """
    total = torch.zeros((), device=first.device)
    for level in range(PYRAMID_LEVELS):
        if level:
            first, second = F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)
        total = total + F.l1_loss(first, second)
        for axis in (2, 3):
            total = total + F.l1_loss(torch.diff(first, dim=axis), torch.diff(second, dim=axis))
    return total / PYRAMID_LEVELS


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UsageError(f"{path} is missing", "LPIPS needs it; leave `lpips` empty to train with the substitute")
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


@torch.no_grad()
def _fill(parameter: Tensor | None, state: dict[str, Tensor], key: str) -> None:
    if parameter is None or key not in state or state[key].shape != parameter.shape:
        raise UsageError(f"the LPIPS weights lack {key} or hold it in another shape")
    parameter.copy_(state[key])
