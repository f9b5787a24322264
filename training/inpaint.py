"""Local examples: one region of a genuine picture is made anew, the rest is genuine or nearly so (``inpaint``).

A diffusion model fills the region by RePaint (Lugmayr et al., arXiv 2201.09865): at every step what is known is put
back at the noise level of that step, and each step is repeated from a little more noise so that both sides agree. A
latent diffusion model does the same with latents. An autoencoder has no prior to fill a region from, so the latents of
another genuine picture are transplanted into it.

With ``restore`` the pixels outside the mask are afterwards copied from the genuine picture, bit for bit, as a careful
editor would. Without it they have gone through the network too: the last steps of the sampler, or the decoder, leave
their traces everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from semscan.engine.errors import UsageError
from semscan.training.crops import DataRecipe
from semscan.training.diffusion import Ddpm, Denoiser, Noise, sampler_step, visited
from semscan.training.latent import LatentDdpm
from semscan.training.nets.autoencoders import Autoencoder
from semscan.training.pictures import to_pixels, to_signed
from semscan.training.wide import LARGEST_PX


@dataclass(frozen=True, slots=True)
class InpaintRecipe:
    """Recipe of the system ``inpaint``; there is nothing to train in it, ``semscan synthesize`` takes it.

    Attributes:
        name: of the set.
        generator: checkpoint of a ``ddpm``, of a ``latent_ddpm`` or of an autoencoder.
        system: ``inpaint``.
        seed: everything random follows from it and from the number of the picture.
        size_px: side of a picture, at least that of the generator's training.
        data: the genuine pictures to change.
        restore: copy the genuine pixels outside the mask back.
        sampling_steps: of the diffusion sampler.
        repeats: times that each step of the sampler is done, RePaint's r.
        free_share: share of the last steps in which nothing known is put back, when ``restore`` is off.
        least_area: least share of a picture that is made anew.
        most_area: most of it.
    """

    name: str
    generator: str
    system: str = "inpaint"
    seed: int = 1
    size_px: int = 64
    data: DataRecipe = field(default_factory=DataRecipe)
    restore: bool = True
    sampling_steps: int = 25
    repeats: int = 3
    free_share: float = 0.1
    least_area: float = 0.08
    most_area: float = 0.35

    def __post_init__(self) -> None:
        if not 0 < self.least_area < self.most_area < 1 or not 0 <= self.free_share < 1:
            raise UsageError("least_area and most_area must rise between 0 and 1, free_share must be below 1")
        if min(self.sampling_steps, self.repeats) < 1 or self.size_px % 16 or not 32 <= self.size_px <= LARGEST_PX:
            raise UsageError(
                f"sampling_steps and repeats must be at least 1, size_px a multiple of 16 from 32 to {LARGEST_PX}"
            )


def draw_mask(rng: np.random.Generator, size: int, least: float, most: float) -> NDArray[np.bool_]:
    """A random region: an ellipse, a rectangle or a brush stroke.

    Args:
        rng: decides everything.
        size: side of the picture.
        least: least share of the picture.
        most: most of it.

    Returns:
        bool [size, size], true where the picture is to be made anew.
    """
    for _ in range(200):
        sheet = Image.new("1", (size, size))
        pen, kind = ImageDraw.Draw(sheet), rng.integers(3)
        if kind < 2:
            (left, right), (top, bottom) = (np.sort(rng.integers(0, size, 2)).tolist() for _ in range(2))
            (pen.ellipse if kind else pen.rectangle)((left, top, right, bottom), fill=1)
        else:
            stops = rng.uniform(0.1, 0.9, (int(rng.integers(2, 5)), 2)) * size
            width = int(rng.uniform(0.1, 0.3) * size)
            pen.line([(float(x), float(y)) for x, y in stops], fill=1, width=width, joint="curve")
        mask: NDArray[np.bool_] = np.array(sheet)
        if least <= mask.mean() <= most:
            return mask
    mask = np.zeros((size, size), bool)
    side = int(np.sqrt((least + most) / 2) * size)
    mask[:side, :side] = True
    return mask


@torch.no_grad()
def repaint(
    denoiser: Denoiser,
    known: Tensor,
    masks: Tensor,
    seeds: list[list[int]],
    *,
    steps: int,
    repeats: int,
    free_share: float,
) -> Tensor:
    """Fill regions with the ancestral sampler (arXiv 2201.09865, algorithm 1).

    Args:
        denoiser: a trained noise predictor; its averaged network is used.
        known: genuine pictures or latents, float [n, c, h, w].
        masks: float [n, 1, h, w], 1 where ``known`` is to be replaced.
        seeds: one for each picture; its noise follows from that alone.
        steps: time steps that are visited.
        repeats: times that each is done.
        free_share: share of the last steps in which ``known`` is not put back.

    Returns:
        like ``known``.
    """
    noise = Noise(seeds, known.shape[1:], known.device)
    kept, times = denoiser.kept, visited(steps, len(denoiser.kept))
    free_from = len(times) - round(free_share * len(times))
    x = noise.draw()
    for index, (now, then) in enumerate(zip(times, [*times[1:], -1], strict=True)):
        share = kept[then] if then >= 0 else kept.new_ones(())
        for again in reversed(range(repeats if then >= 0 and index < free_from else 1)):
            x = sampler_step(denoiser.predict, x, now, then, kept, eta=1.0, noise=noise.draw(), bound=denoiser.bound)
            if index < free_from:
                x = masks * x + (1 - masks) * (share.sqrt() * known + (1 - share).sqrt() * noise.draw())
            if again:
                part = kept[now] / share
                x = part.sqrt() * x + (1 - part).sqrt() * noise.draw()
    return x


@torch.no_grad()
def inpaint(
    generator: Ddpm | LatentDdpm | Autoencoder, recipe: InpaintRecipe, genuine: NDArray[np.uint8], first: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Make a region of each picture anew.

    Args:
        generator: trained, in evaluation mode.
        recipe: how.
        genuine: uint8 [n, 1, size, size], as the generator takes them.
        first: number of the first picture, which its mask and noise follow from.

    Returns:
        the changed pictures, like ``genuine``, and the masks, bool [n, size, size].
    """
    size = genuine.shape[-1]
    seeds = [[recipe.seed, first + index] for index in range(len(genuine))]
    masks = np.stack(
        [draw_mask(np.random.default_rng([*s, 1]), size, recipe.least_area, recipe.most_area) for s in seeds]
    )
    real = to_signed(genuine, torch.device("cpu"))
    replaced = torch.from_numpy(masks[:, None]).float()
    if isinstance(generator, Autoencoder):
        torch.manual_seed(int(np.random.SeedSequence(seeds[0]).generate_state(1)[0]))
        latent = generator.bottleneck(generator.encoder(real))[0]
        region = F.adaptive_max_pool2d(replaced, latent.shape[-2:])
        made = generator.decoder(region * latent.roll(1, 0) + (1 - region) * latent)
    else:
        device = generator.denoiser.place.device
        real, replaced = real.to(device), replaced.to(device)
        options = {"steps": recipe.sampling_steps, "repeats": recipe.repeats}
        free = 0.0 if recipe.restore else recipe.free_share
        if isinstance(generator, LatentDdpm):
            torch.manual_seed(int(np.random.SeedSequence(seeds[0]).generate_state(1)[0]))
            latent = generator.space.encode(real)
            region = F.adaptive_max_pool2d(replaced, latent.shape[-2:])
            latent = repaint(generator.denoiser, latent, region, seeds, **options, free_share=free)
            made = generator.space.decode(latent)
        else:
            made = repaint(generator.denoiser, real, replaced, seeds, **options, free_share=free)
    pixels = to_pixels(made)
    if recipe.restore:
        pixels = np.where(masks[:, None], pixels, genuine)
    return pixels, masks


def train_inpaint(path: Path, *_: object) -> NoReturn:
    """Refuse: the generator is trained by a recipe of its own.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        f"{path.stem} trains nothing: it uses a generator that another recipe trains",
        f"train that one, then `semscan synthesize {path.stem} -o DIR`",
    )
