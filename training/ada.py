"""Adaptive discriminator augmentation (Karras et al., arXiv 2006.06676): how strong, and which changes.

Each change is made with probability p and left out otherwise. As long as p stays below about 0.8, a distribution can
be told from its changed version, so the generator learns the unchanged pictures. The controller raises p while the
discriminator is too sure of the genuine pictures, and lowers it otherwise.

Geometry is anti-aliased: pictures are doubled by a windowed sinc (Kaiser, 12 taps; the paper takes a wavelet),
sampled there and brought back through the same filter, or the discriminator would recognise the interpolation.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TARGET = 0.6
"""Wanted mean sign of the discriminator's logits of genuine pictures, r_t."""

EVERY_STEPS = 4
"""Steps between changes of p."""

TRANSLATION, SCALE, BRIGHTNESS, CONTRAST, SATURATION = 0.125, 0.2, 0.2, 0.5, 1.0
"""Largest or standard amounts: share of the side, powers of two, and grey levels where the range is 2."""

_TAPS = 12


class AdaController(nn.Module):
    """Follows r_t and moves p by steps so small that p can go from 0 to 1 in ``kimg`` thousand pictures.

    Args:
        kimg: thousands of genuine pictures for the whole way; 500 in the paper.
    """

    p: Tensor
    signs: Tensor
    seen: Tensor

    def __init__(self, kimg: float = 500.0) -> None:
        super().__init__()
        self.kimg = kimg
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("signs", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(()))

    @torch.no_grad()
    def observe(self, step: int, real_logits: Tensor) -> None:
        """Note logits [n] of augmented genuine pictures; every fourth step p moves towards the target."""
        self.signs += real_logits.sign().sum()
        self.seen += len(real_logits)
        if (step + 1) % EVERY_STEPS == 0:
            rate = self.seen / (self.kimg * 1000)
            self.p.add_(torch.sign(self.signs / self.seen - TARGET) * rate).clamp_(0, 1)
            self.signs.zero_()
            self.seen.zero_()


class AdaAugment(nn.Module):
    """Blits, geometry and colour, differentiable with respect to the pictures.

    Blits (mirror, quarter turns, whole-pixel shifts) only move pixels and are exact. Grey pictures have no hue and
    no saturation.
    """

    taps: Tensor

    def __init__(self) -> None:
        super().__init__()
        at = (torch.arange(_TAPS) - (_TAPS - 1) / 2) / 2
        taps = torch.sinc(at) * torch.kaiser_window(_TAPS, periodic=False, beta=5.0)
        taps = taps / taps.sum()
        self.register_buffer("taps", torch.outer(taps, taps)[None, None], persistent=False)

    def forward(self, pictures: Tensor, p: float) -> Tensor:
        """Changed pictures, float32 [n, C, s, s] in about -1..1, each change made with probability ``p``."""
        if p <= 0:
            return pictures
        moved = self.geometry(self.blit(pictures, p), p)
        return self.colour(moved, p)

    def blit(self, x: Tensor, p: float) -> Tensor:
        """Mirror, quarter turns, shifts by whole pixels; the border is reflected."""
        count, _, side, _ = x.shape
        device = x.device
        mirror = _draw(torch.randint(2, (count, 1), device=device), p, 0)
        turns = _draw(torch.randint(4, (count,), device=device), p, 0)[:, None, None]
        reach = TRANSLATION * side
        shift = _draw((torch.rand(count, 2, device=device) * 2 - 1) * reach, p, 0.0).round().long()
        # Twice the distances from the centre, so that a quarter turn is a product of whole numbers.
        centred = (2 * torch.arange(side, device=device) - (side - 1))[None].expand(count, -1)
        y, x_flipped = centred[:, :, None], (centred * (1 - 2 * mirror))[:, None, :]
        cosine = torch.tensor([1, 0, -1, 0], device=device)[turns]
        sine = torch.tensor([0, 1, 0, -1], device=device)[turns]
        rows = (cosine * y - sine * x_flipped + side - 1) // 2
        columns = (sine * y + cosine * x_flipped + side - 1) // 2
        rows = _reflected(rows - shift[:, 0, None, None], side)
        columns = _reflected(columns - shift[:, 1, None, None], side)
        # Advanced indices around the channel slice put it last: [n, h, w, C].
        moved = x[torch.arange(count, device=device)[:, None, None], :, rows, columns]
        return moved.permute(0, 3, 1, 2)

    def geometry(self, x: Tensor, p: float) -> Tensor:
        """Scaling, rotation, stretching, shifts by fractions, anti-aliased; pictures without any stay as they are."""
        count, channels, side, _ = x.shape
        device = x.device
        turn = 1 - math.sqrt(1 - p)  # of two rotations at least one is made with probability p
        normal = torch.randn(4, count, device=device)
        zoom = _draw(torch.exp2(normal[0] * SCALE), p, 1.0)
        before = _draw((torch.rand(count, device=device) * 2 - 1) * math.pi, turn, 0.0)
        stretch = _draw(torch.exp2(normal[1] * SCALE), p, 1.0)
        after = _draw((torch.rand(count, device=device) * 2 - 1) * math.pi, turn, 0.0)
        # Coordinates run from -1 to 1, so a share of the side counts twice.
        shift = _draw(normal[2:].T * TRANSLATION * 2, p, 0.0)
        # From places in the result to places in the picture: the inverses, in the opposite order.
        matrix = _rotation(before) @ torch.diag_embed(torch.stack([1 / stretch, stretch], 1)) @ _rotation(after)
        matrix = matrix / zoom[:, None, None]
        offset = -(matrix @ shift[:, :, None])
        grid = F.affine_grid(torch.cat([matrix, offset], 2), [count, channels, 2 * side, 2 * side], align_corners=False)
        fine = F.grid_sample(self._doubled(x), grid, "bilinear", "reflection", align_corners=False)
        still = torch.eye(2, device=device).expand(count, 2, 2)
        is_still = (matrix == still).all((1, 2)) & (shift == 0).all(1)
        return torch.where(is_still[:, None, None, None], x, self._halved(fine))

    def colour(self, x: Tensor, p: float) -> Tensor:
        """Brightness, contrast, inversion of lightness and, for colour pictures, hue and saturation."""
        count, channels, _, _ = x.shape
        device = x.device
        normal = torch.randn(3, count, 1, 1, device=device)
        add = _draw(normal[0] * BRIGHTNESS, p, 0.0)
        factor = _draw(torch.exp2(normal[1] * CONTRAST), p, 1.0)
        invert = _draw(torch.randint(2, (count, 1, 1), device=device), p, 0)
        turn = _draw((torch.rand(count, 1, 1, device=device) * 2 - 1) * math.pi, p, 0.0)
        vivid = _draw(torch.exp2(normal[2] * SATURATION), p, 1.0)
        sign = 1.0 - 2.0 * invert
        if channels == 1:
            return (x + add[..., None]) * (factor * sign)[..., None]
        # Lightness is the axis (1, 1, 1): it is inverted; the plane across it is turned by the hue and stretched.
        axis = torch.full((3, 3), 1 / 3, device=device)
        across = torch.eye(3, device=device) - axis
        third = 1 / math.sqrt(3)
        cross = torch.tensor([[0.0, -third, third], [third, 0.0, -third], [-third, third, 0.0]], device=device)
        matrix = factor * (sign * axis + vivid * (torch.cos(turn) * across + torch.sin(turn) * cross))
        changed: Tensor = torch.einsum("nij,njhw->nihw", matrix, x + add[..., None])
        return changed

    def _doubled(self, x: Tensor) -> Tensor:
        """Twice the side; pixels of the result lie a quarter pixel beside those of ``x``."""
        taps = 4 * self.taps.expand(x.shape[1], 1, -1, -1)
        padded = F.pad(x, (3, 3, 3, 3), mode="reflect")
        return F.conv_transpose2d(padded, taps, stride=2, padding=11, groups=x.shape[1])

    def _halved(self, x: Tensor) -> Tensor:
        taps = self.taps.expand(x.shape[1], 1, -1, -1)
        return F.conv2d(F.pad(x, (5, 5, 5, 5), mode="reflect"), taps, stride=2, groups=x.shape[1])


def _draw(values: Tensor, p: float, none: float) -> Tensor:
    """Each row of ``values`` with probability ``p``, else the value that changes nothing."""
    shape = (len(values), *[1] * (values.ndim - 1))
    return torch.where(torch.rand(shape, device=values.device) < p, values, torch.full_like(values, none))


def _rotation(angle: Tensor) -> Tensor:
    """Matrices [n, 2, 2] from angles [n]."""
    sine, cosine = torch.sin(angle), torch.cos(angle)
    return torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)


def _reflected(index: Tensor, side: int) -> Tensor:
    """Indices beyond the border mirrored at its pixel, for overshoots of less than the side."""
    index = index.abs()
    return torch.where(index > side - 1, 2 * (side - 1) - index, index)
