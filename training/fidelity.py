"""How close generated tiles come to genuine ones, and whether they repeat what the generator was trained on.

* Distances from each generated tile to genuine ones that trained the generator and to genuine ones that it never saw:
  a generator that repeats its training pictures is closer to the first (the thesis' figures 4.2 and 4.4). Once as mean
  squared error, once as LPIPS (arXiv 1801.03924), or as the plain substitute of
  :func:`semscan.training.perceptual.pyramid_loss` where LPIPS' weights are not at hand. The result says which.
* Radially averaged power spectra (Durall et al., arXiv 2003.01826).
* Kernel and Frechet distances (arXiv 1801.01401 and 1706.08500) of features of our own autoencoder's encoder, which
  compare with each other only; and of Inception's, where its weights are at hand.
* How well the smoothness of a tile alone tells generated from genuine, as an AUC: near .5 is what a good one reaches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from semscan.engine.smoothness import smoothness
from semscan.training.inception import Inception
from semscan.training.metrics import auc
from semscan.training.nets.autoencoders import Autoencoder
from semscan.training.perceptual import PYRAMID_LEVELS, Lpips
from semscan.training.pictures import to_signed

Floats = NDArray[np.float64]
Tiles = NDArray[np.uint8]

SUBSTITUTE = "pyramid of grey levels and slopes, in place of LPIPS"
LPIPS = "LPIPS, VGG-16"


@dataclass(frozen=True, slots=True)
class Nearness:
    """Distances from each generated tile to one set of genuine tiles.

    Attributes:
        least: float64 [n], to the nearest.
        mean: float64 [n], to all.
    """

    least: Floats
    mean: Floats


@dataclass(frozen=True, slots=True)
class InceptionDistances:
    """Kernel and Frechet distances as other people report them, of features as they are.

    Attributes:
        network: which one, see :class:`semscan.training.inception.Inception`.
        kid: squared kernel distance to genuine tiles, times 1000.
        kid_floor: the same of as many other genuine tiles.
        fid: Frechet distance to genuine tiles; for fewer tiles than the 2048 features its floor is high.
        fid_floor: the same of as many other genuine tiles.
    """

    network: str
    kid: float
    kid_floor: float
    fid: float
    fid_floor: float


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Everything measured of one set of generated tiles.

    Attributes:
        perceptual: what the perceptual distance is.
        mse_trained: mean squared error, in squared grey levels, to tiles of the pictures trained on.
        mse_unseen: to tiles of pictures never seen.
        seen_trained: perceptual distance to tiles of the pictures trained on.
        seen_unseen: to tiles of pictures never seen.
        spectrum: float64 [size / 2], mean log10 power of the generated tiles by frequency.
        spectrum_genuine: the same of genuine tiles of the split trained on.
        kid: squared kernel distance to genuine tiles, times 1000.
        kid_floor: the same of as many other genuine tiles.
        fid: Frechet distance to genuine tiles.
        fid_floor: the same of as many other genuine tiles.
        smoothness_auc: chance that a generated tile is rougher than a genuine one.
        inception: distances of Inception's features, where its weights are at hand.
    """

    perceptual: str
    mse_trained: Nearness
    mse_unseen: Nearness
    seen_trained: Nearness
    seen_unseen: Nearness
    spectrum: Floats
    spectrum_genuine: Floats
    kid: float
    kid_floor: float
    fid: float
    fid_floor: float
    smoothness_auc: float
    inception: InceptionDistances | None = None

    @property
    def high_excess_db(self) -> float:
        """Power of the generated tiles over the genuine ones' in the upper half of the frequencies, in decibels."""
        half = len(self.spectrum) // 2
        return float(10 * (self.spectrum[half:] - self.spectrum_genuine[half:]).mean())


def measure(
    made: Tiles,
    trained: Tiles,
    again: Tiles,
    unseen: Tiles,
    encoder: Autoencoder,
    lpips: Lpips | None,
    inception: Inception | None = None,
) -> Fidelity:
    """Measure one set of generated tiles.

    Args:
        made: uint8 [n, 1, s, s], generated.
        trained: genuine tiles of the pictures trained on, drawn as for the training.
        again: another draw of the same; as many as generated tiles are used for the floors.
        unseen: genuine tiles of pictures that the generator never saw.
        encoder: a trained autoencoder for the features.
        lpips: with weights, or ``None`` for the substitute.
        inception: with weights, or ``None`` to leave its distances out.
    """
    look: Callable[[Tiles, Tiles], Floats] = (
        pyramid_distances if lpips is None else lambda a, b: lpips_distances(lpips, a, b)
    )
    compared = (made, trained, again[: len(made)])
    features = [encoder_features(encoder, tiles) for tiles in compared]
    # Features of very different size would leave the distances to the largest few.
    features = [(x - features[1].mean(0)) / features[1].std(0).clip(1e-9) for x in features]
    rough = [np.array([smoothness(tile[0]) for tile in tiles]) for tiles in (trained, made)]
    return Fidelity(
        SUBSTITUTE if lpips is None else LPIPS,
        _nearness(squared_errors(made, trained)),
        _nearness(squared_errors(made, unseen)),
        _nearness(look(made, trained)),
        _nearness(look(made, unseen)),
        radial_spectrum(made),
        radial_spectrum(trained),
        *_distances(features),
        auc(rough[0], rough[1]),
        InceptionDistances(inception.name, *_distances([inception.features(x) for x in compared]))
        if inception
        else None,
    )


def squared_errors(first: Tiles, second: Tiles) -> Floats:
    """Mean squared error in squared grey levels of every pair, [n, m]."""
    a, b = (tiles.reshape(len(tiles), -1).astype(np.float64) for tiles in (first, second))
    pairs = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    errors: Floats = np.maximum(pairs, 0) / a.shape[1]
    return errors


def pyramid_distances(first: Tiles, second: Tiles) -> Floats:
    """:func:`semscan.training.perceptual.pyramid_loss` of every pair, [n, m]."""
    a, b = (_pyramid(to_signed(tiles, torch.device("cpu"))) for tiles in (first, second))
    pairs: Floats = torch.cdist(a, b, p=1).double().numpy()
    return pairs


@torch.no_grad()
def lpips_distances(net: Lpips, first: Tiles, second: Tiles) -> Floats:
    """LPIPS of every pair, [n, m]: the squared distance of weighted features, summed stage by stage."""
    here = [(to_signed(t, torch.device("cpu")).expand(-1, 3, -1, -1) - net.shift) / net.scale for t in (first, second)]
    total = torch.zeros(len(first), len(second))
    for stage, linear in zip(net.stages, net.linears, strict=True):
        here = [torch.cat([stage(part) for part in torch.split(x, 16)]) for x in here]
        area = here[0].shape[2] * here[0].shape[3]
        a, b = ((F.normalize(x, dim=1, eps=1e-10) * (linear.clamp(min=0) / area).sqrt()).flatten(1) for x in here)
        total += torch.cdist(a, b).square()
    pairs: Floats = total.double().numpy()
    return pairs


def radial_spectrum(tiles: Tiles) -> Floats:
    """Mean log10 power by distance from the zero frequency, of tiles under a Hann window.

    Returns:
        float64 [s / 2]; element k holds the frequencies of k to k + 1 cycles per tile.
    """
    size = tiles.shape[-1]
    window = np.outer(*(np.hanning(size + 2)[1:-1],) * 2)
    planes = tiles[:, 0].astype(np.float64)
    planes = (planes - planes.mean((1, 2), keepdims=True)) * window
    power = np.abs(np.fft.fft2(planes)) ** 2 / (window**2).sum()
    cycles = np.fft.fftfreq(size, 1 / size)
    radius = np.hypot(cycles[:, None], cycles[None]).astype(int)
    inside = radius < size // 2
    counts = np.bincount(radius[inside], minlength=size // 2)
    rings = np.stack([np.bincount(radius[inside], plane[inside], minlength=size // 2) for plane in power]) / counts
    spectrum: Floats = np.log10(rings + 1e-3).mean(0)
    return spectrum


@torch.no_grad()
def encoder_features(encoder: Autoencoder, tiles: Tiles) -> Floats:
    """Mean and deviation over the tile of the activations of the encoder's last two levels, [n, features]."""
    x, found = to_signed(tiles, torch.device("cpu")), []
    levels = [i for i, layer in enumerate(encoder.encoder) if getattr(layer, "stride", None) == (2, 2)]
    wanted = {*levels[-1:], len(encoder.encoder) - 1}
    for index, layer in enumerate(encoder.encoder):
        if index in wanted:
            found += [x.mean((2, 3)), x.std((2, 3))]
        x = layer(x)
    features: Floats = torch.cat(found, 1).double().numpy()
    return features


def kernel_distance(first: Floats, second: Floats) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / d + 1)^3 (arXiv 1801.01401)."""
    size = first.shape[1]
    one, two, both = ((x @ y.T / size + 1) ** 3 for x, y in ((first, first), (second, second), (first, second)))
    within = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (one, two))
    return float(within - 2 * both.mean())


def frechet_distance(first: Floats, second: Floats) -> float:
    """Of two normal distributions fitted to features (arXiv 1706.08500); too large for few tiles, like its floor."""
    shift = first.mean(0) - second.mean(0)
    covariances = [np.cov(x, rowvar=False) for x in (first, second)]
    # The trace of the root of a product of two positive matrices is the sum of the roots of its eigenvalues.
    roots = np.sqrt(np.maximum(np.linalg.eigvals(covariances[0] @ covariances[1]).real, 0)).sum()
    return float(shift @ shift + sum(np.trace(c) for c in covariances) - 2 * roots)


def _distances(features: list[Floats]) -> tuple[float, float, float, float]:
    """KID times 1000 and its floor, FID and its floor, from features of generated, genuine and other genuine tiles."""
    made, genuine, others = features
    return (
        1000 * kernel_distance(made, genuine),
        1000 * kernel_distance(others, genuine),
        frechet_distance(made, genuine),
        frechet_distance(others, genuine),
    )


def _nearness(pairs: Floats) -> Nearness:
    return Nearness(pairs.min(1), pairs.mean(1))


def _pyramid(x: Tensor) -> Tensor:
    """Numbers whose absolute differences sum to the pyramid's distance, [n, numbers]."""
    parts = []
    for level in range(PYRAMID_LEVELS):
        if level:
            x = F.avg_pool2d(x, 2)
        for part in (x, torch.diff(x, dim=2), torch.diff(x, dim=3)):
            parts.append(part.flatten(1) / (part[0].numel() * PYRAMID_LEVELS))
    return torch.cat(parts, 1)
