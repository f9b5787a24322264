"""``npr64k``: differences between neighbouring pixels at every pixel, no early stride, a dense logit map.

The thesis network looks at one of the four grids of 2 x 2 cells only (Tan et al., arXiv 2312.10461), and halves the
picture in its first layer. Here first and second differences, as the residuals of steganalysis are (Fridrich &
Kodovsky, IEEE TIFS 2012), are taken at every pixel and mixed by a learned 3 x 3 convolution, so every phase of the grid
is seen. Both steps are linear: together they are *one* 5 x 5 convolution whose kernels sum to zero, and they are
computed as that one, in training too.

No convolution is padded. A cell of the evidence map therefore depends on the 36 x 36 pixels around it and on nothing
else, and is the same in a tile and in a larger picture (with local normalisation: away from the edges).
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RESIDUAL_SCALE = 1 / 16
"""Without local normalisation residuals are divided by 16 grey levels; a power of two, so nothing is rounded."""
BOX_CELLS = 7
"""Side of the box in which contrast is measured, in cells of 2 x 2 pixels: 14 px."""
FLOOR = 1.0
"""Added to the local mean squared difference, in squared grey levels: flat areas are not blown up."""


def residual_filters() -> Tensor:
    """The seven fixed filters, float32 [7, 1, 3, 3]; multiples of 1/4 that sum to zero.

    First differences to the right, below and along both diagonals, second differences along both axes, and the kernel
    that is a second difference in both.
    """
    filters = torch.zeros(7, 1, 3, 3)
    for index, (row, column) in enumerate(((1, 2), (2, 1), (2, 2), (2, 0))):
        filters[index, 0, 1, 1], filters[index, 0, row, column] = -1.0, 1.0
    second = torch.tensor([0.5, -1.0, 0.5])
    filters[4, 0, 1], filters[5, 0, :, 1] = second, second
    filters[6, 0] = -torch.outer(second, second)
    return filters


class Npr64k(nn.Module):
    """61,345 parameters as it ships; wider ones are teachers.

    Args:
        widths: channels of the first layer, at full resolution, of the second, at half, and of all others, at a
            quarter of the resolution.
        local: divide residuals by the local contrast instead of a constant.
        one_sided: features speak for a generated picture only, never against it: the last layer's weights are positive,
            so a cell cannot be outvoted below the bias by what looks genuine elsewhere.

    Attributes:
        cell_px: side of a cell of the evidence map.
        margin_px: what the evidence map leaves out on each side.
    """

    cell_px = 4

    def __init__(
        self, widths: tuple[int, ...] = (16, 32, 48, 48, 48), local: bool = False, one_sided: bool = False
    ) -> None:
        super().__init__()
        self.local, self.one_sided = local, one_sided
        self.margin_px = 4 * len(widths) - 4
        self.filters: Tensor
        self.register_buffer("filters", residual_filters(), persistent=False)
        mixing = nn.Conv2d(len(self.filters), widths[0], 3, bias=False)
        self.mixing = nn.Parameter(mixing.weight.detach().clone())
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, bias=False) for a, b in itertools.pairwise(widths))
        self.head = nn.Conv2d(widths[-1], 1, 1)
        if one_sided:
            nn.init.constant_(self.head.weight, -4.0)

    def forward(self, tiles: Tensor) -> Tensor:
        """Logits.

        Args:
            tiles: [n, 1, T, T] grey levels 0..255 in any floating type or uint8; T a multiple of 16, at least 64.

        Returns:
            float32 [n], positive where more like a generated picture.
        """
        return self.evidence(tiles).mean((1, 2))

    def evidence(self, tiles: Tensor) -> Tensor:
        """Evidence map [n, c, c] whose mean is the logit, with ``c = (T - 2 * margin_px) / cell_px``.

        Cell ``(i, j)`` stands for the 4 x 4 pixels from row ``margin_px + 4 * i`` and column ``margin_px + 4 * j``.
        """
        x = F.avg_pool2d(F.relu(self.norms[0](self.residuals(tiles)), inplace=True), 2)
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms[1:], strict=True)):
            x = F.relu(norm(conv(x)), inplace=True)
            if index == 0:
                x = F.avg_pool2d(x, 2)
        cells = F.conv2d(x, self.head_weight(), self.head.bias)
        return cells[:, 0].to(self.mixing.dtype)

    def head_weight(self) -> Tensor:
        """Weights of the last layer, [1, widths[-1], 1, 1]; positive if the network is one-sided."""
        return F.softplus(self.head.weight) if self.one_sided else self.head.weight

    def kernel(self) -> Tensor:
        """Differences and mixing as one convolution, [widths[0], 1, 5, 5]; every kernel sums to zero.

        It lies in memory channels last, which all that is computed with it inherits: a third less time in training.
        """
        return F.conv_transpose2d(self.mixing.contiguous(memory_format=torch.channels_last), self.filters)

    def residuals(self, tiles: Tensor) -> Tensor:
        """Mixed differences [n, widths[0], T - 4, T - 4], never in half precision.

        Half-precision weights would not sum to zero and let the brightness through. The contrast is one number for
        every 2 x 2 pixels: it is smooth, so dividing behind the linear mixing instead of before it changes little, and
        inference can divide after the first pooling (see :mod:`semscan.export.fold`).
        """
        with torch.autocast(tiles.device.type, enabled=False):
            x = tiles.to(self.mixing.dtype)
            mixed = F.conv2d(x, self.kernel() if self.local else self.kernel() * RESIDUAL_SCALE)
            if self.local:
                mixed = mixed * F.interpolate(contrast(x).rsqrt(), scale_factor=2.0, mode="nearest")
        dtype = mixed.dtype
        if torch.is_autocast_enabled(tiles.device.type):
            dtype = torch.get_autocast_dtype(tiles.device.type)
        return mixed.to(dtype)


def contrast(x: Tensor) -> Tensor:
    """Local mean squared difference plus :data:`FLOOR`, one number per 2 x 2 pixels.

    Args:
        x: float [n, 1, T, T] grey levels.

    Returns:
        [n, 1, T / 2 - 2, T / 2 - 2] in squared grey levels, of the pixels that a 5 x 5 kernel can be centred on; at
        the edges the box is cut off.
    """
    centre = x[..., 2:-2, 2:-2]
    right, below = x[..., 2:-2, 3:-1] - centre, x[..., 3:-1, 2:-2] - centre
    energy = F.avg_pool2d(right.square() + below.square(), 2) / 2
    reach = BOX_CELLS // 2
    for size, pad in (((BOX_CELLS, 1), (reach, 0)), ((1, BOX_CELLS), (0, reach))):
        energy = F.avg_pool2d(energy, size, 1, pad, count_include_pad=False)
    return energy + FLOOR
