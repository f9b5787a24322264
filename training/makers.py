"""Where the made members of the detector's pairs come from, by family: the one list of what it may learn from.

A maker's name is ``family/origin``, for example ``gan/fastgan_64``, ``vae/autoencoders/fir`` or
``inpaint/repaint/ddpm_64``, so a prefix of names leaves out a generator, a group of related ones or a whole family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from semscan.engine.errors import UsageError
from semscan.training.autoencoders import load_autoencoder, reconstruct, to_signed
from semscan.training.inpaint import draw_mask, repaint
from semscan.training.loop import load_trainee
from semscan.training.nets.autoencoders import UPSAMPLERS, Autoencoder, AutoencoderSpec
from semscan.training.packs import list_packs, read_pack
from semscan.training.pictures import to_pixels
from semscan.training.rundir import load_checkpoint

FAMILIES = ("gan", "vae", "diffusion", "translation", "inpaint", "untrained")
FAMILY_OF = {
    "dcgan": "gan",
    "fastgan": "gan",
    "stylegan2_ada": "gan",
    "blotgan": "gan",
    "ddpm": "diffusion",
    "latent_ddpm": "diffusion",
    "cyclegan": "translation",
}
LEAST_REGION, MOST_REGION = 0.4, 0.9
"""Share of a picture that an inpainting makes anew: most of every tile, whose logit is a mean."""

LEAST_SPREAD = 3.0
"""Pictures of packs with a smaller standard deviation, in grey levels, show nothing."""

Picture = NDArray[np.uint8]
Make = Callable[[Picture, Picture, np.random.Generator], tuple[Picture, NDArray[np.bool_] | None]]
"""From a genuine crop, another one and a source of randomness to a made picture of the first one's size, and where it
is made if not everywhere."""


@dataclass(frozen=True, slots=True)
class MakerSource:
    """A maker that is not loaded yet, so that it can be sent to a process.

    Attributes:
        name: ``family/origin``.
        kind: ``pack``, ``autoencoder``, ``untrained``, ``translation``, ``transplant`` or ``repaint``.
        paths: packs or checkpoints; for ``untrained`` the up-sampler's name.
        side_px: side of the pictures it makes; 0 makes them as large as the genuine crop.
    """

    name: str
    kind: str
    paths: tuple[str, ...]
    side_px: int = 0

    @property
    def family(self) -> str:
        """One of :data:`FAMILIES`."""
        return self.name.split("/")[0]


def find_makers(
    autoencoders: Sequence[str],
    packs: Sequence[str],
    translations: Sequence[str],
    inpainters: Sequence[str],
    *,
    leave_out: Sequence[str] = (),
    least_px: int = 0,
) -> list[MakerSource]:
    """Everything there is to learn from, by name.

    Args:
        autoencoders: run folders; each decoder also transplants its latents between pictures.
        packs: folders of packs whose generators saw the train split only.
        translations: checkpoints of ``cyclegan``.
        inpainters: checkpoints of ``ddpm`` that fill regions.
        leave_out: prefixes of names.
        least_px: packs of smaller tiles are left out.

    Raises:
        UsageError: a run holds no autoencoder, a file is missing, or a generator of a pack saw other pictures.
    """
    found = [MakerSource(f"untrained/{up}", "untrained", (up,)) for up in UPSAMPLERS]
    for run in autoencoders:
        paths = sorted(Path(run).glob("*.pt"))
        if not paths:
            raise UsageError(f"no autoencoder checkpoint in {run}", f"semscan train autoencoders {Path(run).name}")
        for path in paths:
            name = f"{Path(run).name}/{path.stem}"
            found.append(MakerSource(f"vae/{name}", "autoencoder", (str(path),)))
            if f"vae/{name}".startswith(tuple(leave_out)) and leave_out:
                continue  # What is left out for being too faithful is no use as a transplant either.
            found.append(MakerSource(f"inpaint/transplant/{name}", "transplant", (str(path),)))
    found += _from_packs([path for folder in packs for path in list_packs(Path(folder))], least_px)
    for kind, family, checkpoints in (
        ("translation", "translation", translations),
        ("repaint", "inpaint/repaint", inpainters),
    ):
        for checkpoint in checkpoints:
            name = load_checkpoint(Path(checkpoint)).get("recipe", {}).get("name")
            if name is None:
                raise UsageError(f"{checkpoint} is no checkpoint of a generator")
            found.append(MakerSource(f"{family}/{name}", kind, (checkpoint,)))
    return sorted((m for m in found if not m.name.startswith(tuple(leave_out))), key=lambda m: m.name)


def _from_packs(paths: Sequence[Path], least_px: int) -> list[MakerSource]:
    by_name: dict[tuple[str, int], list[str]] = {}
    for path in paths:
        pack = read_pack(path)
        side = min(pack.tiles.shape[-2:])
        family = FAMILY_OF.get(pack.manifest["system"])
        if family is None or pack.masks is not None or side < least_px or pack.tiles.shape[1] != 1:
            continue
        if pack.manifest["trained_on"] not in ("train", "composed"):
            raise UsageError(
                f"{path} is of a generator trained on the {pack.manifest['trained_on']} split",
                "the detector learns from generators of the train split only",
            )
        by_name.setdefault((f"{family}/{pack.manifest['generator']}", side), []).append(str(path))
    return [MakerSource(name, "pack", tuple(found), side) for (name, side), found in by_name.items()]


def open_maker(source: MakerSource) -> Make:
    """Load a maker."""
    opened: dict[str, Callable[[MakerSource], Make]] = {
        "pack": _open_pack,
        "autoencoder": _open_autoencoder,
        "untrained": _open_untrained,
        "translation": _open_translation,
        "transplant": _open_transplant,
        "repaint": _open_repaint,
    }
    return opened[source.kind](source)


def _open_pack(source: MakerSource) -> Make:
    tiles = np.concatenate([read_pack(Path(path)).tiles[:, 0] for path in source.paths])
    tiles = tiles[tiles.std((1, 2)) >= LEAST_SPREAD]
    if not len(tiles):
        raise UsageError(f"the pictures of {source.name} show nothing")

    def make(_: Picture, __: Picture, rng: np.random.Generator) -> tuple[Picture, None]:
        return tiles[int(rng.integers(len(tiles)))], None

    return make


def _open_autoencoder(source: MakerSource) -> Make:
    model = load_autoencoder(Path(source.paths[0]))

    def make(genuine: Picture, _: Picture, rng: np.random.Generator) -> tuple[Picture, None]:
        return reconstruct(model, genuine, int(rng.integers(2**31))), None

    return make


def _open_untrained(source: MakerSource) -> Make:
    """Decoders with random weights: each picture gets one of its own, fed with the means of the genuine picture."""

    def make(genuine: Picture, _: Picture, rng: np.random.Generator) -> tuple[Picture, None]:
        spec = AutoencoderSpec(
            source.paths[0],
            depth=int(rng.integers(1, 4)),
            latent=8,
            width=int(rng.choice([8, 16])),
            norm=str(rng.choice(["none", "group"])),
            act=str(rng.choice(["relu", "leaky", "silu"])),
        )
        torch.manual_seed(int(rng.integers(2**31)))
        model = Autoencoder(spec).eval()
        with torch.inference_mode():
            means = F.avg_pool2d(to_signed(genuine[None, None]), 2**spec.depth)
            latent = means * torch.randn(1, spec.latent, 1, 1) + float(rng.uniform(0, 0.5)) * torch.randn(
                1, spec.latent, *means.shape[-2:]
            )
            out = model.decoder(latent)[0, 0]
        spread = float(out.std())
        return _pixels((out - out.mean()) / (spread if spread > 0 else 1.0) / 3), None

    return make


def _open_translation(source: MakerSource) -> Make:
    trainee: Any = load_trainee(Path(source.paths[0]))

    def make(genuine: Picture, _: Picture, rng: np.random.Generator) -> tuple[Picture, None]:
        made: Picture = trainee.translate(genuine[None, None], "ab"[int(rng.integers(2))])[0, 0]
        return made, None

    return make


def _open_transplant(source: MakerSource) -> Make:
    """The latents of another picture replace those of a region; outside of it the pixels stay genuine."""
    model = load_autoencoder(Path(source.paths[0]))

    def make(genuine: Picture, other: Picture, rng: np.random.Generator) -> tuple[Picture, NDArray[np.bool_]]:
        mask = _region(genuine, rng)
        torch.manual_seed(int(rng.integers(2**31)))
        with torch.inference_mode():
            own, foreign = (model.bottleneck(model.encoder(to_signed(x[None, None])))[0] for x in (genuine, other))
            region = F.adaptive_max_pool2d(torch.from_numpy(mask[None, None]).float(), own.shape[-2:])
            made = _pixels(model.decoder(region * foreign + (1 - region) * own)[0, 0])
        return np.where(mask, made, genuine), mask

    return make


def _open_repaint(source: MakerSource) -> Make:
    """A diffusion model fills the region, with few steps: what counts here is its texture."""
    trainee: Any = load_trainee(Path(source.paths[0]))

    def make(genuine: Picture, _: Picture, rng: np.random.Generator) -> tuple[Picture, NDArray[np.bool_]]:
        mask = _region(genuine, rng)
        seeds = [[int(rng.integers(2**31)), 0]]
        known, replaced = to_signed(genuine[None, None]), torch.from_numpy(mask[None, None]).float()
        made = repaint(trainee.denoiser, known, replaced, seeds, steps=14, repeats=1, free_share=0.0)
        return np.where(mask, to_pixels(made)[0, 0], genuine), mask

    return make


def _region(genuine: Picture, rng: np.random.Generator) -> NDArray[np.bool_]:
    side = max(genuine.shape)
    return draw_mask(rng, side, LEAST_REGION, MOST_REGION)[: genuine.shape[0], : genuine.shape[1]]


def _pixels(signed: torch.Tensor) -> Picture:
    pixels: Picture = ((signed + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    return pixels
