"""The networks of CycleGAN: a residual image-to-image generator and a discriminator of overlapping patches.

Zhu et al., arXiv 1703.10593: two strided convolutions down, six or nine residual blocks, two transposed convolutions
up, instance normalisation, reflected borders; each logit of the discriminator looks at 70 x 70 pixels (Isola et al.,
arXiv 1611.07004).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResnetGenerator(nn.Module):
    """From a picture of one domain to one of the other.

    Args:
        channels: of the pictures, 1 or 3.
        width: channels at full resolution.
        blocks: residual blocks at a quarter of the side; 6 up to 128 pixels and 9 above, as in the paper.
        skip: add the picture to what the layers make of it. Instance normalisation forgets how bright a picture is and
            how strong its contrast, which small crops of micrographs differ in; the paper has no such skip.
    """

    def __init__(self, channels: int = 1, width: int = 64, blocks: int = 9, skip: bool = False) -> None:
        super().__init__()
        self.skip = skip
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(channels, width, 7, bias=False)]
        layers += [nn.InstanceNorm2d(width), nn.ReLU()]
        for inputs in (width, 2 * width):
            layers += [nn.Conv2d(inputs, 2 * inputs, 3, 2, 1, bias=False), nn.InstanceNorm2d(2 * inputs), nn.ReLU()]
        layers += [_Residual(4 * width) for _ in range(blocks)]
        for inputs in (4 * width, 2 * width):
            layers += [nn.ConvTranspose2d(inputs, inputs // 2, 3, 2, 1, output_padding=1, bias=False)]
            layers += [nn.InstanceNorm2d(inputs // 2), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, channels, 7), nn.Tanh())
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Translate float [n, c, h, w] in -1..1, sides multiples of 4, to the same shape; with ``skip`` in -2..2."""
        out: Tensor = self.body(image)
        return image + out if self.skip else out


class PatchDiscriminator(nn.Module):
    """Least-squares logits of overlapping 70 x 70 patches.

    Args:
        channels: of the pictures.
        width: channels of the first layer; the next have 2, 4 and 8 times as many.
    """

    def __init__(self, channels: int = 1, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for inputs, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
            layers += [nn.Conv2d(inputs, 2 * inputs, 4, stride, 1, bias=False)]
            layers += [nn.InstanceNorm2d(2 * inputs), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Logits [n, 1, h / 8 - 2, w / 8 - 2] of float [n, c, h, w]; 1 means genuine."""
        logits: Tensor = self.body(image)
        return logits


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for last in (nn.ReLU(), nn.Identity()):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=False), nn.InstanceNorm2d(width), last]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


@torch.no_grad()
def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
