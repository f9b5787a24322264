"""Building blocks of StyleGAN2 (Karras et al., arXiv 1912.04958) as plain modules.

Equalised learning rate: weights are stored with unit variance and scaled when used, so that Adam moves all layers
alike. Resampling goes through the filter [1, 3, 3, 1], so that no frequency is folded onto another one. Modulation is
done on the activations instead of the weights, which is the same sum and needs no convolution per picture.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
GAIN = math.sqrt(2.0)
"""Of the leaky ReLU, so that it keeps the variance of its input."""


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU that keeps the second moment of normally distributed inputs (nearly)."""
    return F.leaky_relu(x, SLOPE) * GAIN


class EqualLinear(nn.Module):
    """Fully connected layer with equalised learning rate.

    Args:
        inputs: length of an input.
        outputs: length of an output.
        bias: first value of all biases.
        rate: factor on the learning rate of weights and biases.
    """

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        """Float [n, outputs] from [n, inputs]."""
        return F.linear(x, self.weight * self.scale, self.bias * self.rate)


class Fir(nn.Module):
    """The separable filter [1, 3, 3, 1] over zeros beyond the border.

    Args:
        gain: sum of the two-dimensional filter.
    """

    taps: Tensor

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("taps", gain * torch.outer(taps, taps)[None, None], persistent=False)

    def forward(self, x: Tensor, padding: int, stride: int = 1) -> Tensor:
        """Filtered [n, c, h', w'] with h' = (h + 2 * padding - 4) // stride + 1."""
        taps = self.taps.to(x.dtype).expand(x.shape[1], 1, 4, 4)
        return F.conv2d(x, taps, stride=stride, padding=padding, groups=x.shape[1])

    def doubled(self, x: Tensor) -> Tensor:
        """Zeros between the pixels, then filtered: [n, c, 2h, 2w]; a gain of 4 keeps the mean."""
        taps = self.taps.to(x.dtype).expand(x.shape[1], 1, 4, 4)
        return F.conv_transpose2d(x, taps, stride=2, padding=1, groups=x.shape[1])


class EqualConv(nn.Module):
    """Convolution with equalised learning rate; may halve the side, filtered before.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: side, 1 or 3.
        halves: whether the side is halved.
        bias: whether there is one.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, halves: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.kernel, self.fir = kernel, Fir() if halves else None

    def forward(self, x: Tensor) -> Tensor:
        """Float [n, outputs, h, w], or [n, outputs, h / 2, w / 2]."""
        weight = self.weight * self.scale
        if self.fir is None:
            return F.conv2d(x, weight, self.bias, padding=self.kernel // 2)
        if self.kernel == 1:
            return F.conv2d(self.fir(x, padding=1, stride=2), weight, self.bias)
        return F.conv2d(self.fir(x, padding=2), weight, self.bias, stride=2)


class StyledConv(nn.Module):
    """Convolution whose input channels are scaled per picture by a style, and whose outputs are brought back to unit
    variance by the weights that result (demodulation).

    Args:
        inputs: channels.
        outputs: channels.
        kernel: side, 1 or 3.
        style: length of the vector that the scales are an affine function of.
        doubles: whether the side is doubled, filtered afterwards.
        demodulates: off where a picture is made.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, style: int, doubles: bool = False, demodulates: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.affine = EqualLinear(style, inputs, bias=1.0)
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.kernel, self.demodulates, self.fir = kernel, demodulates, Fir(gain=4.0) if doubles else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Filter features by a style.

        Args:
            x: float [n, inputs, h, w].
            w: float32 [n, style], or [n, style, k, k] for styles that change smoothly over the picture.

        Returns:
            [n, outputs, h, w] or twice the side.
        """
        styles = self.affine(w.movedim(1, -1)).float().movedim(-1, 1)
        weight = self.weight * self.scale
        x = x * _spread(styles, x)
        if self.fir is None:
            x = F.conv2d(x, weight, padding=self.kernel // 2)
        else:
            # Zeros between the pixels, the kernel as it is, then the filter: one pass over a quarter of the values.
            x = self.fir(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), padding=1)
        if self.demodulates:
            power = styles.square().movedim(1, -1) @ weight.float().square().sum((2, 3)).T
            x = x * _spread(torch.rsqrt(power + 1e-8).movedim(-1, 1), x)
        return x


def _spread(factors: Tensor, x: Tensor) -> Tensor:
    """Factors [n, c] or [n, c, k, k] for features [n, c, h, w], interpolated between the middles of k x k cells."""
    if factors.ndim == 2:
        return factors[:, :, None, None].to(x.dtype)
    return F.interpolate(factors, x.shape[2:], mode="bilinear").to(x.dtype)


class Noise(nn.Module):
    """Adds white noise, the same for all channels, with a learned strength that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Features [n, c, h, w] with noise."""
        return x + self.strength.to(x.dtype) * torch.randn(len(x), 1, *x.shape[2:], device=x.device, dtype=x.dtype)


class MinibatchDeviation(nn.Module):
    """One more channel: how much the pictures of a group differ (Karras et al., arXiv 1710.10196).

    Args:
        group: most pictures in a group; the batch must be a multiple of it, or smaller.
    """

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """Float [n, c + 1, h, w]."""
        count, _, height, width = x.shape
        group = math.gcd(self.group, count)
        values = x.float().reshape(group, count // group, -1)
        deviation = (values.var(0, unbiased=False) + 1e-8).sqrt().mean(1)
        plane = deviation.repeat(group)[:, None, None, None].expand(-1, 1, height, width)
        return torch.cat([x, plane.to(x.dtype)], 1)
